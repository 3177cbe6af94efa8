"""Alertmanager's own API, version 2: the alerts that a truncated notification left out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from observer.domain.alert import Alert, AlertStatus
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.client import Endpoint, HttpClient, refused

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
    """Asks one Alertmanager; ``url`` may carry a route prefix. Raises ``ConfigError`` for what is no address."""

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._client = HttpClient(Endpoint("webhook.alertmanager", url=url, timeout=timeout, max_bytes=MAX_BYTES))

    async def firing(self, receiver: str) -> Sequence[Alert]:
        """
        The active alerts that go to ``receiver``, without group and receiving time.

        Raises: SourceUnavailable, SourceProtocolError.
        """
        query = {"active": "true", "silenced": "false", "inhibited": "false", "unprocessed": "false"}
        if receiver:
            query["receiver"] = _exactly(receiver)
        try:
            response = await self._client.get("/api/v2/alerts", query)
        except SourceUnavailable as exc:
            raise SourceUnavailable(f"alertmanager: {exc}", reason=exc.reason) from exc
        finally:
            await self._client.close()
        if not response.has_json:
            raise refused(response.status, f"alertmanager: HTTP {response.status}")
        return parse_alerts(response.body, receiver)


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
