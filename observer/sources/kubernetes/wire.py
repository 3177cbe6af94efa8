"""Kubernetes objects as they arrive, reduced to the fields that Observer reads. Everything else is skipped unparsed."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from observer.kube.errors import ListMeta

T = TypeVar("T")


class Wire(msgspec.Struct, gc=False, rename="camel"):
    """Parent of all: camel case on the wire, and nothing for the garbage collector to walk."""


class Owner(Wire):
    """One ownerReference."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ManagedField(Wire):
    """Who wrote to an object, and when; not what."""

    manager: str = ""
    subresource: str = ""
    time: datetime | None = None


class Meta(Wire):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None


class ManagedMeta(Meta):
    """Metadata of the kinds whose editors matter."""

    managed_fields: list[ManagedField] | None = None


class Condition(Wire):
    type: str = ""
    status: str = ""
    reason: str = ""
    last_transition_time: datetime | None = None
    last_update_time: datetime | None = None


class Running(Wire):
    started_at: datetime | None = None


class Waiting(Wire):
    reason: str = ""


class ContainerState(Wire):
    running: Running | None = None
    waiting: Waiting | None = None


class ContainerStatus(Wire):
    name: str = ""
    restart_count: int = 0
    state: ContainerState | None = None


class Container(Wire):
    name: str = ""


class HostPath(Wire):
    path: str = ""


class Volume(Wire):
    name: str = ""
    host_path: HostPath | None = None


class PodSpec(Wire):
    node_name: str = ""
    priority_class_name: str = ""
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    volumes: list[Volume] | None = None


class PodStatus(Wire):
    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class PodWire(Wire):
    metadata: Meta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class ReplicaSetWire(Wire):
    metadata: Meta


class DeploymentSpec(Wire):
    replicas: int = 1
    paused: bool = False
    progress_deadline_seconds: float = 600.0


class DeploymentStatus(Wire):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: list[Condition] | None = None


class DeploymentWire(Wire):
    metadata: ManagedMeta
    spec: DeploymentSpec = msgspec.field(default_factory=DeploymentSpec)
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)


class ServiceSpec(Wire):
    selector: dict[str, str] | None = None


class ServiceWire(Wire):
    metadata: Meta
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)


class Taint(Wire):
    key: str = ""


class NodeSpec(Wire):
    unschedulable: bool = False
    taints: list[Taint] | None = None


class NodeStatus(Wire):
    conditions: list[Condition] | None = None


class NodeWire(Wire):
    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class NamespaceWire(Wire):
    metadata: Meta


class Requirement(Wire):
    """One matchExpression."""

    key: str
    operator: str
    values: list[str] | None = None


class LabelSelector(Wire):
    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class BudgetSpec(Wire):
    selector: LabelSelector | None = None


class BudgetStatus(Wire):
    disruptions_allowed: int = 0
    observed_generation: int = 0


class BudgetWire(Wire):
    metadata: Meta
    spec: BudgetSpec = msgspec.field(default_factory=BudgetSpec)
    status: BudgetStatus = msgspec.field(default_factory=BudgetStatus)


class ScaleTarget(Wire):
    kind: str = ""
    name: str = ""


class AutoscalerSpec(Wire):
    scale_target_ref: ScaleTarget = msgspec.field(default_factory=ScaleTarget)


class AutoscalerStatus(Wire):
    current_replicas: int = 0
    desired_replicas: int = 0
    last_scale_time: datetime | None = None


class AutoscalerWire(Wire):
    metadata: Meta
    spec: AutoscalerSpec = msgspec.field(default_factory=AutoscalerSpec)
    status: AutoscalerStatus = msgspec.field(default_factory=AutoscalerStatus)


class ListOf(Wire, Generic[T]):
    """One page of a list."""

    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    items: list[T] | None = None


class WatchLine(Wire):
    """One line of a watch; what ``object`` is depends on ``type``."""

    type: str
    object: msgspec.Raw


class Bookmark(Wire):
    """The object of a BOOKMARK: nothing but a resourceVersion."""

    metadata: ListMeta
