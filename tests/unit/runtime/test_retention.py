"""The journal is pruned now and then, and a failing one does not end the daemon."""

from __future__ import annotations

import asyncio

import pytest

from observer.runtime.supervise import PRUNE_EVERY, keep_journal_small
from tests.support.fakes import FakeClock, MemoryJournal


class Ended(Exception):
    """Ends the endless."""


class CountedClock(FakeClock):
    """Ends the loop after a few sleeps."""

    left = 3

    async def sleep(self, seconds: float) -> None:
        self.left -= 1
        if self.left < 0:
            raise Ended
        await super().sleep(seconds)
        await asyncio.sleep(0)


async def test_it_prunes_every_hour_and_survives_a_broken_journal() -> None:
    clock, journal = CountedClock(), MemoryJournal()
    began = clock.at
    with pytest.raises(Ended):
        await keep_journal_small(journal, clock)
    assert journal.order == ["prune"] * 3 and clock.at == began + 3 * PRUNE_EVERY
    journal.broken, clock.left = True, 2
    with pytest.raises(Ended):
        await keep_journal_small(journal, clock)
    assert journal.order == ["prune"] * 3
