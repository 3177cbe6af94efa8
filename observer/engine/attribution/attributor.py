"""The question about one incident: what a tick sees, cut down to whoever can hurt the service in question."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from observer.domain.attribution import AffectedService, Attribution, AttributionInputs, Measure
from observer.domain.cluster import ClusterView
from observer.domain.graph import CallGraph, Edge
from observer.domain.ids import ServiceRef
from observer.domain.reasons import Reason
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Culprit, CulpritKind, Judgement, Suspect, Symptom
from observer.domain.traces import Span, TraceSet
from observer.engine.attribution.attribute import attribution
from observer.engine.attribution.changes import changes_of, seats_of
from observer.engine.attribution.ledger import union
from observer.engine.attribution.membership import belongs

_MEASURE: Final = {
    Symptom.ERRORS: Measure.ERROR_RATE,
    Symptom.UNREACHED: Measure.ERROR_RATE,
    Symptom.LATENCY: Measure.LATENCY,
}
_SLACK: Final = 5.0
"""Seconds: an onset is estimated, so traces so shortly before it belong to neither side."""


class Attributor:
    """
    Asks for the blame of suspects; lives as long as the tick that it reads.

    Each suspect is asked about alone: that another pod of the same service is sick too explains nothing of this one,
    so siblings under suspicion are no rivals here. Pods, revisions, nodes, callees and the ways to them are.
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
        seen = (self._snapshot.edges, self._snapshot.graph, self._snapshot.traces)
        return max((one.at for one in seen if one is not None), default=0.0)

    def attribution(self, suspect: Suspect) -> Attribution:
        """Who is to blame for what this suspect is suspected of."""
        key = (suspect.culprit, suspect.evidence.symptom)
        if key not in self._answers:
            self._answers[key] = self._ask(suspect)
        return self._answers[key]

    def _ask(self, suspect: Suspect) -> Attribution:
        services, onset = _services(suspect), suspect.evidence.onset
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
        return attribution(
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
            for caller, callee in _told(self._judgement):
                self._callees[caller].add(callee)
        found, ahead = set(services), list(services)
        while ahead:
            new = self._callees.get(ahead.pop(), set()) - found
            found |= new
            ahead += new
        return frozenset(found)

    def _graphs(
        self, services: frozenset[ServiceRef], below: frozenset[ServiceRef], onset: float
    ) -> tuple[CallGraph | None, CallGraph | None]:
        """
        Calls during the incident and before it, among those who matter.

        A graph of before the onset tells who calls whom, and nothing of whose errors these are. What nobody is seen to
        call (a gateway, a consumer of queues) has errors that no caller counted: only its own pods tell of them.
        """
        known = [one for one in (self._snapshot.edges, self._snapshot.graph) if one is not None]
        now = self._among([one for one in known if one.at > onset], below)
        usual = self._snapshot.usual_edges
        before = self._among([usual] if usual is not None else [one for one in known if one.at <= onset], below)
        called = {edge.callee for edge in now.edges if edge.requests > 0.0} if now is not None else set()
        if not services <= called:
            return None, before or now
        return now, before

    def _among(self, graphs: Sequence[CallGraph], below: frozenset[ServiceRef]) -> CallGraph | None:
        """The calls into ``below`` as these graphs know them together; None when there are none."""
        key = tuple(map(id, graphs))
        if key not in self._joined:
            joined, found = union(graphs), defaultdict[ServiceRef, list[Edge]](list)
            for edge in joined.edges if joined is not None else ():
                found[edge.callee].append(edge)
            self._joined[key] = joined, found
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
        """What the detectors say of those who matter, without this suspect's siblings."""
        if self._suspects is None:
            self._suspects = defaultdict(list)
            for one in self._judgement.suspects:
                self._suspects[one.culprit.service].append(one)
        own = suspect.culprit.service
        spared = below if own is None else {own}
        chosen = self._by_service(suspect, below)
        for service in sorted(below):
            found = self._suspects.get(service, ())
            chosen += [one for one in found if service not in spared or self._rivals(suspect, one)]
        pooled = [one for one in self._suspects.get(None, ()) if self._rivals(suspect, one)]
        chosen += [part for one in pooled for part in self._by_service(one, below)]
        judgement = self._judgement
        return replace(
            judgement,
            suspects=tuple(chosen),
            suppressions=tuple(one for one in judgement.suppressions if one.service in below),
            services={one: health for one in sorted(below) if (health := judgement.services.get(one)) is not None},
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
        found: list[Suspect] = []
        for service in (one for one in _ranked_services(suspect) if one in below):
            price = math.log(max(len(self._cluster.by_service.get(service, ())), 1))
            told = replace(suspect.evidence, score=price) if found else suspect.evidence
            found.append(replace(suspect, evidence=told, culprit=replace(suspect.culprit, service=service)))
        return found

    def _external(self, now: CallGraph | None) -> frozenset[ServiceRef]:
        """Callees without a pod in this cluster: nobody observes them from inside."""
        edges = now.edges if now is not None else ()
        return frozenset(edge.callee for edge in edges if not self._cluster.by_service.get(edge.callee))


def _services(suspect: Suspect) -> frozenset[ServiceRef]:
    """The suspect's service; for a node or zone those of its members."""
    if suspect.culprit.service is not None:
        return frozenset({suspect.culprit.service})
    return frozenset(_ranked_services(suspect))


def _ranked_services(suspect: Suspect) -> tuple[ServiceRef, ...]:
    """Services of a group's members, in the order of the members."""
    return tuple(dict.fromkeys(one.service for one in suspect.also if one.service is not None))


def _told(judgement: Judgement) -> Iterable[tuple[ServiceRef, ServiceRef]]:
    """Calls that the detectors know of: who inherits from whom."""
    for one in judgement.suppressions:
        if one.reason == Reason.INHERITED and one.blamed is not None and one.blamed.service is not None:
            yield one.service, one.blamed.service
    for suspect in judgement.suspects:
        first = suspect.also[0].service if suspect.ceiling_reason == Reason.INHERITED and suspect.also else None
        if suspect.culprit.service is not None and first is not None:
            yield suspect.culprit.service, first
