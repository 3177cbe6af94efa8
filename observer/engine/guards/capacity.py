"""Enough healthy peers must stay, and each must be able to carry what it gets."""

from __future__ import annotations

import math

from observer import actions
from observer.domain.cluster import ClusterView, Pod
from observer.domain.reasons import GuardName, Reason
from observer.domain.settings import GuardSettings
from observer.domain.snapshot import Snapshot
from observer.engine.context import pods_of, serves
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard
from observer.engine.memory import Memory

SMALL = 3
"""With so many replicas or fewer there is no slack."""

Scope = tuple[str, int, tuple[Pod, ...]]
"""Name for people, number of pods it should have, its living pods other than the culprit."""


def scopes(cluster: ClusterView, pod: Pod) -> tuple[Scope, ...]:
    """The groups that a floor holds for: workload, canonical service, Kubernetes Services, subset of the service."""
    groups: list[Scope] = []
    peers = pods_of(cluster, cluster.by_service.get(pod.service, ()), but=pod.ref)
    workload_peers: tuple[Pod, ...] = ()
    if pod.workload is not None:
        workload_peers = pods_of(cluster, cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        workload = cluster.workloads.get(pod.workload)
        wanted = workload.desired if workload else len(workload_peers) + 1
        groups.append((f"workload {pod.workload.name}", wanted, workload_peers))
    groups.append((f"service {pod.service.name}", len(peers) + 1, peers))
    subset = tuple(other for other in peers if other.revision == pod.revision)
    groups.append((f"subset {pod.service.name}/{pod.revision}", len(subset) + 1, subset))
    everywhere = {other.ref: other for other in (*peers, *workload_peers)}
    for name in pod.selects:
        chosen = tuple(other for other in everywhere.values() if name in other.selects)
        groups.append((f"Service {name}", len(chosen) + 1, chosen))
    return tuple(groups)


def floor_of(wanted: int, guards: GuardSettings) -> int:
    """How many must go on serving of ``wanted``."""
    return max(guards.serving_min, math.ceil(guards.serving_share * wanted))


def highest_healthy_rate(snapshot: Snapshot, memory: Memory, pod: Pod) -> float:
    """Highest rate at which one pod of the service served healthily, requests a second; 0 = not known."""
    baseline = snapshot.baselines.get(pod.service)
    return max(baseline.peak_rate if baseline is not None else 0.0, memory.peak(pod.service))


@guard(
    GuardName.SERVING_FLOOR,
    looks_at="pods that are Ready, not drained and healthy by the metrics: of workload, service, subset and each "
    "Kubernetes Service",
    setting="`guards.serving_share`, `guards.serving_min`",
    advice={Reason.SERVING_FLOOR: "Scale the workload up, or bring its other replicas back first."},
)
def serving_floor(context: GuardContext) -> No | None:
    """At least half, and one, of workload, Service and subset stay Ready, not drained and healthy by the metrics."""
    healthy = context.health_of(context.pod.service)
    for name, wanted, others in scopes(context.cluster, context.pod):
        left = sum(1 for other in others if serves(other) and other.ref in healthy)
        floor = floor_of(wanted, context.policy.guards)
        if left < floor:
            detail = f"{name}: {left} of {wanted} would go on serving healthily, at least {floor} must"
            return No(Reason.SERVING_FLOOR, detail)
    return None


@guard(
    GuardName.SMALL_WORKLOAD,
    looks_at="how many other replicas serve healthily, where the workload asks for three or fewer",
    advice={Reason.SMALL_WORKLOAD: "Scale the workload up by one, or bring the other replica back first."},
)
def small_workload(context: GuardContext) -> No | None:
    """With three replicas or fewer there is no slack: every other one must serve healthily before one is taken."""
    workload = context.workload
    if workload is None or workload.desired > SMALL:
        return None
    healthy = context.health_of(context.pod.service)
    others = pods_of(context.cluster, context.cluster.by_workload.get(workload.ref, ()), but=context.pod.ref)
    well = sum(1 for other in others if serves(other) and other.ref in healthy)
    if well >= workload.desired - 1:
        return None
    detail = f"{workload.ref.name} has {workload.desired} replicas; only {well} others serve healthily"
    return No(Reason.SMALL_WORKLOAD, detail)


@guard(
    GuardName.HEADROOM,
    looks_at="the requests a second that the busiest peer would get, against the most that one served healthily in the "
    "last 24 h",
    advice={
        Reason.HEADROOM: "Scale the workload up by one.",
        Reason.HEADROOM_UNKNOWN: "Wait until the service has been watched for a while, or scale it up.",
    },
)
def headroom(context: GuardContext) -> No | None:
    """Each remaining peer must have carried healthily before what it would carry after."""
    if context.drained:
        return None  # its load has moved already; peers that suffer get it back
    pod = context.pod.ref
    health = context.fleet.health(context.pod.service)
    peak = highest_healthy_rate(context.snapshot, context.memory, context.pod)
    if health is None or peak <= 0.0 or pod not in health.rates:
        return No(Reason.HEADROOM_UNKNOWN, "it is not known what one replica can carry")
    left = [other.ref for other in context.peers() if serves(other)]
    if not left:
        return No(Reason.HEADROOM_UNKNOWN, "no other replica is left to carry its requests")
    projected = max(health.rates.get(ref, 0.0) for ref in left) + health.rates[pod] / len(left)
    if projected <= peak:
        return None
    name = context.workload.ref.name if context.workload else "it"
    detail = (
        f"the busiest replica would get {projected:.1f} requests/s and never carried more than {peak:.1f} "
        f"healthily; scale {name} up by one"
    )
    return No(Reason.HEADROOM, detail)


@guard(
    GuardName.IN_FLIGHT,
    looks_at="other incidents of the workload or service in which something was done and is not finished",
    setting="`guards.in_flight_per_workload`",
    advice={Reason.IN_FLIGHT: "Wait for the other incident that is named; it goes on by itself."},
)
def in_flight(context: GuardContext) -> No | None:
    """One culprit at a time, per workload and per service."""
    limit, pod = context.policy.guards.in_flight_per_workload, context.pod
    same = [
        other
        for other in context.others_in_progress()
        if (other.workload is not None and other.workload == pod.workload) or other.service == pod.service
    ]
    if len(same) >= limit:
        names = ", ".join(f"{other.culprit.name} ({other.phase.value})" for other in same)
        return No(Reason.IN_FLIGHT, f"not finished yet: {names}")
    drained = [other for other in context.peers() if other.drained_by_us]
    if actions.has_effect(context.action_kind, actions.Effect.EXPERIMENT) and len(drained) >= limit:
        return No(Reason.IN_FLIGHT, f"{drained[0].ref.name} is drained already")
    return None


GUARDS = (serving_floor, small_workload, headroom, in_flight)
