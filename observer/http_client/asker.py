"""One question over HTTP: bounded in time and size, credentials go to one origin only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import aiohttp

from observer.config.settings.sources import HttpAuth
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.credentials import Credentials, address_of, checked_url
from observer.http_client.reason import reason

_CHUNK = 1 << 18
_ERROR_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """
    Whatever the server answered, errors included; only the begin of an error's body is kept.

    ``cookies`` are those that it sets; one that it deletes has an empty value.
    """

    status: int
    content_type: str
    body: bytes
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """A success with a JSON body."""
        return self.status == HTTPStatus.OK and "json" in self.content_type


class HttpClient:
    """
    Sends requests below ``url``. The session is opened by the first question and must be closed.

    Raises ``ConfigError`` when constructed with settings that can never work; ``section`` is where they stand.
    """

    def __init__(
        self, section: str, *, url: str, auth: HttpAuth, headers: Mapping[str, str], timeout: float, max_bytes: int
    ) -> None:
        self._url = checked_url(url, section)
        self._timeout, self._max_bytes = timeout, max_bytes
        self._credentials = Credentials(auth, url=url, fixed=headers, section=section)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """GET ``path`` (it begins with a slash); ``headers`` are added for this request. Raises as ``post`` does."""
        return await self._bounded("GET", path, parameters, headers or {})

    async def post(self, path: str, form: Mapping[str, str]) -> Answer:
        """POST a form; raises ``SourceUnavailable`` when nothing whole comes back in time."""
        return await self._bounded("POST", path, form, {})

    async def close(self) -> None:
        """Close the connections; a later question opens them again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _bounded(self, method: str, path: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        url = self._url + path
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(method, url, fields, headers)
        except TimeoutError as exc:
            raise SourceUnavailable(f"no answer within {self._timeout:g} s", reason="timeout") from exc
        except (aiohttp.ClientError, ConnectionError, OSError, ValueError) as exc:
            raise SourceUnavailable(f"{address_of(url)}: {reason(exc)}") from exc

    async def _ask(
        self, method: str, url: str, fields: Mapping[str, str], headers: Mapping[str, str], *, redirected: bool = False
    ) -> Answer:
        sent = self._opened().request(
            method,
            url,
            params=fields if method == "GET" and not redirected else None,
            data=fields if method == "POST" else None,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                **self._credentials.headers(),
                **headers,
            },
            ssl=self._credentials.tls() or True,
            allow_redirects=False,
        )
        async with sent as response:
            if response.status in _REDIRECTS:
                target = urljoin(url, response.headers.get("Location", ""))
                _check_redirect(url, target, again=redirected)
                response.release()
                return await self._ask(method, target, fields, headers, redirected=True)
            cookies = {name: morsel.value for name, morsel in response.cookies.items()}
            if response.status != HTTPStatus.OK:
                body = self._credentials.hidden_in(await response.content.read(_ERROR_BYTES))
            else:
                body = await self._body(response)
            return Answer(response.status, response.content_type, body, cookies)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if (response.content_length or 0) > self._max_bytes:
            raise self._too_large()
        chunks, size = [], 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_large(self) -> SourceUnavailable:
        return SourceUnavailable(f"answer of more than {self._max_bytes} bytes", reason="too_large")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, timeout=aiohttp.ClientTimeout(total=self._timeout)
            )
        return self._session


def refused(status: int, detail: str) -> SourceUnavailable | SourceProtocolError:
    """The error that a status other than 200 stands for; ``detail`` is for people."""
    match status:
        case 401 | 403:
            return SourceUnavailable(detail, reason="denied")
        case 408 | 504:
            return SourceUnavailable(detail, reason="timeout")
        case 429:
            return SourceUnavailable(detail, reason="busy")
        case 503:
            return SourceUnavailable(f"{detail} (not ready, stopping or overloaded)", reason="busy")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == 499:
            return SourceUnavailable(detail)
        case _:
            return SourceProtocolError(detail)


def _check_redirect(url: str, target: str, *, again: bool) -> None:
    """Only the very origin that was asked may be asked again, once: whoever it is, the others get no credentials."""
    here, there = urlsplit(url), urlsplit(target)
    same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    if again or not same or there.username is not None:
        raise SourceUnavailable(f"redirected to {address_of(target)}: not followed", reason="redirected")
