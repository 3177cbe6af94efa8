"""Election: what may be believed, with a store that fails as networks do. Time moves by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from observer.config.settings.model import LeaseSettings
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.ports.stores import LeaseRecord
from observer.runtime.leader import AlwaysLeader, LeaseElector, unique_identity
from tests.support.kube_sim import running

SETTINGS = LeaseSettings(duration=15.0, renew_deadline=10.0, retry=2.0)


class HandClock:
    """Time that moves when a test says so; sleepers wake then."""

    def __init__(self) -> None:
        self.at = 1_000_000.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        due = self.at + seconds
        while self.at < due:
            await self._moved.wait()

    async def advance(self, seconds: float, step: float = 0.5) -> None:
        due = self.at + seconds
        while self.at < due:
            self.at = min(self.at + step, due)
            self._moved.set()
            self._moved = asyncio.Event()
            await turns()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass
class Cell:
    """The Lease that all stores share."""

    record: LeaseRecord | None = None
    version: int = 0
    history: list[LeaseRecord] = field(default_factory=list)

    def write(self, record: LeaseRecord) -> LeaseRecord | None:
        if record.version != (self.record.version if self.record else ""):
            return None
        self.version += 1
        self.record = replace(record, version=str(self.version))
        self.history.append(self.record)
        return self.record


class Store:
    """One candidate's way to the cell; ``before`` and ``after`` misbehave when they are set."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.before: Callable[[], Awaitable[None]] | None = None
        self.after: Callable[[], Awaitable[None]] | None = None

    async def read(self) -> LeaseRecord | None:
        await self._maybe(self.before)
        return self.cell.record

    async def swap(self, record: LeaseRecord) -> LeaseRecord | None:
        await self._maybe(self.before)
        written = self.cell.write(record)
        await self._maybe(self.after)
        return written

    @staticmethod
    async def _maybe(trouble: Callable[[], Awaitable[None]] | None) -> None:
        if trouble is not None:
            await trouble()


async def reset() -> None:
    raise SourceUnavailable("connection reset by peer")


async def hang() -> None:
    await asyncio.Event().wait()


def elector(cell: Cell, clock: HandClock, name: str) -> tuple[LeaseElector, Store]:
    store = Store(cell)
    return LeaseElector(store, replace(SETTINGS, identity=name), clock, random=Random(1), call_limit=0.01), store


async def test_the_first_one_leads_and_the_lease_says_so() -> None:
    clock, cell = HandClock(), Cell()
    one, _ = elector(cell, clock, "a")
    assert (one.held(), one.term, one.holder) == (False, 0, "")
    async with running(one.run):
        await turns()
        assert (one.held(), one.term, one.holder) == (True, 1, "a")
        assert cell.record == LeaseRecord("a", 1, 15.0, "1970-01-12T13:46:40.000000Z", "1")
        await clock.advance(60)
        assert (one.held(), one.term) == (True, 1)
        assert len(cell.history) > 20
    assert not one.held()


async def test_another_waits_until_the_leader_lets_go() -> None:
    clock, cell = HandClock(), Cell()
    (one, _), (two, _) = elector(cell, clock, "a"), elector(cell, clock, "b")
    async with running(two.run):
        await turns()
        async with running(one.run):
            await clock.advance(40)
            assert (one.held(), two.held(), one.holder) == (False, True, "b")
    assert cell.record is not None
    assert (cell.record.holder, cell.record.duration) == ("", 1.0), "released on the way out"
    async with running(one.run):
        await turns()
        assert (one.held(), one.term) == (True, 2), "no wait after a release"


@pytest.mark.parametrize("trouble", [reset, hang], ids=["connection reset", "hanging server"])
async def test_a_leader_that_cannot_renew_stops_before_another_may_start(
    trouble: Callable[[], Awaitable[None]],
) -> None:
    """The two ways in which an elector that trusts its client goes on leading for ever."""
    clock, cell = HandClock(), Cell()
    (one, way), (two, _) = elector(cell, clock, "a"), elector(cell, clock, "b")
    async with running(one.run) as task, running(two.run):
        await clock.advance(5)
        assert (one.held(), two.held()) == (True, False)
        way.before = trouble
        for _ in range(80):
            await clock.advance(0.5)
            if trouble is hang:
                await asyncio.sleep(0.02)  # the call's own time limit is real time
            assert not (one.held() and two.held())
            if two.held():
                break
        assert (one.held(), one.term, two.held(), two.term) == (False, 0, True, 2)
        assert not task.done(), "it goes on trying"
        way.before = None
        await clock.advance(20)
        assert (one.held(), two.held(), one.holder) == (False, True, "b")


