"""The hot path: at most six questions a tick, all at the tick's one instant."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from observer.config.settings.sources import PrometheusSettings
from observer.domain.classify import request_class
from observer.domain.counts import (
    BoolArray,
    CallerFrame,
    CounterFrame,
    FloatArray,
    IntArray,
    RequestClass,
    SeriesHistory,
)
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.call_graph import caller_frame
from observer.sources.prometheus.frames import FrameBuilder, class_labels, is_outward
from observer.sources.prometheus.parse import Track, matrix, vector
from observer.sources.prometheus.profiles import MetricProfile, profile_for
from observer.sources.prometheus.queries import UNKNOWN, Queries
from observer.sources.prometheus.transport import Transport

NO_FLAGS = "-"


def grid(at: float, seconds: float, step: float) -> FloatArray:
    """Shape (T,): the instants of a range question that ends exactly at ``at``."""
    return at - step * np.arange(int(seconds // step), -1, -1, dtype=np.float64)


def series_history(
    tracks: Iterable[Track], times: FloatArray, pods: frozenset[tuple[str, str]], profile: MetricProfile
) -> tuple[SeriesHistory, ...]:
    """One history for each of ``pods`` and calling workload, sorted by both, on the grid ``times``."""
    by_caller: dict[tuple[tuple[str, str], str], _Sums] = {}
    for track in tracks:
        pod = tuple(track.metric.get(profile.label(role) or "", "") for role in ("namespace", "pod"))
        if pod not in pods:
            continue
        key = ((pod[0], pod[1]), _caller(track, profile))
        sums = by_caller.setdefault(key, _Sums(np.full((len(times), len(RequestClass)), np.nan)))
        rows, values = _placed(track, times)
        if le := track.metric.get(profile.label("le") or "", ""):
            if (bound := _bound(le, profile.unit)) is not None:
                _add(sums.buckets.setdefault(bound, np.full(len(times), np.nan)), rows, values)
            continue
        how = class_labels(track.metric, profile)
        kind = request_class(*how)
        _add(sums.requests[:, kind], rows, values)
        if kind is RequestClass.ERROR:
            _add(sums.flags.setdefault(how[1] or NO_FLAGS, np.full(len(times), np.nan)), rows, values)
    return tuple(
        sums.closed(pod, caller, times)
        for (pod, caller), sums in sorted(by_caller.items(), key=lambda item: item[0])
        if not np.isnan(sums.requests).all()
    )


@dataclass(slots=True)
class _Sums:
    """One pod and caller while it is added up; NaN = no series then."""

    requests: FloatArray
    buckets: dict[float, FloatArray] = field(default_factory=dict)
    flags: dict[str, FloatArray] = field(default_factory=dict)

    def closed(self, pod: tuple[str, str], caller: str, times: FloatArray) -> SeriesHistory:
        """A class or flag without a series has had no request while the pod had any series of this caller."""
        counted: BoolArray = np.any(~np.isnan(self.requests), axis=1)
        requests = np.where(counted[:, None] & np.isnan(self.requests), 0.0, self.requests)
        flags = {flag: np.where(counted & np.isnan(counts), 0.0, counts) for flag, counts in sorted(self.flags.items())}
        if math.inf not in self.buckets:
            return SeriesHistory(pod, caller, times, requests, flags=flags)
        bounds = sorted(self.buckets)
        table = np.stack([self.buckets[bound] for bound in bounds], axis=1)
        return SeriesHistory(pod, caller, times, requests, tuple(bounds[:-1]), table, flags)


def _caller(track: Track, profile: MetricProfile) -> str:
    """Who called; for a gateway, whose callers are outside, whom it called: one sick service convicts it as little."""
    outward = is_outward(track.metric, profile)
    roles = ("service_namespace", "service") if outward else ("source_namespace", "source_workload")
    namespace, name = (track.metric.get(profile.label(role) or "", "") for role in roles)
    if {namespace, name} & {"", UNKNOWN}:
        return UNKNOWN
    return f"to {namespace}/{name}" if outward else f"{namespace}/{name}"


def _bound(le: str, unit: float) -> float | None:
    """The bucket's bound in milliseconds; None for what is no number."""
    try:
        bound = float(le) / unit
    except ValueError:
        return None
    return None if math.isnan(bound) else float(f"{bound:.12g}")


