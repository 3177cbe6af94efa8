"""What is never touched unless somebody opted in. These answers do not change by waiting."""

from __future__ import annotations

from observer.domain import names
from observer.domain.decision import Allow, Hold
from observer.engine.guards.situation import Situation

REPLACED_BY = frozenset({"ReplicaSet"})


def owner(now: Situation) -> Allow | Hold:
    """Only a ReplicaSet makes a new pod elsewhere at once; bare pods, DaemonSets, Jobs and StatefulSets do not."""
    kind = now.pod.owner_kind
    if kind == "StatefulSet" and now.policy.guards.allow_statefulsets and now.workload is not None:
        return Allow("owner")
    if kind not in REPLACED_BY:
        return Hold("owner", "owner_not_replaceable", f"it is owned by {kind or 'nobody'}", refused=True)
    if now.workload is None:
        return Hold("owner", "workload_unknown", "the workload above its ReplicaSet is not known")
    return Allow("owner")


def singleton(now: Situation) -> Allow | Hold:
    """The only replica has no sibling to compare with and none to take over."""
    if now.workload is not None and now.workload.desired < 2 and not now.policy.guards.allow_singletons:
        detail = f"{now.workload.ref.name} asks for {now.workload.desired} replica"
        return Hold("singleton", "singleton", detail, refused=True)
    return Allow("singleton")


def refused_namespace(now: Situation) -> Allow | Hold:
    """The cluster's own namespaces, the mesh's, and Observer's with its sources."""
    guards, namespace = now.settings.guards, now.pod.ref.namespace
    if namespace in guards.refused_namespaces or namespace == guards.own_namespace:
        return Hold("refused_namespace", "refused_namespace", f"namespace {namespace} is never touched", refused=True)
    return Allow("refused_namespace")


def priority(now: Situation) -> Allow | Hold:
    """System priority classes mark what the cluster cannot do without."""
    if now.pod.priority_class.startswith("system-"):
        return Hold("priority", "system_priority", f"priority class {now.pod.priority_class}", refused=True)
    return Allow("priority")


def local_volumes(now: Situation) -> Allow | Hold:
    """Data on the node's own disk would be left behind."""
    if now.pod.local_volumes and not now.policy.guards.allow_local_volumes:
        return Hold("local_volumes", "local_volumes", "it mounts hostPath or local storage", refused=True)
    return Allow("local_volumes")


def disruption_marks(now: Situation) -> Allow | Hold:
    """Marks that people set for other tools mean the same to us."""
    notes = now.pod.annotations
    if notes.get(names.DO_NOT_DISRUPT) == "true":
        return Hold("disruption_marks", "do_not_disrupt", f"annotation {names.DO_NOT_DISRUPT}", refused=True)
    if notes.get(names.SAFE_TO_EVICT) == "false":
        return Hold("disruption_marks", "not_safe_to_evict", f"annotation {names.SAFE_TO_EVICT}=false", refused=True)
    return Allow("disruption_marks")


def opt_out(now: Situation) -> Allow | Hold:
    """The annotation on the pod or its workload that keeps our hands off."""
    if now.pod.annotations.get(names.OPT_OUT) == "true":
        return Hold("opt_out", "opt_out", f"the pod carries {names.OPT_OUT}", refused=True)
    if now.workload is not None and now.workload.annotations.get(names.OPT_OUT) == "true":
        return Hold("opt_out", "opt_out", f"{now.workload.ref.name} carries {names.OPT_OUT}", refused=True)
    return Allow("opt_out")


def foreign_drain(now: Situation) -> Allow | Hold:
    """Somebody else drains it: that is their experiment."""
    if now.pod.drained and not now.pod.drained_by_us:
        detail = f"label {names.DRAIN_LABEL} was not written by Observer"
        return Hold("foreign_drain", "drained_by_other", detail, refused=True)
    return Allow("foreign_drain")


def terminating(now: Situation) -> Allow | Hold:
    """It is on its way out already."""
    if now.pod.deleting:
        return Hold("terminating", "terminating", "it is being deleted already", refused=True)
    return Allow("terminating")
