"""Who calls whom beside the tick: usual while all is well, now for those who are suspected."""

from __future__ import annotations

from dataclasses import dataclass, field

from observer.domain.errors import SourceUnavailable
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.runtime.source_cache import (
    EARLIER,
    LAG,
    QUIET,
    REFRESH,
    RETAINED,
    USUAL,
    WINDOW,
    CallCache,
    DependencyCaches,
)
from tests.support.fakes import FakeClock

CART, PAY = ServiceRef("shop", "cart"), ServiceRef("shop", "pay")


@dataclass
class FakeCalls:
    """Answers with an empty graph, or raises what it was told to."""

    fails: Exception | None = None
    asked: list[tuple[float, float]] = field(default_factory=list)
    closed: bool = False

    async def calls(self, at: float, seconds: float) -> CallGraph:
        self.asked.append((at, seconds))
        if self.fails is not None:
            raise self.fails
        return CallGraph(at, seconds, ())

    async def close(self) -> None:
        self.closed = True


@dataclass
class SourceCache:
    clock: FakeClock = field(default_factory=FakeClock)
    source: FakeCalls = field(default_factory=FakeCalls)

    def __post_init__(self) -> None:
        self.keeper = CallCache(self.source, self.clock)
        self.both = DependencyCaches(calls=self.keeper)

    async def pass_(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.at += 1.0
            await self.keeper.look()


async def test_one_question_a_minute_while_nobody_is_suspected() -> None:
    it = SourceCache()
    await it.keeper.look()
    await it.pass_(2 * QUIET)
    assert [seconds for _, seconds in it.source.asked] == [USUAL] * 3
    assert it.source.asked[0][0] == it.clock.at - 2 * QUIET - LAG
    assert it.both.edges(it.clock.at) is None and it.both.usual_edges(it.clock.at) is None


async def test_new_suspects_are_asked_about_at_once_and_the_usual_stands() -> None:
    it = SourceCache()
    await it.keeper.look()
    usual = it.source.asked[0][0]
    it.both.suspected(frozenset({CART}))
    await it.pass_(1)
    assert it.source.asked[1:] == [(it.clock.at, WINDOW), (it.clock.at - LAG, WINDOW)]
    it.both.suspected(frozenset({CART, PAY}))
    await it.pass_(1)
    await it.pass_(REFRESH)
    assert it.source.asked[3:] == [(it.clock.at - REFRESH, WINDOW), (it.clock.at, WINDOW)]

    await it.pass_(5 * QUIET)
    now, before = it.both.edges(it.clock.at), it.both.usual_edges(it.clock.at)
    assert now is not None and it.clock.at - now.at <= REFRESH
    assert before is not None and before.at == usual

    await it.pass_(RETAINED)
    before = it.both.usual_edges(it.clock.at)
    assert before is not None and before.at > usual  # better than none at all


async def test_a_minute_that_is_over_is_asked_once_a_minute_while_somebody_is_suspected() -> None:
    it = SourceCache()
    await it.keeper.look()
    assert it.both.earlier_edges(it.clock.at) is None
    it.both.suspected(frozenset({CART}))
    await it.pass_(1)
    first = it.both.earlier_edges(it.clock.at)
    assert first is not None and (first.at, first.seconds) == (it.clock.at - LAG, WINDOW)

    await it.pass_(2 * QUIET)
    later = it.both.earlier_edges(it.clock.at)
    assert later is not None and later.at == first.at + 2 * QUIET

    it.source.fails = SourceUnavailable("gone")
    await it.pass_(EARLIER)
    assert it.both.earlier_edges(it.clock.at) is None

    it.source.fails = None
    it.both.suspected(frozenset())
    await it.pass_(1)
    assert it.both.earlier_edges(it.clock.at) is None


async def test_nobody_suspected_any_more_forgets_what_was_now() -> None:
    it = SourceCache()
    it.both.suspected(frozenset({CART}))
    await it.keeper.look()
    assert it.both.edges(it.clock.at) is not None
    it.both.suspected(frozenset())
    await it.keeper.look()
    assert it.both.edges(it.clock.at) is None


async def test_a_failure_is_one_gap_and_no_graph() -> None:
    it = SourceCache()
    it.source.fails = SourceUnavailable("gone")
    it.both.suspected(frozenset({CART}))
    await it.keeper.look()
    assert it.both.gaps() == (Gap("edges", "unreachable", "gone"),)
    assert it.both.edges(it.clock.at) is None
    it.source.fails = None
    await it.pass_(REFRESH)
    assert it.both.edges(it.clock.at) is not None
    await it.pass_(QUIET)
    assert it.both.gaps() == ()


async def test_it_runs_and_closes_with_the_others() -> None:
    it = SourceCache()
    assert [name for name, _ in it.both.tasks()] == ["edges"]
    assert it.both.circuits() == {}
    await it.both.close()
    assert it.source.closed
