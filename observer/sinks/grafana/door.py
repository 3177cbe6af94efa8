"""The one way to Grafana: bounded JSON requests with a token from a file; what it answers, in fixed words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import msgspec

from observer.config.settings.sources import HttpAuth
from observer.domain.errors import ObserverError, SourceUnavailable
from observer.http_client.credentials import Credentials, address_of, checked_url
from observer.http_client.reason import reason

_MOST: Final = 16 << 20
_TOLD: Final = 200
Parameters = Mapping[str, str] | Sequence[tuple[str, str]]


class GrafanaRefused(ObserverError):
    """Grafana said no, and asking again will not help. ``status`` is its HTTP status; the text says what to do."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; ``body`` is None where it is no JSON."""

    status: int
    body: Any

    @property
    def good(self) -> bool:
        """A success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def mapping(self) -> Mapping[str, Any]:
        """The body where it is an object, else nothing."""
        return self.body if isinstance(self.body, dict) else {}

    def rows(self) -> list[Mapping[str, Any]]:
        """The objects of a body that is a list."""
        return [one for one in self.body if isinstance(one, dict)] if isinstance(self.body, list) else []

    def told(self) -> str:
        """Grafana's own message, shortened, as a person may read it."""
        return " ".join(str(self.mapping().get("message", "")).split())[:_TOLD]


class GrafanaClient:
    """
    Requests below ``url``. The session is opened by the first one and must be closed.

    Raises ``ConfigError`` when constructed with settings that can never work; ``section`` is where they stand.
    """

    def __init__(
        self, *, url: str, auth: HttpAuth, headers: Mapping[str, str], timeout: float, section: str = "grafana"
    ) -> None:
        self._url, self._timeout = checked_url(url, section), timeout
        self._credentials = Credentials(auth, url=url, fixed=headers, section=section)
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, path: str, *, body: object = None, parameters: Parameters = ()) -> Reply:
        """
        One request; any answer that is neither a redirect nor too long comes back as it is.

        Raises: SourceUnavailable when nothing whole comes back in time, or the token's file cannot be read.
        """
        url = self._url + path
        try:
            async with asyncio.timeout(self._timeout):
                return await self._sent(method, url, body, parameters)
        except TimeoutError as exc:
            raise SourceUnavailable(f"grafana: no answer within {self._timeout:g} s", reason="timeout") from exc
        except (aiohttp.ClientError, ConnectionError, OSError, ValueError) as exc:
            raise SourceUnavailable(f"grafana: {address_of(url)}: {reason(exc)}") from exc

    async def close(self) -> None:
        """Close the connections; a later request opens them again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _sent(self, method: str, url: str, body: object, parameters: Parameters) -> Reply:
        headers = {"Accept": "application/json", **self._credentials.headers()}
        data = None
        if body is not None:
            data, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        sent = self._opened().request(
            method, url, params=list(parameters.items()) if isinstance(parameters, Mapping) else list(parameters),
            data=data, headers=headers, ssl=self._credentials.tls() or True, allow_redirects=False,
        )  # fmt: skip
        async with sent as response:
            if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
                told = f"grafana: {address_of(url)} redirects: not followed; give the address that answers itself"
                raise SourceUnavailable(told, reason="redirected")
            raw = self._credentials.hidden_in(await _bounded(response))
        try:
            return Reply(response.status, msgspec.json.decode(raw) if raw else None)
        except msgspec.DecodeError:
            return Reply(response.status, None)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        raw += chunk
        if len(raw) > _MOST:
            raise SourceUnavailable(f"grafana: answer of more than {_MOST} bytes", reason="too_large")
    return bytes(raw)


def refusal(reply: Reply, what: str) -> ObserverError:
    """The error that an answer other than a success stands for; ``what`` was tried."""
    told = f": {reply.told()}" if reply.told() else ""
    match reply.status:
        case 401:
            text = "the token is not known to this Grafana (wrong, expired or of another one); make a service account's"
        case 403:
            text = "the token lacks the permission; its service account needs the role Editor there, or that permission"
        case 404:
            text = "it does not exist there"
        case 429:
            return SourceUnavailable(f"grafana: {what}: too many requests{told}", reason="busy")
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return SourceUnavailable(f"grafana: {what}: HTTP {status}{told}")
        case _:
            text = "refused"
    return GrafanaRefused(f"grafana: {what}: HTTP {reply.status}: {text}{told}", reply.status)
