"""Counters of a test as the metric source hands them to the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from observer.domain.classify import flags_of, is_unreached, request_class
from observer.domain.counts import CallerCounts, CallerFrame, CounterFrame, FloatArray, RequestClass, SeriesHistory
from observer.domain.graph import CallGraph, Reach
from observer.domain.ids import PodRef, ServiceRef
from observer.policytest.read import BUCKETS, REQUESTS
from observer.policytest.traffic import CALLER, Name, Traffic
from observer.policytest.world import World

RECHECKED: Final = 600.0
_CLASSES: Final = len(RequestClass)


def counter_frame(world: World, traffic: Traffic, cuts: tuple[float, ...]) -> CounterFrame:
    """The pods' own view at the world's instant."""
    refs = [ref for ref in world.pods if ref in traffic.targets]
    table = [tally(traffic.targets[ref].read, cuts) for ref in refs]
    rows = np.array(table) if table else np.zeros((0, _CLASSES + len(cuts) + 1))
    targets = [traffic.targets[ref] for ref in refs]
    return CounterFrame(
        at=world.at,
        pods=tuple(ref.key for ref in refs),
        requests=rows[:, :_CLASSES],
        cuts=cuts,
        buckets=rows[:, _CLASSES:],
        scraped=np.array([0.0 if target.down else target.scraped for target in targets]),
        targets=np.ones(len(refs), np.int64),
        outward=np.array([world.facts.workloads[world.pods[ref].key].gateway for ref in refs], np.bool_),
    )


def caller_frame(
    world: World, traffic: Traffic, watched: frozenset[ServiceRef], cuts: tuple[float, ...]
) -> CallerFrame:
    """The callers' view of the watched services."""
    rows: dict[tuple[str, str, ServiceRef], CallerCounts] = {}
    for service in watched & set(traffic.calls):
        calls = calls_of(traffic, service)
        found = tally(calls, cuts)
        unreached = sum(value for name, value in calls.items() if name.metric == REQUESTS and is_unreached(*_how(name)))
        ok, error, excluded = (
            float(found[column]) for column in (RequestClass.OK, RequestClass.ERROR, RequestClass.EXCLUDED)
        )
        rows[*CALLER, service] = CallerCounts(ok, error, excluded, unreached, tuple(found[_CLASSES:].tolist()))
    return CallerFrame(world.at, watched, cuts, rows)


def calls_of(traffic: Traffic, service: ServiceRef) -> dict[Name, float]:
    """The callers' counters of a service, those that were written for the callers themselves included."""
    found = dict(traffic.calls.get(service, {}))
    for line, value in traffic.raw():
        to = (line.labels.get("destination_service_namespace", ""), line.labels.get("destination_service_name", ""))
        if line.metric == REQUESTS and to == (service.namespace, service.name):
            name = Name(REQUESTS, tuple(sorted(line.labels.items())))
            found[name] = found.get(name, 0.0) + value
    return found


def rechecks(
    world: World, traffic: Traffic, services: Iterable[ServiceRef], cuts: tuple[float, ...]
) -> dict[ServiceRef, tuple[SeriesHistory, ...]]:
    """The last minutes of the pods of ``services`` again, all calls by one workload."""
    since = [(at, seen) for at, seen in traffic.past if at >= world.at - RECHECKED]
    members: dict[ServiceRef, list[PodRef]] = {}
    for ref, pod in world.pods.items():
        members.setdefault(world.facts.workloads[pod.key].serves(pod.key), []).append(ref)
    return {service: tuple(_history(ref, since, cuts) for ref in members.get(service, ())) for service in services}


def _history(
    ref: PodRef, since: list[tuple[float, dict[PodRef, dict[Name, float]]]], cuts: tuple[float, ...]
) -> SeriesHistory:
    rows = np.array([tally(seen.get(ref, {}), cuts) for _, seen in since])
    flags: dict[str, FloatArray] = {}
    for column, (_, seen) in enumerate(since):
        for name, value in seen.get(ref, {}).items():
            how = _how(name)
            if name.metric == REQUESTS and request_class(*how) is RequestClass.ERROR:
                flag = ",".join(sorted(flags_of(how[1]))) or "-"
                flags.setdefault(flag, np.zeros(len(since)))[column] += value
    return SeriesHistory(
        ref.key, "/".join((CALLER[0], "callers")), np.array([at for at, _ in since]),
        rows[:, :_CLASSES], cuts, rows[:, _CLASSES:], flags,
    )  # fmt: skip


def tally(counters: Mapping[Name, float], cuts: tuple[float, ...]) -> FloatArray:
    """
    Requests by class, then at most as slow as each cut, then all; NaN throughout without a series.

    Without buckets every request counts as fast; a cut without a bucket of its own counts as the next lower one.
    """
    found = np.zeros(_CLASSES + len(cuts) + 1)
    if not any(name.metric == REQUESTS for name in counters):
        return np.full_like(found, np.nan)
    buckets: dict[float, float] = {}
    for name, value in counters.items():
        if name.metric == REQUESTS:
            found[request_class(*_how(name))] += value
        elif name.metric == BUCKETS:
            bound = float(name.words["le"].replace("Inf", "inf"))
            buckets[bound] = buckets.get(bound, 0.0) + value
    total = float(found[:_CLASSES].sum())
    found[_CLASSES:] = total
    if buckets:
        below = [max((value for bound, value in buckets.items() if bound <= cut), default=0.0) for cut in cuts]
        found[_CLASSES:-1] = np.minimum(below, total)
    return found


def _how(name: Name) -> tuple[str, str, str]:
    words = name.words
    return (words.get("response_code", ""), words.get("response_flags", ""), words.get("grpc_response_status", ""))


LAG: Final = 120.0
WINDOW: Final = 60.0
USUAL: Final = 600.0
"""Seconds: what is told ended ``LAG`` ago and lasted so long. A test holds them to the daemon's."""


class LostCalls:
    """Remembers what callers counted of every service; tells of it while somebody is suspected."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Mapping[ServiceRef, Reach]]] = deque()
        self._usual: CallGraph | None = None

    def look(self, frame: CallerFrame, *, suspected: bool) -> tuple[CallGraph | None, CallGraph | None]:
        """``(usual_edges, earlier_edges)`` of the snapshot at this instant; ``frame`` holds every service."""
        self._past.append((frame.at, _counted(frame)))
        while len(self._past) > 1 and self._past[1][0] <= frame.at - LAG - USUAL:
            self._past.popleft()
        if not suspected or self._usual is None:
            self._usual = self._graph(frame.at - LAG, USUAL)
        return (self._usual, self._graph(frame.at - LAG, WINDOW)) if suspected else (None, None)

    def _graph(self, end: float, seconds: float) -> CallGraph:
        """What was counted between the last looks before either end; a service that lost its counters is unknown."""
        seen = [row for at, row in self._past if at <= end]
        before = [row for at, row in self._past if at <= end - seconds] or seen[:1]
        reached = {}
        for service, now in seen[-1].items() if seen else ():
            then = before[-1].get(service, Reach(0.0, 0.0))
            grown = Reach(now.calls - then.calls, now.lost - then.lost)
            if grown.calls > 0.0 and grown.lost >= 0.0:
                reached[service] = grown
        return CallGraph(end, seconds, (), reached)


def _counted(frame: CallerFrame) -> dict[ServiceRef, Reach]:
    found: dict[ServiceRef, Reach] = {}
    for (_, _, service), row in frame.rows.items():
        known = found.get(service, Reach(0.0, 0.0))
        found[service] = Reach(known.calls + row.calls, known.lost + row.lost)
    return found
