"""``observer silence`` against a real Alertmanager: what a person was shown goes quiet, and nothing else."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from observer.cli.silence import SilenceRequest, pod_of, seconds_of, silence_pod
from observer.config.settings.model import Settings
from observer.domain import names
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.domain.ids import PodRef
from observer.kube.times import unix
from tests.support.alertmanager import PROGRAM, Alertmanager
from tests.support.command_line import said

pytestmark = pytest.mark.integration

OWN = {"alertname": "PodErrors", "namespace": "shop", "pod": "cart-1"}
OBJECTIVE = {"alertname": names.BURN_ALERT, "namespace": "shop", "pod": "cart-1", names.SLO_ID: "shop/cart"}
PEER = {"alertname": "PodErrors", "namespace": "shop", "pod": "cart-2"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    one = Alertmanager(tmp_path, {"url": "http://127.0.0.1:1/nobody"})
    await one.start()
    await one.send(OWN, OBJECTIVE, PEER)
    yield one
    await one.stop()


async def get(server: Alertmanager, path: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v2{path}") as answer:
        return await answer.json()


async def quiet(server: Alertmanager, count: int) -> list[dict[str, str]]:
    """The labels of the silenced alerts, once there are so many."""
    async with asyncio.timeout(60):
        while True:
            found = [one["labels"] for one in await get(server, "/alerts") if one["status"]["silencedBy"]]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


@pytest.mark.needs(PROGRAM)
async def test_what_was_shown_goes_quiet_and_nothing_else(server: Alertmanager) -> None:
    shown: list[str] = []

    def agree(preview: str) -> bool:
        shown.append(preview)
        return True

    wanted = SilenceRequest("shop/cart-1", "2m", "a storm", server.url)
    code, body, text = await silence_pod(Settings(), wanted, agree)

    assert code == 0 and body.alerts == ("PodErrors",) and body.left == (names.BURN_ALERT,)
    assert "will be silent  PodErrors" in shown[0] and f"will go on      {names.BURN_ALERT}" in shown[0]
    assert body.id and body.id in text and "silent until" in text
    assert await quiet(server, 1) == [OWN]
    (made,) = await get(server, "/silences")
    assert made["comment"] == "a storm" and unix(made["endsAt"]) - unix(made["startsAt"]) == pytest.approx(120, abs=2)


@pytest.mark.needs(PROGRAM)
async def test_who_says_no_has_changed_nothing(server: Alertmanager) -> None:
    code, body, text = await silence_pod(
        Settings(), SilenceRequest("pod/shop/cart-1", "5m", "", server.url), lambda _: False
    )
    assert (code, body.id, text) == (1, None, "nothing was silenced")
    assert await get(server, "/silences") == []


@pytest.mark.needs(PROGRAM)
async def test_a_pod_without_alerts_is_told_so(server: Alertmanager) -> None:
    shown: list[str] = []

    def refuse(preview: str) -> bool:
        shown.append(preview)
        return False

    await silence_pod(Settings(), SilenceRequest("shop/web-1", "5m", "", server.url), refuse)
    assert "no alert that fires now" in shown[0] and "will go on" not in shown[0]


@pytest.mark.parametrize("text", ["cart-1", "shop/", "/cart-1", "a/b/c", ""])
def test_what_is_no_pod(text: str) -> None:
    with pytest.raises(ConfigError, match="NAMESPACE/POD"):
        pod_of(text)


def test_a_pod_may_be_named_as_why_names_it() -> None:
    assert pod_of("pod/shop/cart-1") == pod_of("shop/cart-1") == PodRef("shop", "cart-1", "")


@pytest.mark.parametrize("text", ["5m1s", "1h", "0s", "soon"])
def test_five_minutes_are_the_most(text: str) -> None:
    with pytest.raises(ConfigError, match="--for"):
        seconds_of(text)


async def test_nobody_there_and_nobody_named() -> None:
    with pytest.raises(SourceUnavailable):
        await silence_pod(Settings(), SilenceRequest("shop/cart-1", "5m", "", "http://127.0.0.1:1"), lambda _: True)
    with pytest.raises(ConfigError, match=r"alertmanager\.urls"):
        await silence_pod(Settings(), SilenceRequest("shop/cart-1", "5m"), lambda _: True)
    with pytest.raises(ConfigError, match="http://HOST:PORT"):
        await silence_pod(Settings(), SilenceRequest("shop/cart-1", "5m", "", "there"), lambda _: True)


def test_without_a_terminal_it_wants_yes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    found = said(monkeypatch, capsys, "silence", "shop/cart-1", "--alertmanager", "http://127.0.0.1:1")
    assert found.code == 2 and "-> pass --yes" in found.err
    found = said(monkeypatch, capsys, "silence", "shop/cart-1", "--for", "1h", "--yes")
    assert found.code == 2 and "at most 5 min" in found.err and "-> " in found.err
