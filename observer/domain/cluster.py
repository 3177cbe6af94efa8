"""What Kubernetes says, reduced to the fields that Observer decides by. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from observer.domain import names
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef


@dataclass(frozen=True, slots=True)
class Pod:
    """
    One pod.

    Attributes:
        workload: the controller a person edits (Deployment through its ReplicaSet); None for a bare pod.
        owner_kind, owner_name, owner_uid: the direct controller (``ReplicaSet``); empty for a bare pod.
        service: canonical service, by the pod's labels as Istio derives it.
        revision: canonical revision (``version`` label), ``latest`` when unlabelled.
        template: the ``pod-template-hash`` label, empty without one.
        started: when the newest of its containers started; None before that.
        restarts: sum over containers.
        waiting: reason of the first container that waits (``ImagePullBackOff``), empty otherwise.
        sidecar: an ``istio-proxy`` container runs in it.
        local_volumes: it mounts ``hostPath`` or ``local`` storage (``emptyDir`` is no reason to spare a pod).
        selects: names of the Services whose selector matches it.
    """

    ref: PodRef
    resource_version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    node: str
    ip: str
    phase: str
    ready: bool
    ready_since: float | None
    created: float
    started: float | None
    deleting: bool
    restarts: int
    waiting: str
    owner_kind: str
    owner_name: str
    owner_uid: str
    workload: WorkloadRef | None
    service: ServiceRef
    revision: str
    template: str
    sidecar: bool
    priority_class: str
    local_volumes: bool
    selects: tuple[str, ...]

    @property
    def gateway(self) -> bool:
        """Its proxy serves the mesh's border: nobody reports of it but itself, and no drain keeps the outside away."""
        labels = self.labels
        return (
            names.GATEWAY_NAME in labels
            or "gateway" in labels.get(names.GATEWAY_KIND, "")
            or "gateway" in self.annotations.get(names.GATEWAY_TEMPLATE, "").split(",")
        )

    @property
    def drained(self) -> bool:
        """Carries the label that takes it out of its callers' balancing, whoever wrote it."""
        return bool(self.labels.get(names.DRAIN_LABEL))

    @property
    def drained_by_us(self) -> bool:
        """Carries our annotation beside the label; the label alone is somebody else's."""
        return self.drained and names.DRAIN_ANNOTATION in self.annotations


@dataclass(frozen=True, slots=True)
class Workload:
    """
    A Deployment with what its newest ReplicaSet tells.

    Attributes:
        updated, available, replicas: as in its status; ``desired`` from its spec.
        observed: its controller has seen the newest spec.
        paused: a person paused the rollout.
        progressing_since: creation of the newest ReplicaSet.
        progress_deadline: seconds.
        managers: other controllers found on it (``argo``, ``flux``, ``flagger``), from labels and annotations.
        touched: when a person last edited it, if the API server tells (managedFields of other managers).
        usual_start: median seconds from creation to Ready of its present pods; None when unknown.
        labels: its own, not its pods'.
    """

    ref: WorkloadRef
    uid: str
    annotations: Mapping[str, str]
    desired: int
    replicas: int
    updated: int
    available: int
    observed: bool
    paused: bool
    progressing_since: float
    progress_deadline: float
    managers: tuple[str, ...]
    touched: float | None
    usual_start: float | None
    labels: Mapping[str, str] = field(default_factory=dict)

    def rolling(self, at: float) -> str:
        """Why it counts as being rolled out; empty when it is not, or when its progress deadline is over."""
        if self.paused:
            return "its rollout is paused"
        if at - self.progressing_since > self.progress_deadline:
            return ""
        if not self.observed:
            return "its newest spec is not observed yet"
        if self.updated < self.desired:
            return f"{self.updated} of {self.desired} replicas are of the newest revision"
        if self.replicas > self.updated:
            return f"{self.replicas - self.updated} old replicas are still there"
        return ""


@dataclass(frozen=True, slots=True)
class DisruptionBudget:
    """A PodDisruptionBudget; ``current`` is false while its status lags behind its spec."""

    namespace: str
    name: str
    pods: frozenset[str]
    disruptions_allowed: int
    current: bool


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """A HorizontalPodAutoscaler; ``scaled_down_at`` is when we saw its target shrink."""

    namespace: str
    name: str
    target: WorkloadRef
    desired: int
    current: int
    scaled_down_at: float | None


@dataclass(frozen=True, slots=True)
class Node:
    """A node; ``draining`` = cordoned or tainted for removal."""

    name: str
    zone: str
    ready: bool
    draining: bool


@dataclass(frozen=True, slots=True)
class MeshControl:
    """istiod as Kubernetes sees it; ``None`` = unknown, which holds everything but giving back."""

    ready: bool | None
    detail: str


class ResourceKind(StrEnum):
    """What the reflector keeps."""

    PODS = "pods"
    REPLICASETS = "replicasets"
    DEPLOYMENTS = "deployments"
    SERVICES = "services"
    NODES = "nodes"
    NAMESPACES = "namespaces"
    BUDGETS = "poddisruptionbudgets"
    AUTOSCALERS = "horizontalpodautoscalers"


@dataclass(frozen=True, slots=True, eq=False)
class ClusterView:
    """
    One picture of the cluster. Mappings are never changed after they were handed out.

    Attributes:
        fresh: for each kind, when a list ended or a watch last proved to be alive (event or bookmark), Unix seconds.
            A kind that never synced is absent.
        namespaces: labels of each namespace.
    """

    at: float
    fresh: Mapping[ResourceKind, float]
    pods: Mapping[PodRef, Pod]
    workloads: Mapping[WorkloadRef, Workload]
    budgets: tuple[DisruptionBudget, ...]
    autoscalers: tuple[Autoscaler, ...]
    nodes: Mapping[str, Node]
    namespaces: Mapping[str, Mapping[str, str]]
    mesh: MeshControl
    by_name: Mapping[tuple[str, str], PodRef] = field(default_factory=dict)
    """``(namespace, pod)`` to the incarnation that lives now."""
    by_service: Mapping[ServiceRef, tuple[PodRef, ...]] = field(default_factory=dict)
    by_workload: Mapping[WorkloadRef, tuple[PodRef, ...]] = field(default_factory=dict)

    def acts_in(self, namespace: str) -> bool:
        """The namespace is labelled for action."""
        return self.namespaces.get(namespace, {}).get(names.NAMESPACE_ENABLED) == "true"
