"""
Keeps traces and the call graph beside the tick: what Jaeger and Kiali know of those that are suspected.

Neither is needed to judge or to act; a failure is a gap that is told, and never holds up a tick.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

import structlog

from observer.domain.circuit import Circuit
from observer.domain.cluster import ClusterView
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.domain.traces import TraceSet
from observer.ports.clock import Clock
from observer.ports.sources import Cluster, GraphSource, TraceSource

log = structlog.get_logger(__name__)

DEADLINE: Final = 30.0
"""Seconds after which a question is given up, whatever the source's own time limit is."""
PACE: Final = 1.0
"""Seconds between two looks at whether it is time to ask."""
GOOD_FOR: Final = 3.0
"""An answer is shown for so many times its refresh interval."""


class _Dated(Protocol):
    @property
    def at(self) -> float: ...


T = TypeVar("T", bound=_Dated)


class Kept(Generic[T]):
    """The newest answer of one source, the failure since then, and when it was asked."""

    def __init__(self, source: str, clock: Clock, refresh: float) -> None:
        self.source = source
        self.failure: Gap | None = None
        self._clock, self._refresh = clock, refresh
        self._answer: T | None = None
        self._asked_at: float | None = None

    def answer(self, at: float) -> T | None:
        """The answer that is still good at ``at`` (Unix seconds)."""
        kept = self._answer
        return kept if kept is not None and abs(at - kept.at) <= GOOD_FOR * self._refresh else None

    def due(self, now: float) -> bool:
        """It was not asked for one refresh interval, or the clock was set back."""
        return self._asked_at is None or not 0 <= now - self._asked_at < self._refresh

    def forget(self) -> None:
        """Nobody wants to know any more."""
        self._answer = self.failure = self._asked_at = None

    async def ask(self, question: Callable[[float], Awaitable[T]]) -> None:
        """Ask as of now; a failure keeps the old answer for as long as it is good."""
        now = self._asked_at = self._clock.now()
        try:
            async with asyncio.timeout(DEADLINE):
                self._answer = await question(now)
            self.failure = None
        except TimeoutError:
            self._failed(Gap(self.source, "timeout", f"no answer within {DEADLINE:g} s"))
        except (SourceUnavailable, SourceProtocolError) as exc:
            self._failed(Gap(self.source, exc.reason, str(exc)))

    def _failed(self, gap: Gap) -> None:
        if self.failure is None:
            log.warning("neighbours_unavailable", source=gap.source, reason=gap.reason, detail=gap.detail)
        self.failure = gap


class TraceKeeper:
    """Asks for traces while somebody is suspected: at once for new suspects, then every ``refresh`` seconds."""

    def __init__(self, source: TraceSource, clock: Clock, *, window: float, refresh: float, limit: int) -> None:
        self.source = source
        self.kept: Kept[TraceSet] = Kept("jaeger", clock, refresh)
        self._clock, self._window, self._limit = clock, window, limit
        self._wanted: frozenset[ServiceRef] = frozenset()
        self._asked: frozenset[ServiceRef] = frozenset()

    def suspected(self, services: frozenset[ServiceRef]) -> None:
        """Who is suspected now."""
        self._wanted = services

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(PACE)

    async def look(self) -> None:
        """Ask, if it is time to."""
        wanted = self._wanted
        if not wanted:
            self.kept.forget()
            self._asked = frozenset()
        elif self.kept.due(self._clock.now()) or not wanted <= self._asked:
            self._asked = wanted
            await self.kept.ask(lambda at: self.source.traces(at, self._window, wanted, self._limit))


class GraphKeeper:
    """Asks for the call graph of every namespace with a sidecar, once every ``refresh`` seconds."""

    def __init__(self, source: GraphSource, cluster: Cluster, clock: Clock, *, window: float, refresh: float) -> None:
        self.source = source
        self.kept: Kept[CallGraph] = Kept("kiali", clock, refresh)
        self._cluster, self._clock, self._window = cluster, clock, window

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(PACE)

    async def look(self) -> None:
        """Ask, if it is time to."""
        now = self._clock.now()
        if self.kept.due(now) and (namespaces := _meshed(self._cluster.view(now))):
            await self.kept.ask(lambda at: self.source.graph(at, self._window, namespaces))


class Neighbours:
    """What the collector, the page and the doctor want of both; a source that is not configured is absent."""

    def __init__(self, *, traces: TraceKeeper | None = None, graph: GraphKeeper | None = None) -> None:
        self._traces, self._graph = traces, graph

    def suspected(self, services: frozenset[ServiceRef]) -> None:
        """Who is suspected now; returns at once."""
        if self._traces is not None:
            self._traces.suspected(services)

    def traces(self, at: float) -> TraceSet | None:
        """See ``Snapshot.traces``."""
        return self._traces.kept.answer(at) if self._traces is not None else None

    def graph(self, at: float) -> CallGraph | None:
        """See ``Snapshot.graph``."""
        return self._graph.kept.answer(at) if self._graph is not None else None

    def gaps(self) -> tuple[Gap, ...]:
        """The last failures, while they last."""
        kept = [one.kept for one in (self._traces, self._graph) if one is not None]
        return tuple(one.failure for one in kept if one.failure is not None)

    def circuits(self) -> Mapping[str, Circuit]:
        """By source."""
        return {one.kept.source: one.source.circuit for one in (self._traces, self._graph) if one is not None}

    def tasks(self) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        """What runs as long as the daemon."""
        return [(one.kept.source, one.run) for one in (self._traces, self._graph) if one is not None]

    async def close(self) -> None:
        """Close both sources' connections."""
        for one in (self._traces, self._graph):
            if one is not None:
                await one.source.close()


def _meshed(view: ClusterView) -> frozenset[str]:
    return frozenset(ref.namespace for ref, pod in view.pods.items() if pod.sidecar)
