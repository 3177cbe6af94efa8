"""Enough healthy siblings must stay, and each must be able to carry what it gets."""

from __future__ import annotations

import math

from observer.domain.action import ActionKind
from observer.domain.cluster import ClusterView, Pod
from observer.domain.decision import Allowed, Blocked
from observer.domain.settings import GuardSettings
from observer.domain.snapshot import Snapshot
from observer.engine.context import pods_of, serves
from observer.engine.guards.context import GuardContext
from observer.engine.memory import Memory

Scope = tuple[str, int, tuple[Pod, ...]]
"""Name for people, number of pods it should have, its living pods other than the culprit."""


def scopes(cluster: ClusterView, pod: Pod) -> tuple[Scope, ...]:
    """The groups that a floor holds for: workload, canonical service, Kubernetes Services, subset of the service."""
    found: list[Scope] = []
    peers = pods_of(cluster, cluster.by_service.get(pod.service, ()), but=pod.ref)
    if pod.workload is not None:
        workload_peers = pods_of(cluster, cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        workload = cluster.workloads.get(pod.workload)
        found.append(
            (f"workload {pod.workload.name}", workload.desired if workload else len(workload_peers) + 1, workload_peers)
        )
    found.append((f"service {pod.service.name}", len(peers) + 1, peers))
    subset = tuple(other for other in peers if other.revision == pod.revision)
    found.append((f"subset {pod.service.name}/{pod.revision}", len(subset) + 1, subset))
    peers_everywhere = {other.ref: other for other in peers} | (
        {other.ref: other for other in found[0][2]} if pod.workload is not None else {}
    )
    for name in pod.selects:
        chosen = tuple(other for other in peers_everywhere.values() if name in other.selects)
        found.append((f"Service {name}", len(chosen) + 1, chosen))
    return tuple(found)


def floor_of(wanted: int, guards: GuardSettings) -> int:
    """How many must go on serving of ``wanted``."""
    return max(guards.serving_min, math.ceil(guards.serving_share * wanted))


def serving_floor(context: GuardContext) -> Allowed | Blocked:
    """At least half, and one, of workload, Service and subset stay Ready, not drained and healthy by the metrics."""
    healthy = context.health_of(context.pod.service)
    for name, wanted, others in scopes(context.cluster, context.pod):
        left = sum(1 for other in others if serves(other) and other.ref in healthy)
        floor = floor_of(wanted, context.policy.guards)
        if left < floor:
            detail = f"{name}: {left} of {wanted} would go on serving healthily, at least {floor} must"
            return Blocked("serving_floor", "serving_floor", detail)
    return Allowed("serving_floor")


def small_workload(context: GuardContext) -> Allowed | Blocked:
    """With three replicas or fewer there is no slack: every other one must serve healthily before one is taken."""
    if context.workload is None or context.workload.desired > 3:
        return Allowed("small_workload")
    healthy = context.health_of(context.pod.service)
    others = pods_of(context.cluster, context.cluster.by_workload.get(context.workload.ref, ()), but=context.pod.ref)
    well = sum(1 for other in others if serves(other) and other.ref in healthy)
    if well < context.workload.desired - 1:
        detail = (
            f"{context.workload.ref.name} has {context.workload.desired} replicas; only {well} others serve healthily"
        )
        return Blocked("small_workload", "small_workload", detail)
    return Allowed("small_workload")


def highest_healthy_rate(context: Snapshot, memory: Memory, pod: Pod) -> float:
    """Highest rate at which one pod of the service served healthily, requests a second; 0 = not known."""
    baseline = context.baselines.get(pod.service)
    return max(baseline.peak_rate if baseline is not None else 0.0, memory.peak(pod.service))


def headroom(context: GuardContext) -> Allowed | Blocked:
    """Each remaining sibling must have carried healthily before what it would carry after."""
    if context.drained:
        return Allowed("headroom")  # its load has moved already; siblings that suffer get it back
    health = context.fleet.health(context.pod.service)
    peak = highest_healthy_rate(context.snapshot, context.memory, context.pod)
    if health is None or peak <= 0.0 or context.pod.ref not in health.rates:
        return Blocked("headroom", "headroom_unknown", "it is not known what one sibling can carry")
    left = [other.ref for other in context.peers() if serves(other)]
    if not left:
        return Blocked("headroom", "headroom_unknown", "no sibling is left to carry its requests")
    share = health.rates[context.pod.ref] / len(left)
    projected = max(health.rates.get(ref, 0.0) for ref in left) + share
    if projected > peak:
        detail = (
            f"the busiest sibling would get {projected:.1f} requests/s and never carried more than {peak:.1f} "
            f"healthily; scale {context.workload.ref.name if context.workload else 'it'} up by one"
        )
        return Blocked("headroom", "headroom", detail)
    return Allowed("headroom")


def in_flight(context: GuardContext) -> Allowed | Blocked:
    """One culprit at a time, per workload and per service."""
    limit = context.policy.guards.in_flight_per_workload
    same = [
        other
        for other in context.others_in_progress()
        if (other.workload is not None and other.workload == context.pod.workload)
        or other.service == context.pod.service
    ]
    if len(same) >= limit:
        names = ", ".join(f"{other.culprit.name} ({other.phase.value})" for other in same)
        return Blocked("in_flight", "in_flight", f"not finished yet: {names}")
    drained = [other for other in context.peers() if other.drained_by_us]
    if context.action_kind is ActionKind.DRAIN and len(drained) >= limit:
        return Blocked("in_flight", "in_flight", f"{drained[0].ref.name} is drained already")
    return Allowed("in_flight")
