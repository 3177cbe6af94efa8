"""The cluster that belongs to a bench world: one Deployment a service, one pod a node, all of it settled and fresh."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Final

from observer.domain import names
from observer.domain.cluster import ClusterView, MeshControl, Node, Pod, ResourceKind, Workload
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef

START: Final = 1_790_000_000.0
NAMESPACES: Final = 25
"""Services of one namespace."""
_AGE: Final = 7200.0


@dataclass
class Picture:
    """
    ``services`` services of ``size`` pods; pod ``i`` is number ``i % size`` of service ``i // size``.

    Its Deployments never show a rollout, so that no brake holds for one when pods are replaced: what then is decided
    is more than in a real cluster, never less.
    """

    services: int
    size: int
    named: tuple[ServiceRef, ...] = ()
    """Other names for the services, one each."""
    pods: list[Pod] = field(init=False)
    refs: list[ServiceRef] = field(init=False)

    def __post_init__(self) -> None:
        numbered = (ServiceRef(f"null-{i // NAMESPACES}", f"s{i:04d}") for i in range(self.services))
        self.refs = list(self.named or numbered)
        self.number = {ref: i for i, ref in enumerate(self.refs)}
        self._generation = [0] * (self.services * self.size)
        self.pods = [self._pod(i, START - _AGE) for i in range(self.services * self.size)]
        self._workloads = {ref: _settled(ref, self.size) for ref in map(_workload, self.refs)}
        self._nodes = {pod.node: Node(pod.node, "", ready=True, draining=False) for pod in self.pods}
        self._drawn()

    def view(self, at: float) -> ClusterView:
        """As of ``at``; nothing in it is older."""
        return replace(self._view, at=at, fresh=dict.fromkeys(ResourceKind, at))

    def replace(self, rows: list[int], at: float) -> None:
        """Others take the places of these pods, Ready at once."""
        for row in rows:
            self._generation[row] += 1
            self.pods[row] = self._pod(row, at)
        self._drawn()

    def mark(self, row: int, incident: str) -> None:
        """Label and annotation of a drain; an empty ``incident`` takes both off."""
        marks = ({names.DRAIN_LABEL: names.DRAIN_VALUE}, {names.DRAIN_ANNOTATION: json.dumps({"incident": incident})})
        labels, notes = marks if incident else ({}, {})
        self.pods[row] = replace(self.pods[row], labels=labels, annotations=notes)
        self._drawn()

    def _drawn(self) -> None:
        self.names = tuple(pod.ref.key for pod in self.pods)
        self.rows = {pod.ref: row for row, pod in enumerate(self.pods)}
        found = [tuple(pod.ref for pod in self.pods[i : i + self.size]) for i in range(0, len(self.pods), self.size)]
        self._view = ClusterView(
            at=START,
            fresh={},
            pods={pod.ref: pod for pod in self.pods},
            workloads=self._workloads,
            budgets=(),
            autoscalers=(),
            nodes=self._nodes,
            namespaces={ref.namespace: {names.NAMESPACE_ENABLED: "true"} for ref in self.refs},
            mesh=MeshControl(True, ""),
            by_name=dict(zip(self.names, self.rows, strict=True)),
            by_service=dict(zip(self.refs, found, strict=True)),
            by_workload=dict(zip(self._workloads, found, strict=True)),
        )

    def _pod(self, i: int, created: float) -> Pod:
        service, generation = i // self.size, self._generation[i]
        word = self.refs[service].name
        name = f"{word}-{i % self.size:02d}-{generation}"
        ref = PodRef(self.refs[service].namespace, name, f"uid-{name}")
        return Pod(
            ref=ref, resource_version="1", labels={}, annotations={},
            node=f"n{service:04d}-{i % self.size}", ip="", phase="Running", ready=True, ready_since=created,
            created=created, started=created, deleting=False, restarts=0, waiting="", owner_kind="ReplicaSet",
            owner_name=f"{word}-{generation}", owner_uid=f"rs-{service}-{generation}",
            workload=_workload(self.refs[service]), service=self.refs[service],
            revision="v1", template=str(generation), sidecar=True, priority_class="", local_volumes=False,
            selects=(word,),
        )  # fmt: skip


def _workload(service: ServiceRef) -> WorkloadRef:
    return WorkloadRef(service.namespace, "Deployment", service.name)


def _settled(ref: WorkloadRef, size: int) -> Workload:
    return Workload(
        ref=ref, uid=f"uid-{ref.name}", annotations={}, desired=size, replicas=size, updated=size, available=size,
        observed=True, paused=False, progressing_since=START - _AGE, progress_deadline=600.0, managers=(),
        touched=None, usual_start=5.0,
    )  # fmt: skip
