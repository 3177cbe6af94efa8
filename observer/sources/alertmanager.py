"""Alertmanager's own API, version 2: the alerts that a truncated notification left out."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import aiohttp
import msgspec

from observer.domain.alert import Alert, AlertStatus
from observer.domain.errors import SourceProtocolError, SourceUnavailable

MAX_BYTES = 64 << 20


class WireReceiver(msgspec.Struct):
    """A receiver's name."""

    name: str


class WireAlert(msgspec.Struct, rename="camel"):
    """What ``GET /alerts`` lists; the fields that we use."""

    fingerprint: str
    starts_at: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    receivers: list[WireReceiver] = []
    generator_url: str = msgspec.field(name="generatorURL", default="")


class AlertmanagerApi:
    """Asks one Alertmanager; ``url`` may carry a route prefix, ``headers`` the credentials."""

    def __init__(self, url: str, *, timeout: float = 5.0, headers: dict[str, str] | None = None) -> None:
        self._url, self._timeout, self._headers = url.rstrip("/"), timeout, headers or {}

    async def firing(self, receiver: str) -> Sequence[Alert]:
        """
        The active alerts that go to ``receiver``, without group and receiving time.

        Raises: SourceUnavailable, SourceProtocolError.
        """
        query = "active=true&silenced=false&inhibited=false&unprocessed=false"
        address = f"{self._url}/api/v2/alerts?{query}"
        if receiver:
            address += f"&receiver={quote(_exactly(receiver), safe='')}"
        return parse_alerts(await self._get(address), receiver)

    async def _get(self, address: str) -> bytes:
        limits = aiohttp.ClientTimeout(total=self._timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=limits, headers=self._headers) as session,
                session.get(address, allow_redirects=False) as answer,
            ):
                body = await answer.content.read(MAX_BYTES + 1)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise SourceUnavailable(f"alertmanager: {type(exc).__name__}") from exc
        if answer.status != 200:
            reason = "denied" if answer.status in {401, 403} else "unreachable"
            raise SourceUnavailable(f"alertmanager: HTTP {answer.status}", reason=reason)
        if len(body) > MAX_BYTES:
            raise SourceProtocolError(f"alertmanager: more than {MAX_BYTES} bytes", reason="too_large")
        return body


def parse_alerts(body: bytes, receiver: str) -> Sequence[Alert]:
    """Alerts of ``GET /api/v2/alerts``. Raises: SourceProtocolError."""
    try:
        alerts = msgspec.json.decode(body, type=list[WireAlert])
    except msgspec.DecodeError as exc:
        raise SourceProtocolError(f"alertmanager: not a list of alerts: {exc}") from exc
    return tuple(
        Alert(
            group="",
            fingerprint=alert.fingerprint,
            starts=alert.starts_at,
            status=AlertStatus.FIRING,
            labels=alert.labels,
            annotations=alert.annotations,
            receiver=receiver,
            generator=alert.generator_url,
        )
        for alert in alerts
        if not receiver or any(other.name == receiver for other in alert.receivers)
    )


def _exactly(text: str) -> str:
    """A regular expression that matches this text alone, in RE2's spelling."""
    return "".join(char if char.isalnum() or char in "_ " else "\\" + char for char in text)
