"""Keeps what was usual (baselines) up to date beside the tick, from the slow history source."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from observer.domain.counts import ServiceBaseline
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.ports.sources import Clock, Cluster, HistorySource

log = structlog.get_logger(__name__)


class BaselineCache:
    """Asks for baselines at start, every ``refresh`` seconds, and sooner while there are none."""

    def __init__(
        self,
        source: HistorySource,
        cluster: Cluster,
        clock: Clock,
        *,
        seconds: float,
        refresh: float,
        retry: float = 15.0,
    ) -> None:
        self._source, self._cluster, self._clock = source, cluster, clock
        self._seconds, self._refresh, self._retry = seconds, refresh, retry
        self._failure: Gap | None = None
        self.baselines: Mapping[ServiceRef, ServiceBaseline] = {}

    def gaps(self) -> tuple[Gap, ...]:
        """The last failure, while it lasts."""
        return (self._failure,) if self._failure is not None else ()

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            await self.refresh()
            await self._clock.sleep(self._refresh if self.baselines else self._retry)

    async def refresh(self) -> None:
        """Ask once; on failure the old baselines stay and the gap is kept."""
        now = self._clock.now()
        view = self._cluster.view(now)
        service_of = {ref.key: pod.service for ref, pod in view.pods.items() if pod.sidecar}
        if not service_of:
            return
        try:
            async with asyncio.timeout(max(self._retry, 30.0)):
                self.baselines = await self._source.baselines(now, self._seconds, service_of)
            self._failure = None
        except TimeoutError:
            self._failed(Gap("history", "timeout", "baselines took too long"))
        except (SourceUnavailable, SourceProtocolError) as exc:
            self._failed(Gap("history", exc.reason, str(exc)))

    def _failed(self, gap: Gap) -> None:
        if self._failure is None:
            log.warning("baselines_query_failed", reason=gap.reason, detail=gap.detail)
        self._failure = gap
