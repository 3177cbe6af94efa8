"""What the report reads: the journal, the objectives of today, and the daemon where it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from observer.cli import report as module
from observer.cli.api_client import ApiClient
from observer.cli.report import gather
from observer.config.settings.model import Settings
from observer.domain.slo import LedgerCount
from observer.journal.store import SqlJournal
from tests.support.journals import HOUR, MORNING, fill
from tests.support.scripted_api import daemon

DEAD = ApiClient("http://127.0.0.1:1")
SINCE = MORNING - 86_400.0
CIRCUITS = [
    {"source": name, "state": state, "since": MORNING, "reason": reason, "detail": "", "failures": 3,
     "last_success": 0.0, "retry_at": 0.0}
    for name, state, reason in (("jaeger", "open", "timeout"), ("kiali", "closed", ""))
]  # fmt: skip


async def test_the_journal_and_the_shipped_objectives_make_the_summary(tmp_path: Path) -> None:
    counts = [
        (60.0, LedgerCount("shop/mesh-availability.cart", MORNING - HOUR, 9_990.0, 10_000.0)),
        (60.0, LedgerCount("shop/forgotten", MORNING - HOUR, 9.0, 10.0)),
    ]
    settings = Settings(journal=await fill(tmp_path, counts=counts))
    found = await gather(settings, SINCE, MORNING, DEAD)
    known = {one.objective: one for one in found.budgets}
    assert known["shop/mesh-availability.cart"].target is not None and known["shop/mesh-availability.cart"].bad == 10
    assert known["shop/forgotten"].target is None
    assert len(found.interventions) == 3 and len(found.impacts) == 4
    assert "1 objectives were counted that no document" in found.notes[0] and "did not answer" in found.notes[1]


async def test_an_empty_journal_works(tmp_path: Path) -> None:
    settings = Settings(journal=f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
    await (await SqlJournal.open(settings.journal)).close()
    found = await gather(settings, SINCE, MORNING, DEAD)
    assert found.decisions == 0 and not found.budgets and "nothing was recorded" in found.notes[0]


async def test_policies_that_cannot_be_read_cost_the_targets_and_not_the_report(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: HealthPolicy\n  broken\n")
    settings = Settings(journal=await fill(tmp_path), policies=(str(tmp_path / "bad.yaml"),))
    found = await gather(settings, SINCE, MORNING, DEAD)
    assert len(found.impacts) == 4 and "cannot be read" in found.notes[0] and "bad.yaml" in found.notes[0]


async def test_too_many_decisions_are_cut_and_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    found = await gather(Settings(journal=await fill(tmp_path)), SINCE, MORNING, DEAD)
    assert found.decisions == 3 and any("more than 3 decisions" in note for note in found.notes)


async def test_what_the_daemon_says_of_itself(tmp_path: Path) -> None:
    async with daemon(current={"paused": True, "paused_reason": "storm", "circuits": CIRCUITS}) as there:
        found = await gather(Settings(journal=await fill(tmp_path)), SINCE, MORNING, ApiClient(there.url))
    assert found.notes == (
        "all actions are paused now: storm",
        "jaeger is not asked now, its circuit is open: timeout",
    )
