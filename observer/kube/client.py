"""The client: every call has a time limit, every status is checked, and no library error leaves."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import structlog

from observer import __version__
from observer.domain.errors import ConfigError
from observer.kube.credentials import Credentials, KubeConfig, ServiceAccount
from observer.kube.errors import BadAnswer, Unauthorized, Unavailable, status_error

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient, Configuration

log = structlog.get_logger(__name__)

MAX_BYTES = 512 * 1024 * 1024
MAX_LINE = 16 * 1024 * 1024
_REFRESH = 60.0
_AGAIN = 10.0


class Answer(NamedTuple):
    """A complete answer with a status below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    path: str
    query: Mapping[str, str]
    body: object = None
    content_type: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class KubeApi:
    """
    One API server.

    The client library is loaded and the credentials are read at the first call, not before. The token is read again
    every minute, and at once, for one more try, when the server answers 401; client certificates are read once.
    """

    def __init__(self, credentials: Credentials, *, timeout: float = 10.0) -> None:
        self._credentials, self._timeout = credentials, timeout
        self._lock = asyncio.Lock()
        self._client: ApiClient | None = None
        self._loaded = self._refused = -_REFRESH

    @classmethod
    def of(cls, *, kubeconfig: str = "", context: str = "", timeout: float = 10.0) -> KubeApi:
        """By settings: an empty ``kubeconfig`` means the service account of the pod we run in."""
        return cls(KubeConfig(kubeconfig, context) if kubeconfig else ServiceAccount(), timeout=timeout)

    async def open(self) -> None:
        """
        Load the library and read the credentials now, without a word to the server; else the first call does it.

        Raises: ``ConfigError`` when they make no sense, ``Unavailable`` when they cannot be had in time.
        """
        await self._ready()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str | None = None,
        within: float | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        """
        Ask once; ``body`` is anything JSON can say, ``within`` seconds bound the whole exchange.

        Raises: a ``StatusError`` for 400 and above, ``Unavailable`` without a complete answer, ``BadAnswer`` when it
        is larger than ``max_bytes``.
        """
        question = _Question(method, path, query or {}, body, content_type)
        limit, asked = within or self._timeout, _now()
        try:
            return await self._exchange(question, limit, max_bytes)
        except Unauthorized:
            if not await self._reload(asked):
                raise
        return await self._exchange(question, limit, max_bytes)

    async def stream(self, path: str, query: Mapping[str, str], *, quiet: float) -> AsyncGenerator[bytes, None]:
        """
        The lines of an endless answer, each without its line break; ends when the server ends it in order.

        Raises as ``request`` does, and ``Unavailable`` when the connection is cut or says nothing for ``quiet``
        seconds: a half-open connection looks exactly like a quiet one. Close the iterator when done with it.
        """
        response = await self._open_stream(path, query, quiet)
        try:
            rest = b""
            while chunk := await self._chunk(response, path, quiet):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield line
                if len(rest) > MAX_LINE:
                    raise BadAnswer(f"{path}: a line of more than {MAX_LINE} bytes")
            if rest.strip():
                raise Unavailable(f"{path}: cut in the middle of a line")
        finally:
            response.close()

    async def close(self) -> None:
        """Close the connections; safe to call twice."""
        async with self._lock:
            client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _exchange(self, question: _Question, limit: float, max_bytes: int) -> Answer:
        timeout = aiohttp.ClientTimeout(total=limit)
        client = await self._ready()
        try:
            async with asyncio.timeout(limit):
                response = await _call(client, question, timeout)
                try:
                    text = await _read(response, question.path, max_bytes)
                finally:
                    response.release()
        except TimeoutError as exc:
            raise Unavailable(f"{question}: no complete answer within {limit:g} s") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise Unavailable(f"{question}: {type(exc).__name__}: {exc}") from exc
        if response.status >= 400:
            raise status_error(response.status, text, response.headers)
        return Answer(response.status, response.headers, text)

    async def _open_stream(self, path: str, query: Mapping[str, str], quiet: float) -> aiohttp.ClientResponse:
        question = _Question("GET", path, query)
        timeout, asked = aiohttp.ClientTimeout(total=None, connect=self._timeout, sock_read=quiet), _now()
        for last_try in (False, True):
            client = await self._ready()
            try:
                async with asyncio.timeout(self._timeout):
                    response = await _call(client, question, timeout)
                    if response.status < 400:
                        return response
                    text = await _read(response, path, MAX_LINE)
                    response.release()
            except TimeoutError as exc:
                raise Unavailable(f"watch {path}: no answer within {self._timeout:g} s") from exc
            except (aiohttp.ClientError, OSError) as exc:
                raise Unavailable(f"watch {path}: {type(exc).__name__}: {exc}") from exc
            if response.status != 401 or last_try or not await self._reload(asked):
                break
        raise status_error(response.status, text, response.headers)

    @staticmethod
    async def _chunk(response: aiohttp.ClientResponse, path: str, quiet: float) -> bytes:
        try:
            async with asyncio.timeout(quiet):
                return await response.content.readany()
        except TimeoutError as exc:
            raise Unavailable(f"watch {path}: silent for {quiet:g} s") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise Unavailable(f"watch {path}: {type(exc).__name__}: {exc}") from exc

    async def _ready(self) -> ApiClient:
        """The library's client with a token not older than a minute."""
        if self._client is None or _now() - self._loaded >= _REFRESH:
            async with self._lock:
                if self._client is None:
                    self._client = await self._connect()
                elif _now() - self._loaded >= _REFRESH:
                    await self._refresh(self._client)
        return self._client

    async def _connect(self) -> ApiClient:
        """Loading the library takes seconds and belongs to no request's time; other tasks go on meanwhile."""
        await asyncio.to_thread(importlib.import_module, "kubernetes_asyncio.config")
        from kubernetes_asyncio.client import ApiClient, Configuration

        configuration = Configuration()
        await self._load(configuration)
        try:
            client = ApiClient(configuration)
        except OSError as exc:
            raise ConfigError(f"kubernetes: certificates cannot be read: {exc}") from exc
        client.user_agent = f"observer/{__version__}"
        self._loaded = _now()
        return client

    async def _refresh(self, client: ApiClient) -> None:
        """Credentials that cannot be read for a moment leave the old ones in force."""
        self._loaded = _now()
        try:
            await self._load(client.configuration)
        except (ConfigError, Unavailable) as exc:
            log.warning("kube_credentials_not_refreshed", error=str(exc))

    async def _load(self, configuration: Configuration) -> None:
        """A kubeconfig may run a program to get a token: that has a time limit too."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._credentials.load(configuration)
        except TimeoutError as exc:
            raise Unavailable(f"kubernetes: no credentials within {self._timeout:g} s") from exc

    async def _reload(self, asked: float) -> bool:
        """
        After a 401 to what was asked at ``asked``: are there newer credentials to try?

        They are read anew at most every 10 seconds, so that a revoked permission does not become a storm.
        """
        async with self._lock:
            now = _now()
            if self._client is None:
                return False
            if now - self._refused < _AGAIN:
                return self._refused >= asked
            self._refused = now
            self._credentials.forget()
            await self._refresh(self._client)
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _call(client: ApiClient, question: _Question, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
    headers = {"Accept": "application/json"}
    if question.content_type is not None:
        headers["Content-Type"] = question.content_type
    response: aiohttp.ClientResponse = await client.call_api(
        question.path,
        question.method,
        query_params=list(question.query.items()),
        header_params=headers,
        body=question.body,
        auth_settings=["BearerToken"],
        _preload_content=False,
        _request_timeout=limits,
    )
    return response


async def _read(response: aiohttp.ClientResponse, path: str, max_bytes: int) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > max_bytes:
            response.close()
            raise BadAnswer(f"{path}: more than {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)
