"""
Sends what somebody is to be told: bounded in time, tried again where that may help, and never to a stranger.

Timeouts, lost connections, 408, 425, 429 and 5xx are tried again, when their ``Retry-After`` says if they carry one.
Everything else is final. 410 is for good: nothing is sent there any more until a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import Random
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from observer.config.settings.sources import HttpAuth
from observer.domain.errors import SourceUnavailable
from observer.http_client.credentials import Credentials, SecretFile, address_of, checked_url
from observer.http_client.reason import reason
from observer.ports.sources import Clock

_ANSWER_BYTES = 1 << 20
_AGAIN: Final = frozenset({408, 425, 429})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_LONGEST_REST = 3600.0
"""A receiver is not left alone for longer, whatever its ``Retry-After`` says."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where things are sent. Exactly one of ``url`` and ``url_file`` (whose content is a secret) is set.

    ``timeout`` bounds one try, ``patience`` all tries of one thing; seconds.
    """

    section: str
    url: str = ""
    url_file: str = ""
    auth: HttpAuth = field(default_factory=HttpAuth)
    headers: Mapping[str, str] | None = None
    timeout: float = 5.0
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from one try."""

    status: int
    body: bytes
    retry_after: str = ""
    allow: str = ""

    @property
    def good(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class Outbox:
    """
    One receiver. The session is opened by the first try and must be closed.

    Raises ``ConfigError`` when constructed with settings that can never work.
    """

    def __init__(self, target: Target, clock: Clock, random: Random) -> None:
        self._target, self._clock, self._random = target, clock, random
        self._url = checked_url(target.url, target.section) if target.url else ""
        self._secret = SecretFile(target.url_file) if target.url_file else None
        self._credentials: dict[str, Credentials] = {}
        self._gone = False
        self._not_before = 0.0
        self._session: aiohttp.ClientSession | None = None
        self._credentials_for("https" if self._secret is not None else urlsplit(self._url).scheme)

    @property
    def gone(self) -> bool:
        """Whether the receiver said that it wants nothing more (410)."""
        return self._gone

    async def deliver(self, body: bytes, headers: Mapping[str, str], *, method: str = "POST", path: str = "") -> Reply:
        """
        Send until it is accepted (2xx).

        Raises: SourceUnavailable when it is not; ``reason`` is ``gone``, ``refused``, ``denied``, ``busy``,
        ``timeout`` or ``unreachable``. The text holds no path, no header and nothing that the receiver wrote.
        """
        deadline = self._clock.monotonic() + self._target.patience
        pause = _FIRST_PAUSE
        while True:
            await self._wait_until_allowed(deadline)
            failure, wait = await self._try(method, path, body, headers)
            if isinstance(failure, Reply):
                return failure
            if wait is None:
                raise failure
            if wait > 0.0:
                self._not_before = self._clock.monotonic() + wait
                continue
            rest = pause * self._random.uniform(0.5, 1.0)
            if self._clock.monotonic() + rest > deadline:
                raise failure
            await self._clock.sleep(rest)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def once(
        self, method: str = "OPTIONS", *, path: str = "", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """One try, whatever it answers. Raises: SourceUnavailable when nothing comes back in time."""
        url = self._address() + path
        credentials = self._credentials_for(urlsplit(url).scheme)
        try:
            async with asyncio.timeout(self._target.timeout):
                sent = self._opened().request(
                    method,
                    url,
                    data=body or None,
                    headers={**credentials.headers(), **(headers or {})},
                    ssl=credentials.tls() or True,
                    allow_redirects=False,
                )
                async with sent as answer:
                    read = await answer.content.read(_ANSWER_BYTES)
                    again = answer.headers.get("Retry-After", "")
                    return Reply(answer.status, read, again, answer.headers.get("WebHook-Allowed-Origin", ""))
        except TimeoutError as exc:
            raise SourceUnavailable(
                f"{address_of(url)}: no answer within {self._target.timeout:g} s", reason="timeout"
            ) from exc
        except (aiohttp.ClientError, ConnectionError, OSError, ValueError) as exc:
            raise SourceUnavailable(f"{address_of(url)}: {reason(exc)}") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _wait_until_allowed(self, deadline: float) -> None:
        if self._gone:
            raise SourceUnavailable("the receiver said 410: nothing is sent there until a restart", reason="gone")
        if self._not_before > deadline:
            wait = self._not_before - self._clock.monotonic()
            raise SourceUnavailable(f"the receiver asked to be left alone for {wait:.0f} s more", reason="busy")
        if (wait := self._not_before - self._clock.monotonic()) > 0.0:
            await self._clock.sleep(wait)

    async def _try(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[Reply, None] | tuple[SourceUnavailable, float | None]:
        """
        A good reply, or the failure with what to do: None = final, 0 = try again after a pause, above 0 = after so many
        seconds.
        """
        try:
            reply = await self.once(method, path=path, headers=headers, body=body)
        except SourceUnavailable as exc:
            return exc, None if exc.reason == "denied" else 0.0
        if reply.good:
            return reply, None
        shown = f"{address_of(self._address())}: HTTP {reply.status}"
        if reply.status == HTTPStatus.GONE:
            self._gone = True
            return SourceUnavailable(f"{shown}: it wants nothing more", reason="gone"), None
        if reply.status in _AGAIN or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return SourceUnavailable(shown, reason="busy"), retry_after(reply.retry_after, self._clock.now()) or 0.0
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return SourceUnavailable(shown, reason="denied"), None
        if reply.status < HTTPStatus.BAD_REQUEST:
            return SourceUnavailable(f"{shown}: redirects are not followed", reason="refused"), None
        return SourceUnavailable(shown, reason="refused"), None

    def _address(self) -> str:
        if self._secret is None:
            return self._url
        section, text = self._target.section, self._secret.read()
        try:
            parts = urlsplit(text)
            fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
        except ValueError:
            fits = False
        if not fits:
            # Whatever stands in the file is a secret: it is not repeated.
            raise SourceUnavailable(f"{section}.url_file: does not hold an http or https address", reason="denied")
        return text

    def _credentials_for(self, scheme: str) -> Credentials:
        if scheme not in self._credentials:
            target = self._target
            self._credentials[scheme] = Credentials(
                target.auth, url=f"{scheme}:", fixed=target.headers or {}, section=target.section
            )
        return self._credentials[scheme]

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=self._target.timeout),
            )
        return self._session


def retry_after(text: str, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, 0 to 3600; None when it says nothing. ``now``: Unix seconds."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(float(text.strip()), _LONGEST_REST)
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return min(max(when.timestamp() - now, 0.0), _LONGEST_REST)
