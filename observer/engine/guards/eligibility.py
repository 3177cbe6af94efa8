"""What is never touched unless somebody opted in. Most of these answers do not change by waiting."""

from __future__ import annotations

from observer.domain import names
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard

REPLACED_BY = frozenset({"ReplicaSet"})
"""Controllers that make a new pod elsewhere at once."""


@guard(
    GuardName.OWNER,
    looks_at="the kind of the pod's controller",
    setting="`guards.allow_statefulsets`",
    advice={
        Reason.OWNER_NOT_REPLACEABLE: "Act by hand: a bare pod, or one of a DaemonSet or Job, is not simply replaced.",
        Reason.WORKLOAD_UNKNOWN: "Wait a tick; if it stays, see whether Deployments can be read.",
    },
)
def owner(context: GuardContext) -> No | None:
    """Only a ReplicaSet makes a new pod elsewhere at once; bare pods, DaemonSets, Jobs and StatefulSets do not."""
    kind = context.pod.owner_kind
    if kind == "StatefulSet" and context.policy.guards.allow_statefulsets and context.workload is not None:
        return None
    if kind not in REPLACED_BY:
        return No(Reason.OWNER_NOT_REPLACEABLE, f"it is owned by a {kind}" if kind else "it has no owner", final=True)
    if context.workload is None:
        return No(Reason.WORKLOAD_UNKNOWN, "the workload above its ReplicaSet is not known")
    return None


@guard(
    GuardName.SINGLETON,
    looks_at="the number of replicas that the workload asks for (at least 2)",
    setting="`guards.allow_singletons`",
    advice={Reason.SINGLETON: "Run two replicas, or restart it by hand."},
)
def singleton(context: GuardContext) -> No | None:
    """The only replica has no peer to compare with and none to take over."""
    workload = context.workload
    if workload is None or workload.desired >= 2 or context.policy.guards.allow_singletons:
        return None
    return No(Reason.SINGLETON, f"{workload.ref.name} asks for {workload.desired} replica", final=True)


@guard(
    GuardName.REFUSED_NAMESPACE,
    looks_at="the pod's namespace",
    setting="`guards.refused_namespaces` and `guards.own_namespace` in the settings",
    advice={Reason.REFUSED_NAMESPACE: "Act by hand: Observer must not touch what it and the cluster stand on."},
)
def refused_namespace(context: GuardContext) -> No | None:
    """The cluster's own namespaces, the mesh's, and Observer's with its sources."""
    guards, namespace = context.settings.guards, context.pod.ref.namespace
    if namespace not in guards.refused_namespaces and namespace != guards.own_namespace:
        return None
    return No(Reason.REFUSED_NAMESPACE, f"namespace {namespace} is never touched", final=True)


@guard(
    GuardName.PRIORITY,
    looks_at="the pod's priority class (`system-...`)",
    advice={Reason.SYSTEM_PRIORITY: "Act by hand, or give the pod a priority class of your own."},
)
def priority(context: GuardContext) -> No | None:
    """System priority classes mark what the cluster cannot do without."""
    if not context.pod.priority_class.startswith("system-"):
        return None
    return No(Reason.SYSTEM_PRIORITY, f"priority class {context.pod.priority_class}", final=True)


@guard(
    GuardName.LOCAL_VOLUMES,
    looks_at="`hostPath` and `local` volumes of the pod",
    setting="`guards.allow_local_volumes`",
    advice={Reason.LOCAL_VOLUMES: "Allow it in the policy if the data may be left behind."},
)
def local_volumes(context: GuardContext) -> No | None:
    """Data on the node's own disk would be left behind."""
    if not context.pod.local_volumes or context.policy.guards.allow_local_volumes:
        return None
    return No(Reason.LOCAL_VOLUMES, "it mounts hostPath or local storage", final=True)


@guard(
    GuardName.DISRUPTION_MARKS,
    looks_at=f"the annotations `{names.DO_NOT_DISRUPT}` and `{names.SAFE_TO_EVICT}` of the pod",
    setting="these annotations",
    advice={
        Reason.DO_NOT_DISRUPT: "Take the annotation off if the pod may be replaced.",
        Reason.NOT_SAFE_TO_EVICT: "Take the annotation off if the pod may be replaced.",
    },
)
def disruption_marks(context: GuardContext) -> No | None:
    """Marks that people set for other tools mean the same to us."""
    notes = context.pod.annotations
    if notes.get(names.DO_NOT_DISRUPT) == "true":
        return No(Reason.DO_NOT_DISRUPT, f"annotation {names.DO_NOT_DISRUPT}", final=True)
    if notes.get(names.SAFE_TO_EVICT) == "false":
        return No(Reason.NOT_SAFE_TO_EVICT, f"annotation {names.SAFE_TO_EVICT}=false", final=True)
    return None


@guard(
    GuardName.OPT_OUT,
    looks_at=f"the annotation `{names.OPT_OUT}` of the pod and of its workload",
    setting="this annotation",
    advice={Reason.OPT_OUT: "Take the annotation off if Observer may act; until then it only tells."},
)
def opt_out(context: GuardContext) -> No | None:
    """The annotation on the pod or its workload that keeps our hands off."""
    if context.pod.annotations.get(names.OPT_OUT) == "true":
        return No(Reason.OPT_OUT, f"the pod carries {names.OPT_OUT}", final=True)
    if context.workload is not None and context.workload.annotations.get(names.OPT_OUT) == "true":
        return No(Reason.OPT_OUT, f"{context.workload.ref.name} carries {names.OPT_OUT}", final=True)
    return None


@guard(
    GuardName.FOREIGN_DRAIN,
    looks_at=f"the label `{names.DRAIN_LABEL}` without Observer's annotation beside it",
    advice={Reason.DRAINED_BY_OTHER: "Ask who drains it; Observer leaves the pod to them until the label is off."},
)
def foreign_drain(context: GuardContext) -> No | None:
    """Somebody else drains it: that is their experiment."""
    if not context.pod.drained or context.pod.drained_by_us:
        return None
    return No(Reason.DRAINED_BY_OTHER, f"label {names.DRAIN_LABEL} was not written by Observer", final=True)


@guard(
    GuardName.TERMINATING,
    looks_at="the pod's deletion timestamp",
    advice={Reason.TERMINATING: "Nothing: the pod is on its way out."},
)
def terminating(context: GuardContext) -> No | None:
    """It is on its way out already."""
    return No(Reason.TERMINATING, "it is being deleted already", final=True) if context.pod.deleting else None


GUARDS = (
    owner, singleton, refused_namespace, priority, local_volumes, disruption_marks, opt_out, foreign_drain, terminating,
)  # fmt: skip
