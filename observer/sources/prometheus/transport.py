"""One question over HTTP: bounded in time and size, credentials go to one origin only, every refusal has a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from observer.config.model import PrometheusSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.sources.prometheus.credentials import Credentials, address_of, checked_url, flavor_parameters

_CHUNK = 1 << 18
_ERROR_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


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
    match status:
        case 401 | 403:
            return SourceUnavailable(detail, reason="denied")
        case 404:
            return SourceProtocolError(f"{detail} (is the path prefix of the address right?)")
        case 408 | 504:
            return SourceUnavailable(detail, reason="timeout")
        case 429:
            return SourceUnavailable(detail, reason="busy")
        case 503 if answer.errorType == "timeout":
            return SourceUnavailable(detail, reason="timeout")
        case 503:
            return SourceUnavailable(f"{detail} (not ready, stopping or overloaded)", reason="busy")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == 499:
            return SourceUnavailable(detail)
        case _:
            return SourceProtocolError(detail)


class Transport:
    """
    POSTs forms to the query API under ``settings.url``.

    The session is opened by the first question and must be closed. Raises ``ConfigError`` when constructed with
    settings that can never work.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._url = checked_url(settings.url)
        self._timeout, self._max_bytes = settings.timeout, settings.max_bytes
        self._credentials = Credentials(settings)
        self._parameters = {**flavor_parameters(settings.flavor), "timeout": f"{int(settings.timeout * 1000)}ms"}
        self._session: aiohttp.ClientSession | None = None

    async def instant(self, query: str, at: float) -> bytes:
        """The body of ``query`` as of ``at`` (Unix seconds)."""
        return await self.post("query", {"query": query, "time": f"{at:.3f}"})

    async def over(self, query: str, start: float, end: float, step: float) -> bytes:
        """The body of ``query`` at ``start``, ``start + step`` ... ``end`` (Unix seconds, inclusive)."""
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return await self.post("query_range", {"query": query, **times})

    async def post(self, path: str, form: Mapping[str, str]) -> bytes:
        """The body of a successful answer of ``/api/v1/{path}``."""
        url = f"{self._url}/api/v1/{path}"
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(url, {**self._parameters, **form})
        except TimeoutError as exc:
            raise SourceUnavailable(f"no answer within {self._timeout:g} s", reason="timeout") from exc
        except (aiohttp.ClientError, ConnectionError, OSError, ValueError) as exc:
            # The library's own text may repeat the address or headers.
            raise SourceUnavailable(f"{address_of(url)}: {type(exc).__name__}") from exc

    async def close(self) -> None:
        """Close the connections; a later question opens them again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, url: str, form: Mapping[str, str], *, redirected: bool = False) -> bytes:
        sent = self._opened().post(
            url,
            data=form,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **self._credentials.headers()},
            ssl=self._credentials.tls() or True,
            allow_redirects=False,
        )
        async with sent as response:
            if response.status in _REDIRECTS:
                target = urljoin(url, response.headers.get("Location", ""))
                _check_redirect(url, target, again=redirected)
                response.release()
                return await self._ask(target, form, redirected=True)
            if response.status != HTTPStatus.OK:
                raise refusal(response.status, await response.content.read(_ERROR_BYTES))
            if "json" not in response.content_type:
                raise SourceProtocolError(f"answered {response.content_type} instead of JSON")
            return await self._body(response)

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


def _check_redirect(url: str, target: str, *, again: bool) -> None:
    """Only the very origin that was asked may be asked again, once: whoever it is, the others get no credentials."""
    here, there = urlsplit(url), urlsplit(target)
    same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    if again or not same or there.username is not None:
        raise SourceUnavailable(f"redirected to {address_of(target)}: not followed", reason="redirected")
