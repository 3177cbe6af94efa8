"""A real Alertmanager delivers: retries after 503, duplicates after a restart, and what it left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from observer.domain.alert import AlertStatus
from observer.domain.errors import SourceUnavailable
from observer.sources.alertmanager import AlertmanagerApi
from observer.web.routes import ALERTS as PATH
from tests.support.alertmanager import PROGRAM, Alertmanager
from tests.support.alerts import TOKEN, FakeInbox, Hook, bearer, hooked

pytestmark = [pytest.mark.integration, pytest.mark.needs(PROGRAM)]

CART = {"alertname": "CartErrors", "namespace": "shop", "service": "cart"}
PAY = {"alertname": "CartErrors", "namespace": "shop", "service": "pay"}


@pytest.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    one = Alertmanager(tmp_path, {})
    yield one
    await one.stop()


def receiver(hook: Hook, **more: object) -> dict[str, object]:
    credentials = {"authorization": {"type": "Bearer", "credentials": TOKEN}}
    return {"url": f"http://127.0.0.1:{hook.client.port}{PATH}", "http_config": credentials, **more}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def test_firing_and_resolved_arrive_and_count_once(sender: Alertmanager, tmp_path: Path) -> None:
    async with hooked([bearer(tmp_path)]) as hook:
        sender.receiver = receiver(hook)
        await sender.start()
        starts = "2026-11-25T10:00:00.123Z"
        await sender.send(CART, starts=starts)
        await until(lambda: len(hook.inbox.retained) == 1)
        assert [one.labels["service"] for one in await hook.inbox.pending()] == ["cart"]
        await sender.send(CART, starts=starts, resolved=True)
        await until(lambda: len(hook.inbox.retained) == 2)
        assert {one.status for one in hook.inbox.retained.values()} == {AlertStatus.FIRING, AlertStatus.RESOLVED}
        assert not await hook.inbox.pending(), "firing and resolved news carry the same start to the letter"


async def test_while_the_disk_is_full_it_comes_again(sender: Alertmanager, tmp_path: Path) -> None:
    async with hooked([bearer(tmp_path)], inbox=FakeInbox(broken=True)) as hook:
        sender.receiver = receiver(hook)
        await sender.start()
        await sender.send(CART)
        await until(lambda: hook.counts.count("503") >= 2)
        assert not hook.inbox.retained
        hook.inbox.broken = False
        await until(lambda: len(hook.inbox.retained) == 1)


async def test_a_sender_that_forgot_sends_again_and_nothing_is_counted_twice(
    sender: Alertmanager, tmp_path: Path
) -> None:
    async with hooked([bearer(tmp_path)]) as hook:
        sender.receiver = receiver(hook)
        starts = "2026-11-25T10:00:00Z"
        for _ in range(2):
            await sender.start()
            before = hook.counts.count("202")
            await sender.send(CART, starts=starts)
            await until(lambda before=before: hook.counts.count("202") > before)  # type: ignore[misc]
            await sender.stop()
            (tmp_path / "storage" / "nflog").unlink(missing_ok=True)
        assert len(hook.inbox.retained) == 1


async def test_what_max_alerts_left_out_is_read_from_its_api(sender: Alertmanager, tmp_path: Path) -> None:
    api = AlertmanagerApi(sender.url)
    async with hooked([bearer(tmp_path)], read_again=api.firing) as hook:
        sender.receiver = receiver(hook, max_alerts=1)
        await sender.start()
        await sender.send(CART, PAY)
        await until(lambda: {one.labels["service"] for one in hook.inbox.retained.values()} == {"cart", "pay"})
        await sender.send(CART, PAY, resolved=False)
        assert len({one.group for one in hook.inbox.retained.values()}) == 1


async def test_its_api_that_is_not_there_is_named(sender: Alertmanager) -> None:
    with pytest.raises(SourceUnavailable, match="alertmanager"):
        await AlertmanagerApi(sender.url, timeout=1.0).firing("observer")
