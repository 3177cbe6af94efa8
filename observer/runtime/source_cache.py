"""
Answers of slow sources, kept beside the tick: baselines, traces, the call graph, the callers' view of who calls whom.

None of them is needed to judge or to act; a failure is a gap that is reported, and never holds up a tick.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

import structlog

from observer.domain.circuit import Circuit
from observer.domain.counts import ServiceBaseline
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.domain.traces import TraceSet
from observer.ports.sources import CallSource, Clock, Cluster, GraphSource, HistorySource, TraceSource

log = structlog.get_logger(__name__)

DEADLINE: Final = 30.0
"""Seconds after which a question is given up, whatever the source's own time limit is."""
PACE: Final = 1.0
"""Seconds between two looks at whether it is time to ask."""
GOOD_FOR: Final = 3.0
"""An answer is shown for so many times its refresh interval."""
LEAST: Final = 5.0
"""Seconds between two questions to the mesh's console, however many new suspects there are."""
WINDOW: Final = 60.0
"""Seconds that "now" is counted over."""
USUAL: Final = 600.0
"""Seconds that "usual" is counted over; they end ``LAG`` before they are asked for."""
LAG: Final = 120.0
"""Seconds that a fault may take to be suspected without being counted as usual."""
REFRESH: Final = 15.0
QUIET: Final = 60.0
"""Seconds between two questions for the usual while nobody is suspected."""
EARLIER: Final = 5.0 * QUIET
"""Seconds for which an earlier minute, which ended ``LAG`` before it was asked for, is shown."""
RETAINED: Final = 3600.0
"""Seconds for which the usual is held while somebody is: what is asked for later holds the incident itself."""


class _Dated(Protocol):
    @property
    def at(self) -> float: ...


T = TypeVar("T")
D = TypeVar("D", bound=_Dated)


class SourceFailure:
    """The last failure of one source, while it lasts (``gap``)."""

    def __init__(self, source: str, event: str) -> None:
        """``event`` is logged when the source begins to fail."""
        self.source, self._event = source, event
        self.gap: Gap | None = None

    def gaps(self) -> tuple[Gap, ...]:
        """None or one."""
        return (self.gap,) if self.gap is not None else ()

    async def guard(self, question: Awaitable[T], deadline: float, late: str = "") -> T | None:
        """The answer; None when it does not come within ``deadline`` seconds (``late`` says so) or is refused."""
        try:
            async with asyncio.timeout(deadline):
                answer = await question
        except TimeoutError:
            self._note(Gap(self.source, "timeout", late or f"no answer within {deadline:g} s"))
        except (SourceUnavailable, SourceProtocolError) as exc:
            self._note(Gap(self.source, exc.reason, str(exc)))
        else:
            self.gap = None
            return answer
        return None

    def _note(self, gap: Gap) -> None:
        if self.gap is None:
            log.warning(self._event, source=gap.source, reason=gap.reason, detail=gap.detail)
        self.gap = gap


class SourceCache(Generic[D]):
    """The newest answer of one source with its age, the failure since then, and when it was asked."""

    def __init__(self, source: str, clock: Clock, refresh: float, good_for: float | None = None) -> None:
        """``good_for``: seconds for which an answer is shown, ``GOOD_FOR`` intervals unless given."""
        self.source, self.failure = source, SourceFailure(source, "source_query_failed")
        self._clock, self._refresh = clock, refresh
        self._good_for = GOOD_FOR * refresh if good_for is None else good_for
        self._answer: D | None = None
        self._asked_at: float | None = None

    def answer(self, at: float) -> D | None:
        """The answer that is still good at ``at`` (Unix seconds)."""
        answer = self._answer
        return answer if answer is not None and abs(at - answer.at) <= self._good_for else None

    def due(self, now: float) -> bool:
        """It was not asked for one refresh interval, or the clock was set back."""
        return self._asked_at is None or not 0 <= now - self._asked_at < self._refresh

    def forget(self) -> None:
        """Nobody wants to know any more."""
        self._answer = self.failure.gap = self._asked_at = None

    async def ask(self, question: Callable[[float], Awaitable[D]]) -> None:
        """Ask as of now; a failure keeps the old answer for as long as it is good."""
        now = self._asked_at = self._clock.now()
        if (answer := await self.failure.guard(question(now), DEADLINE)) is not None:
            self._answer = answer


class BaselineCache:
    """What was usual: asked for at start, every ``refresh`` seconds, and sooner while there is nothing."""

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
        self._failure = SourceFailure("history", "baselines_query_failed")
        self.baselines: Mapping[ServiceRef, ServiceBaseline] = {}

    def gaps(self) -> tuple[Gap, ...]:
        """The last failure, while it lasts."""
        return self._failure.gaps()

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            await self.refresh()
            await self._clock.sleep(self._refresh if self.baselines else self._retry)

    async def refresh(self) -> None:
        """Ask once; on failure the old baselines stay and the gap is kept."""
        now = self._clock.now()
        service_of = {ref.key: pod.service for ref, pod in self._cluster.view(now).pods.items() if pod.sidecar}
        if not service_of:
            return
        question = self._source.baselines(now, self._seconds, service_of)
        answer = await self._failure.guard(question, max(self._retry, 30.0), "baselines took too long")
        if answer is not None:
            self.baselines = answer


