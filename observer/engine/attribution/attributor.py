"""The question about one incident: what a tick sees, cut down to whoever can affect the service in question."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from observer.domain.attribution import AffectedService, Attribution, AttributionInputs, Measure
from observer.domain.cluster import ClusterView, Pod
from observer.domain.graph import CallGraph, Edge
from observer.domain.ids import ServiceRef
from observer.domain.reasons import Reason
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Culprit, CulpritKind, Judgement, Suspect, Symptom
from observer.domain.traces import Span, TraceSet
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.calls import union
from observer.engine.attribution.posterior import changes_of, seats_of

_MEASURE: Final = {
    Symptom.ERRORS: Measure.ERROR_RATE,
    Symptom.UNREACHED: Measure.ERROR_RATE,
    Symptom.LATENCY: Measure.LATENCY,
}
_SLACK: Final = 5.0
"""Seconds: an onset is estimated, so traces so shortly before it belong to neither side."""


class Attributor:
    """
    Attributes what suspects are suspected of; lives as long as the tick that it reads.

    Each suspect is asked about alone: that another pod of the same service is sick too explains nothing of this one,
    so peers under suspicion are no rivals here. Pods, revisions, nodes, callees and the ways to them are.
    """

    def __init__(self, snapshot: Snapshot, judgement: Judgement, cluster: ClusterView) -> None:
        self._snapshot, self._judgement, self._cluster = snapshot, judgement, cluster
        self._callees: dict[ServiceRef, set[ServiceRef]] | None = None
        self._spans: dict[str, list[Span]] | None = None
        self._joined: dict[tuple[int, ...], tuple[CallGraph | None, Mapping[ServiceRef, list[Edge]]]] = {}
        self._suspects: dict[ServiceRef | None, list[Suspect]] | None = None
        self._answers: dict[tuple[Culprit, Symptom], Attribution] = {}

    @property
    def newest(self) -> float:
        """When the newest graph or trace was asked for, Unix seconds; 0 = there is none."""
        sources = (self._snapshot.edges, self._snapshot.graph, self._snapshot.traces)
        return max((source.at for source in sources if source is not None), default=0.0)

    def attribute(self, suspect: Suspect) -> Attribution:
        """The causes of what this suspect is suspected of."""
        key = (suspect.culprit, suspect.evidence.symptom)
        if key not in self._answers:
            self._answers[key] = self._ask(suspect)
        return self._answers[key]

    def _ask(self, suspect: Suspect) -> Attribution:
        services, onset = frozenset(_services(suspect)), suspect.evidence.onset
        below = self._below(services)
        pods = {
            ref: pod
            for service in sorted(below)
            for ref in self._cluster.by_service.get(service, ())
            if (pod := self._cluster.pods.get(ref)) is not None
        }
        around = replace(self._cluster, pods=pods)
        now, before = self._graphs(services, below, onset)
        traces, usual = self._traces(services, onset)
        target = (
            AffectedService(suspect.culprit.service, _MEASURE[suspect.evidence.symptom])
            if suspect.culprit.service
            else None
        )
        return attribute(
            AttributionInputs(
                at=self._snapshot.at,
                since=onset,
                target=target,
                graph=now,
                usual_graph=before,
                traces=traces,
                usual_traces=usual,
                judgement=self._judged(suspect, below),
                changes=changes_of(around),
                placements=seats_of(around),
                external=self._external(now),
                gaps=tuple(f"{gap.source} {gap.reason}" for gap in self._snapshot.gaps),
            )
        )

    def _below(self, services: Iterable[ServiceRef]) -> frozenset[ServiceRef]:
        """These services and everybody whom their calls can reach."""
        if self._callees is None:
            self._callees = defaultdict(set)
            for graph in (self._snapshot.edges, self._snapshot.usual_edges, self._snapshot.graph):
                for edge in graph.edges if graph is not None else ():
                    self._callees[edge.caller].add(edge.callee)
            for caller, callee in _inheritances(self._judgement):
                self._callees[caller].add(callee)
        reached, ahead = set(services), list(services)
        while ahead:
            new = self._callees.get(ahead.pop(), set()) - reached
            reached |= new
            ahead += new
        return frozenset(reached)

    def _graphs(
        self, services: frozenset[ServiceRef], below: frozenset[ServiceRef], onset: float
    ) -> tuple[CallGraph | None, CallGraph | None]:
        """
        Calls during the incident and before it, among those who matter.

        A graph of before the onset tells who calls whom, and nothing of whose errors these are. What nobody is seen to
        call (a gateway, a consumer of queues) has errors that no caller counted: only its own pods tell of them.
        """
        graphs = [graph for graph in (self._snapshot.edges, self._snapshot.graph) if graph is not None]
        now = self._among([graph for graph in graphs if graph.at > onset], below)
        usual = self._snapshot.usual_edges
        before = self._among([usual] if usual is not None else [graph for graph in graphs if graph.at <= onset], below)
        called = {edge.callee for edge in now.edges if edge.requests > 0.0} if now is not None else set()
        if not services <= called:
            return None, before or now
        return now, before

    def _among(self, graphs: Sequence[CallGraph], below: frozenset[ServiceRef]) -> CallGraph | None:
        """The calls into ``below`` as these graphs know them together; None when there are none."""
        key = tuple(map(id, graphs))
        if key not in self._joined:
            joined, by_callee = union(graphs), defaultdict[ServiceRef, list[Edge]](list)
            for edge in joined.edges if joined is not None else ():
                by_callee[edge.callee].append(edge)
            self._joined[key] = joined, by_callee
        whole, into = self._joined[key]
        edges = tuple(edge for service in sorted(below) for edge in into.get(service, ()))
        return replace(whole, edges=edges) if whole is not None and edges else None

    def _traces(self, services: frozenset[ServiceRef], onset: float) -> tuple[TraceSet | None, TraceSet | None]:
        """Traces that touched these services, by whether they began before the onset."""
        whole = self._snapshot.traces
        if whole is None:
            return None, None
        if self._spans is None:
            self._spans = defaultdict(list)
            for span in whole.spans:
                self._spans[span.trace].append(span)
        now: list[Span] = []
        before: list[Span] = []
        for spans in self._spans.values():
            if not any(ServiceRef(span.namespace, span.service) in services for span in spans):
                continue
            begin = min(span.start for span in spans)
            if begin >= onset:
                now += spans
            elif begin < onset - _SLACK:
                before += spans
        return replace(whole, spans=tuple(now)), replace(whole, spans=tuple(before)) if before else None

    def _judged(self, suspect: Suspect, below: frozenset[ServiceRef]) -> Judgement:
        """What the detectors say of those who matter, without this suspect's peers."""
        if self._suspects is None:
            self._suspects = defaultdict(list)
            for suspicion in self._judgement.suspects:
                self._suspects[suspicion.culprit.service].append(suspicion)
        own = suspect.culprit.service
        spared = below if own is None else {own}
        chosen = self._by_service(suspect, below)
        for service in sorted(below):
            suspicions = self._suspects.get(service, ())
            chosen += [
                suspicion for suspicion in suspicions if service not in spared or self._rivals(suspect, suspicion)
            ]
        pooled = [suspicion for suspicion in self._suspects.get(None, ()) if self._rivals(suspect, suspicion)]
        chosen += [part for suspicion in pooled for part in self._by_service(suspicion, below)]
        judgement = self._judgement
        return replace(
            judgement,
            suspects=tuple(chosen),
            suppressions=tuple(suppression for suppression in judgement.suppressions if suppression.service in below),
            services={
                service: health for service in sorted(below) if (health := judgement.services.get(service)) is not None
            },
        )

    def _rivals(self, suspect: Suspect, other: Suspect) -> bool:
        """The other is a group that explains the same symptom, with the suspected pod in it."""
        if other is suspect or other.culprit.kind is CulpritKind.POD:
            return False
        if other.evidence.symptom is not suspect.evidence.symptom:
            return False
        pod = self._cluster.pods.get(suspect.culprit.pod) if suspect.culprit.pod is not None else None
        return pod is None or belongs(pod, other.culprit, self._cluster)

    def _by_service(self, suspect: Suspect, below: frozenset[ServiceRef]) -> list[Suspect]:
        """
        A suspicion pooled over services as one for each of them, since members are weighed within their service.

        The first has all the evidence. The others have what a member has to pay for being one of many: they add their
        service's trouble to the group's, and the same evidence is counted once.
        """
        if suspect.culprit.service is not None:
            return [suspect]
        parts: list[Suspect] = []
        for service in (service for service in _services(suspect) if service in below):
            price = math.log(max(len(self._cluster.by_service.get(service, ())), 1))
            evidence = replace(suspect.evidence, score=price) if parts else suspect.evidence
            parts.append(replace(suspect, evidence=evidence, culprit=replace(suspect.culprit, service=service)))
        return parts

    def _external(self, now: CallGraph | None) -> frozenset[ServiceRef]:
        """Callees without a pod in this cluster: nobody observes them from inside."""
        edges = now.edges if now is not None else ()
        return frozenset(edge.callee for edge in edges if not self._cluster.by_service.get(edge.callee))


