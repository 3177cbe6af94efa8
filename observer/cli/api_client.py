"""The daemon's reading API as commands ask it: one address, one credential, errors that say what to do next."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from observer import __version__
from observer.cli.failures import ApiError, DaemonUnreachable
from observer.config.settings.model import Settings
from observer.config.settings.sources import HttpAuth
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.http_client.client import Endpoint, HttpClient, Request, RequestFailed
from observer.web.models.rows import Problem

MAX_BYTES: Final = 64 << 20
SEND_SECONDS: Final = 15.0
"""An action waits for the API server or the disk."""
RUN: Final = (
    "is it running? start it with `observer run`; in a cluster, "
    "`kubectl -n {namespace} port-forward deploy/observer {port}`"
)
NAME_IT: Final = "name the daemon's address with --url or $OBSERVER_URL, or `listen` of its settings file with --config"
SIGN_IN: Final = "give a token that may read with --token-file or $OBSERVER_TOKEN_FILE"
ASK_IT: Final = "wait for its first tick; `observer doctor` and the daemon's log say what it lacks"
LOOK: Final = "look again with `observer approve`"
OTHER_VERSION: Final = f"{NAME_IT}; an older or newer daemon needs the command of its version"
TRUST: Final = "name the authority that signed the daemon's certificate with --ca-file or $OBSERVER_CA_FILE"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiClient:
    """
    Where the daemon is and how it is asked.

    ``named``: a person gave the address, so that its silence is an error and no reason to look elsewhere. ``url`` empty
    = none is known. ``timeout`` in seconds.
    """

    url: str
    named: bool = False
    token: str = ""
    ca_file: str = ""
    timeout: float = 3.0
    namespace: str = "observer"

    async def get(self, path: str, answer: type[T], query: Mapping[str, str] | None = None) -> T:
        """The ``answer`` of ``GET path``. Raises: ApiError, DaemonUnreachable."""
        if not self.url:
            raise DaemonUnreachable("no address of the daemon is known", NAME_IT)
        client = self._client(self.timeout)
        try:
            response = await client.get(path, query or {})
        except RequestFailed as exc:
            if exc.untrusted:
                raise ApiError(f"the daemon at {self.url} is not trusted: {exc.untrusted}", TRUST) from exc
            raise self._unreachable(exc.why) from exc
        except SourceUnavailable as exc:
            raise self._unreachable(str(exc)) from exc
        finally:
            await client.close()
        if response.status != HTTPStatus.OK:
            raise self._refused(path, response.status, response.body)
        try:
            return msgspec.json.decode(response.body, type=answer)
        except msgspec.DecodeError as exc:
            raise self._not_observer(f"{path}: {exc}") from exc

    async def post(self, path: str, body: Struct, answer: type[T]) -> T | Problem:
        """
        The ``answer`` of ``POST path``, or why it was not done.

        Raises: ApiError when nothing that can be read came back: it is not known whether it was done.
        """
        client = self._client(SEND_SECONDS)
        try:
            response = await client.send(Request.of_json("POST", path, body))
            if response.status in {HTTPStatus.OK, HTTPStatus.CREATED}:
                return msgspec.json.decode(response.body, type=answer)
            return msgspec.json.decode(response.body, type=Problem)
        except SourceUnavailable as exc:
            raise ApiError(f"{self.url} did not answer: it is not known whether it was done", LOOK) from exc
        except msgspec.DecodeError as exc:
            raise ApiError(f"{self.url} answers, but not as Observer {__version__} does", LOOK) from exc
        finally:
            await client.close()

    def _refused(self, path: str, status: int, body: bytes) -> ApiError:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            why = "asks who you are" if status == HTTPStatus.UNAUTHORIZED else "does not let you read this"
            return ApiError(f"the daemon at {self.url} {why} (HTTP {status})", SIGN_IN)
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except msgspec.DecodeError:
            return self._not_observer(f"{path}: HTTP {status}")
        step = ASK_IT if status >= HTTPStatus.INTERNAL_SERVER_ERROR else NAME_IT
        return ApiError(f"{self.url} answered HTTP {status} to {path}: {problem.detail[:300]}", step)

    def _not_observer(self, why: str) -> ApiError:
        return ApiError(f"{self.url} answers, but not as Observer {__version__} does ({why})", OTHER_VERSION)

    def _unreachable(self, why: str) -> DaemonUnreachable:
        port = urlsplit(self.url).port or 8090
        step = RUN.format(namespace=self.namespace, port=port)
        return DaemonUnreachable(f"the daemon at {self.url} does not answer: {why}", step)

    def _client(self, timeout: float) -> HttpClient:
        """Raises: ConfigError for an authority that cannot be read."""
        if self.ca_file:
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except OSError as exc:
                raise ConfigError(f"--ca-file: {self.ca_file} holds no certificate: {exc.strerror or exc}") from exc
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        auth = HttpAuth(ca_file=self.ca_file)
        return HttpClient(
            Endpoint("--url", url=self.url, auth=auth, headers=headers, timeout=timeout, max_bytes=MAX_BYTES)
        )


def client_of(
    settings: Settings, url: str = "", token_file: str = "", ca_file: str = "", *, timeout: float = 3.0
) -> ApiClient:
    """
    The client that options name, else that of the settings' ``listen``.

    Raises: ConfigError for what is no address, and for a token that cannot be read.
    """
    token = ""
    if token_file:
        try:
            token = Path(token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is no text"
            raise ConfigError(f"--token-file: {token_file} cannot be read: {why}") from exc
        if not token:
            raise ConfigError(f"--token-file: {token_file} is empty: write the token into it")
    if url:
        check_address("--url", url)
    return ApiClient(
        url.rstrip("/") or _listening(settings), bool(url), token, ca_file, timeout, settings.own_namespace
    )


def check_address(option: str, url: str) -> None:
    """Raises: ConfigError when the value of ``option`` is no address."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no port, a bracket that is never closed
        fits = False
    if not fits:
        raise ConfigError(f"{option} {url!r}: expected http://HOST:PORT or https://HOST:PORT")


def _listening(settings: Settings) -> str:
    host, _, port = settings.listen.rpartition(":")
    if port == "0":
        return ""
    host = "127.0.0.1" if host in {"0.0.0.0", "", "[::]"} else host  # noqa: S104  (compared, not bound)
    return f"{'https' if settings.tls.cert_file else 'http'}://{host}:{port}"
