"""Wire objects to domain values. Pure: what depends on other objects (owners, Services) is handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from observer.domain import names
from observer.domain.cluster import Autoscaler, DisruptionBudget, Node, Pod, Workload
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.sources.kubernetes.wire import (
    AutoscalerWire,
    BudgetWire,
    Condition,
    ContainerStatus,
    DeploymentWire,
    ManagedMeta,
    Meta,
    NodeWire,
    Owner,
    PodWire,
    ReplicaSetWire,
)

_LONG: Final = 1024
"""Annotations longer than this are documents (applied configuration, sidecar status), not settings: not kept."""
_SIDECAR: Final = "istio-proxy"
_REVISION: Final = "deployment.kubernetes.io/revision"
_MOVING: Final = frozenset({"NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"})
_LEAVING: Final = frozenset(
    {
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/out-of-service",
        "node.cloudprovider.kubernetes.io/shutdown",
        "ToBeDeletedByClusterAutoscaler",
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
        "cloud.google.com/impending-node-termination",
    }
)
"""Taints that say: this node is going away."""
_MANAGER_MARKS: Final = (
    ("argocd.argoproj.io/", "argo"),
    ("kustomize.toolkit.fluxcd.io/", "flux"),
    ("helm.toolkit.fluxcd.io/", "flux"),
    ("flagger.app/", "flagger"),
    ("keda.sh/", "keda"),
    ("scaledobject.keda.sh/", "keda"),
)
"""Prefixes of labels and annotations by which other controllers mark what they own."""
_MANAGER_WRITES: Final = (
    ("argocd", "argo"),
    ("kustomize-controller", "flux"),
    ("helm-controller", "flux"),
    ("flagger", "flagger"),
    ("keda", "keda"),
)
"""Beginnings of field manager names, the same."""
_MACHINES: Final = (
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "cluster-autoscaler",
    "karpenter",
    "vpa-",
    "pilot-discovery",
    "istiod",
    names.FIELD_MANAGER,
)
"""Beginnings of field manager names of controllers that change a workload without a person's doing."""
_CREATION_SLACK: Final = 5.0
"""Seconds after creation in which a write still belongs to the creation."""

_NONE: Final[Mapping[str, str]] = {}


def pod(wire: PodWire, workload: WorkloadRef | None, selects: tuple[str, ...]) -> Pod:
    """``workload`` as ``workload_of`` found it; ``selects`` names the Services whose selector matches."""
    meta, spec, status = wire.metadata, wire.spec, wire.status
    labels = meta.labels or _NONE
    owner = controller(meta)
    statuses = [*(status.container_statuses or ()), *(status.init_container_statuses or ())]
    ready = condition(status.conditions, "Ready")
    is_ready = ready is not None and ready.status == "True"
    return Pod(
        ref=PodRef(meta.namespace, meta.name, meta.uid),
        resource_version=meta.resource_version,
        labels=labels,
        annotations=short(meta.annotations),
        node=spec.node_name,
        ip=status.pod_ip,
        phase=status.phase,
        ready=is_ready,
        ready_since=_at(ready.last_transition_time) if ready is not None and is_ready else None,
        created=_at(meta.creation_timestamp) or 0.0,
        started=_started(statuses),
        deleting=meta.deletion_timestamp is not None,
        restarts=sum(status.restart_count for status in statuses),
        waiting=_waiting(statuses),
        owner_kind=owner.kind if owner else "",
        owner_name=owner.name if owner else "",
        owner_uid=owner.uid if owner else "",
        workload=workload,
        service=canonical_service(meta, workload),
        revision=canonical_revision(labels),
        template=labels.get(names.POD_TEMPLATE_HASH, ""),
        sidecar=any(
            container.name == _SIDECAR for container in (*(spec.containers or ()), *(spec.init_containers or ()))
        ),
        priority_class=spec.priority_class_name,
        local_volumes=any(volume.host_path is not None for volume in spec.volumes or ()),
        selects=selects,
    )


def canonical_service(meta: Meta, workload: WorkloadRef | None) -> ServiceRef:
    """As Istio names it: by label, else by the workload, else by the pod itself."""
    labels = meta.labels or _NONE
    name = labels.get(names.CANONICAL_NAME) or labels.get("app.kubernetes.io/name") or labels.get("app")
    return ServiceRef(meta.namespace, name or (workload.name if workload else meta.name))


def canonical_revision(labels: Mapping[str, str]) -> str:
    """As Istio names it: by label, else ``latest``."""
    return (
        labels.get(names.CANONICAL_REVISION)
        or labels.get("app.kubernetes.io/version")
        or labels.get("version")
        or "latest"
    )


def workload_of(meta: Meta, replica_set: Meta | None) -> WorkloadRef | None:
    """
    The controller a person edits.

    ``replica_set`` is the metadata of the ReplicaSet that owns the pod, when it is known; an unknown one is not
    guessed at: then the ReplicaSet itself is named.
    """
    owner = controller(meta)
    if owner is None:
        return None
    if owner.kind == "ReplicaSet" and replica_set is not None and replica_set.uid == owner.uid:
        above = controller(replica_set)
        if above is not None:
            return WorkloadRef(meta.namespace, above.kind, above.name)
    return WorkloadRef(meta.namespace, owner.kind, owner.name)


def controller(meta: Meta) -> Owner | None:
    """The ownerReference that controls the object."""
    for owner in meta.owner_references or ():
        if owner.controller:
            return owner
    return None


