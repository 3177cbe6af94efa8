"""What waits in the inbox reaches the loop, and what the loop answered reaches the inbox, also after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from observer.domain.alert import Alert, AlertStatus
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import JournalUnavailable
from observer.domain.kinds import Kind
from observer.runtime.inbox import ALERT_RETENTION, AlertCache
from tests.support.alerts import NOW, FakeInbox, StoppedClock

FIRING = Alert("g", "f", "2026-11-25T10:00:00Z", AlertStatus.FIRING, {"alertname": "A"}, received=NOW)


def answered(reason: str) -> Decision:
    figures = {"alert": FIRING.id}
    return Decision("d", NOW, Kind.ALERT, Verdict.TELL, f"alert {FIRING.id}", reason, "text", figures=figures)


@asynccontextmanager
async def running(keeper: AlertCache) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run())
        yield
        task.cancel()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0)


async def test_what_waits_is_handed_out_until_it_is_answered() -> None:
    inbox = FakeInbox(retained={FIRING.id: FIRING})
    keeper = AlertCache(inbox, StoppedClock())
    async with running(keeper):
        await until(lambda: keeper.pending() == (FIRING,))
        keeper.answer([answered("looking")])
        assert keeper.pending() == (FIRING,)
        keeper.answer([answered("nobody")])
        assert keeper.pending() == ()
        await until(lambda: inbox.answers == {FIRING.id: "nobody"})


async def test_what_is_accepted_is_handed_out_at_once() -> None:
    inbox = FakeInbox()
    keeper = AlertCache(inbox, StoppedClock())
    async with running(keeper):
        await asyncio.sleep(0)
        await inbox.accept([FIRING])
        keeper.accepted()
        await until(lambda: keeper.pending() == (FIRING,))


class Broken(FakeInbox):
    """Refuses the first answers."""

    refusals = 2

    async def answer(self, alert_id: str, answer: str, at: float) -> None:
        if self.refusals:
            self.refusals -= 1
            raise JournalUnavailable("the disk is full")
        await super().answer(alert_id, answer, at)


async def test_an_answer_that_cannot_be_written_is_kept_and_tried_again() -> None:
    inbox = Broken(retained={FIRING.id: FIRING})
    keeper = AlertCache(inbox, StoppedClock())
    async with running(keeper):
        await until(lambda: keeper.pending() == (FIRING,))
        keeper.answer([answered("found")])
        while inbox.refusals:
            keeper.accepted()
            await asyncio.sleep(0)
        keeper.accepted()
        await until(lambda: inbox.answers == {FIRING.id: "found"})
        assert keeper.pending() == ()


async def test_old_alerts_are_forgotten() -> None:
    forgotten: list[float] = []

    class Pruned(FakeInbox):
        async def prune(self, before: float) -> int:
            forgotten.append(before)
            return 0

    async with running(AlertCache(Pruned(), StoppedClock())):
        await until(lambda: bool(forgotten))
    assert forgotten == [NOW - ALERT_RETENTION]
