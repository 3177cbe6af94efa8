"""What is never touched unless somebody opted in. These answers do not change by waiting."""

from __future__ import annotations

from observer.domain import names
from observer.domain.decision import Allowed, Blocked
from observer.engine.guards.context import GuardContext

REPLACED_BY = frozenset({"ReplicaSet"})


def owner(context: GuardContext) -> Allowed | Blocked:
    """Only a ReplicaSet makes a new pod elsewhere at once; bare pods, DaemonSets, Jobs and StatefulSets do not."""
    kind = context.pod.owner_kind
    if kind == "StatefulSet" and context.policy.guards.allow_statefulsets and context.workload is not None:
        return Allowed("owner")
    if kind not in REPLACED_BY:
        return Blocked("owner", "owner_not_replaceable", f"it is owned by {kind or 'nobody'}", refused=True)
    if context.workload is None:
        return Blocked("owner", "workload_unknown", "the workload above its ReplicaSet is not known")
    return Allowed("owner")


def singleton(context: GuardContext) -> Allowed | Blocked:
    """The only replica has no sibling to compare with and none to take over."""
    if context.workload is not None and context.workload.desired < 2 and not context.policy.guards.allow_singletons:
        detail = f"{context.workload.ref.name} asks for {context.workload.desired} replica"
        return Blocked("singleton", "singleton", detail, refused=True)
    return Allowed("singleton")


def refused_namespace(context: GuardContext) -> Allowed | Blocked:
    """The cluster's own namespaces, the mesh's, and Observer's with its sources."""
    guards, namespace = context.settings.guards, context.pod.ref.namespace
    if namespace in guards.refused_namespaces or namespace == guards.own_namespace:
        return Blocked(
            "refused_namespace", "refused_namespace", f"namespace {namespace} is never touched", refused=True
        )
    return Allowed("refused_namespace")


def priority(context: GuardContext) -> Allowed | Blocked:
    """System priority classes mark what the cluster cannot do without."""
    if context.pod.priority_class.startswith("system-"):
        return Blocked("priority", "system_priority", f"priority class {context.pod.priority_class}", refused=True)
    return Allowed("priority")


def local_volumes(context: GuardContext) -> Allowed | Blocked:
    """Data on the node's own disk would be left behind."""
    if context.pod.local_volumes and not context.policy.guards.allow_local_volumes:
        return Blocked("local_volumes", "local_volumes", "it mounts hostPath or local storage", refused=True)
    return Allowed("local_volumes")


def disruption_marks(context: GuardContext) -> Allowed | Blocked:
    """Marks that people set for other tools mean the same to us."""
    notes = context.pod.annotations
    if notes.get(names.DO_NOT_DISRUPT) == "true":
        return Blocked("disruption_marks", "do_not_disrupt", f"annotation {names.DO_NOT_DISRUPT}", refused=True)
    if notes.get(names.SAFE_TO_EVICT) == "false":
        return Blocked("disruption_marks", "not_safe_to_evict", f"annotation {names.SAFE_TO_EVICT}=false", refused=True)
    return Allowed("disruption_marks")


def opt_out(context: GuardContext) -> Allowed | Blocked:
    """The annotation on the pod or its workload that keeps our hands off."""
    if context.pod.annotations.get(names.OPT_OUT) == "true":
        return Blocked("opt_out", "opt_out", f"the pod carries {names.OPT_OUT}", refused=True)
    if context.workload is not None and context.workload.annotations.get(names.OPT_OUT) == "true":
        return Blocked("opt_out", "opt_out", f"{context.workload.ref.name} carries {names.OPT_OUT}", refused=True)
    return Allowed("opt_out")


def foreign_drain(context: GuardContext) -> Allowed | Blocked:
    """Somebody else drains it: that is their experiment."""
    if context.pod.drained and not context.pod.drained_by_us:
        detail = f"label {names.DRAIN_LABEL} was not written by Observer"
        return Blocked("foreign_drain", "drained_by_other", detail, refused=True)
    return Allowed("foreign_drain")


def terminating(context: GuardContext) -> Allowed | Blocked:
    """It is on its way out already."""
    if context.pod.deleting:
        return Blocked("terminating", "terminating", "it is being deleted already", refused=True)
    return Allowed("terminating")
