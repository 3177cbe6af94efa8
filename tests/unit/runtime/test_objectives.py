"""The keeper of objectives: what it asks, keeps, tells the tick and writes down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from observer.domain.errors import JournalUnavailable, SourceUnavailable
from observer.domain.events import BAD, TOTAL, ObjectiveFrame, Parts, Readings, Series
from observer.domain.ids import ServiceRef
from observer.domain.slo import DataState, LedgerCount, Objective
from observer.runtime.objectives import ObjectiveCache
from tests.support.builders import cluster, pod, workload
from tests.support.fakes import FakeClock
from tests.support.slo import CART, objective

START = 1_790_000_400.0
POD = ("shop", "cart-1")


@dataclass
class Source:
    """Counters that grow by ``rate`` bad and ten times as many events each second."""

    rate: float = 0.0
    fails: str = ""
    failed: dict[int, str] = field(default_factory=dict)
    asked: list[float] = field(default_factory=list)
    past_asked: list[tuple[float, float]] = field(default_factory=list)
    remembers: bool = False

    def parts(self, objectives: Sequence[Objective]) -> tuple[Parts, ...]:
        return tuple(Parts.BAD_OF_TOTAL for _ in objectives)

    def views(self, objectives: Sequence[Objective]) -> tuple[ServiceRef, ...]:
        return ()

    async def look(self, at: float, objectives: Sequence[Objective]) -> ObjectiveFrame:
        self.asked.append(at)
        if self.fails:
            raise SourceUnavailable(self.fails, reason="unreachable")
        return self._frame(at, len(objectives))

    async def past(self, since: float, until: float, objectives: Sequence[Objective]) -> AsyncIterator[ObjectiveFrame]:
        self.past_asked.append((since, until))
        if self.remembers:
            for i in range(60, 0, -1):
                yield self._frame(until // 60 * 60 - 60.0 * i, len(objectives))

    async def close(self) -> None: ...

    def _frame(self, at: float, size: int) -> ObjectiveFrame:
        age = at - START + 100_000
        series = tuple(Series(row, column, POD, "x") for row in range(size) for column in (BAD, TOTAL))
        values = np.array([self.rate * age, 10.0 * age] * size)
        return ObjectiveFrame(Readings(at, series, values), (), self.failed, {POD: at})


@dataclass
class Ledger:
    retained: dict[tuple[str, float, float], LedgerCount] = field(default_factory=dict)
    broken: bool = False

    async def add(self, counts: Sequence[tuple[float, LedgerCount]]) -> None:
        self._check()
        self.retained |= {(one.objective, width, one.end): one for width, one in counts}

    async def counts(self, since: float, now: float) -> Sequence[LedgerCount]:
        self._check()
        return [one for (_, width, _), one in sorted(self.retained.items()) if width == 300.0]

    async def prune(self, now: float) -> int:
        return 0

    def _check(self) -> None:
        if self.broken:
            raise JournalUnavailable("the disk is full")


@dataclass
class Metrics:
    states: list[Mapping[str, int]] = field(default_factory=list)
    looks: list[tuple[bool, float]] = field(default_factory=list)
    budgets: Mapping[str, float] = field(default_factory=dict)

    def objectives(self, states: Mapping[str, int], budgets: Mapping[str, float]) -> None:
        self.states.append(states)
        self.budgets = budgets

    def objective_look(self, duration: float, *, answered: bool, born: float) -> None:
        self.looks.append((answered, born))


class Cluster:
    """One serving pod of the cart, always fresh."""

    def view(self, at: float) -> object:
        pods = [pod("cart-1", created=START - 90_000, started=START - 90_000, ready_since=START - 90_000)]
        return cluster(pods, workloads=[workload("cart", desired=1)], at=at)


class World:
    def __init__(self, *wanted: Objective, ledger: Ledger | None = None, **source: object) -> None:
        self.wanted = wanted or (objective(),)
        self.source, self.metrics, self.clock = Source(**source), Metrics(), FakeClock(START)  # type: ignore[arg-type]
        self.ledger = ledger if ledger is not None else Ledger()
        self.keeper = ObjectiveCache(
            self.source,
            Cluster(),  # type: ignore[arg-type]
            self.clock,
            self.ledger,
            self.metrics,
            wanted=lambda: self.wanted,
        )

    async def run(self, minutes: float) -> None:
        for _ in range(int(minutes * 2)):
            self.clock.at += 30.0
            await self.keeper.look()


async def test_without_objectives_nobody_is_asked() -> None:
    world = World()
    world.wanted = ()
    await world.run(2)

    assert world.source.asked == [] and world.keeper.statuses == ()
    assert world.keeper.by_service(world.clock.at) == {}


async def test_statuses_reach_the_tick_by_service() -> None:
    world = World(objective(), objective("other", scope=None), rate=0.5)
    await world.run(10)
    found = world.keeper.by_service(world.clock.at)

    assert list(found) == [CART]
    (status,) = found[CART]
    assert (status.state, status.alert) == (DataState.OK, "page")
    assert status.budget.total - status.budget.good == 0.5 * 570
    assert world.metrics.states[-1]["ok"] == 2
    assert world.metrics.budgets["shop/other"] == status.budget.remaining


async def test_a_source_that_fails_is_a_gap_and_its_objectives_are_stale() -> None:
    world = World(rate=0.5)
    await world.run(10)
    world.source.fails = "connection refused"
    await world.run(1)

    assert [(gap.source, gap.reason) for gap in world.keeper.gaps()] == [("objectives", "unreachable")]
    assert world.keeper.statuses[0].state is DataState.STALE
    assert world.metrics.looks[-1][0] is False
    world.source.fails = ""
    await world.run(1)
    assert world.keeper.gaps() == ()
    assert [one.state for one in world.keeper.statuses] == [DataState.OK]


async def test_a_question_that_fails_makes_its_own_objective_stale() -> None:
    world = World(objective(), objective("two"))
    world.source.failed[1] = "HTTP 422"
    await world.run(10)

    assert [one.state for one in world.keeper.statuses] == [DataState.OK, DataState.STALE]


async def test_a_keeper_that_hangs_leaves_nothing_that_is_ok() -> None:
    world = World()
    await world.run(10)

    assert world.keeper.by_service(world.clock.at + 90)[CART][0].state is DataState.OK
    late = world.keeper.by_service(world.clock.at + 91)[CART][0]
    assert (late.state, late.detail) == (DataState.STALE, "last looked at 91 s ago")


async def test_counts_survive_a_restart_and_nothing_is_counted_twice() -> None:
    ledger = Ledger()
    first = World(ledger=ledger, rate=0.1)
    await first.run(62)
    first.source.remembers = True
    before = first.keeper.statuses[0].budget.total

    second = World(objective(target=0.9, version="2"), ledger=ledger, rate=0.1, remembers=True)
    second.clock.at = first.clock.at
    await second.run(1)

    assert before == 10.0 * (62 * 60 - 30)
    ledger_until = max(one.end for one in ledger.retained.values())
    assert second.source.past_asked == [(ledger_until, second.clock.at - 31.0)]
    after = second.keeper.statuses[0].budget.total
    # The last live look lies between whole minutes: everything up to it is counted, once.
    assert after == before + 10.0 * 60


async def test_a_reload_keeps_what_stays_and_asks_no_past_of_it_again() -> None:
    world = World(rate=0.1, remembers=True)
    await world.run(20)
    before = world.keeper.statuses[0].budget.total
    world.wanted = (objective("new"), objective(target=0.99))
    await world.run(1)
    old = next(one for one in world.keeper.statuses if one.objective.target == 0.99)

    assert before < old.budget.total <= before + 600.0


async def test_a_ledger_that_fails_is_tried_again_and_loses_nothing() -> None:
    world = World(rate=0.1)
    await world.run(1)
    world.ledger.broken = True
    await world.run(12)
    assert world.ledger.retained == {}
    world.ledger.broken = False
    await world.run(1)

    fine = [one.total for (_, width, _), one in world.ledger.retained.items() if width == 300.0]
    assert len(fine) >= 2 and sum(fine) > 0


async def test_a_ledger_that_cannot_be_read_at_start_is_read_later() -> None:
    ledger = Ledger(
        {("shop/cart-availability", 300.0, START - 300): LedgerCount("shop/cart-availability", START - 300, 5.0, 7.0)}
    )
    ledger.broken = True
    world = World(ledger=ledger)
    await world.run(2)
    without = world.keeper.statuses[0].budget.total
    ledger.broken = False
    await world.run(1)

    assert world.keeper.statuses[0].budget.total >= without + 7.0


async def run_for(world: World, limit: float) -> None:
    """Run the keeper until its clock says that so much time has gone."""

    async def sleep(seconds: float) -> None:
        if world.clock.at + seconds > START + limit:
            raise asyncio.CancelledError
        world.clock.at += seconds

    world.clock.sleep = sleep  # type: ignore[method-assign]
    with contextlib.suppress(asyncio.CancelledError):
        await world.keeper.run()


async def test_run_looks_every_half_minute() -> None:
    world = World()

    await run_for(world, 89.0)

    assert world.source.asked == [START, START + 30, START + 60]


async def test_a_newcomer_does_not_wait_for_the_next_look() -> None:
    """At start no policy reaches anything yet: the first picture of the cluster comes a moment later."""
    world = World()
    wanted = world.wanted
    world.keeper._wanted = lambda: wanted if world.clock.at >= START + 5.0 else ()

    await run_for(world, 40.0)

    assert world.source.asked == [START + 6, START + 36]
