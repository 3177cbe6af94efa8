"""
``/api/v1/stream``: server-sent events. Each listener has a bounded queue; who does not keep up is cut off and counted.

Events are ``tick`` (how things stand, in a few figures), ``decision`` (one, as the API shows it) and ``reset`` (what
was missed is not kept any more: read everything again). Ids let a browser go on where it lost the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web
from msgspec import Struct

from observer.domain.decision import Decision
from observer.web.board import ViewCache
from observer.web.people.door import still_in
from observer.web.refusals import ApiProblem
from observer.web.views.picture import ViewState
from observer.web.views.rows import decision_row
from observer.web.views.sources import Listeners

PATH: Final = "/api/v1/stream"
MOST: Final = 1000
"""Listeners at once."""
QUEUE: Final = 64
KEPT: Final = 512
"""Events that a browser may have missed and still gets."""
MOST_TOLD: Final = 32
"""Decisions of one tick that are told one by one; when there are more, listeners are told to read again."""
BEAT_SECONDS: Final = 15.0
LASTS_SECONDS: Final = 300.0
"""Who may read is asked at the door only: then a stream ends, and the browser comes back and is asked again."""
RETRY_MS: Final = 3000
_DIGITS: Final = 18
"""Of an event's number; nobody counts further."""
_HEADERS: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Counted(Protocol):
    """Where the number of listeners goes."""

    def __call__(self, clients: int, *, dropped: bool) -> None: ...


class TickEvent(Struct, frozen=True):
    """One tick in a few figures: workloads by state, open incidents, and what waits for a person."""

    at: float
    tick: int
    sighted: bool
    paused: bool
    states: dict[str, int]
    incidents_open: int


@dataclass(slots=True, eq=False)
class _Listener:
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    abort: Callable[[], None] = lambda: None


class Stream:
    """Tells every listener of each new picture. ``counted`` hears how many listen."""

    def __init__(
        self, board: ViewCache, counted: Counted, *, beat: float = BEAT_SECONDS, lasts: float = LASTS_SECONDS
    ) -> None:
        self._board, self._counted, self._beat, self._lasts = board, counted, beat, lasts
        self._listeners: set[_Listener] = set()
        self._dropped = 0
        self._number = 0
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._last: Decision | None = None
        self._born = f"{id(self):x}"
        board.exchanged.append(self.tell)

    def listeners(self) -> Listeners:
        """How many listen, and how many were sent away."""
        return Listeners(len(self._listeners), self._dropped)

    def add_to(self, app: web.Application) -> None:
        """Serve it; the end of the application ends every listener."""
        app.router.add_get(PATH, self.handle)
        app.on_shutdown.append(self._end)

    def tell(self, picture: ViewState) -> None:
        """Hand a picture's news to everybody without waiting."""
        fresh = self._fresh(picture.seen.recent)
        if len(fresh) > MOST_TOLD:
            self._say("reset", b"{}")
        else:
            for one in fresh:
                self._say("decision", msgspec.json.encode(decision_row(one)))
        self._say("tick", msgspec.json.encode(tick_event(picture)))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers until the listener goes, is too slow, has to be asked again, or the daemon ends."""
        if len(self._listeners) >= MOST:
            raise ApiProblem(503, "too_many_listeners", f"{MOST} listen already; read the pages", {"Retry-After": "30"})
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        listener = _Listener()
        if request.transport is not None:
            listener.abort = request.transport.abort
        missed = self._missed(request.headers.get("Last-Event-ID", ""))
        self._listeners.add(listener)
        self._counted(len(self._listeners), dropped=False)
        try:
            async with asyncio.timeout(self._lasts):
                await response.write(b"retry: %d\n\n" % RETRY_MS + b"".join(missed))
                await self._serve(listener, response, lambda: still_in(request))
        except TimeoutError:
            pass  # long enough: it comes back and is asked again
        except ConnectionError:
            pass  # it went away; nobody is left to be told
        finally:
            self._listeners.discard(listener)
            self._counted(len(self._listeners), dropped=False)
        return response

    async def _serve(self, listener: _Listener, response: web.StreamResponse, allowed: Callable[[], bool]) -> None:
        while True:
            try:
                async with asyncio.timeout(self._beat):
                    event = await listener.queue.get()
            except TimeoutError:
                event = b": beat\n\n"
            if event is None or not allowed():
                return
            await response.write(event)

    def _say(self, kind: str, data: bytes) -> None:
        self._number += 1
        event = b"event: %s\nid: %s-%d\ndata: %s\n\n" % (kind.encode(), self._born.encode(), self._number, data)
        self._kept.append((self._number, event))
        for listener in tuple(self._listeners):
            try:
                listener.queue.put_nowait(event)
            except asyncio.QueueFull:
                self._drop(listener)

    def _drop(self, listener: _Listener) -> None:
        """Its connection is cut, so that a write that hangs ends too; the browser comes back and says what it has."""
        self._listeners.discard(listener)
        self._dropped += 1
        listener.abort()
        self._counted(len(self._listeners), dropped=True)

    def _missed(self, last: str) -> Iterable[bytes]:
        born, _, number = last.rpartition("-")
        if not last:
            return self._newest()
        if born != self._born or not number.isascii() or not number.isdigit() or len(number) > _DIGITS:
            return (b"event: reset\ndata: {}\n\n",)
        since = int(number)
        if self._kept and since < self._kept[0][0] - 1:
            return (b"event: reset\ndata: {}\n\n",)
        return [event for kept, event in self._kept if kept > since]

    def _newest(self) -> Iterable[bytes]:
        """A newcomer hears at once how things stand."""
        picture = self._board.picture
        if picture is None:
            return ()
        return (b"event: tick\ndata: %s\n\n" % msgspec.json.encode(tick_event(picture)),)

    def _fresh(self, recent: tuple[Decision, ...]) -> list[Decision]:
        """Decisions since the last picture; all of them when that one has fallen out."""
        found: list[Decision] = []
        for one in reversed(recent):
            if one is self._last:
                break
            found.append(one)
        self._last = recent[-1] if recent else self._last
        return found[::-1]

    async def _end(self, _: Any) -> None:
        for listener in tuple(self._listeners):
            while listener.queue.full():
                listener.queue.get_nowait()
            listener.queue.put_nowait(None)


def tick_event(picture: ViewState) -> TickEvent:
    """The few figures of a picture."""
    return TickEvent(
        at=picture.at,
        tick=picture.seen.number,
        sighted=picture.sighted,
        paused=picture.control.paused,
        states=dict(picture.states),
        incidents_open=len(picture.open),
    )
