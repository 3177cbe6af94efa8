"""Enough healthy siblings must stay, and each must be able to carry what it gets."""

from __future__ import annotations

import math

from observer.domain.action import Rung
from observer.domain.cluster import ClusterView, Pod
from observer.domain.decision import Allow, Hold
from observer.domain.settings import GuardSettings
from observer.domain.snapshot import Snapshot
from observer.engine.guards.situation import Situation, pods_of, serves
from observer.engine.memory import Memory

Scope = tuple[str, int, tuple[Pod, ...]]
"""Name for people, number of pods it should have, its living pods other than the culprit."""


def scopes(cluster: ClusterView, pod: Pod) -> tuple[Scope, ...]:
    """The groups that a floor holds for: workload, canonical service, Kubernetes Services, subset of the service."""
    found: list[Scope] = []
    siblings = pods_of(cluster, cluster.by_service.get(pod.service, ()), but=pod.ref)
    if pod.workload is not None:
        mates = pods_of(cluster, cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        workload = cluster.workloads.get(pod.workload)
        found.append((f"workload {pod.workload.name}", workload.desired if workload else len(mates) + 1, mates))
    found.append((f"service {pod.service.name}", len(siblings) + 1, siblings))
    subset = tuple(other for other in siblings if other.revision == pod.revision)
    found.append((f"subset {pod.service.name}/{pod.revision}", len(subset) + 1, subset))
    mates_everywhere = {other.ref: other for other in siblings} | (
        {other.ref: other for other in found[0][2]} if pod.workload is not None else {}
    )
    for name in pod.selects:
        chosen = tuple(other for other in mates_everywhere.values() if name in other.selects)
        found.append((f"Service {name}", len(chosen) + 1, chosen))
    return tuple(found)


def floor_of(wanted: int, guards: GuardSettings) -> int:
    """How many must go on serving of ``wanted``."""
    return max(guards.serving_min, math.ceil(guards.serving_share * wanted))


def serving_floor(now: Situation) -> Allow | Hold:
    """At least half, and one, of workload, Service and subset stay Ready, not drained and healthy by the metrics."""
    healthy = now.health_of(now.pod.service)
    for name, wanted, others in scopes(now.cluster, now.pod):
        left = sum(1 for other in others if serves(other) and other.ref in healthy)
        floor = floor_of(wanted, now.policy.guards)
        if left < floor:
            detail = f"{name}: {left} of {wanted} would go on serving healthily, at least {floor} must"
            return Hold("serving_floor", "serving_floor", detail)
    return Allow("serving_floor")


def small_workload(now: Situation) -> Allow | Hold:
    """With three replicas or fewer there is no slack: every other one must serve healthily before one is taken."""
    if now.workload is None or now.workload.desired > 3:
        return Allow("small_workload")
    healthy = now.health_of(now.pod.service)
    others = pods_of(now.cluster, now.cluster.by_workload.get(now.workload.ref, ()), but=now.pod.ref)
    well = sum(1 for other in others if serves(other) and other.ref in healthy)
    if well < now.workload.desired - 1:
        detail = f"{now.workload.ref.name} has {now.workload.desired} replicas; only {well} others serve healthily"
        return Hold("small_workload", "small_workload", detail)
    return Allow("small_workload")


def highest_healthy_rate(now: Snapshot, memory: Memory, pod: Pod) -> float:
    """Highest rate at which one pod of the service served healthily, requests a second; 0 = not known."""
    baseline = now.baselines.get(pod.service)
    return max(baseline.peak_rate if baseline is not None else 0.0, memory.peak(pod.service))


def headroom(now: Situation) -> Allow | Hold:
    """Each remaining sibling must have carried healthily before what it would carry after."""
    if now.drained:
        return Allow("headroom")  # its load has moved already; siblings that suffer get it back
    health = now.fleet.health(now.pod.service)
    peak = highest_healthy_rate(now.snapshot, now.memory, now.pod)
    if health is None or peak <= 0.0 or now.pod.ref not in health.rates:
        return Hold("headroom", "headroom_unknown", "it is not known what one sibling can carry")
    left = [other.ref for other in now.siblings() if serves(other)]
    if not left:
        return Hold("headroom", "headroom_unknown", "no sibling is left to carry its requests")
    share = health.rates[now.pod.ref] / len(left)
    projected = max(health.rates.get(ref, 0.0) for ref in left) + share
    if projected > peak:
        detail = (
            f"the busiest sibling would get {projected:.1f} requests/s and never carried more than {peak:.1f} "
            f"healthily; scale {now.workload.ref.name if now.workload else 'it'} up by one"
        )
        return Hold("headroom", "headroom", detail)
    return Allow("headroom")


def in_flight(now: Situation) -> Allow | Hold:
    """One culprit at a time, per workload and per service."""
    limit = now.policy.guards.in_flight_per_workload
    same = [
        other
        for other in now.others_in_hand()
        if (other.workload is not None and other.workload == now.pod.workload) or other.service == now.pod.service
    ]
    if len(same) >= limit:
        names = ", ".join(f"{other.culprit.name} ({other.phase.value})" for other in same)
        return Hold("in_flight", "in_flight", f"not finished yet: {names}")
    drained = [other for other in now.siblings() if other.drained_by_us]
    if now.rung is Rung.DRAIN and len(drained) >= limit:
        return Hold("in_flight", "in_flight", f"{drained[0].ref.name} is drained already")
    return Allow("in_flight")
