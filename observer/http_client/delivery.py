"""
How something is brought to those who are told: one queue a receiver, one place that tries again.

Timeouts, lost connections, 408, 425, 429 and 5xx are tried again, when their ``Retry-After`` says if they carry one.
Everything else is final. 410 is for good: nothing is sent there any more until a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import Random
from typing import Final, Generic, TypeVar

import structlog

from observer.domain.errors import SourceUnavailable
from observer.domain.finding import Finding
from observer.http_client.client import Endpoint, HttpClient, Request, Response
from observer.http_client.credentials import address_of
from observer.ports.sources import Clock

log = structlog.get_logger(__name__)

T = TypeVar("T")
_TRANSIENT: Final = frozenset({408, 425, 429})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_LONGEST_REST = 3600.0
"""A receiver is not left alone for longer, whatever its ``Retry-After`` says."""
_LISTENS = frozenset({400, 405, 411, 415, 422, 501})
"""Answers of a server that knows the address and does not take this very question."""


class DeliveryHealth:
    """Counts what a receiver loses, logs its first failure and its recovery, and nothing in between."""

    def __init__(self, name: str, dropped: Callable[[str], None]) -> None:
        """``dropped`` is called with ``name`` for every loss."""
        self.name, self._dropped, self.failing = name, dropped, False

    def lost(self, error: str, count: int = 1) -> None:
        """So many items are lost."""
        for _ in range(count):
            self._dropped(self.name)
        if count:
            self.failed(error)

    def failed(self, error: str) -> None:
        """It does not work, and nothing is lost yet."""
        if not self.failing:
            log.warning("sink_failed", sink=self.name, error=error)
        self.failing = True

    def succeeded(self) -> None:
        """It works."""
        if self.failing:
            log.info("sink_recovered", sink=self.name)
        self.failing = False


class DeliveryQueue(Generic[T]):
    """
    The bounded queue before one receiver: who adds never waits, and what does not fit is lost and counted.

    ``deliver`` takes one item and never raises; ``dropped`` is called with ``name`` for every item that is lost.
    """

    def __init__(
        self, name: str, deliver: Callable[[T], Awaitable[None]], *, size: int, dropped: Callable[[str], None]
    ) -> None:
        self.name, self._deliver, self._dropped = name, deliver, dropped
        self._waiting: asyncio.Queue[T] = asyncio.Queue(size)

    @property
    def waiting(self) -> int:
        """Items that nobody has taken yet."""
        return self._waiting.qsize()

    def add(self, item: T) -> None:
        """Returns at once; a full queue loses the item."""
        try:
            self._waiting.put_nowait(item)
        except asyncio.QueueFull:
            self._dropped(self.name)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            item = await self._waiting.get()
            try:
                await self._deliver(item)
            finally:
                self._waiting.task_done()

    async def join(self) -> None:
        """Wait until everything added so far was handed on."""
        await self._waiting.join()


class Receiver:
    """
    One receiver, asked again where that may help; ``patience`` (seconds) bounds all tries of one request.

    Raises ``ConfigError`` when constructed with settings that can never work.
    """

    def __init__(
        self, endpoint: Endpoint, clock: Clock, random: Random | None = None, *, patience: float = 60.0
    ) -> None:
        self._client, self._clock, self._patience = HttpClient(endpoint), clock, patience
        self._random = random or Random()  # noqa: S311  (only pauses are drawn from it)
        self._gone = False
        self._not_before = 0.0

    @property
    def gone(self) -> bool:
        """Whether the receiver said that it wants nothing more (410)."""
        return self._gone

    async def deliver(self, body: bytes, headers: Mapping[str, str], *, path: str = "") -> Response:
        """
        POST until it is accepted (2xx).

        Raises: SourceUnavailable when it is not; ``reason`` is ``gone``, ``refused``, ``denied``, ``busy``,
        ``timeout`` or ``unreachable``. The text holds no path, no header and nothing that the receiver wrote.
        """
        request = Request("POST", path, headers=headers, body=body, discard=True)
        deadline = self._clock.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            await self._wait_until_allowed(deadline)
            failure, wait = await self._try(request)
            if isinstance(failure, Response):
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

    async def once(self, request: Request) -> Response:
        """One try, whatever it answers. Raises: SourceUnavailable when nothing comes back in time."""
        return await self._client.send(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _wait_until_allowed(self, deadline: float) -> None:
        if self._gone:
            raise SourceUnavailable("the receiver said 410: nothing is sent there until a restart", reason="gone")
        wait = self._not_before - self._clock.monotonic()
        if self._not_before > deadline:
            raise SourceUnavailable(f"the receiver asked to be left alone for {wait:.0f} s more", reason="busy")
        if wait > 0.0:
            await self._clock.sleep(wait)

    async def _try(self, request: Request) -> tuple[Response, None] | tuple[SourceUnavailable, float | None]:
        """
        A good response, or the failure with what to do: None = final, 0 = try again after a pause, above 0 = after so
        many seconds.
        """
        try:
            response = await self.once(request)
        except SourceUnavailable as exc:
            return exc, None if exc.reason == "denied" else 0.0
        if response.ok:
            return response, None
        status = response.status
        text = f"{address_of(self._client.address())}: HTTP {status}"
        if status == HTTPStatus.GONE:
            self._gone = True
            return SourceUnavailable(f"{text}: it wants nothing more", reason="gone"), None
        if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            rest = retry_after(response.headers.get("retry-after", ""), self._clock.now())
            return SourceUnavailable(text, reason="busy"), rest or 0.0
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return SourceUnavailable(text, reason="denied"), None
        if status < HTTPStatus.BAD_REQUEST:
            return SourceUnavailable(f"{text}: redirects are not followed", reason="refused"), None
        return SourceUnavailable(text, reason="refused"), None


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


async def probe(receiver: Receiver, name: str, section: str, request: Request) -> Finding:
    """
    What ``observer doctor`` asks of a receiver: is it there, and would it listen? The request must change nothing.

    Never raises for what a server may answer; closes the receiver.
    """
    name = f"{name} reachable"
    try:
        response = await receiver.once(request)
    except SourceUnavailable as exc:
        remedy = f"check the address and the files of {section}, the network policy, and that the receiver runs"
        return Finding(name, False, f"{exc.reason}: {exc}", remedy)
    finally:
        await receiver.close()
    status, options = response.status, request.method == "OPTIONS"
    if response.ok or (options and status in _LISTENS):
        return Finding(name, True, f"it answers (HTTP {status})")
    if status in {401, 403}:
        return Finding(name, False, f"HTTP {status}", f"check {section}.auth: it does not take our credentials")
    if status == 410:
        return Finding(name, False, "HTTP 410: it wants nothing any more", f"give {section} another address")
    if status == 404 and options:
        return Finding(name, None, "HTTP 404 to OPTIONS", f"check the path of {section}; some servers hide it so")
    return Finding(name, False, f"HTTP {status}", f"check the address of {section}, its path above all")