class _SuspectCache(ABC):
    """What is asked about those that are suspected; ``look`` asks when it is time to."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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

    @abstractmethod
    async def look(self) -> None: ...


class TraceCache(_SuspectCache):
    """Asks for traces while somebody is suspected: at once for new suspects, then every ``refresh`` seconds."""

    def __init__(self, source: TraceSource, clock: Clock, *, window: float, refresh: float, limit: int) -> None:
        super().__init__(clock)
        self.source = source
        self.cache: SourceCache[TraceSet] = SourceCache("jaeger", clock, refresh)
        self._window, self._limit = window, limit

    async def look(self) -> None:
        """Ask, if it is time to."""
        wanted = self._wanted
        if not wanted:
            self.cache.forget()
            self._asked = frozenset()
        elif self.cache.due(self._clock.now()) or not wanted <= self._asked:
            self._asked = wanted
            await self.cache.ask(lambda at: self.source.traces(at, self._window, wanted, self._limit))


class GraphCache(_SuspectCache):
    """
    Asks for the call graph of every namespace with a sidecar, once every ``refresh`` seconds and for new suspects.
    """

    def __init__(self, source: GraphSource, cluster: Cluster, clock: Clock, *, window: float, refresh: float) -> None:
        super().__init__(clock)
        self.source = source
        self.cache: SourceCache[CallGraph] = SourceCache("kiali", clock, refresh)
        self._cluster, self._window = cluster, window
        self._last = 0.0

    async def look(self) -> None:
        """Ask, if it is time to."""
        now, wanted = self._clock.now(), self._wanted
        news = not wanted <= self._asked and not 0 <= now - self._last < LEAST
        if not news and not self.cache.due(now):
            return
        meshed = frozenset(ref.namespace for ref, pod in self._cluster.view(now).pods.items() if pod.sidecar)
        if meshed:
            self._asked, self._last = wanted, now
            await self.cache.ask(lambda at: self.source.graph(at, self._window, meshed))


class CallCache(_SuspectCache):
    """
    The callers' view: what is usual while all is well, and what is now. One question a minute while all is well; at
    once for new suspects, then every ``REFRESH`` seconds, and once a minute for a minute that is over.
    """

    def __init__(self, source: CallSource, clock: Clock) -> None:
        super().__init__(clock)
        self.source = source
        self._now: SourceCache[CallGraph] = SourceCache("edges", clock, REFRESH)
        self._usual: SourceCache[CallGraph] = SourceCache("edges", clock, QUIET, good_for=RETAINED)
        self._earlier: SourceCache[CallGraph] = SourceCache("edges", clock, QUIET, good_for=EARLIER)

    def now(self, at: float) -> CallGraph | None:
        """See ``Snapshot.edges``."""
        return self._now.answer(at)

    def usual(self, at: float) -> CallGraph | None:
        """See ``Snapshot.usual_edges``; given together with ``now`` only."""
        return self._usual.answer(at) if self._now.answer(at) is not None else None

    def earlier(self, at: float) -> CallGraph | None:
        """See ``Snapshot.earlier_edges``; given together with ``now`` only."""
        return self._earlier.answer(at) if self._now.answer(at) is not None else None

    def gaps(self) -> tuple[Gap, ...]:
        """The last failures, while they last."""
        caches = (self._now, self._usual, self._earlier)
        return tuple(dict.fromkeys(gap for cache in caches for gap in cache.failure.gaps()))

    async def look(self) -> None:
        """Ask, if it is time to."""
        wanted, at = self._wanted, self._clock.now()
        usual = self._usual.answer(at) is not None
        if self._usual.due(at) and not (wanted and usual):
            await self._usual.ask(lambda now: self.source.calls(now - LAG, USUAL))
        if not wanted:
            self._now.forget()
            self._earlier.forget()
            self._asked = frozenset()
            return
        if self._now.due(self._clock.now()) or not wanted <= self._asked:
            self._asked = wanted
            await self._now.ask(lambda now: self.source.calls(now, WINDOW))
        if self._earlier.due(self._clock.now()):
            await self._earlier.ask(lambda now: self.source.calls(now - LAG, WINDOW))


class DependencyCaches:
    """What the collector, the page and the doctor want of all of them; a source that is not configured is absent."""

    def __init__(
        self, *, traces: TraceCache | None = None, graph: GraphCache | None = None, calls: CallCache | None = None
    ) -> None:
        self._traces, self._graph, self._calls = traces, graph, calls
        self._all = tuple(cache for cache in (traces, graph, calls) if cache is not None)
        self._servers = tuple(cache for cache in (traces, graph) if cache is not None)

    def suspected(self, services: frozenset[ServiceRef]) -> None:
        """Who is suspected now; returns at once."""
        for cache in self._all:
            cache.suspected(services)

    def traces(self, at: float) -> TraceSet | None:
        """See ``Snapshot.traces``."""
        return self._traces.cache.answer(at) if self._traces is not None else None

    def graph(self, at: float) -> CallGraph | None:
        """See ``Snapshot.graph``."""
        return self._graph.cache.answer(at) if self._graph is not None else None

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
        servers = (gap for each in self._servers for gap in each.cache.failure.gaps())
        return (*servers, *(self._calls.gaps() if self._calls is not None else ()))

    def circuits(self) -> Mapping[str, Circuit]:
        """By source."""
        return {each.cache.source: each.source.circuit for each in self._servers}

    def tasks(self) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        """What runs as long as the daemon."""
        servers = [(each.cache.source, each.run) for each in self._servers]
        return [*servers, ("edges", self._calls.run)] if self._calls is not None else servers

    async def close(self) -> None:
        """Close all connections."""
        for each in self._all:
            await each.source.close()