async def test_a_renewal_whose_answer_is_lost_is_recognised() -> None:
    """The write happened, the connection broke: our next write is refused, and the Lease holds our own name."""
    clock, cell = HandClock(), Cell()
    one, way = elector(cell, clock, "a")
    async with running(one.run):
        await turns()
        way.after = reset
        await clock.advance(3)
        way.after = None
        await clock.advance(3)
        assert (one.held(), one.term) == (True, 1), "still the same reign"


async def test_an_acquisition_whose_answer_is_lost_is_recognised() -> None:
    clock, cell = HandClock(), Cell()
    one, way = elector(cell, clock, "a")
    way.after = reset
    async with running(one.run):
        await turns()
        assert not one.held(), "nobody knows yet"
        way.after = None
        await clock.advance(3)
        assert (one.held(), one.term) == (True, 1)


async def test_a_stolen_lease_is_given_up_at_the_next_renewal() -> None:
    clock, cell = HandClock(), Cell()
    one, _ = elector(cell, clock, "a")
    async with running(one.run):
        await turns()
        assert cell.record is not None
        cell.write(replace(cell.record, holder="thief", transitions=2))
        await clock.advance(3)
        assert (one.held(), one.term, one.holder) == (False, 0, "thief")
        assert cell.record.holder == "thief"


async def test_a_deleted_lease_is_made_again() -> None:
    clock, cell = HandClock(), Cell()
    one, _ = elector(cell, clock, "a")
    async with running(one.run):
        await turns()
        cell.record = None
        await clock.advance(6)
        assert one.held()
        assert cell.record is not None


async def test_times_in_the_lease_are_not_believed() -> None:
    """A holder whose clock is a year behind is alive as long as its record changes."""
    clock, cell = HandClock(), Cell()
    one, _ = elector(cell, clock, "a")
    cell.write(LeaseRecord("old", 7, 15.0, "2025-01-01T00:00:00.000000Z", ""))
    async with running(one.run):
        for tick in range(20):
            await clock.advance(5)
            assert not one.held()
            assert cell.record is not None
            cell.write(replace(cell.record, renewed=f"2025-01-01T00:00:{tick:02d}.000000Z"))
        await clock.advance(14)
        assert not one.held(), "one lease duration has not passed"
        await clock.advance(5)
        assert (one.held(), one.term) == (True, 8)


async def test_a_longer_lease_of_another_is_respected() -> None:
    clock, cell = HandClock(), Cell()
    one, _ = elector(cell, clock, "a")
    cell.write(LeaseRecord("slow", 1, 60.0, "", ""))
    async with running(one.run):
        await clock.advance(58)
        assert not one.held()
        await clock.advance(6)
        assert one.held()


def test_a_name_is_unique_to_a_process() -> None:
    """Who finds its own name in the Lease believes that it holds it."""
    names = {unique_identity("pod-1") for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith("pod-1_") for name in names)


@pytest.mark.parametrize(
    "settings",
    [
        LeaseSettings(duration=10.0),
        LeaseSettings(renew_deadline=2.2),
        LeaseSettings(retry=0.0),
        LeaseSettings(duration=5.0, renew_deadline=6.0),
    ],
)
async def test_times_that_do_not_fit_are_refused(settings: LeaseSettings) -> None:
    with pytest.raises(ConfigError, match="lease"):
        LeaseElector(Store(Cell()), settings, HandClock())


async def test_without_election_there_is_one_term() -> None:
    lease = AlwaysLeader()
    async with running(lease.run) as task:
        await turns()
        assert (lease.held(), lease.term, task.done()) == (True, 1, False)
