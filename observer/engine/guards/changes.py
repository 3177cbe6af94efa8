"""Others are at work: rollouts, autoscalers, node drains, the mesh, other controllers, people. They come first."""

from __future__ import annotations

from observer.domain.cluster import ClusterView, Workload
from observer.domain.decision import Allowed, Blocked
from observer.domain.ids import WorkloadRef
from observer.domain.incident import Phase
from observer.engine.guards.context import GuardContext

REPLICASET_SLACK = 5.0
"""Seconds between the edit that starts a rollout and the ReplicaSet it makes: such an edit is a rollout."""


def rollout(context: GuardContext) -> Allowed | Blocked:
    """No act while a workload behind the same service is rolled out or paused."""
    for workload in _behind(context):
        if why := workload.rolling(context.at):
            reason = "rollout_paused" if workload.paused else "rollout"
            return Blocked("rollout", reason, f"{workload.ref.name}: {why}")
    return Allowed("rollout")


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


def autoscaler(context: GuardContext) -> Allowed | Blocked:
    """An autoscaler that just took replicas away must settle first."""
    if context.workload is None:
        return Allowed("autoscaler")
    why = shrinking(context.cluster, context.workload.ref, context.at - context.policy.guards.autoscaler_quiet)
    return Blocked("autoscaler", "autoscaler_scaled_down", why) if why else Allowed("autoscaler")


def node(context: GuardContext) -> Allowed | Blocked:
    """A node that is drained or sick is somebody else's work in progress."""
    found = context.cluster.nodes.get(context.pod.node)
    if found is None:
        return Blocked("node", "node_unknown", f"node {context.pod.node or '(none)'} is not known")
    if found.draining:
        return Blocked("node", "node_draining", f"node {found.name} is being drained")
    if not found.ready:
        return Blocked("node", "node_not_ready", f"node {found.name} is not Ready")
    return Allowed("node")


def mesh(context: GuardContext) -> Allowed | Blocked:
    """Without istiod and its injector no drain takes effect and no replacement gets a sidecar."""
    control = context.cluster.mesh
    if control.ready is None:
        return Blocked("mesh", "mesh_unknown", control.detail or "the state of istiod is not known")
    if not control.ready:
        return Blocked("mesh", "mesh_unhealthy", control.detail or "istiod is not Ready")
    return Allowed("mesh")


def other_owner(context: GuardContext) -> Allowed | Blocked:
    """
    Flagger scales and shifts traffic while it analyses a canary, and the Deployment does not show it: for as long as
    anything behind the service is younger than its progress deadline it has the right of way. Argo CD and Flux
    manage manifests, not the labels of pods, so they are not fought by a drain or an eviction and do not hold.
    """
    for workload in _behind(context):
        if "flagger" in workload.managers and context.at - workload.progressing_since <= workload.progress_deadline:
            return Blocked("other_owner", "other_owner", f"Flagger may be analysing {workload.ref.name}")
    return Allowed("other_owner")


def person(context: GuardContext) -> Allowed | Blocked:
    """A person edited the workload or took this pod from us lately. An edit that made a new ReplicaSet is a rollout."""
    quiet = context.policy.guards.person_quiet
    workload = context.workload
    if workload is not None and workload.touched is not None:
        lately = context.at - workload.touched < quiet
        if lately and workload.touched > workload.progressing_since + REPLICASET_SLACK:
            detail = f"{workload.ref.name} was edited {(context.at - workload.touched) / 60:.0f} min ago"
            return Blocked("person", "person_touched", detail)
    for other in context.memory.incidents.values():
        taken = other.phase is Phase.CLOSED and other.closing in ("person_took_it", "restored_by_person")
        if taken and other.culprit.pod == context.pod.ref and context.at - other.closed < quiet:
            detail = f"a person took it from Observer {(context.at - other.closed) / 60:.0f} min ago"
            return Blocked("person", "person_touched", detail)
    return Allowed("person")


def _behind(context: GuardContext) -> tuple[Workload, ...]:
    """The workloads behind the pod's service, its own first."""
    refs = [context.pod.workload, *sorted({p.workload for p in context.peers() if p.workload is not None})]
    seen = dict.fromkeys(ref for ref in refs if ref is not None)
    return tuple(found for ref in seen if (found := context.cluster.workloads.get(ref)) is not None)
