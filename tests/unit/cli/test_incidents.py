"""``observer incidents``: what is listed, in which order, and what a person is told when there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from observer.cli.api_client import ApiClient
from observer.cli.failures import DaemonUnreachable
from observer.cli.incidents import IncidentFilter, IncidentsBody, listed, standing
from observer.cli.output import Paint, bare
from observer.cli.status import current
from observer.config.settings.model import Settings
from observer.domain.errors import JournalUnavailable
from observer.domain.ids import ServiceRef
from observer.domain.suspect import Culprit, CulpritKind
from observer.journal.store import SqlJournal
from observer.web.views.rows import incident_row
from tests.support.journals import HOUR, MORNING, fill, incident


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    return Settings(journal=await fill(tmp_path))


async def test_the_newest_comes_first(settings: Settings) -> None:
    body, text = await listed(settings, IncidentFilter(MORNING))
    assert [row.id for row in body.incidents] == ["inc-held", "inc-spared", "inc-worse", "inc-fixed"]
    lines = text.splitlines()
    assert lines[0].split()[0] == "INCIDENT" and "bank/pay-2" in lines[1] and "suspected, blocked" in lines[1]
    assert lines[-1] == "why: observer why pod/bank/pay-2"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (IncidentFilter(MORNING, open_only=True), ["inc-held"]),
        (IncidentFilter(MORNING, namespace="shop"), ["inc-spared", "inc-worse", "inc-fixed"]),
        (IncidentFilter(MORNING, since=MORNING - 5.5 * HOUR), ["inc-held", "inc-spared"]),
        (IncidentFilter(MORNING, namespace="nowhere"), []),
    ],
)
async def test_filters(settings: Settings, wanted: IncidentFilter, ids: list[str]) -> None:
    body, text = await listed(settings, wanted)
    assert [row.id for row in body.incidents] == ids
    assert ids or text == "no incident in namespace nowhere"


async def test_what_the_limit_leaves_out_is_counted(settings: Settings) -> None:
    body, text = await listed(settings, IncidentFilter(MORNING, limit=1))
    assert body.more == 3 and "and 3 older" in text


async def test_a_closed_one_says_how_it_went(settings: Settings) -> None:
    body, _ = await listed(settings, IncidentFilter(MORNING))
    good = body.incidents[-1]
    assert (good.outcome, good.drain_verdict, good.verification) == ("fixed", "dropped", "fixed")
    assert good.closed is not None and good.closed - good.opened == 240


async def test_an_empty_journal_is_an_answer(tmp_path: Path) -> None:
    settings = Settings(journal=f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
    await (await SqlJournal.open(settings.journal)).close()
    assert (await listed(settings, IncidentFilter(MORNING, open_only=True)))[1] == "no open incident"
    body, text = await listed(settings, IncidentFilter(MORNING, since=MORNING))
    assert body == IncidentsBody(MORNING, 0, ()) and text == "no incident since 2026-11-18 11:06:40 UTC"


async def test_no_journal_is_no_answer(tmp_path: Path) -> None:
    """That nothing is known of any incident is not that there was none."""
    settings = Settings(journal=f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'new.db'}")
    with pytest.raises(JournalUnavailable, match=r"new\.db does not exist: Observer has not run"):
        await listed(settings, IncidentFilter(MORNING))
    with pytest.raises(DaemonUnreachable, match=r"does not answer.* and .*new\.db does not exist"):
        await current(settings, ApiClient("http://127.0.0.1:1"))
    assert not (tmp_path / "nowhere").exists(), "who only reads makes nothing"


async def test_a_culprit_without_a_namespace_is_found_by_its_service(tmp_path: Path) -> None:
    settings = Settings(journal=f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
    node = Culprit(CulpritKind.NODE, "", "node-7")
    journal = await SqlJournal.open(settings.journal)
    await journal.save(replace(incident("n", "cart-1", MORNING), culprit=node, service=ServiceRef("shop", "cart")))
    await journal.close()
    body, text = await listed(settings, IncidentFilter(MORNING, namespace="shop"))
    assert body.incidents[0].namespace == "shop" and text.endswith("observer why node/node-7")


async def test_colours_change_no_word_and_foreign_names_cannot_steer_the_terminal(settings: Settings) -> None:
    wanted = IncidentFilter(MORNING)
    plain, painted = (await listed(settings, wanted))[1], (await listed(settings, wanted, Paint(on=True)))[1]
    assert plain != painted and bare(painted) == plain
    journal = await SqlJournal.open(settings.journal)
    await journal.save(incident("evil", "cart-\x1b[2J\n9", MORNING))
    await journal.close()
    text = (await listed(settings, wanted))[1]
    assert "\x1b" not in text and "cart-?[2J 9" in text


def test_a_word_for_where_it_stands() -> None:
    assert standing(incident_row(incident("i", "cart-1", MORNING))) == "suspected"
