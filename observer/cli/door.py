"""The daemon's reading API as commands ask it: one address, one credential, errors that say what to do next."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from observer.cli.failures import ApiError, DaemonUnreachable
from observer.config.settings.auth import HttpAuth
from observer.config.settings.model import Settings
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.http_client.client import Endpoint, HttpClient, Request, RequestFailed, Response

MAX_BYTES: Final = 64 << 20
SEND_SECONDS: Final = 15.0
"""An act waits for the API server or the disk."""
RUN: Final = (
    "is it running? start it with `observer run`; in a cluster, "
    "`kubectl -n {namespace} port-forward deploy/observer {port}`"
)
NAME_IT: Final = "name the daemon's address with --url or $OBSERVER_URL, or `listen` of its settings file with --config"
SIGN_IN: Final = "give a token that may read with --token-file or $OBSERVER_TOKEN_FILE"
ASK_IT: Final = "wait for its first tick; `observer doctor` and the daemon's log say what it lacks"
TRUST: Final = "name the authority that signed the daemon's certificate with --ca-file or $OBSERVER_CA_FILE"


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

    async def ask(self, path: str, query: dict[str, str] | None = None) -> Any:
        """The JSON that ``GET path`` answers. Raises: DoorError, NobodyThere."""
        if not self.url:
            raise DaemonUnreachable("no address of the daemon is known", NAME_IT)
        client = self._client(self.timeout)
        try:
            answer = await client.get(path, query or {})
        except RequestFailed as exc:
            if exc.untrusted:
                raise ApiError(f"the daemon at {self.url} is not trusted: {exc.untrusted}", TRUST) from exc
            raise self._nobody(exc.why) from exc
        except SourceUnavailable as exc:
            raise self._nobody(str(exc)) from exc
        finally:
            await client.close()
        return self._read(path, answer)

    async def send(self, path: str, body: dict[str, str]) -> tuple[int, bytes]:
        """POST JSON; status and body, whatever they are. Raises: SourceUnavailable: it may have been done or not."""
        client = self._client(SEND_SECONDS)
        try:
            answer = await client.send(Request.of_json("POST", path, body))
        finally:
            await client.close()
        return answer.status, answer.body

    def _read(self, path: str, answer: Response) -> Any:
        if answer.status in {401, 403}:
            why = "asks who you are" if answer.status == 401 else "does not let you read this"
            raise ApiError(f"the daemon at {self.url} {why} (HTTP {answer.status})", SIGN_IN)
        try:
            found = msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            found = None
        if found is None or not isinstance(found, dict | list):
            raise ApiError(f"{self.url} answers, but not as Observer does ({path}: HTTP {answer.status})", NAME_IT)
        if answer.status != 200:
            step = ASK_IT if answer.status >= 500 else NAME_IT
            raise ApiError(f"{self.url} answered HTTP {answer.status} to {path}: {_detail(found)}", step)
        return found

    def _nobody(self, why: str) -> DaemonUnreachable:
        port = urlsplit(self.url).port or 8090
        return DaemonUnreachable(
            f"the daemon at {self.url} does not answer: {why}", RUN.format(namespace=self.namespace, port=port)
        )

    def _client(self, timeout: float) -> HttpClient:
        """Raises: ConfigError for an authority that cannot be read."""
        if self.ca_file:
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except OSError as exc:
                raise ConfigError(f"--ca-file: {self.ca_file} holds no certificate: {exc.strerror or exc}") from exc
        return HttpClient(
            Endpoint(
                "--url",
                url=self.url,
                auth=HttpAuth(ca_file=self.ca_file),
                headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
                timeout=timeout,
                max_bytes=MAX_BYTES,
            )
        )


def client_of(
    settings: Settings, url: str = "", token_file: str = "", ca_file: str = "", *, timeout: float = 3.0
) -> ApiClient:
    """
    The door that options name, else that of the settings' ``listen``.

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


def _detail(found: Any) -> str:
    if isinstance(found, dict):
        return str(found.get("detail") or found.get("error") or found.get("title") or "no reason given")[:300]
    return "no reason given"