def workload(wire: DeploymentWire, newest: ReplicaSetWire | None, usual_start: float | None) -> Workload:
    """``newest`` is the ReplicaSet of its newest revision; ``usual_start`` seconds from creation to Ready."""
    meta, spec, status = wire.metadata, wire.spec, wire.status
    created = _at(meta.creation_timestamp) or 0.0
    since = (_at(newest.metadata.creation_timestamp) if newest else None) or created
    progressing = condition(status.conditions, "Progressing")
    if progressing is not None and progressing.reason in _MOVING:
        since = max(since, _at(progressing.last_update_time) or since)
    return Workload(
        ref=WorkloadRef(meta.namespace, "Deployment", meta.name),
        uid=meta.uid,
        annotations=short(meta.annotations),
        desired=spec.replicas,
        replicas=status.replicas,
        updated=status.updated_replicas,
        available=status.available_replicas,
        observed=status.observed_generation >= meta.generation,
        paused=spec.paused,
        progressing_since=since,
        progress_deadline=spec.progress_deadline_seconds,
        managers=managers(meta),
        touched=touched(meta, created),
        usual_start=usual_start,
        labels=meta.labels or _NONE,
    )


def newest_replica_set(replica_sets: Iterable[ReplicaSetWire]) -> ReplicaSetWire | None:
    """By the Deployment's own revision number; after a roll-back that is not the youngest object."""
    return max(replica_sets, key=_rank, default=None)


def managers(meta: ManagedMeta) -> tuple[str, ...]:
    """Other controllers that left their mark, sorted: ``argo``, ``flagger``, ``flux``, ``keda``."""
    keys = [*(meta.labels or ()), *(meta.annotations or ())]
    managers = {name for prefix, name in _MANAGER_MARKS if any(key.startswith(prefix) for key in keys)}
    writers = [field.manager for field in meta.managed_fields or ()]
    managers |= {name for prefix, name in _MANAGER_WRITES if any(writer.startswith(prefix) for writer in writers)}
    managers |= {"flagger" for owner in meta.owner_references or () if owner.kind == "Canary"}
    return tuple(sorted(managers))


def touched(meta: ManagedMeta, created: float) -> float | None:
    """
    When it was last edited by anybody who is no known controller; its creation is no edit.

    An unknown manager counts as a person: a change nobody can explain is a reason to keep hands off.
    """
    edits = [
        at
        for field in meta.managed_fields or ()
        if not field.subresource.startswith("status")
        and not field.manager.startswith(_MACHINES)
        and not any(field.manager.startswith(prefix) for prefix, _ in _MANAGER_WRITES)
        and (at := _at(field.time)) is not None
        and at > created + _CREATION_SLACK
    ]
    return max(edits, default=None)


def budget(wire: BudgetWire, pods: frozenset[str]) -> DisruptionBudget:
    """``pods`` are the names of those its selector matches."""
    meta, status = wire.metadata, wire.status
    return DisruptionBudget(
        namespace=meta.namespace,
        name=meta.name,
        pods=pods,
        disruptions_allowed=status.disruptions_allowed,
        current=status.observed_generation >= meta.generation,
    )


def autoscaler(wire: AutoscalerWire, scaled_down_at: float | None) -> Autoscaler:
    """``scaled_down_at`` is what the view remembers, see ``shrank_at``."""
    meta, target = wire.metadata, wire.spec.scale_target_ref
    return Autoscaler(
        namespace=meta.namespace,
        name=meta.name,
        target=WorkloadRef(meta.namespace, target.kind, target.name),
        desired=wire.status.desired_replicas,
        current=wire.status.current_replicas,
        scaled_down_at=scaled_down_at,
    )


def shrank_at(before: AutoscalerWire | None, now: AutoscalerWire, earlier: float | None, at: float) -> float | None:
    """
    When its target last shrank, Unix seconds.

    At first sight the direction of its last scaling is unknown, so that one counts as a shrink.
    """
    if before is None or before.metadata.uid != now.metadata.uid:
        return _at(now.status.last_scale_time)
    if now.status.desired_replicas < before.status.desired_replicas:
        return at
    return earlier


def node(wire: NodeWire) -> Node:
    """A node is draining when it is cordoned, being deleted, or tainted for removal."""
    meta, spec = wire.metadata, wire.spec
    ready = condition(wire.status.conditions, "Ready")
    leaving = spec.unschedulable or any(taint.key in _LEAVING for taint in spec.taints or ())
    return Node(
        name=meta.name,
        zone=(meta.labels or _NONE).get(names.ZONE_LABEL, ""),
        ready=ready is not None and ready.status == "True",
        draining=leaving or meta.deletion_timestamp is not None,
    )


def condition(conditions: Iterable[Condition] | None, kind: str) -> Condition | None:
    """The condition of that type."""
    for condition in conditions or ():
        if condition.type == kind:
            return condition
    return None


def short(annotations: Mapping[str, str] | None) -> Mapping[str, str]:
    """Annotations without those that are documents."""
    if not annotations:
        return _NONE
    if all(len(value) <= _LONG for value in annotations.values()):
        return annotations
    return {key: value for key, value in annotations.items() if len(value) <= _LONG}


def _rank(replica_set: ReplicaSetWire) -> tuple[int, float, str]:
    revision = (replica_set.metadata.annotations or _NONE).get(_REVISION, "")
    created = _at(replica_set.metadata.creation_timestamp) or 0.0
    return (int(revision) if revision.isascii() and revision.isdigit() else 0, created, replica_set.metadata.name)


def _started(statuses: Iterable[ContainerStatus]) -> float | None:
    times = [_at(status.state.running.started_at) for status in statuses if status.state and status.state.running]
    return max((at for at in times if at is not None), default=None)


def _waiting(statuses: Iterable[ContainerStatus]) -> str:
    for status in statuses:
        if status.state is not None and status.state.waiting is not None and status.state.waiting.reason:
            return status.state.waiting.reason
    return ""


def _at(instant: datetime | None) -> float | None:
    return instant.timestamp() if instant is not None else None
