"""The webhook keeps what it accepts, says 503 for what may be sent again, and 4xx for what will never be right."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from observer.domain.alert import Alert, AlertStatus
from observer.domain.errors import ConfigError, JournalUnavailable, SourceUnavailable
from observer.web import alert_webhook as webhook
from observer.web.alert_webhook import MOST_ALERTS, MOST_BYTES, Acceptor, Webhook
from observer.web.routes import ALERTS
from observer.web.webhook_auth import SIGNATURE, TIMESTAMP, Basic, SecretFile, ServiceAccountToken, Signed
from tests.support.alerts import (
    BEARER,
    NOW,
    TOKEN,
    FakeInbox,
    Hook,
    StoppedClock,
    bearer,
    hooked,
    notification,
    wire_alert,
)


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Hook]:
    async with hooked([bearer(tmp_path)]) as one:
        yield one


async def test_what_is_accepted_is_kept(hook: Hook) -> None:
    assert await hook.post(notification()) == (202, '{"accepted": 1}')
    (alert,) = hook.inbox.retained.values()
    assert (alert.name, alert.status, alert.received) == ("CartErrors", AlertStatus.FIRING, NOW)
    assert alert.starts == "2026-11-25T10:00:00.5Z"
    assert hook.counts == ["told", "202"]


async def test_the_same_news_again_changes_nothing(hook: Hook) -> None:
    for _ in range(3):
        await hook.post(notification())
    assert len(hook.inbox.retained) == 1
    await hook.post(notification(wire_alert(startsAt="2026-11-25T11:00:00Z")))
    await hook.post(notification(groupKey="another"))
    assert len(hook.inbox.retained) == 3


async def test_each_alert_counts_by_its_own_status(hook: Hook) -> None:
    """A group fires while any of its alerts does."""
    resolved = wire_alert(status="resolved", fingerprint="b", endsAt="2026-11-25T10:05:00Z")
    await hook.post(notification(wire_alert(), resolved))
    assert [one.fingerprint for one in await hook.inbox.pending()] == ["c4b1d2e3f4a5b6c7"]


async def test_unknown_fields_pass(hook: Hook) -> None:
    body = notification(wire_alert(severityScore=3), notification_reason="first notification", routeLabels={"a": "b"})
    assert (await hook.post(body))[0] == 202


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_nobody_unknown_is_heard(hook: Hook, headers: dict[str, str]) -> None:
    status, text = await hook.post(notification(), headers)
    assert status == 401 and TOKEN not in text
    assert not hook.inbox.retained and hook.counts == ["401"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not a notification"),
        (b"{", 400, "not a notification"),
        (b"[]", 400, "Expected `object`"),
        (json.dumps({"groupKey": "a"}).encode(), 400, "missing required field `alerts`"),
        (notification(wire_alert(status="broken")), 400, "broken"),
        (notification(wire_alert(labels={"a": 1})), 400, "$.alerts[0].labels"),
        (notification(wire_alert(), wire_alert(startsAt="yesterday")), 400, "alerts[1]: startsAt"),
        (notification(wire_alert(fingerprint="")), 400, "alerts[0]: fingerprint"),
        (notification(wire_alert(labels={"namespace": "shop"})), 400, "alerts[0]: labels.alertname"),
        (notification(wire_alert(annotations={"a": "x" * 5000})), 400, "5000 characters"),
        (notification(*[wire_alert()] * (MOST_ALERTS + 1)), 413, "max_alerts"),
        (b" " * (MOST_BYTES + 1), 413, f"more than {MOST_BYTES} bytes"),
    ],
)
async def test_rubbish_is_refused_for_good(hook: Hook, body: Any, status: int, words: str) -> None:
    found, text = await hook.post(body)
    assert (found, words in text) == (status, True), text
    assert not hook.inbox.retained and hook.counts == [str(status)]


async def test_a_full_disk_means_send_it_again(hook: Hook) -> None:
    hook.inbox.broken = True
    status, text = await hook.post(notification())
    assert status == 503 and "again" in text
    hook.inbox.broken = False
    assert (await hook.post(notification()))[0] == 202
    assert hook.counts == ["503", "told", "202"]


async def test_overload_means_send_it_again_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MOST_WAITING", 8)
    inbox = FakeInbox(gate=asyncio.Event())
    async with hooked([bearer(tmp_path)], inbox=inbox) as hook, asyncio.TaskGroup() as group:
        posts = [group.create_task(hook.post(notification(wire_alert(fingerprint=f"f{i}")))) for i in range(20)]
        while hook.counts.count("503") < 12:
            await asyncio.sleep(0)
        assert inbox.gate is not None
        inbox.gate.set()
        found = [(await one)[0] for one in posts]
    assert (found.count(202), found.count(503)) == (8, 12)
    assert len(inbox.retained) == 8


async def test_what_arrives_together_shares_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived: list[int] = []
    accept = Acceptor.accept

    async def noted(self: Acceptor, alerts: Sequence[Alert]) -> None:
        arrived.append(len(alerts))
        await accept(self, alerts)

    monkeypatch.setattr(Acceptor, "accept", noted)
    inbox = FakeInbox(gate=asyncio.Event())
    async with hooked([bearer(tmp_path)], inbox=inbox) as hook, asyncio.TaskGroup() as group:
        posts = [group.create_task(hook.post(notification(wire_alert(fingerprint=f"f{i}")))) for i in range(12)]
        while len(arrived) < len(posts):
            await asyncio.sleep(0)
        assert inbox.gate is not None
        inbox.gate.set()
    assert sum(inbox.batches) == 12 and len(inbox.batches) < 12


async def test_a_writer_that_does_not_answer_is_no_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PATIENCE", 0.01)
    nobody_runs = Acceptor(FakeInbox(), accepted=lambda: None)
    with pytest.raises(JournalUnavailable, match="not written within"):
        await nobody_runs.accept([])


def alert(fingerprint: str) -> Alert:
    return Alert("", fingerprint, "2026-11-25T10:00:00.5Z", AlertStatus.FIRING, {"alertname": "CartErrors"})


async def test_what_was_left_out_is_read_again(tmp_path: Path) -> None:
    async def again(receiver: str) -> Sequence[Alert]:
        assert receiver == "observer"
        return [alert("c4b1d2e3f4a5b6c7"), alert("left-out")]

    async with hooked([bearer(tmp_path)], read_again=again) as hook:
        assert await hook.post(notification(truncatedAlerts=1)) == (202, '{"accepted": 2}')
    groups = {one.fingerprint: one.group for one in hook.inbox.retained.values()}
    assert set(groups) == {"c4b1d2e3f4a5b6c7", "left-out"} and len(set(groups.values())) == 1


async def test_what_was_left_out_and_cannot_be_read_is_sent_again(tmp_path: Path) -> None:
    async def again(receiver: str) -> Sequence[Alert]:
        raise SourceUnavailable("alertmanager: HTTP 502")

    async with hooked([bearer(tmp_path)], read_again=again) as hook:
        status, text = await hook.post(notification(truncatedAlerts=1))
    assert status == 503 and "HTTP 502" in text and not hook.inbox.retained


def test_it_does_not_open_without_a_way_to_tell_who_calls() -> None:
    with pytest.raises(ConfigError, match="webhook: needs a way to tell who calls"):
        Webhook(Acceptor(FakeInbox(), accepted=lambda: None), [], StoppedClock(), counted=lambda _: None)


@pytest.mark.parametrize(("content", "words"), [("", "is empty"), (None, "No such file")])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=words) as found:
        SecretFile(str(path), "webhook.bearer_file")
    assert str(found.value).startswith("webhook.bearer_file: ")


async def test_a_new_secret_counts_at_once_and_a_lost_file_keeps_the_old(tmp_path: Path) -> None:
    way = bearer(tmp_path)
    async with hooked([way]) as hook:
        (tmp_path / "token").write_text("another-one")
        assert (await hook.post(notification()))[0] == 401
        assert (await hook.post(notification(), {"Authorization": "Bearer another-one"}))[0] == 202
        (tmp_path / "token").unlink()
        assert (await hook.post(notification(), {"Authorization": "Bearer another-one"}))[0] == 202


async def test_basic(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret")
    async with hooked([Basic("alertmanager", SecretFile(str(tmp_path / "password"), "x"))]) as hook:
        good = base64.b64encode(b"alertmanager:s3cret").decode()
        assert (await hook.post(notification(), {"Authorization": f"Basic {good}"}))[0] == 202
        for bad in (base64.b64encode(b"alertmanager:wrong").decode(), "%%%", "", base64.b64encode(b"s3cret").decode()):
            assert (await hook.post(notification(), {"Authorization": f"Basic {bad}"}))[0] == 401


async def test_signature(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k3y")
    clock = StoppedClock()
    body = json.dumps(notification()).encode()

    def signed(when: str, content: bytes = body, key: bytes = b"k3y") -> dict[str, str]:
        mac = hmac.new(key, when.encode() + b"." + content, hashlib.sha256).hexdigest()
        return {SIGNATURE: f"sha256={mac}", TIMESTAMP: when}

    async with hooked([Signed(SecretFile(str(tmp_path / "key"), "x"), clock)]) as hook:
        now = str(int(NOW))
        assert (await hook.post(body, signed(now)))[0] == 202
        for bad in (
            signed(str(int(NOW) - 301)),
            signed(now, body + b" "),
            signed(now, key=b"other"),
            {SIGNATURE: signed(now)[SIGNATURE]},
            signed(now) | {TIMESTAMP: str(int(NOW) + 1)},
            signed(now) | {TIMESTAMP: "soon"},
        ):
            assert (await hook.post(body, bad))[0] == 401, bad


class Reviews:
    """The API server's word on tokens."""

    def __init__(self, *, reachable: bool = True) -> None:
        self.asked: list[str] = []
        self._reachable = reachable

    async def reviewed(self, token: str) -> str | None:
        self.asked.append(token)
        if not self._reachable:
            raise SourceUnavailable("kubernetes: timeout")
        return {"a.b.c": "system:serviceaccount:monitoring:alertmanager", "d.e.f": "system:anonymous"}.get(token)


