"""One question to the query API: what is asked, and what every refusal means."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from observer.config.settings.sources import Flavor, PrometheusSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.client import Endpoint, HttpClient, refused

_HIDDEN_PARAMETERS: dict[Flavor, dict[str, str]] = {
    Flavor.PROMETHEUS: {},
    Flavor.THANOS: {"dedup": "true", "partial_response": "false"},
    Flavor.MIMIR: {},
    # By default the newest 30 s are hidden and answers come from a cache; both would blind a five-second tick.
    Flavor.VICTORIAMETRICS: {"deny_partial_response": "1", "nocache": "1", "latency_offset": "1s"},
}


def flavor_parameters(flavor: Flavor) -> dict[str, str]:
    """Form fields that make this dialect answer completely or not at all."""
    return dict(_HIDDEN_PARAMETERS[flavor])


def tenant_headers(flavor: Flavor, tenant: str) -> dict[str, str]:
    """The headers that name ``tenant``; VictoriaMetrics takes ``account`` or ``account:project``."""
    if not tenant:
        return {}
    match flavor:
        case Flavor.THANOS:
            return {"THANOS-TENANT": tenant}
        case Flavor.VICTORIAMETRICS:
            account, _, project = tenant.partition(":")
            return {"AccountID": account, "ProjectID": project or "0"}
        case _:
            return {"X-Scope-OrgID": tenant}


def fixed_headers(settings: PrometheusSettings) -> dict[str, str]:
    """The headers of every request that are no secret."""
    return {**tenant_headers(settings.flavor, settings.tenant), **settings.headers}


# --- One question to the query API: what is asked, and what every refusal means


class ErrorAnswer(msgspec.Struct):
    """What the API says when it refuses."""

    error: str = ""
    errorType: str = ""  # noqa: N815 - the API's spelling


def refusal(status: int, body: bytes) -> SourceUnavailable | SourceProtocolError:
    """The error that an answer with this status stands for; ``body`` may be JSON or plain text."""
    try:
        answer = msgspec.json.decode(body, type=ErrorAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = ErrorAnswer(error=body[:200].decode("utf-8", "replace").strip())
    detail = f"HTTP {status}{f' {answer.errorType}' if answer.errorType else ''}: {answer.error[:300]}"
    if status == HTTPStatus.NOT_FOUND:
        return SourceProtocolError(f"{detail} (is the path prefix of the address right?)")
    if status == HTTPStatus.SERVICE_UNAVAILABLE and answer.errorType == "timeout":
        return SourceUnavailable(detail, reason="timeout")
    return refused(status, detail)


class Transport:
    """
    POSTs forms to the query API under ``settings.url``.

    The session is opened by the first question and must be closed. Raises ``ConfigError`` when constructed with
    settings that can never work.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._client = HttpClient(
            Endpoint(
                "prometheus",
                url=settings.url,
                auth=settings.auth,
                headers=fixed_headers(settings),
                timeout=settings.timeout,
                max_bytes=settings.max_bytes,
                follow=True,
            )
        )
        self._parameters = {**flavor_parameters(settings.flavor), "timeout": f"{int(settings.timeout * 1000)}ms"}

    async def instant(self, query: str, at: float) -> bytes:
        """The body of ``query`` as of ``at`` (Unix seconds)."""
        return await self.post("query", {"query": query, "time": f"{at:.3f}"})

    async def over(self, query: str, start: float, end: float, step: float) -> bytes:
        """The body of ``query`` at ``start``, ``start + step`` ... ``end`` (Unix seconds, inclusive)."""
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return await self.post("query_range", {"query": query, **times})

    async def post(self, path: str, form: Mapping[str, str]) -> bytes:
        """The body of a successful answer of ``/api/v1/{path}``."""
        answer = await self._client.post(f"/api/v1/{path}", {**self._parameters, **form})
        if answer.status != HTTPStatus.OK:
            raise refusal(answer.status, answer.body)
        if not answer.has_json:
            raise SourceProtocolError(f"answered {answer.content_type} instead of JSON")
        return answer.body

    async def close(self) -> None:
        """Close the connections; a later question opens them again."""
        await self._client.close()
