"""``observer report --send``: every kind of receiver gets what it can read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from observer.app.notifications import send_report
from observer.cli.report_forms import outgoing
from observer.config.settings.model import Settings
from observer.config.settings.notifications import NotifyKind, NotifySettings
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.engine.summary import Records, summarize
from tests.support.journals import MORNING, a_night
from tests.support.receivers import receiving

pytestmark = pytest.mark.integration
INCIDENTS, TOLD, ACTS = a_night()
REPORT = outgoing(
    summarize(Records(INCIDENTS, TOLD, (), tuple(entry for _, entry in ACTS)), MORNING - 86_400.0, MORNING)
)


def settings(kind: NotifyKind, url: str = "", **changes: object) -> Settings:
    one = NotifySettings(name="people", kind=kind, url=url, patience=0.2)
    return Settings(notify=(replace(one, **changes),))  # type: ignore[arg-type]


async def test_slack_gets_blocks() -> None:
    async with receiving() as there:
        await send_report(settings(NotifyKind.SLACK, there.url), "people", REPORT)
    (got,) = there.got
    assert got.method == "POST" and got.json["blocks"][0]["type"] == "header" and "Action required" in got.json["text"]


async def test_a_machine_gets_the_whole_summary() -> None:
    async with receiving() as there:
        await send_report(settings(NotifyKind.WEBHOOK, there.url), "people", REPORT)
    assert there.got[0].json["interventions"][0]["incident"] == "inc-fixed"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_apprise_gets_lines(tmp_path: Path) -> None:
    async with receiving() as there:
        addresses = tmp_path / "addresses"
        addresses.write_text(there.url.replace("http://", "json://") + "\n")
        wanted = settings(NotifyKind.APPRISE, url_file=str(addresses), patience=20.0)
        await send_report(wanted, "people", REPORT)
    assert "Action required:" in there.got[0].json["message"]


async def test_a_receiver_that_does_not_take_it_is_told() -> None:
    async with receiving(400) as there:
        with pytest.raises(SourceUnavailable):
            await send_report(settings(NotifyKind.SLACK, there.url), "people", REPORT)


async def test_a_name_that_nobody_has() -> None:
    with pytest.raises(ConfigError, match="there is people"):
        await send_report(settings(NotifyKind.SLACK, "http://127.0.0.1:1"), "peple", REPORT)
    with pytest.raises(ConfigError, match="add `notify`"):
        await send_report(Settings(), "people", REPORT)
