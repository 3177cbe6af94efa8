"""
Keeps traces and the call graph beside the tick: what Jaeger, Kiali and callers know of those that are suspected.

Neither is needed to judge or to act; a failure is a gap that is told, and never holds up a tick.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from observer.domain.circuit import Circuit
from observer.domain.cluster import ClusterView
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.domain.traces import TraceSet
from observer.ports.sources import Clock, Cluster, GraphSource, TraceSource
from observer.runtime.calls import CallCache
from observer.runtime.kept import PACE, SourceCache

LEAST: Final = 5.0
"""Seconds between two questions to the mesh's console, however many new suspects there are."""


class TraceCache:
    """Asks for traces while somebody is suspected: at once for new suspects, then every ``refresh`` seconds."""

    def __init__(self, source: TraceSource, clock: Clock, *, window: float, refresh: float, limit: int) -> None:
        self.source = source
        self.kept: SourceCache[TraceSet] = SourceCache("jaeger", clock, refresh)
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


class GraphCache:
    """
    Asks for the call graph of every namespace with a sidecar, once every ``refresh`` seconds and for new suspects.
    """

    def __init__(self, source: GraphSource, cluster: Cluster, clock: Clock, *, window: float, refresh: float) -> None:
        self.source = source
        self.kept: SourceCache[CallGraph] = SourceCache("kiali", clock, refresh)
        self._cluster, self._clock, self._window = cluster, clock, window
        self._wanted: frozenset[ServiceRef] = frozenset()
        self._asked: frozenset[ServiceRef] = frozenset()
        self._last = 0.0

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
        now, wanted = self._clock.now(), self._wanted
        news = not wanted <= self._asked and not 0 <= now - self._last < LEAST
        if (news or self.kept.due(now)) and (namespaces := _meshed(self._cluster.view(now))):
            self._asked, self._last = wanted, now
            await self.kept.ask(lambda at: self.source.graph(at, self._window, namespaces))


class DependencyCaches:
    """What the collector, the page and the doctor want of all of them; a source that is not configured is absent."""

    def __init__(
        self,
        *,
        traces: TraceCache | None = None,
        graph: GraphCache | None = None,
        calls: CallCache | None = None,
    ) -> None:
        self._traces, self._graph, self._calls = traces, graph, calls

    def suspected(self, services: frozenset[ServiceRef]) -> None:
        """Who is suspected now; returns at once."""
        for one in (self._traces, self._graph, self._calls):
            if one is not None:
                one.suspected(services)

    def traces(self, at: float) -> TraceSet | None:
        """See ``Snapshot.traces``."""
        return self._traces.kept.answer(at) if self._traces is not None else None

    def graph(self, at: float) -> CallGraph | None:
        """See ``Snapshot.graph``."""
        return self._graph.kept.answer(at) if self._graph is not None else None

    def edges(self, at: float) -> CallGraph | None:
        """See ``Snapshot.edges``."""
        return self._calls.now(at) if self._calls is not None else None

    def usual_edges(self, at: float) -> CallGraph | None:
        """See ``Snapshot.usual_edges``."""
        return self._calls.usual(at) if self._calls is not None else None

    def earlier_edges(self, at: float) -> CallGraph | None:
        """See ``Snapshot.earlier_edges``."""
        return self._calls.earlier(at) if self._calls is not None else None

    def gaps(self) -> tuple[Gap, ...]:
        """The last failures, while they last."""
        kept = [one.kept for one in (self._traces, self._graph) if one is not None]
        found = tuple(one.failure for one in kept if one.failure is not None)
        return (*found, *(self._calls.gaps() if self._calls is not None else ()))

    def circuits(self) -> Mapping[str, Circuit]:
        """By source."""
        return {one.kept.source: one.source.circuit for one in (self._traces, self._graph) if one is not None}

    def tasks(self) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        """What runs as long as the daemon."""
        found = [(one.kept.source, one.run) for one in (self._traces, self._graph) if one is not None]
        return [*found, ("edges", self._calls.run)] if self._calls is not None else found

    async def close(self) -> None:
        """Close all connections."""
        for one in (self._traces, self._graph, self._calls):
            if one is not None:
                await one.source.close()


def _meshed(view: ClusterView) -> frozenset[str]:
    return frozenset(ref.namespace for ref, pod in view.pods.items() if pod.sidecar)
