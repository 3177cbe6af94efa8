"""A process that is killed at any statement or commit loses nothing it promised and repeats nothing it did."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from observer.domain.action import Action
from observer.domain.decision import LedgerEntry
from observer.journal.store import SqlJournal

ACTOR = """
import asyncio, os, signal, sys
from sqlalchemy import event
from observer.domain.action import Action, ActionKind
from observer.domain.decision import LedgerEntry
from observer.domain.ids import PodRef, Target
from observer.domain.outcome import Outcome, Result
from observer.journal.database import migrate
from observer.journal.store import SqlJournal

async def act(url, deadly, told):
    seen = 0

    def step(*_):
        nonlocal seen
        seen += 1
        if seen == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def say(text):
        with open(told, "a") as file:
            print(text, file=file)

    journal = await SqlJournal.open(url)
    for name in ("after_cursor_execute", "commit"):
        event.listen(journal._engine.sync_engine, name, step)
    for incident in ("a", "b"):
        pod = PodRef("shop", "cart-" + incident, "uid-" + incident)
        action = Action(ActionKind.DRAIN, incident, Target.of(pod))
        entry = LedgerEntry(action.id, 1.0, ActionKind.DRAIN, incident, Target.of(pod), None, None, "pod", "", "", "")
        await journal.intend(action, entry)
        say("intended " + incident)
        await journal.record_outcome(action.id, Outcome(action.id, Result.APPLIED, "ok"), 2.0)
        say("settled " + incident)
    await journal.close()
    say(f"steps {seen}")

for deadly in range(int(sys.argv[2]) + 1):
    place = f"{sys.argv[1]}/{deadly}"
    url = f"sqlite+aiosqlite:///{place}.db"
    migrate(url)
    if not (child := os.fork()):
        asyncio.run(act(url, deadly, place + ".txt"))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
STEPS = 12
"""Statements and commits of two intents and two settlements."""


@pytest.fixture(scope="module")
def wreckage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A folder with a journal and what its process could still say, for each step at which it was killed."""
    folder = tmp_path_factory.mktemp("wreckage")
    done = subprocess.run(
        [sys.executable, "-c", ACTOR, str(folder), str(STEPS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    return folder, [int(line) for line in done.stdout.splitlines()]


def told(folder: Path, deadly: int) -> list[str]:
    """What the process could still say."""
    said = folder / f"{deadly}.txt"
    return said.read_text().splitlines() if said.exists() else []


def remembered(url: str) -> tuple[dict[str, Action], dict[str, LedgerEntry]]:
    """Open intents and ledger by incident, as the next process finds them."""

    async def look() -> tuple[dict[str, Action], dict[str, LedgerEntry]]:
        journal = await SqlJournal.open(url)
        try:
            pending, ledger = await journal.open_intents(), await journal.ledger(0.0)
            return {one.incident: one for one in pending}, {one.incident: one for one in ledger}
        finally:
            await journal.close()

    return asyncio.run(look())


@pytest.mark.integration
@pytest.mark.parametrize("deadly", range(1, STEPS + 1))
def test_killed_at_any_step(wreckage: tuple[Path, list[int]], deadly: int) -> None:
    folder, codes = wreckage
    said = told(folder, deadly)
    pending, ledger = remembered(f"sqlite+aiosqlite:///{folder / f'{deadly}.db'}")

    assert codes[deadly] == -signal.SIGKILL
    for incident in ("a", "b"):
        intended, settled = f"intended {incident}" in said, f"settled {incident}" in said
        assert incident in ledger or not intended, "a promised intent is lost"
        assert incident not in pending or incident in ledger, "an intent without its ledger entry"
        assert incident not in pending or not settled, "a promised outcome is lost"
        if incident in ledger:
            assert ledger[incident].settled is (incident not in pending), "intent and ledger tell different stories"


@pytest.mark.integration
def test_the_sweep_reaches_the_last_step(wreckage: tuple[Path, list[int]]) -> None:
    folder, codes = wreckage

    assert codes[0] == 0
    assert told(folder, 0)[-1] == f"steps {STEPS}"
    assert remembered(f"sqlite+aiosqlite:///{folder / '0.db'}")[0] == {}
