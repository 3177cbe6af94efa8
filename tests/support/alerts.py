"""Notifications as Alertmanager sends them, a webhook on the loopback interface, and an inbox that can be broken."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from observer.domain.alert import Alert, AlertStatus
from observer.domain.errors import JournalUnavailable
from observer.web.alert_webhook import Acceptor, ReadAgain, Webhook
from observer.web.routes import ALERTS as PATH
from observer.web.webhook_auth import Authenticator, BearerToken, SecretFile
from tests.support.fakes import FakeClock

TOKEN = "correct-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NOW = 1_800_000_000.0


@dataclass
class StoppedClock(FakeClock):
    """The same, in the days of these alerts."""

    at: float = NOW


def wire_alert(name: str = "CartErrors", **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "status": "firing",
        "labels": {"alertname": name, "namespace": "shop", "service": "cart"},
        "annotations": {"summary": "cart fails"},
        "startsAt": "2026-11-25T10:00:00.5Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c4b1d2e3f4a5b6c7",
    }
    return body | changes


def notification(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "version": "4",
        "groupKey": '{}:{alertname="CartErrors"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "observer",
        "groupLabels": {"alertname": "CartErrors"},
        "commonLabels": {"alertname": "CartErrors"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(alerts or [wire_alert()]),
    }
    return body | changes


@dataclass
class FakeInbox:
    """Keeps alerts in memory; ``broken`` refuses to write, ``gate`` holds writes back until it is set."""

    retained: dict[str, Alert] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    broken: bool = False
    gate: asyncio.Event | None = None

    async def accept(self, alerts: Sequence[Alert]) -> int:
        if self.gate is not None:
            await self.gate.wait()
        self._there()
        self.batches.append(len(alerts))
        before = len(self.retained)
        for alert in alerts:
            self.retained.setdefault(alert.id, alert)
        return len(self.retained) - before

    async def pending(self) -> Sequence[Alert]:
        self._there()
        resolved = {one.spell for one in self.retained.values() if one.status is AlertStatus.RESOLVED}
        pending = [
            one
            for one in self.retained.values()
            if one.status is AlertStatus.FIRING and one.spell not in resolved and one.id not in self.answers
        ]
        return sorted(pending, key=lambda one: one.received)

    async def answer(self, alert_id: str, answer: str, at: float) -> None:
        self._there()
        self.answers[alert_id] = answer

    async def prune(self, before: float) -> int:
        self._there()
        old = [key for key, alert in self.retained.items() if alert.received < before]
        for key in old:
            del self.retained[key]
        return len(old)

    def _there(self) -> None:
        if self.broken:
            raise JournalUnavailable("the disk is full")


@dataclass
class Hook:
    """A webhook with what it counted."""

    client: TestClient[web.Request, web.Application]
    counts: list[str]
    inbox: FakeInbox

    async def post(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of the answer."""
        given = BEARER if headers is None else headers
        data = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        async with self.client.post(PATH, headers=given, **data) as answer:
            return answer.status, await answer.text()


def bearer(folder: Path) -> BearerToken:
    path = folder / "token"
    path.write_text(TOKEN + "\n")
    return BearerToken(SecretFile(str(path), "webhook.bearer_file"))


@asynccontextmanager
async def hooked(
    ways: Sequence[Authenticator],
    *,
    inbox: FakeInbox | None = None,
    read_again: ReadAgain | None = None,
    clock: StoppedClock | None = None,
) -> AsyncIterator[Hook]:
    retained, counts = inbox or FakeInbox(), []
    acceptor = Acceptor(retained, accepted=lambda: counts.append("told"))
    hook = Webhook(acceptor, ways, clock or StoppedClock(), read_again=read_again, counted=counts.append)
    app = web.Application()
    app.router.add_post(PATH, hook.handle)
    async with asyncio.TaskGroup() as group, TestClient(TestServer(app)) as client:
        worker = group.create_task(acceptor.run())
        yield Hook(client, counts, retained)
        worker.cancel()
