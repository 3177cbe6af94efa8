"""The one way to Grafana: JSON requests with a token from a file, and what its answers mean, in fixed words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

import msgspec

from observer.domain import names
from observer.domain.errors import ObserverError, SourceUnavailable
from observer.domain.finding import Finding
from observer.domain.json_values import mapping, rows
from observer.http_client.client import Endpoint, HttpClient, Request
from observer.http_client.credentials import address_of

_MOST: Final = 16 << 20
_SHOWN: Final = 200
_REMEDY: Final = (
    "check grafana.url with its root path, and grafana.auth.bearer_file: annotations are lost, decisions are not"
)
Parameters = Mapping[str, str] | Sequence[tuple[str, str]]


class GrafanaRefused(ObserverError):
    """Grafana said no, and asking again will not help. ``status`` is its HTTP status; the text says what to do."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class GrafanaResponse:
    """What came back; ``body`` is None where it is no JSON."""

    status: int
    body: object

    @property
    def ok(self) -> bool:
        """A success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def mapping(self) -> Mapping[str, object]:
        """The body where it is an object, else nothing."""
        return mapping(self.body)

    def rows(self) -> list[Mapping[str, object]]:
        """The objects of a body that is a list."""
        return rows(self.body)

    def message(self) -> str:
        """Grafana's own message, shortened, as a person may read it."""
        return " ".join(str(self.mapping().get("message", "")).split())[:_SHOWN]


class GrafanaClient:
    """
    Requests below the endpoint's address. The session is opened by the first one and must be closed.

    Raises ``ConfigError`` when constructed with settings that can never work.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._http, self._address = HttpClient(replace(endpoint, max_bytes=_MOST)), address_of(endpoint.url)

    async def request(
        self, method: str, path: str, *, body: object = None, parameters: Parameters = ()
    ) -> GrafanaResponse:
        """
        One request; any answer that is neither a redirect nor too long comes back as it is.

        Raises: SourceUnavailable when nothing whole comes back in time, or the token's file cannot be read.
        """
        wanted = Request(method, path) if body is None else Request.of_json(method, path, body)
        try:
            response = await self._http.send(replace(wanted, query=parameters))
        except SourceUnavailable as exc:
            raise SourceUnavailable(f"grafana: {exc}", reason=exc.reason) from exc
        if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
            text = f"grafana: {self._address} redirects: not followed; give the address that answers itself"
            raise SourceUnavailable(text, reason="redirected")
        try:
            return GrafanaResponse(response.status, msgspec.json.decode(response.body) if response.body else None)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return GrafanaResponse(response.status, None)

    async def close(self) -> None:
        """Close the connections; a later request opens them again."""
        await self._http.close()


def refusal(response: GrafanaResponse, what: str) -> ObserverError:
    """The error that an answer other than a success stands for; ``what`` was tried."""
    message = f": {response.message()}" if response.message() else ""
    match response.status:
        case 401:
            text = "the token is not known to this Grafana (wrong, expired or of another one); make a service account's"
        case 403:
            text = "the token lacks the permission; its service account needs the role Editor there, or that permission"
        case 404:
            text = "it does not exist there"
        case 429:
            return SourceUnavailable(f"grafana: {what}: too many requests{message}", reason="busy")
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return SourceUnavailable(f"grafana: {what}: HTTP {status}{message}")
        case _:
            text = "refused"
    return GrafanaRefused(f"grafana: {what}: HTTP {response.status}: {text}{message}", response.status)


async def probe(client: GrafanaClient) -> list[Finding]:
    """
    For ``observer doctor``: is it reachable, and may annotations be read?

    Never raises for what a server may answer. Nothing is written.
    """
    try:
        health = await client.request("GET", "/api/health")
        if not health.ok:
            return [Finding("grafana reachable", False, f"HTTP {health.status} at /api/health", _REMEDY)]
        version = health.mapping().get("version") or "not told"
        reachable = Finding("grafana reachable", True, f"version {version}")
        response = await client.request("GET", "/api/annotations", parameters={"tags": names.GRAFANA_TAG, "limit": "1"})
    except SourceUnavailable as exc:
        return [Finding("grafana reachable", False, str(exc), _REMEDY)]
    if not response.ok:
        return [
            reachable,
            Finding("grafana annotations", False, str(refusal(response, "reading annotations")), _REMEDY),
        ]
    return [reachable, Finding("grafana annotations", True, "they can be read; whether written, the first act shows")]
