"""The one HTTP client: bounded in time and size, fresh credentials, and they go to one origin only."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from observer.config.settings.sources import HttpAuth
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.credentials import Credentials, SecretFile, address_of, checked_url

T = TypeVar("T")
_CHUNK: Final = 1 << 18
_ERROR_BYTES: Final = 1 << 16
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    Who is asked, and within which limits. Exactly one of ``url`` and ``url_file`` (whose content is a secret) is set.

    Attributes:
        section: of the settings, for ``ConfigError``.
        timeout: seconds for one request. max_bytes: of a success's body.
        follow: one redirect is followed, to the very origin that was asked; else a redirect is an answer like others.
    """

    section: str
    url: str = ""
    url_file: str = ""
    auth: HttpAuth = field(default_factory=HttpAuth)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 5.0
    max_bytes: int = 1 << 20
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """
    One request below the endpoint's address; ``path`` begins with a slash, or is empty.

    ``form`` is sent instead of ``body``. ``discard``: only the begin of the answer's body is wanted.
    """

    method: str = "GET"
    path: str = ""
    query: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    form: Mapping[str, str] | None = None
    discard: bool = False

    @classmethod
    def of_json(cls, method: str, path: str, value: object) -> Request:
        """A request that carries ``value`` as JSON."""
        return cls(method, path, headers={"Content-Type": "application/json"}, body=msgspec.json.encode(value))


