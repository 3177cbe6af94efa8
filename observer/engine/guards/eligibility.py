"""What is never touched unless somebody opted in. These answers do not change by waiting."""

from __future__ import annotations

from observer.domain import names
from observer.domain.decision import Allowed, Blocked
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext

REPLACED_BY = frozenset({"ReplicaSet"})


def owner(context: GuardContext) -> Allowed | Blocked:
    """Only a ReplicaSet makes a new pod elsewhere at once; bare pods, DaemonSets, Jobs and StatefulSets do not."""
    kind = context.pod.owner_kind
    if kind == "StatefulSet" and context.policy.guards.allow_statefulsets and context.workload is not None:
        return Allowed(GuardName.OWNER)
    if kind not in REPLACED_BY:
        return Blocked(
            GuardName.OWNER, Reason.OWNER_NOT_REPLACEABLE, f"it is owned by {kind or 'nobody'}", refused=True
        )
    if context.workload is None:
        return Blocked(GuardName.OWNER, Reason.WORKLOAD_UNKNOWN, "the workload above its ReplicaSet is not known")
    return Allowed(GuardName.OWNER)


def singleton(context: GuardContext) -> Allowed | Blocked:
    """The only replica has no sibling to compare with and none to take over."""
    if context.workload is not None and context.workload.desired < 2 and not context.policy.guards.allow_singletons:
        detail = f"{context.workload.ref.name} asks for {context.workload.desired} replica"
        return Blocked(GuardName.SINGLETON, Reason.SINGLETON, detail, refused=True)
    return Allowed(GuardName.SINGLETON)


def refused_namespace(context: GuardContext) -> Allowed | Blocked:
    """The cluster's own namespaces, the mesh's, and Observer's with its sources."""
    guards, namespace = context.settings.guards, context.pod.ref.namespace
    if namespace in guards.refused_namespaces or namespace == guards.own_namespace:
        return Blocked(
            GuardName.REFUSED_NAMESPACE,
            Reason.REFUSED_NAMESPACE,
            f"namespace {namespace} is never touched",
            refused=True,
        )
    return Allowed(GuardName.REFUSED_NAMESPACE)


def priority(context: GuardContext) -> Allowed | Blocked:
    """System priority classes mark what the cluster cannot do without."""
    if context.pod.priority_class.startswith("system-"):
        return Blocked(
            GuardName.PRIORITY, Reason.SYSTEM_PRIORITY, f"priority class {context.pod.priority_class}", refused=True
        )
    return Allowed(GuardName.PRIORITY)


def local_volumes(context: GuardContext) -> Allowed | Blocked:
    """Data on the node's own disk would be left behind."""
    if context.pod.local_volumes and not context.policy.guards.allow_local_volumes:
        return Blocked(
            GuardName.LOCAL_VOLUMES, Reason.LOCAL_VOLUMES, "it mounts hostPath or local storage", refused=True
        )
    return Allowed(GuardName.LOCAL_VOLUMES)


def disruption_marks(context: GuardContext) -> Allowed | Blocked:
    """Marks that people set for other tools mean the same to us."""
    notes = context.pod.annotations
    if notes.get(names.DO_NOT_DISRUPT) == "true":
        return Blocked(
            GuardName.DISRUPTION_MARKS, Reason.DO_NOT_DISRUPT, f"annotation {names.DO_NOT_DISRUPT}", refused=True
        )
    if notes.get(names.SAFE_TO_EVICT) == "false":
        return Blocked(
            GuardName.DISRUPTION_MARKS,
            Reason.NOT_SAFE_TO_EVICT,
            f"annotation {names.SAFE_TO_EVICT}=false",
            refused=True,
        )
    return Allowed(GuardName.DISRUPTION_MARKS)


def opt_out(context: GuardContext) -> Allowed | Blocked:
    """The annotation on the pod or its workload that keeps our hands off."""
    if context.pod.annotations.get(names.OPT_OUT) == "true":
        return Blocked(GuardName.OPT_OUT, Reason.OPT_OUT, f"the pod carries {names.OPT_OUT}", refused=True)
    if context.workload is not None and context.workload.annotations.get(names.OPT_OUT) == "true":
        return Blocked(
            GuardName.OPT_OUT, Reason.OPT_OUT, f"{context.workload.ref.name} carries {names.OPT_OUT}", refused=True
        )
    return Allowed(GuardName.OPT_OUT)


def foreign_drain(context: GuardContext) -> Allowed | Blocked:
    """Somebody else drains it: that is their experiment."""
    if context.pod.drained and not context.pod.drained_by_us:
        detail = f"label {names.DRAIN_LABEL} was not written by Observer"
        return Blocked(GuardName.FOREIGN_DRAIN, Reason.DRAINED_BY_OTHER, detail, refused=True)
    return Allowed(GuardName.FOREIGN_DRAIN)


def terminating(context: GuardContext) -> Allowed | Blocked:
    """It is on its way out already."""
    if context.pod.deleting:
        return Blocked(GuardName.TERMINATING, Reason.TERMINATING, "it is being deleted already", refused=True)
    return Allowed(GuardName.TERMINATING)