async def test_service_account_tokens_are_asked_of_the_api_server() -> None:
    reviews = Reviews()
    way = ServiceAccountToken(reviews, ["system:serviceaccount:monitoring:alertmanager"])
    async with hooked([way]) as hook:
        assert (await hook.post(notification(), {"Authorization": "Bearer a.b.c"}))[0] == 202
        assert (await hook.post(notification(), {"Authorization": "Bearer d.e.f"}))[0] == 401
        assert (await hook.post(notification(), {"Authorization": "Bearer no-jwt"}))[0] == 401
    assert reviews.asked == ["a.b.c", "d.e.f"]


async def test_an_api_server_that_does_not_answer_opens_nothing(tmp_path: Path) -> None:
    way = ServiceAccountToken(Reviews(reachable=False), ["x"])
    async with hooked([way, bearer(tmp_path)]) as hook:
        assert (await hook.post(notification(), {"Authorization": "Bearer a.b.c"}))[0] == 503
        assert (await hook.post(notification(), BEARER))[0] == 202


@pytest.mark.parametrize(
    ("header", "status"), [("Authorization: Bearer no", b"401"), (f"{SIGNATURE}: sha256=00\r\n{TIMESTAMP}: 1", b"401")]
)
async def test_a_stranger_is_refused_before_anything_of_the_body_is_read(
    hook: Hook, header: str, status: bytes
) -> None:
    """The body never comes: who waits for it waits for ever. Without a shared key a signature proves nothing."""
    async with asyncio.timeout(5):
        answer = await said(hook, f"{header}\r\nContent-Length: 1000000", b"")
    assert answer.split()[1] == status


