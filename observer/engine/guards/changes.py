"""Others are at work: rollouts, autoscalers, node drains, the mesh, other controllers, people. They come first."""

from __future__ import annotations

from observer.domain.cluster import ClusterView, Workload
from observer.domain.decision import Allow, Hold
from observer.domain.ids import WorkloadRef
from observer.domain.incident import Phase
from observer.engine.guards.situation import Situation
from observer.engine.rollout import rolling

REPLICASET_SLACK = 5.0
"""Seconds between the edit that starts a rollout and the ReplicaSet it makes: such an edit is a rollout."""


def rollout(now: Situation) -> Allow | Hold:
    """No act while a workload behind the same service is rolled out or paused."""
    for workload in _behind(now):
        if why := rolling(workload, now.at):
            reason = "rollout_paused" if workload.paused else "rollout"
            return Hold("rollout", reason, f"{workload.ref.name}: {why}")
    return Allow("rollout")


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


def autoscaler(now: Situation) -> Allow | Hold:
    """An autoscaler that just took replicas away must settle first."""
    if now.workload is None:
        return Allow("autoscaler")
    why = shrinking(now.cluster, now.workload.ref, now.at - now.policy.guards.autoscaler_quiet)
    return Hold("autoscaler", "autoscaler_scaled_down", why) if why else Allow("autoscaler")


def node(now: Situation) -> Allow | Hold:
    """A node that is drained or sick is somebody else's work in progress."""
    found = now.cluster.nodes.get(now.pod.node)
    if found is None:
        return Hold("node", "node_unknown", f"node {now.pod.node or '(none)'} is not known")
    if found.draining:
        return Hold("node", "node_draining", f"node {found.name} is being drained")
    if not found.ready:
        return Hold("node", "node_not_ready", f"node {found.name} is not Ready")
    return Allow("node")


def mesh(now: Situation) -> Allow | Hold:
    """Without istiod and its injector no drain takes effect and no replacement gets a sidecar."""
    control = now.cluster.mesh
    if control.ready is None:
        return Hold("mesh", "mesh_unknown", control.detail or "the state of istiod is not known")
    if not control.ready:
        return Hold("mesh", "mesh_unhealthy", control.detail or "istiod is not Ready")
    return Allow("mesh")


def other_owner(now: Situation) -> Allow | Hold:
    """
    Flagger scales and shifts traffic while it analyses a canary, and the Deployment does not show it: for as long as
    anything behind the service is younger than its progress deadline it has the right of way. Argo CD and Flux
    manage manifests, not the labels of pods, so they are not fought by a drain or an eviction and do not hold.
    """
    for workload in _behind(now):
        if "flagger" in workload.managers and now.at - workload.progressing_since <= workload.progress_deadline:
            return Hold("other_owner", "other_owner", f"Flagger may be analysing {workload.ref.name}")
    return Allow("other_owner")


def person(now: Situation) -> Allow | Hold:
    """A person edited the workload or took this pod from us lately. An edit that made a new ReplicaSet is a rollout."""
    quiet = now.policy.guards.person_quiet
    workload = now.workload
    if workload is not None and workload.touched is not None:
        lately = now.at - workload.touched < quiet
        if lately and workload.touched > workload.progressing_since + REPLICASET_SLACK:
            detail = f"{workload.ref.name} was edited {(now.at - workload.touched) / 60:.0f} min ago"
            return Hold("person", "person_touched", detail)
    for other in now.memory.incidents.values():
        taken = other.phase is Phase.CLOSED and other.closing in ("person_took_it", "given_back_by_person")
        if taken and other.culprit.pod == now.pod.ref and now.at - other.closed < quiet:
            detail = f"a person took it from Observer {(now.at - other.closed) / 60:.0f} min ago"
            return Hold("person", "person_touched", detail)
    return Allow("person")


def _behind(now: Situation) -> tuple[Workload, ...]:
    """The workloads behind the pod's service, its own first."""
    refs = [now.pod.workload, *sorted({p.workload for p in now.siblings() if p.workload is not None})]
    seen = dict.fromkeys(ref for ref in refs if ref is not None)
    return tuple(found for ref in seen if (found := now.cluster.workloads.get(ref)) is not None)
