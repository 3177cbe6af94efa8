"""Others are at work: rollouts, autoscalers, node drains, the mesh, other controllers, people. They come first."""

from __future__ import annotations

from observer.domain.cluster import ClusterView, Workload
from observer.domain.ids import WorkloadRef
from observer.domain.incident import Phase
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard

REPLICASET_SLACK = 5.0
"""Seconds between the edit that starts a rollout and the ReplicaSet it makes: such an edit is a rollout."""


@guard(
    GuardName.PERSON,
    looks_at="the last edit of the workload by a person, and drains that a person took over or ended",
    setting="`guards.person_quiet`",
    advice={Reason.PERSON_TOUCHED: "Finish what you are doing; Observer goes on when nobody touched it for a while."},
)
def person(context: GuardContext) -> No | None:
    """A person edited the workload or took this pod from us lately. An edit that made a new ReplicaSet is a rollout."""
    quiet = context.policy.guards.person_quiet
    workload = context.workload
    if workload is not None and workload.touched is not None:
        lately = context.at - workload.touched < quiet
        if lately and workload.touched > workload.progressing_since + REPLICASET_SLACK:
            minutes = (context.at - workload.touched) / 60
            return No(Reason.PERSON_TOUCHED, f"{workload.ref.name} was edited {minutes:.0f} min ago")
    for other in context.memory.incidents.values():
        taken = other.phase is Phase.CLOSED and other.closing in (Reason.PERSON_TOOK_IT, Reason.RESTORED_BY_PERSON)
        if taken and other.culprit.pod == context.pod.ref and context.at - other.closed < quiet:
            minutes = (context.at - other.closed) / 60
            return No(Reason.PERSON_TOUCHED, f"a person took it from Observer {minutes:.0f} min ago")
    return None


@guard(
    GuardName.ROLLOUT,
    looks_at="the Deployments behind the service: replicas that are not updated or not available, within the progress "
    "deadline",
    setting="`progressDeadlineSeconds` of the Deployment",
    advice={
        Reason.ROLLOUT: "Wait for the rollout, or roll it back if it is the cause.",
        Reason.ROLLOUT_PAUSED: "Resume the rollout: while it is paused nothing behind the service is touched.",
    },
)
def rollout(context: GuardContext) -> No | None:
    """No action while a workload behind the same service is rolled out or paused."""
    for workload in _behind(context):
        if why := workload.rolling(context.at):
            reason = Reason.ROLLOUT_PAUSED if workload.paused else Reason.ROLLOUT
            return No(reason, f"{workload.ref.name}: {why}")
    return None


def shrinking(cluster: ClusterView, workload: WorkloadRef, since: float) -> str:
    """Why an autoscaler counts as scaling the workload down after ``since``; empty when none does."""
    for scaler in cluster.autoscalers:
        if scaler.target != workload:
            continue
        if scaler.desired < scaler.current:
            return f"{scaler.name} goes from {scaler.current} to {scaler.desired} replicas"
        if scaler.scaled_down_at is not None and scaler.scaled_down_at > since:
            return f"{scaler.name} scaled down lately"
    return ""


@guard(
    GuardName.AUTOSCALER,
    looks_at="desired and current replicas of the workload's HorizontalPodAutoscaler, and when it scaled down last",
    setting="`guards.autoscaler_quiet`",
    advice={Reason.AUTOSCALER_SCALED_DOWN: "Wait: it goes on when the autoscaler has been quiet for a while."},
)
def autoscaler(context: GuardContext) -> No | None:
    """An autoscaler that just took replicas away must settle first."""
    if context.workload is None:
        return None
    quiet = context.policy.guards.autoscaler_quiet
    why = shrinking(context.cluster, context.workload.ref, context.at - quiet)
    return No(Reason.AUTOSCALER_SCALED_DOWN, why) if why else None


@guard(
    GuardName.NODE,
    looks_at="the pod's node: known, not cordoned for a drain, Ready",
    advice={
        Reason.NODE_UNKNOWN: "See whether nodes can be listed (`observer doctor`).",
        Reason.NODE_DRAINING: "Nothing: the node's drain moves the pod.",
        Reason.NODE_NOT_READY: "Look at the node; Kubernetes moves its pods when it stays away.",
    },
)
def node(context: GuardContext) -> No | None:
    """A node that is drained or sick is somebody else's work in progress."""
    beneath = context.cluster.nodes.get(context.pod.node)
    if beneath is None:
        return No(Reason.NODE_UNKNOWN, f"node {context.pod.node or '(none)'} is not known")
    if beneath.draining:
        return No(Reason.NODE_DRAINING, f"node {beneath.name} is being drained")
    if not beneath.ready:
        return No(Reason.NODE_NOT_READY, f"node {beneath.name} is not Ready")
    return None


@guard(
    GuardName.MESH,
    looks_at="whether istiod and its injector are Ready",
    advice={
        Reason.MESH_UNKNOWN: "See whether istiod's namespace can be read (`observer doctor`).",
        Reason.MESH_UNHEALTHY: "Bring istiod back first: without it nothing Observer does takes effect.",
    },
)
def mesh(context: GuardContext) -> No | None:
    """Without istiod and its injector no drain takes effect and no replacement gets a sidecar."""
    control = context.cluster.mesh
    if control.ready is None:
        return No(Reason.MESH_UNKNOWN, control.detail or "the state of istiod is not known")
    if not control.ready:
        return No(Reason.MESH_UNHEALTHY, control.detail or "istiod is not Ready")
    return None


@guard(
    GuardName.OTHER_OWNER,
    looks_at="Flagger among the managers of a workload behind the service, within its progress deadline",
    advice={Reason.OTHER_OWNER: "Wait for the analysis to end; Flagger rolls a bad canary back itself."},
)
def other_owner(context: GuardContext) -> No | None:
    """
    Flagger scales and shifts traffic while it analyses a canary, and the Deployment does not show it: for as long as
    anything behind the service is younger than its progress deadline it has the right of way. Argo CD and Flux
    manage manifests, not the labels of pods, so they are not fought by a drain or an eviction and block nothing.
    """
    for workload in _behind(context):
        if "flagger" in workload.managers and context.at - workload.progressing_since <= workload.progress_deadline:
            return No(Reason.OTHER_OWNER, f"Flagger may be analysing {workload.ref.name}")
    return None


def _behind(context: GuardContext) -> tuple[Workload, ...]:
    """The workloads behind the pod's service, its own first."""
    refs = [context.pod.workload, *sorted({p.workload for p in context.peers() if p.workload is not None})]
    unique = dict.fromkeys(ref for ref in refs if ref is not None)
    return tuple(workload for ref in unique if (workload := context.cluster.workloads.get(ref)) is not None)


GUARDS = (person, rollout, autoscaler, node, mesh, other_owner)