def _placed(track: Track, times: FloatArray) -> tuple[IntArray, FloatArray]:
    """Places on the grid of a series' points, and their values; what no counter looks like is unknown."""
    step = times[1] - times[0] if len(times) > 1 else 1.0
    rows = np.rint((np.array([point.at for point in track.values]) - times[0]) / step).astype(np.int64)
    values = np.array([point.value for point in track.values], dtype=np.float64)
    inside = (rows >= 0) & (rows < len(times))
    values[(values < 0.0) | np.isinf(values)] = np.nan
    return rows[inside], values[inside]


def _add(column: FloatArray, rows: IntArray, values: FloatArray) -> None:
    column[rows] = np.where(np.isnan(column[rows]), 0.0, column[rows]) + values


# --- The hot path: at most six questions a tick, all at the tick's one instant


_EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
_INLINE = 1 << 20
"""Bytes of answers that are read on the event loop; more would hold up the Lease and the watch events."""


class PrometheusSource:
    """
    Implements ``ports.sources.MetricSource`` over the query API of Prometheus and its kin.

    ``asked`` and ``received`` count questions and bytes of answers since the start.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._transport = Transport(settings)
        self._profile = profile_for(settings.profile, settings.labels)
        self._queries = Queries(self._profile, selector=settings.selector, up_selector=settings.up_selector)
        self._cuts = settings.cuts_ms
        self._frames = FrameBuilder(self._profile, settings.cuts_ms)
        self._building = asyncio.Lock()
        self.asked = 0
        self.received = 0

    async def counters(self, at: float) -> CounterFrame:
        """See ``MetricSource.counters``. A profile that cannot tell pods apart gives scrape times only."""
        own = (self._queries.requests(), self._queries.buckets(self._cuts)) if self._profile.judges_pods else ()
        *answers, scrapes = await self._instants(at, *own, self._queries.scrapes())
        requests, buckets = answers or (_EMPTY, _EMPTY)
        async with self._building:
            if len(requests) + len(buckets) + len(scrapes) < _INLINE:
                return self._frame(at, requests, buckets, scrapes)
            return await asyncio.to_thread(self._frame, at, requests, buckets, scrapes)

    def _frame(self, at: float, requests: bytes, buckets: bytes, scrapes: bytes) -> CounterFrame:
        return self._frames.frame(at, vector(requests), vector(buckets), vector(scrapes))

    async def callers(self, at: float, services: frozenset[ServiceRef]) -> CallerFrame:
        """See ``MetricSource.callers``. Asks nothing when no service is watched."""
        if not services:
            return CallerFrame(at, services, self._cuts, {})
        requests, buckets = await self._instants(
            at, self._queries.callers(services), self._queries.caller_buckets(services, self._cuts)
        )
        return caller_frame(
            at, services, self._cuts, profile=self._profile, requests=vector(requests), buckets=vector(buckets)
        )

    async def recheck(
        self, at: float, seconds: float, step: float, pods: frozenset[tuple[str, str]]
    ) -> tuple[SeriesHistory, ...]:
        """See ``MetricSource.recheck``."""
        if not pods or not self._profile.judges_pods:
            return ()
        times = grid(at, seconds, step)
        body = await self._transport.over(self._queries.recheck(pods), float(times[0]), at, step)
        self._count(body)
        if len(body) < _INLINE:
            return series_history(matrix(body), times, pods, self._profile)
        return await asyncio.to_thread(lambda: series_history(matrix(body), times, pods, self._profile))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _instants(self, at: float, *queries: str) -> list[bytes]:
        """All answers, or the first failure: what is not asked any more is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._transport.instant(query, at)) for query in queries]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        bodies = [task.result() for task in tasks]
        for body in bodies:
            self._count(body)
        return bodies

    def _count(self, body: bytes) -> None:
        self.asked += 1
        self.received += len(body)
