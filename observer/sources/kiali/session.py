"""How Kiali lets us in: nobody asked, a token on each request, or a token once and cookies from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import msgspec

from observer.config.settings.sources import KialiLogin, KialiSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.client import Endpoint, HttpClient, Response, decoded, refused
from observer.http_client.credentials import SecretFile

_BEARER: Final = frozenset({KialiLogin.HEADER, KialiLogin.OPENSHIFT})


class _AuthInfo(msgspec.Struct):
    strategy: str


class _Error(msgspec.Struct):
    error: str = ""
    detail: str = ""


class _Status(msgspec.Struct):
    status: dict[str, object] | None = None


_INFO = msgspec.json.Decoder(_AuthInfo)
_ERROR = msgspec.json.Decoder(_Error)
_STATUS = msgspec.json.Decoder(_Status)


class Session:
    """
    GETs below ``settings.url``, logged in as the server wants it.

    Which way that is, is asked once (``login: auto``) and again after a refusal.
    """

    def __init__(self, settings: KialiSettings) -> None:
        # The token is not a matter of every request: a server with cookies refuses it there.
        self._client = HttpClient(
            Endpoint(
                "kiali",
                url=settings.url,
                auth=replace(settings.auth, bearer_file=""),
                headers=settings.headers,
                timeout=settings.timeout,
                max_bytes=settings.max_bytes,
                follow=True,
            )
        )
        self._token = SecretFile(settings.auth.bearer_file) if settings.auth.bearer_file else None
        self._wanted = settings.login
        self._login: KialiLogin | None = None
        self._cookies: dict[str, str] = {}

    @property
    def login(self) -> str:
        """The way in, empty while it is not known."""
        return self._login.value if self._login is not None else ""

    async def get(self, path: str, parameters: Mapping[str, str]) -> Response:
        """
        The answer, whatever its status but 401 and 403: those raise ``SourceUnavailable`` (``denied``), a 401 only
        after logging in once more.
        """
        answer = await self._get(path, parameters)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._login is KialiLogin.TOKEN:
            self._cookies = {}
            answer = await self._get(path, parameters)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            self._login, self._cookies = None, {}
            raise refused(answer.status, reason_of(answer))
        return answer

    async def close(self) -> None:
        """Close the connections and forget the cookies."""
        self._cookies = {}
        await self._client.close()

    async def _get(self, path: str, parameters: Mapping[str, str]) -> Response:
        if self._login is None:
            self._login = await self._way_in() if self._wanted is KialiLogin.AUTO else self._wanted
        return await self._client.get(path, parameters, await self._headers(self._login))

    async def _headers(self, login: KialiLogin) -> dict[str, str]:
        if login in _BEARER:
            return {"Authorization": f"Bearer {self._secret(login)}"}
        if login is not KialiLogin.TOKEN:
            return {}
        if not self._cookies:
            await self._log_in()
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}

    async def _log_in(self) -> None:
        answer = await self._client.post("/api/authenticate", {"token": self._secret(KialiLogin.TOKEN)})
        if answer.status != HTTPStatus.OK:
            raise refused(answer.status, f"logging in: {reason_of(answer)}")
        self._cookies = {name: value for name, value in answer.cookies.items() if value}
        if not self._cookies:
            raise SourceProtocolError("logging in gave no cookie")

    async def _way_in(self) -> KialiLogin:
        """What the server says; one that does not say (it has no such page) gets the token if there is one."""
        answer = await self._client.get("/api/auth/info", {})
        if answer.status == HTTPStatus.NOT_FOUND:
            return KialiLogin.HEADER if self._token is not None else KialiLogin.ANONYMOUS
        if not answer.has_json:
            raise _unusable(answer)
        strategy = decoded(_INFO.decode, answer.body, "/api/auth/info").strategy
        if strategy not in (KialiLogin.ANONYMOUS, KialiLogin.TOKEN, KialiLogin.HEADER, KialiLogin.OPENSHIFT):
            detail = f"it wants people to log in ({strategy[:40]!r}): use a way that takes a token, or a proxy"
            raise SourceUnavailable(detail, reason="denied")
        return KialiLogin(strategy)

    def _secret(self, login: KialiLogin) -> str:
        if self._token is None:
            raise SourceUnavailable(f"it wants a token ({login.value}) and auth.bearer_file is empty", reason="denied")
        return self._token.read()


def reason_of(answer: Response) -> str:
    """What an error says, for people."""
    try:
        error = decoded(_ERROR.decode, answer.body, "error")
        text = ": ".join(part for part in (error.error, error.detail) if part)
    except SourceProtocolError:
        text = answer.body[:200].decode("utf-8", "replace").strip()
    return f"HTTP {answer.status}: {text[:300]}"


def checked(answer: Response) -> bytes:
    """The body of a success; raises for everything else."""
    if not answer.has_json:
        raise _unusable(answer)
    return answer.body


def parse_version(body: bytes) -> str:
    """The version in ``/api/status``; 1.x spells it differently from 2.x."""
    status = decoded(_STATUS.decode, body, "/api/status").status or {}
    return str(status.get("Kiali version") or status.get("Kiali core version") or "")[:60]


def _unusable(answer: Response) -> SourceUnavailable | SourceProtocolError:
    if answer.status == HTTPStatus.OK:
        return SourceProtocolError(f"answered {answer.content_type} instead of JSON (is the web root right?)")
    detail = reason_of(answer)
    if answer.status == HTTPStatus.NOT_FOUND:
        detail += " (is the web root in the address right?)"
    return refused(answer.status, detail)