@dataclass(frozen=True, slots=True)
class Response:
    """
    Whatever the server answered, errors included; only the begin of an error's body is kept, without our secrets.

    ``cookies`` are those that it sets; one that it deletes has an empty value. ``headers`` have lower-case names.
    """

    status: int
    content_type: str
    body: bytes
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """A success (2xx)."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def has_json(self) -> bool:
        """A 200 with a JSON body."""
        return self.status == HTTPStatus.OK and "json" in self.content_type


class RequestFailed(SourceUnavailable):
    """
    Nothing whole came back. ``why`` is the text without the address; ``untrusted`` tells what is wrong with the
    server's certificate, empty where it is not that.
    """

    def __init__(self, text: str, why: str, *, reason: str = "unreachable", untrusted: str = "") -> None:
        super().__init__(text, reason=reason)
        self.why, self.untrusted = why, untrusted


class HttpClient:
    """
    Sends requests to one endpoint. The session is opened by the first one and must be closed.

    Raises ``ConfigError`` when constructed with settings that can never work.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._url = checked_url(endpoint.url, endpoint.section) if endpoint.url else ""
        self._url_file = SecretFile(endpoint.url_file) if endpoint.url_file else None
        self._credentials: dict[str, Credentials] = {}
        self._session: aiohttp.ClientSession | None = None
        self._credentials_for("https" if self._url_file is not None else urlsplit(self._url).scheme)

    async def get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
        """GET ``path``; ``headers`` are added for this request. Raises as ``send`` does."""
        return await self.send(Request("GET", path, query, headers or {}))

    async def post(self, path: str, form: Mapping[str, str]) -> Response:
        """POST a form. Raises as ``send`` does."""
        return await self.send(Request("POST", path, form=form))

    async def send(self, request: Request) -> Response:
        """
        The answer, whatever its status.

        Raises: SourceUnavailable when nothing whole comes back in time (``RequestFailed``, reasons ``timeout`` and
        ``unreachable``), is ``too_large``, ``redirected``, or a secret cannot be read (``denied``). The text holds no
        path, no header and nothing that the server wrote.
        """
        url = self.address() + request.path
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                return await self._exchange(request, url)
        except TimeoutError as exc:
            why = f"no answer within {self._endpoint.timeout:g} s"
            raise RequestFailed(why, why, reason="timeout") from exc
        except (aiohttp.ClientError, ConnectionError, OSError, ValueError) as exc:
            why = connection_error(exc)
            untrusted = str(exc.certificate_error) if isinstance(exc, aiohttp.ClientConnectorCertificateError) else ""
            raise RequestFailed(f"{address_of(url)}: {why}", why, untrusted=untrusted) from None

    async def close(self) -> None:
        """Close the connections; a later request opens them again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def address(self) -> str:
        """The endpoint's URL as of now. Raises: SourceUnavailable (``denied``) when its file holds none."""
        if self._url_file is None:
            return self._url
        text = self._url_file.read()
        try:
            parts = urlsplit(text)
            fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
        except ValueError:
            fits = False
        if not fits:
            # Whatever stands in the file is a secret: it is not repeated.
            section = self._endpoint.section
            raise SourceUnavailable(f"{section}.url_file: does not hold an http or https address", reason="denied")
        return text

    async def _exchange(self, request: Request, url: str, *, redirected: bool = False) -> Response:
        credentials = self._credentials_for(urlsplit(url).scheme)
        query = request.query.items() if isinstance(request.query, Mapping) else request.query
        sent = self._opened().request(
            request.method,
            url,
            params=None if redirected or not query else list(query),
            data=request.form if request.form is not None else request.body or None,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                **credentials.headers(),
                **request.headers,
            },
            ssl=credentials.tls() or True,
            allow_redirects=False,
        )
        async with sent as response:
            if self._endpoint.follow and response.status in _REDIRECTS:
                target = urljoin(url, response.headers.get("Location", ""))
                _check_redirect(url, target, again=redirected)
                response.release()
                return await self._exchange(request, target, redirected=True)
            partial = request.discard or not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
            body = await (_begin(response) if partial else self._whole(response))
            return Response(
                status=response.status,
                content_type=response.content_type,
                body=credentials.hidden_in(body) if partial else body,
                cookies={name: morsel.value for name, morsel in response.cookies.items()},
                headers={name.lower(): value for name, value in response.headers.items()},
            )

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        largest = self._endpoint.max_bytes
        chunks, size = [], response.content_length or 0
        if size <= largest:
            size = 0
            async for chunk in response.content.iter_chunked(_CHUNK):
                chunks.append(chunk)
                if (size := size + len(chunk)) > largest:
                    break
        if size > largest:
            raise SourceUnavailable(f"answer of more than {largest} bytes", reason="too_large")
        return b"".join(chunks)

    def _credentials_for(self, scheme: str) -> Credentials:
        if scheme not in self._credentials:
            endpoint = self._endpoint
            self._credentials[scheme] = Credentials(
                endpoint.auth, url=f"{scheme}:", fixed=endpoint.headers, section=endpoint.section
            )
        return self._credentials[scheme]

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout),
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


def decoded(decode: Callable[[bytes], T], body: bytes, what: str) -> T:
    """What ``decode`` makes of ``body``; raises ``SourceProtocolError`` that names ``what`` was wanted."""
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SourceProtocolError(f"malformed {what}: {exc}") from exc
    except RecursionError as exc:
        raise SourceProtocolError(f"malformed {what}: nested too deeply") from exc


def connection_error(exc: Exception) -> str:
    """
    Why a connection failed: the system's own word for it, else the name of the error.

    The library's texts are never used: they may repeat the address or headers.
    """
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return f"its certificate or its TLS is not accepted ({type(exc).__name__})"
    cause = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    if isinstance(exc, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return "its name is not known to the resolver"
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return "it hung up before it answered"
    number = cause.errno if isinstance(cause, OSError) else None
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return type(exc).__name__


async def _begin(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_ERROR_BYTES):
        body += chunk
        if len(body) >= _ERROR_BYTES:
            break
    return bytes(body[:_ERROR_BYTES])


def _check_redirect(url: str, target: str, *, again: bool) -> None:
    """Only the very origin that was asked may be asked again, once: whoever it is, the others get no credentials."""
    here, there = urlsplit(url), urlsplit(target)
    same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    if again or not same or there.username is not None:
        raise SourceUnavailable(f"redirected to {address_of(target)}: not followed", reason="redirected")
