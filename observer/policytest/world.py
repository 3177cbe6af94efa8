"""The cluster of a test: what the facts say of it at each instant, and what Observer's own acts made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from observer import actions
from observer.domain import names
from observer.domain.action import Action
from observer.domain.cluster import (
    Autoscaler,
    ClusterView,
    DisruptionBudget,
    MeshControl,
    Node,
    Pod,
    ResourceKind,
    Workload,
)
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.policytest.scenario import (
    Facts,
    NodeFacts,
    PodFacts,
    Scenario,
    WorkloadFacts,
    WorkloadKey,
    laid_over,
    over,
)

_BARE_OWNERS = {"Deployment": "ReplicaSet"}


@dataclass(slots=True)
class SimulatedPod:
    """
    One pod.

    ``name`` of the first pods is ``NAME-1`` ... ``NAME-n``; one that replaces ``NAME-1`` is ``NAME-1-r1``, and
    ``replaces`` keeps ``NAME-1``. Times are Unix seconds. ``note`` is our annotation while it is drained.
    """

    key: WorkloadKey
    name: str
    replaces: str
    created: float
    started: float
    ready_since: float | None
    restarts: int = 0
    version: int = 1
    note: str = ""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.key[0], self.name, f"uid-{self.name}")


@dataclass(slots=True)
class World:
    """The cluster at ``at`` (Unix seconds); ``advance`` moves it on, ``obey`` does what was decided."""

    scenario: Scenario
    at: float = 0.0
    facts: Facts = field(default_factory=Facts)
    pods: dict[PodRef, SimulatedPod] = field(default_factory=dict)
    _done: int = 0
    _replacements: dict[str, int] = field(default_factory=dict)
    _rolled: dict[WorkloadKey, float] = field(default_factory=dict)
    _touched: dict[WorkloadKey, float] = field(default_factory=dict)
    _shrunk: dict[WorkloadKey, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at = self.scenario.start
        self.facts = self.scenario.facts
        for key, one in self.facts.workloads.items():
            self._rolled[key] = self.at - one.age
            self._note(key, one, WorkloadFacts(replicas=one.replicas, age=one.age))
            self._fit(key, one, born=self.at - one.age)

    # --- time

    def advance(self, at: float) -> None:
        """Bring the cluster to ``at``: changes that are due, births, starts."""
        while self._done < len(self.scenario.changes):
            change = self.scenario.changes[self._done]
            if self.scenario.start + change.at > at:
                break
            self._done += 1
            self.at = self.scenario.start + change.at
            before = self.facts
            self.facts = laid_over(before, change.given)
            for key, one in self.facts.workloads.items():
                known = before.workloads.get(key)
                self._rolled.setdefault(key, self.at - one.age)
                self._note(key, one, over(known) if known is not None else WorkloadFacts())
                self._fit(key, one, born=self.at)
        self.at = at
        for pod in self.pods.values():
            one = self.facts.workloads[pod.key]
            if pod.ready_since is None and one.replacement_starts and at - pod.created >= one.start:
                pod.ready_since = at

    def _note(self, key: WorkloadKey, workload_facts: WorkloadFacts, before: WorkloadFacts) -> None:
        if workload_facts.touched:
            self._touched[key] = self.at
        if workload_facts.scaled_down:
            self._shrunk[key] = self.at
        if workload_facts.rollout and not before.rollout:
            self._rolled[key] = self.at
        for pod in self.pods.values():
            if pod.key == key and workload_facts.pods.get(pod.name, PodFacts()).restarted:
                pod.restarts, pod.started = pod.restarts + 1, self.at

    def _fit(self, key: WorkloadKey, workload_facts: WorkloadFacts, *, born: float) -> None:
        """As many pods as are wanted: the newest go first."""
        mine = [pod for pod in self.pods.values() if pod.key == key]
        for pod in mine[workload_facts.replicas :]:
            del self.pods[pod.ref]
        taken = {pod.replaces for pod in mine[: workload_facts.replicas]}
        number = 0
        for _ in range(workload_facts.replicas - len(mine)):
            number += 1
            while f"{key[1]}-{number}" in taken:
                number += 1
            name = f"{key[1]}-{number}"
            ready = born + workload_facts.start if born + workload_facts.start <= self.at else None
            pod = SimulatedPod(key, name, name, born, born, ready)
            self.pods[pod.ref] = pod

    def obey(self, action: Action) -> None:
        """The API server did what was asked; a dry run changes nothing."""
        pod = self.pods.get(action.target.pod) if action.target.pod is not None else None
        if pod is None or action.dry_run:
            return
        pod.version += 1
        effect = actions.of(action.action_kind).effect
        if effect is actions.Effect.EXPERIMENT:
            pod.note = json.dumps({"incident": action.incident, "by": "observer"})
        elif effect is actions.Effect.RESTORED:
            pod.note = ""
        elif effect is actions.Effect.REPLACEMENT:
            del self.pods[pod.ref]
            number = self._replacements[pod.replaces] = self._replacements.get(pod.replaces, 0) + 1
            replacement = SimulatedPod(pod.key, f"{pod.replaces}-r{number}", pod.replaces, self.at, self.at, None)
            self.pods[replacement.ref] = replacement

    # --- what is seen

    def ready(self, pod: SimulatedPod) -> bool:
        """Its probe passes."""
        one = self.facts.workloads[pod.key]
        said = one.pods.get(pod.name, PodFacts()).ready
        if said is not None:
            return said
        if pod.ready_since is None:
            return False
        mine = [other.ref for other in self.pods.values() if other.key == pod.key]
        return one.ready is None or mine.index(pod.ref) < one.ready

    def serves(self, pod: SimulatedPod) -> bool:
        """It gets traffic."""
        return self.ready(pod) and not (pod.note and self.facts.workloads[pod.key].drain_works)

    def view(self) -> ClusterView:
        """What Kubernetes tells of it, all of it fresh."""
        pods = {ref: self._pod(living) for ref, living in self.pods.items()}
        by_service: dict[ServiceRef, tuple[PodRef, ...]] = {}
        by_workload: dict[WorkloadRef, tuple[PodRef, ...]] = {}
        for ref, pod in pods.items():
            by_service[pod.service] = (*by_service.get(pod.service, ()), ref)
            if pod.workload is not None:
                by_workload[pod.workload] = (*by_workload.get(pod.workload, ()), ref)
        spaces = {key[0] for key in self.facts.workloads}
        return ClusterView(
            at=self.at,
            fresh=dict.fromkeys(ResourceKind, self.at),
            pods=pods,
            workloads={workload.ref: workload for workload in self._workloads()},
            budgets=tuple(self._budgets()),
            autoscalers=tuple(self._autoscalers()),
            nodes=self._nodes(pods.values()),
            namespaces={name: self.facts.namespaces.get(name, {}) for name in {*spaces, *self.facts.namespaces}},
            mesh=MeshControl(self.facts.mesh, "" if self.facts.mesh else "istiod is not ready"),
            by_name={ref.key: ref for ref in pods},
            by_service=by_service,
            by_workload=by_workload,
        )

    def _pod(self, living: SimulatedPod) -> Pod:
        one = self.facts.workloads[living.key]
        own = one.pods.get(living.name, PodFacts())
        ready = self.ready(living)
        labels = {"app": living.key[1], **one.pod_labels, **own.labels}
        notes = {**one.pod_annotations, **own.annotations}
        if one.gateway:
            labels.setdefault(names.GATEWAY_KIND, "ingressgateway")
        if living.note:
            labels[names.DRAIN_LABEL], notes[names.DRAIN_ANNOTATION] = names.DRAIN_VALUE, living.note
        owner = _BARE_OWNERS.get(one.kind, one.kind)
        return Pod(
            ref=living.ref,
            resource_version=str(living.version),
            labels=labels,
            annotations=notes,
            node=own.node or f"node-{living.replaces}",
            ip="10.0.0.1",
            phase="Running" if living.ready_since is not None else "Pending",
            ready=ready,
            ready_since=living.ready_since if ready else None,
            created=living.created,
            started=living.started if living.ready_since is not None else None,
            deleting=False,
            restarts=living.restarts,
            waiting="" if living.ready_since is not None else "ContainerCreating",
            owner_kind=owner,
            owner_name=f"{living.key[1]}-1" if owner == "ReplicaSet" else living.key[1],
            owner_uid=f"uid-owner-{living.key[1]}",
            workload=one.ref(living.key),
            service=one.serves(living.key),
            revision=one.version or "latest",
            template="1",
            sidecar=one.sidecar,
            priority_class=one.priority_class,
            local_volumes=one.local_volumes,
            selects=(one.service or living.key[1],),
        )

    def _workloads(self) -> Iterator[Workload]:
        for key, one in self.facts.workloads.items():
            if one.kind != "Deployment":
                continue
            mine = [pod for pod in self.pods.values() if pod.key == key]
            yield Workload(
                ref=one.ref(key),
                uid=f"uid-{key[1]}",
                annotations=one.annotations,
                desired=one.replicas,
                replicas=len(mine),
                updated=one.updated if one.rollout else len(mine),
                available=sum(self.ready(pod) for pod in mine),
                observed=True,
                paused=False,
                progressing_since=self._rolled[key],
                progress_deadline=600.0,
                managers=one.managers,
                touched=self._touched.get(key),
                usual_start=one.start,
                labels=one.labels,
            )

    def _budgets(self) -> Iterator[DisruptionBudget]:
        for key, one in self.facts.workloads.items():
            if one.budget is not None:
                covered = frozenset(pod.name for pod in self.pods.values() if pod.key == key)
                yield DisruptionBudget(key[0], key[1], covered, one.budget, current=True)

    def _autoscalers(self) -> Iterator[Autoscaler]:
        for key, at in self._shrunk.items():
            one = self.facts.workloads[key]
            yield Autoscaler(key[0], key[1], one.ref(key), one.replicas, one.replicas, at)

    def _nodes(self, pods: Iterable[Pod]) -> dict[str, Node]:
        known = {name: self.facts.nodes.get(name, NodeFacts()) for name in {*(p.node for p in pods), *self.facts.nodes}}
        return {name: Node(name, one.zone, one.ready, one.draining) for name, one in known.items()}
