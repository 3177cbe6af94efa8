"""What the callers of the watched services saw, and whose errors came from whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from observer.domain.cluster import ClusterView
from observer.domain.counts import CallerCounts, CallerFrame
from observer.domain.graph import Reach
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.suspect import CallerTally

_MEMORY: Final = 30.0
"""Seconds in which older calls fade to a third."""

_TRACE: Final = 0.01
MISSED: Final = 30.0
"""Seconds for which the last answer is kept while there is no newer one."""

Edge = tuple[ServiceRef, ServiceRef]


@dataclass(frozen=True, slots=True)
class Calls:
    """Fading sums of one edge or of one service's callers."""

    requests: float = 0.0
    errors: float = 0.0
    unreached: float = 0.0
    """Those of the errors that never reached a pod."""

    @property
    def answered(self) -> float:
        """Errors that the called service answered with."""
        return self.errors - self.unreached

    def plus(self, other: Calls) -> Calls:
        return Calls(
            self.requests + other.requests,
            self.errors + other.errors,
            self.unreached + other.unreached,
        )

    def faded(self, part: float) -> Calls:
        return Calls(self.requests * part, self.errors * part, self.unreached * part)


@dataclass(frozen=True, slots=True, eq=False)
class CallerState:
    """
    Attributes:
        frame: the newest callers' view, None = none yet.
        edges: calling service to called service; own: errors of calling services themselves, over the same ticks.
        pod_edges, pod_own: the same for calling pods.
        at: when the sums were last faded, Unix seconds.
        new: what was counted in the last tick, by called service.
    """

    frame: CallerFrame | None = None
    edges: Mapping[Edge, Calls] = field(default_factory=dict)
    own: Mapping[ServiceRef, float] = field(default_factory=dict)
    pod_edges: Mapping[tuple[PodRef, ServiceRef], Calls] = field(default_factory=dict)
    pod_own: Mapping[PodRef, float] = field(default_factory=dict)
    at: float = 0.0
    new: Mapping[ServiceRef, Reach] = field(default_factory=dict)


def advance(
    state: CallerState, frame: CallerFrame | None, cluster: ClusterView, errors: Callable[[PodRef], float], at: float
) -> tuple[CallerState, dict[ServiceRef, CallerTally]]:
    """
    Add one tick. ``errors`` tells this tick's own errors of a pod.

    A service has a tally when it was watched in the last frame too; a caller whose counters went back, or that came
    back after it was gone, adds nothing.
    """
    state, last = _faded(state, at), state.frame
    if frame is None or last is None or frame.at <= last.at or frame.cuts != last.cuts:
        # One missed answer is no reason to forget the last one: increments then span two ticks.
        retained = last if frame is None and last is not None and at - last.at < MISSED else frame
        return replace(state, frame=retained), {}
    grown, calls = _grown(last, frame, cluster)
    by_service: dict[ServiceRef, list[CallerCounts]] = {service: [] for service in frame.watched & last.watched}
    for service, change in grown:
        if service in by_service:
            by_service[service].append(change)
    tallies = {service: _tally(service, rows, len(frame.cuts)) for service, rows in by_service.items()}
    edges, own = dict(state.edges), dict(state.own)
    pod_edges, pod_own = dict(state.pod_edges), dict(state.pod_own)
    services: dict[PodRef, ServiceRef] = {}
    for (pod, service), more in calls.items():
        services[pod] = cluster.pods[pod].service
        pod_edges[(pod, service)] = pod_edges.get((pod, service), Calls()).plus(more)
        edge = (services[pod], service)
        edges[edge] = edges.get(edge, Calls()).plus(more)
    for pod, service in services.items():
        pod_own[pod] = pod_own.get(pod, 0.0) + errors(pod)
        own[service] = own.get(service, 0.0) + errors(pod)
    new = {
        service: Reach(sum(row.calls for row in rows), sum(row.lost for row in rows))
        for service, rows in by_service.items()
    }
    return CallerState(frame, edges, own, pod_edges, pod_own, at, new), tallies


def _faded(state: CallerState, at: float) -> CallerState:
    part = math.exp(-max(at - state.at, 0.0) / _MEMORY) if state.at else 0.0
    return CallerState(
        frame=state.frame,
        edges={edge: calls.faded(part) for edge, calls in state.edges.items() if calls.requests * part > _TRACE},
        own={service: count * part for service, count in state.own.items() if count * part > _TRACE},
        pod_edges={
            edge: calls.faded(part) for edge, calls in state.pod_edges.items() if calls.requests * part > _TRACE
        },
        pod_own={pod: count * part for pod, count in state.pod_own.items() if count * part > _TRACE},
        at=at,
    )


def _grown(
    last: CallerFrame, frame: CallerFrame, cluster: ClusterView
) -> tuple[list[tuple[ServiceRef, CallerCounts]], dict[tuple[PodRef, ServiceRef], Calls]]:
    """What each caller's calls to a watched service grew by, and the same by calling pod as far as it is known."""
    known_callers = {(namespace, pod) for namespace, pod, _ in last.rows}
    grown: list[tuple[ServiceRef, CallerCounts]] = []
    calls: dict[tuple[PodRef, ServiceRef], Calls] = {}
    for key, now in frame.rows.items():
        namespace, name, service = key
        if service not in last.watched:
            continue
        before = last.rows.get(key)
        ref = cluster.by_name.get((namespace, name))
        pod = cluster.pods.get(ref) if ref is not None else None
        if before is None:
            # A caller's first call ever, or its first to this service, counts from zero; a return does not.
            if not ((namespace, name) in known_callers or (pod is not None and pod.created > last.at)):
                continue
            before = CallerCounts(0.0, 0.0, 0.0, 0.0, tuple(0.0 for _ in now.buckets))
        change = _difference(now, before)
        if change is None:
            continue
        grown.append((service, change))
        if pod is not None:
            asked = change.ok + change.error
            calls[(pod.ref, service)] = Calls(asked, change.error, change.unreached)
    return grown, calls


def _difference(now: CallerCounts, before: CallerCounts) -> CallerCounts | None:
    plain = (
        now.ok - before.ok,
        now.error - before.error,
        now.excluded - before.excluded,
        now.unreached - before.unreached,
    )
    earlier = before.buckets or tuple(0.0 for _ in now.buckets)
    if len(earlier) != len(now.buckets):
        return None
    slow = tuple(a - b for a, b in zip(now.buckets, earlier, strict=True))
    if any(not math.isfinite(growth) or growth < 0.0 for growth in plain):
        return None
    if any(not math.isfinite(growth) or growth < 0.0 for growth in slow):
        slow = ()
    return CallerCounts(*plain, buckets=slow)


def _tally(service: ServiceRef, rows: Sequence[CallerCounts], cuts: int) -> CallerTally:
    slower = [0.0] * cuts
    for counts in rows:
        for i in range(cuts if counts.buckets else 0):
            slower[i] += max(counts.buckets[-1] - counts.buckets[i], 0.0)
    return CallerTally(
        service=service,
        requests=sum(counts.ok + counts.error for counts in rows),
        errors=sum(counts.error for counts in rows),
        unreached=sum(counts.unreached for counts in rows),
        bad_by_cut=tuple(slower),
    )
