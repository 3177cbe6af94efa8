"""The calls of Alertmanager's API, version 2, that write, and those that look up what was written."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import msgspec
import structlog

from observer.domain.errors import SourceUnavailable
from observer.domain.ids import PodRef
from observer.engine.remediation.silences import Matcher, may_silence, silence_matchers, silence_seconds
from observer.http_client.client import Request, Response, decoded
from observer.http_client.delivery import Receiver
from observer.kube.times import micro_time

log = structlog.get_logger(__name__)

_JSON = {"Content-Type": "application/json"}
_GONE = frozenset({404, 410})


class WireAlert(msgspec.Struct, rename="camel"):
    """What ``GET /alerts`` lists; the fields that we use."""

    labels: dict[str, str]
    starts_at: str
    annotations: dict[str, str] = {}


class WireStatus(msgspec.Struct, frozen=True):
    """Of a silence: active, pending or expired."""

    state: str = ""


class WireSilence(msgspec.Struct, rename="camel"):
    """What ``GET /silences`` lists; the fields that we use."""

    id: str
    created_by: str = ""
    comment: str = ""
    status: WireStatus = WireStatus()


class _Made(msgspec.Struct):
    silence_id: str = msgspec.field(name="silenceID")


_alerts = msgspec.json.Decoder(list[WireAlert])
_silences = msgspec.json.Decoder(list[WireSilence])
_silence = msgspec.json.Decoder(WireSilence)
_made = msgspec.json.Decoder(_Made)


class Alertmanagers:
    """
    One Alertmanager, or the replicas of one. Alerts go to each, as Prometheus sends them; the rest goes to the first
    that answers, since they tell each other.
    """

    def __init__(self, receivers: Sequence[Receiver]) -> None:
        """``receivers``: at least one."""
        self._receivers = tuple(receivers)

    async def post(self, alerts: Sequence[Mapping[str, object]]) -> None:
        """Raises: SourceUnavailable when none of them took the alerts."""
        body = msgspec.json.encode(list(alerts))
        # All at once: one that is down must not make the others wait for its retries.
        answers = await asyncio.gather(*(self._posted(receiver, body) for receiver in self._receivers))
        failed = [failure for failure in answers if failure is not None]
        if len(failed) == len(answers):
            raise failed[0]
        for failure in failed:
            log.warning("alertmanager_replica_missed_alerts", error=str(failure))

    async def alerts(self, *matchers: Matcher) -> Sequence[WireAlert]:
        """The alerts that fire and meet all ``matchers``. Raises: SourceUnavailable, SourceProtocolError."""
        wanted = "".join(f"&filter={quote(_spelled(matcher), safe='')}" for matcher in matchers)
        response = await self._first("GET", f"/api/v2/alerts?active=true{wanted}")
        return decoded(_alerts.decode, response.body, "list of alerts")

    async def silence(self, matchers: Sequence[Matcher], *, at: float, seconds: float, by: str, comment: str) -> str:
        """A new silence from ``at`` (Unix seconds); returns its id. Raises: SourceUnavailable, SourceProtocolError."""
        wanted = [
            {"name": matcher.name, "value": _value(matcher), "isRegex": _is_regex(matcher), "isEqual": matcher.equal}
            for matcher in matchers
        ]
        body = {
            "matchers": wanted,
            "startsAt": micro_time(at),
            "endsAt": micro_time(at + silence_seconds(seconds)),
            "createdBy": by,
            "comment": comment,
        }
        response = await self._first("POST", "/api/v2/silences", msgspec.json.encode(body))
        return decoded(_made.decode, response.body, "id of a silence").silence_id

    async def end(self, silence: str) -> None:
        """End a silence now; one that has ended is no error. Raises: SourceUnavailable, SourceProtocolError."""
        path = f"/api/v2/silence/{quote(silence, safe='')}"
        response = await self._answer("DELETE", path)
        if response.ok or response.status in _GONE:
            return
        # What is expired already is refused with various codes: what counts is that it is.
        now = await self._answer("GET", path)
        if now.status in _GONE:
            return
        if not now.ok or decoded(_silence.decode, now.body, "silence").status.state != "expired":
            raise SourceUnavailable(f"a silence could not be ended: HTTP {response.status}", reason="refused")

    async def silences(self, by: str) -> Sequence[WireSilence]:
        """Those of this author that have not expired. Raises: SourceUnavailable, SourceProtocolError."""
        response = await self._first("GET", "/api/v2/silences")
        listed = decoded(_silences.decode, response.body, "list of silences")
        return [silence for silence in listed if silence.created_by == by and silence.status.state != "expired"]

    async def close(self) -> None:
        for receiver in self._receivers:
            await receiver.close()

    async def _posted(self, receiver: Receiver, body: bytes) -> SourceUnavailable | None:
        try:
            await receiver.deliver(body, _JSON, path="/api/v2/alerts")
        except SourceUnavailable as exc:
            return exc
        return None

    async def _first(self, method: str, path: str, body: bytes = b"") -> Response:
        """The good answer of the first that gives any. Raises: SourceUnavailable."""
        response = await self._answer(method, path, body)
        if not response.ok:
            reason = "denied" if response.status in {401, 403} else "refused"
            raise SourceUnavailable(f"alertmanager: HTTP {response.status} to {method}", reason=reason)
        return response

    async def _answer(self, method: str, path: str, body: bytes = b"") -> Response:
        """What the first says that is there and not failing itself. Raises: SourceUnavailable when none is."""
        *others, last = self._receivers
        request = Request(method, path, headers=_JSON if body else {}, body=body)
        for receiver in others:
            try:
                response = await receiver.once(request)
            except SourceUnavailable as exc:
                log.info("alertmanager_replica_skipped", error=str(exc))
                continue
            if response.status < 500:
                return response
        return await last.once(request)


@dataclass(frozen=True, slots=True)
class Silenced:
    """``names`` of the alerts that fire and are silent now, and of those about the pod that are ``left`` to sound."""

    id: str
    until: float
    names: tuple[str, ...]
    left: tuple[str, ...]


async def pod_alerts(api: Alertmanagers, pod: PodRef, cluster: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Names of the firing alerts about a pod of ``cluster``: its own, which may be silenced, and those that may not.

    Raises: SourceUnavailable, SourceProtocolError.
    """
    firing = await api.alerts(Matcher("namespace", pod.namespace), Matcher("pod", pod.name))
    own = [alert.labels for alert in firing if may_silence(alert.labels, pod, cluster)]
    left = [alert.labels for alert in firing if not may_silence(alert.labels, pod, cluster)]
    return _names(own), _names(left)


