"""
``POST /api/v1/alerts``: what Alertmanager's webhook sends, accepted once it is on disk.

The sender repeats after 5xx and gives up after 4xx. So: 202 only for what is kept for good, 503 while the journal
cannot write or too much waits, 4xx only for what will never be right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

import msgspec
import structlog
from aiohttp import web

from observer.domain.alert import Alert, AlertStatus
from observer.domain.errors import ConfigError, JournalUnavailable, SourceProtocolError, SourceUnavailable
from observer.ports.sources import Clock
from observer.ports.stores import AlertInbox
from observer.web.webhook_auth import SIGNATURE, Authenticator, ReceivedRequest, Signed, authenticated

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 4 << 20
MOST_ALERTS: Final = 2000
MOST_WAITING: Final = 256
"""Requests that wait for the disk; one more is told to come again."""
MOST_TOGETHER: Final = 64
"""Requests that share one transaction."""
RETRY_AFTER: Final = "5"
_LONGEST: Final = 4096
READING: Final = 10.0
"""Seconds for a body to arrive."""
MOST_UNPROVEN: Final = 16
"""Bodies that are read only to see whether their signature holds; one more is told to come again."""
READING_UNPROVEN: Final = 3.0
"""Seconds for such a body to arrive."""
PATIENCE: Final = 10.0
"""Seconds that a request waits for the disk."""

ReadAgain = Callable[[str], Awaitable[Sequence[Alert]]]
"""The alerts of a receiver as Alertmanager's own API has them now; raises SourceUnavailable or SourceProtocolError."""


def _schema(**schema: object) -> msgspec.Meta:
    """For the API's description; what a sender did wrong is said in our own words (``_fault``)."""
    return msgspec.Meta(extra_json_schema=schema)


_VALUES: Final = {"maxLength": _LONGEST}
_LABELS: Final = {"alertname": {"type": "string", "minLength": 1, **_VALUES}}


class WireAlert(msgspec.Struct, rename="camel"):
    """One alert of a notification; fields that we do not know pass."""

    status: AlertStatus
    labels: Annotated[
        dict[str, str],
        _schema(
            required=["alertname"],
            properties=_LABELS,
            additionalProperties={"type": "string", **_VALUES},
            propertyNames=_VALUES,
        ),
    ]
    starts_at: Annotated[str, _schema(format="date-time")]
    fingerprint: Annotated[str, _schema(minLength=1, maxLength=64)]
    annotations: Annotated[
        dict[str, str], _schema(additionalProperties={"type": "string", **_VALUES}, propertyNames=_VALUES)
    ] = {}
    generator_url: str = msgspec.field(name="generatorURL", default="")


class WireNotification(msgspec.Struct, rename="camel"):
    """A notification, version 4; later versions may bring more fields."""

    group_key: str
    alerts: Annotated[list[WireAlert], _schema(maxItems=MOST_ALERTS)]
    receiver: str = ""
    external_url: str = msgspec.field(name="externalURL", default="")
    truncated_alerts: int = 0


