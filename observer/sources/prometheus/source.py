"""The hot path: at most six questions a tick, all at the tick's one instant."""

from __future__ import annotations

import asyncio

from observer.config.settings.sources import PrometheusSettings
from observer.domain.counts import CallerFrame, CounterFrame, SeriesHistory
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.edges import caller_frame
from observer.sources.prometheus.frames import FrameBuilder
from observer.sources.prometheus.parse import matrix, vector
from observer.sources.prometheus.profiles import profile_for
from observer.sources.prometheus.queries import Queries
from observer.sources.prometheus.rechecks import grid, series_history
from observer.sources.prometheus.transport import Transport

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
