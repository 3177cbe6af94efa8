"""A fleet of any size: the exposition that its sidecars would serve, and the cluster picture that belongs to it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from observer.domain import names
from observer.domain.cluster import ClusterView, MeshControl, Node, Pod, ResourceKind, Workload
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef

PODS_PER_SERVICE = 10
NODES_PER_PODS = 50
CUTS = ("5", "25", "100", "250", "1000", "5000", "+Inf")
BORN = 1_700_000_000.0


def namespace_of(number: int) -> str:
    """The namespace of a pod."""
    return f"ns-{number // 500}"


def name_of(number: int) -> str:
    """The name of a pod."""
    return f"svc-{number // PODS_PER_SERVICE}-v1-abcde-{number}"


@dataclass
class Fleet:
    """``pods`` pods in services of ten; counters move with every ``exposition``."""

    pods: int
    seed: int = 1

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.refs = [PodRef(namespace_of(i), name_of(i), f"uid-{i}") for i in range(self.pods)]
        self._good = [0] * self.pods
        self._bad = [0] * self.pods
        self._buckets = [[0] * len(CUTS) for _ in self.refs]

    def exposition(self, requests: int = 100, error_rate: float = 0.001) -> str:
        """Prometheus text: one more scrape interval of traffic for every pod, and the pods' ``up``."""
        lines: list[str] = []
        for i, ref in enumerate(self.refs):
            bad = sum(self._random.random() < error_rate for _ in range(requests))
            self._good[i] += requests - bad
            self._bad[i] += bad
            for cut, share in enumerate((0.2, 0.7, 0.95, 0.99, 0.999, 1.0, 1.0)):
                self._buckets[i][cut] += round(requests * share)
            lines += self._series(ref, self._good[i], self._bad[i], self._buckets[i])
        return "\n".join(lines) + "\n"

    def _series(self, ref: PodRef, good: int, bad: int, buckets: list[int]) -> list[str]:
        who = f'namespace="{ref.namespace}",pod="{ref.name}"'
        rest = 'reporter="destination",response_flags="-",source_workload="front-v1"'
        lines = [f'istio_requests_total{{{who},{rest},response_code="200"}} {good}']
        if bad:
            lines.append(f'istio_requests_total{{{who},{rest},response_code="503"}} {bad}')
        lines += [
            f'istio_request_duration_milliseconds_bucket{{{who},{rest},le="{le}"}} {count}'
            for le, count in zip(CUTS, buckets, strict=True)
        ]
        lines.append(f'fleet_up{{{who},job="mesh"}} 1')
        return lines

    def view(self, at: float) -> ClusterView:
        """The cluster picture at ``at``."""
        pods = {ref: self._pod(i, ref) for i, ref in enumerate(self.refs)}
        by_service: dict[ServiceRef, list[PodRef]] = {}
        by_workload: dict[WorkloadRef, list[PodRef]] = {}
        for ref, pod in pods.items():
            by_service.setdefault(pod.service, []).append(ref)
            if pod.workload is not None:
                by_workload.setdefault(pod.workload, []).append(ref)
        nodes = {pod.node: Node(pod.node, "zone-a", True, False) for pod in pods.values()}
        return ClusterView(
            at=at,
            fresh=dict.fromkeys(ResourceKind, at),
            pods=pods,
            workloads={ref: _workload(ref, len(found)) for ref, found in by_workload.items()},
            budgets=(),
            autoscalers=(),
            nodes=nodes,
            namespaces={ref.namespace: {names.NAMESPACE_ENABLED: "true"} for ref in self.refs},
            mesh=MeshControl(True, ""),
            by_name={ref.key: ref for ref in pods},
            by_service={service: tuple(found) for service, found in by_service.items()},
            by_workload={workload: tuple(found) for workload, found in by_workload.items()},
        )

    @staticmethod
    def _pod(number: int, ref: PodRef) -> Pod:
        name = f"svc-{number // PODS_PER_SERVICE}"
        return Pod(
            ref=ref,
            resource_version="1",
            labels={"app": name},
            annotations={},
            node=f"node-{number % max(2, number // NODES_PER_PODS + 2)}",
            ip="198.51.100.1",
            phase="Running",
            ready=True,
            ready_since=BORN,
            created=BORN,
            started=BORN,
            deleting=False,
            restarts=0,
            waiting="",
            owner_kind="ReplicaSet",
            owner_name=f"{name}-v1-abcde",
            owner_uid=f"rs-{name}",
            workload=WorkloadRef(ref.namespace, "Deployment", f"{name}-v1"),
            service=ServiceRef(ref.namespace, name),
            revision="v1",
            template="abcde",
            sidecar=True,
            priority_class="",
            local_volumes=False,
            selects=(name,),
        )


def _workload(ref: WorkloadRef, size: int) -> Workload:
    return Workload(
        ref=ref,
        uid=f"uid-{ref.name}",
        annotations={},
        desired=size,
        replicas=size,
        updated=size,
        available=size,
        observed=True,
        paused=False,
        progressing_since=BORN,
        progress_deadline=600.0,
        managers=(),
        touched=None,
        usual_start=5.0,
    )