class Acceptor:
    """Gathers what arrives together into one transaction. ``run`` is its worker; without it everything is refused."""

    def __init__(self, inbox: AlertInbox, *, accepted: Callable[[], None]) -> None:
        self._inbox, self._accepted = inbox, accepted
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue(MOST_WAITING)

    async def accept(self, alerts: Sequence[Alert]) -> None:
        """
        Returns once these are on disk.

        Raises: ``JournalUnavailable`` when they are not, or nobody can say within ``PATIENCE`` seconds;
        ``asyncio.QueueFull`` when too much waits.
        """
        pending = _Pending(alerts, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(pending)
        try:
            async with asyncio.timeout(PATIENCE):
                await pending.done
        except TimeoutError as exc:
            raise JournalUnavailable(f"not written within {PATIENCE:g} s") from exc

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MOST_TOGETHER and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._write([pending for pending in batch if not pending.done.done()])

    async def _write(self, batch: Sequence[_Pending]) -> None:
        try:
            await self._inbox.accept([alert for pending in batch for alert in pending.alerts])
        except JournalUnavailable as exc:
            for pending in batch:
                if not pending.done.done():
                    pending.done.set_exception(exc)
            return
        for pending in batch:
            if not pending.done.done():
                pending.done.set_result(None)
        self._accepted()


@dataclass(frozen=True, slots=True)
class _Pending:
    alerts: Sequence[Alert]
    done: asyncio.Future[None]


class Webhook:
    """
    The route. ``ways`` must not be empty: nobody may start work without saying who it is.

    ``read_again`` fetches what a truncated notification left out; None = it cannot be fetched.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        ways: Sequence[Authenticator],
        clock: Clock,
        *,
        read_again: ReadAgain | None = None,
        counted: Callable[[str], None],
    ) -> None:
        if not ways:
            raise ConfigError("webhook: needs a way to tell who calls: bearer_file, password_file, hmac_file, mTLS ...")
        self._acceptor, self._ways, self._clock = acceptor, ways, clock
        self._read_again, self._counted = read_again, counted
        self._under_way = self._unproven = 0

    async def handle(self, request: web.Request) -> web.Response:
        """202 with the number of alerts that are now kept."""
        try:
            if self._under_way >= MOST_WAITING:  # before the body is read: memory is bounded whoever calls
                raise _later("too many notifications at once")
            self._under_way += 1
            try:
                return await self._handle(request)
            finally:
                self._under_way -= 1
        except web.HTTPException as exc:
            self._counted(f"{exc.status}")
            raise

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            alerts = await self._alerts(request)
            await self._acceptor.accept(alerts)
        except JournalUnavailable as exc:
            log.warning("alerts_not_kept", detail=str(exc))
            raise _later("the journal cannot be written now") from exc
        except asyncio.QueueFull as exc:
            raise _later("too many notifications wait") from exc
        self._counted("202")
        return web.json_response({"accepted": len(alerts)}, status=202)

    async def _alerts(self, request: web.Request) -> Sequence[Alert]:
        # A signature is over the body; every other proof comes first, so that strangers cannot make us wait or store.
        signed = SIGNATURE in request.headers and any(isinstance(way, Signed) for way in self._ways)
        if signed:
            body = await self._proven(request)
        else:
            await authenticated(self._ways, ReceivedRequest(request, b""))
            body = await self._read(request, READING)
        notification = _notification(body)
        alerts = tuple(self._alert(alert, notification) for alert in notification.alerts)
        if notification.truncated_alerts > 0:
            alerts = await self._whole(notification, alerts)
        return alerts

    async def _proven(self, request: web.Request) -> bytes:
        """The body of a signed request: strangers get few places and little time, and none of those that are proven."""
        if self._unproven >= MOST_UNPROVEN:
            raise _later("too many signatures are checked at once")
        self._unproven += 1
        try:
            body = await self._read(request, READING_UNPROVEN)
            await authenticated(self._ways, ReceivedRequest(request, body))
        finally:
            self._unproven -= 1
        return body

    async def _read(self, request: web.Request, within: float) -> bytes:
        try:
            async with asyncio.timeout(within):
                return await _body(request)
        except TimeoutError as exc:
            raise _later(f"the body did not arrive within {within:g} s") from exc

    async def _whole(self, notification: WireNotification, alerts: Sequence[Alert]) -> tuple[Alert, ...]:
        """With what the sender left out. What cannot be read again is said: the firing ones come at the next repeat."""
        if self._read_again is None:
            log.warning("alerts_truncated", missing=notification.truncated_alerts, hint="set alertmanager.url")
            return tuple(alerts)
        try:
            more = await self._read_again(notification.receiver)
        except (SourceUnavailable, SourceProtocolError) as exc:
            raise _later(f"the alerts that were left out cannot be read: {exc}") from exc
        sent = {(alert.fingerprint, alert.starts) for alert in alerts}
        added = (alert for alert in more if (alert.fingerprint, alert.starts) not in sent)
        return (*alerts, *(replace(alert, group=notification.group_key, received=self._clock.now()) for alert in added))

    def _alert(self, alert: WireAlert, notification: WireNotification) -> Alert:
        return Alert(
            group=notification.group_key,
            fingerprint=alert.fingerprint,
            starts=alert.starts_at,
            status=alert.status,
            labels=alert.labels,
            annotations=alert.annotations,
            receiver=notification.receiver,
            generator=alert.generator_url,
            external=notification.external_url,
            received=self._clock.now(),
        )


def _later(why: str) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(text=f"{why}; send it again\n", headers={"Retry-After": RETRY_AFTER})


async def _body(request: web.Request) -> bytes:
    """The body, bounded while it is read. Raises: HTTPRequestEntityTooLarge."""
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > MOST_BYTES:
            raise web.HTTPRequestEntityTooLarge(MOST_BYTES, size, text=f"more than {MOST_BYTES} bytes\n")
        parts.append(part)
    return b"".join(parts)


def _notification(body: bytes) -> WireNotification:
    try:
        notification = msgspec.json.decode(body, type=WireNotification)
    except msgspec.DecodeError as exc:
        raise web.HTTPBadRequest(text=f"not a notification of Alertmanager (version 4): {exc}\n") from exc
    if len(notification.alerts) > MOST_ALERTS:
        text = f"{len(notification.alerts)} alerts; at most {MOST_ALERTS}: set max_alerts of the receiver\n"
        raise web.HTTPRequestEntityTooLarge(MOST_ALERTS, len(notification.alerts), text=text)
    for number, alert in enumerate(notification.alerts):
        if (why := _fault(alert)) is not None:
            raise web.HTTPBadRequest(text=f"alerts[{number}]: {why}\n")
    return notification


def _fault(alert: WireAlert) -> str | None:
    if not alert.fingerprint or len(alert.fingerprint) > 64:
        return "fingerprint: must be there and at most 64 characters long"
    try:
        datetime.fromisoformat(alert.starts_at)
    except ValueError:
        return f"startsAt: {alert.starts_at[:40]!r} is no time like 2026-01-01T00:00:00Z"
    if not alert.labels.get("alertname"):
        return "labels.alertname: must be there"
    longest = max(len(text) for text in (*alert.labels, *alert.labels.values(), *alert.annotations.values(), ""))
    return f"a label or annotation of {longest} characters; at most {_LONGEST}" if longest > _LONGEST else None