async def test_a_body_that_does_not_come_is_not_waited_for(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "READING", 0.05)
    async with asyncio.timeout(5):
        answer = await said(hook, f"Authorization: Bearer {TOKEN}\r\nContent-Length: 1000", b"{")
    assert answer.split()[1] == b"503" and hook.counts == ["503"] and not hook.inbox.retained


FORGED = f"{SIGNATURE}: sha256={'0' * 64}\r\n{TIMESTAMP}: {int(NOW)}\r\nContent-Length: 1000"


def both_ways(folder: Path) -> list[Any]:
    (folder / "key").write_text("key")
    return [bearer(folder), Signed(SecretFile(str(folder / "key"), "x"), StoppedClock())]


def signature(body: bytes) -> dict[str, str]:
    mac = hmac.new(b"key", f"{int(NOW)}.".encode() + body, hashlib.sha256).hexdigest()
    return {SIGNATURE: f"sha256={mac}", TIMESTAMP: str(int(NOW))}


async def test_a_body_with_a_forged_signature_is_waited_for_less_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "READING", 1e6)
    monkeypatch.setattr(webhook, "READING_UNPROVEN", 0.05)
    async with hooked(both_ways(tmp_path)) as hook, asyncio.timeout(60):
        answer = await said(hook, FORGED, b"{")
        assert answer.split()[1] == b"503" and hook.counts == ["503"]
        assert (await hook.post(json.dumps(notification()).encode(), BEARER))[0] == 202


async def test_slow_bodies_with_forged_signatures_get_few_places_and_never_those_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MOST_UNPROVEN", 2)
    monkeypatch.setattr(webhook, "READING_UNPROVEN", 1e6)
    body = json.dumps(notification()).encode()
    async with hooked(both_ways(tmp_path)) as hook, asyncio.timeout(60), asyncio.TaskGroup() as group:
        slow = [group.create_task(said(hook, FORGED, b"{")) for _ in range(2)]
        while (await hook.post(body, signature(body)))[0] != 503:  # until both hold their places
            await asyncio.sleep(0)
        third = await said(hook, FORGED, b"{")
        assert third.split()[1] == b"503", "answered before its body came"
        assert (await hook.post(body, BEARER))[0] == 202, "who proves it without a body is heard all the while"
        for one in slow:
            one.cancel()  # closes the connection, and with it the place is free again
        while (await hook.post(body, signature(body)))[0] != 202:
            await asyncio.sleep(0)
    assert len(hook.inbox.retained) == 1


async def said(hook: Hook, headers: str, body: bytes) -> bytes:
    """The answer's first line to a request that is written by hand and not finished."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hook.client.port)
    writer.write(f"POST {ALERTS} HTTP/1.1\r\nHost: observer\r\n{headers}\r\n\r\n".encode() + body)
    await writer.drain()
    try:
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