def _services(suspect: Suspect) -> tuple[ServiceRef, ...]:
    """The suspect's service; for a node or zone those of its members, in their order."""
    if suspect.culprit.service is not None:
        return (suspect.culprit.service,)
    return tuple(dict.fromkeys(culprit.service for culprit in suspect.also if culprit.service is not None))


def _inheritances(judgement: Judgement) -> Iterable[tuple[ServiceRef, ServiceRef]]:
    """Calls that the detectors know of: who inherits from whom."""
    for suppression in judgement.suppressions:
        if (
            suppression.reason == Reason.INHERITED
            and suppression.cause is not None
            and suppression.cause.service is not None
        ):
            yield suppression.service, suppression.cause.service
    for suspect in judgement.suspects:
        first = suspect.also[0].service if suspect.ceiling_reason == Reason.INHERITED and suspect.also else None
        if suspect.culprit.service is not None and first is not None:
            yield suspect.culprit.service, first


def belongs(pod: Pod, group: Culprit, cluster: ClusterView) -> bool:
    """Whether a pod belongs to a suspected group; a node of which nothing is known may be in any zone."""
    if group.service is not None and group.service != pod.service:
        return False
    match group.kind:
        case CulpritKind.REVISION:
            deployment = pod.workload.name if pod.workload is not None else ""
            return group.name in (deployment, pod.revision, pod.owner_name)
        case CulpritKind.NODE:
            return group.name == pod.node
        case CulpritKind.ZONE:
            node = cluster.nodes.get(pod.node)
            return node is None or group.name == node.zone
        case _:
            return group.service == pod.service