async def silence_pod(
    api: Alertmanagers, pod: PodRef, *, at: float, seconds: float, by: str, comment: str, cluster: str
) -> Silenced:
    """
    Silence the pod's own alerts from ``at`` (Unix seconds) for ``seconds``, at most 300, whatever is asked.

    Never an alert of an objective, of Observer or of another cluster than ``cluster`` (empty: it has no name):
    ``engine.silence`` says what is the pod's own.

    Raises: SourceUnavailable, SourceProtocolError; ValueError for a time that is none.
    """
    seconds = silence_seconds(seconds)
    own, left = await pod_alerts(api, pod, cluster)
    made = await api.silence(silence_matchers(pod, cluster), at=at, seconds=seconds, by=by, comment=comment)
    return Silenced(made, at + seconds, own, left)


def _names(alerts: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(sorted({labels.get("alertname", "") for labels in alerts}))


def _value(matcher: Matcher) -> str:
    """As Alertmanager reads it; its expressions match whole values, and ``s`` lets a dot stand for a line's end."""
    if not _is_regex(matcher):
        return matcher.value
    wanted = re.escape(matcher.value) + (".*" if matcher.begins else "")
    return f"(?s)({wanted})?" if matcher.absent else f"(?s){wanted}"


def _is_regex(matcher: Matcher) -> bool:
    return matcher.begins or matcher.absent


def _spelled(matcher: Matcher) -> str:
    value = _value(matcher).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    sign = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    return f'{matcher.name}{sign[matcher.equal, _is_regex(matcher)]}"{value}"'
