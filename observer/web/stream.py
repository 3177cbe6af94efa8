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
from typing import Final, Protocol

import msgspec
from aiohttp import web

from observer.domain.decision import Decision
from observer.web.models.answers import StreamListeners, TickEvent
from observer.web.people.auth import still_in
from observer.web.problems import ApiProblem
from observer.web.queries import ViewCache
from observer.web.views.rows import decision_row
from observer.web.views.view_state import ViewState

MOST: Final = 1000
"""Listeners at once."""
QUEUE: Final = 64
RETAINED: Final = 512
"""Events that a browser may have missed and still gets."""
MOST_SENT: Final = 32
"""Decisions of one tick that are sent one by one; when there are more, listeners read everything again."""
HEARTBEAT_SECONDS: Final = 15.0
LASTS_SECONDS: Final = 300.0
"""Who may read is asked at the door only: then a stream ends, and the browser comes back and is asked again."""
RETRY_MS: Final = 3000
_DIGITS: Final = 18
"""Of an event's number; nobody counts further."""
_HEADERS: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Counted(Protocol):
    """Where the number of listeners goes."""

    def __call__(self, clients: int, *, dropped: bool) -> None: ...


@dataclass(slots=True, eq=False)
class _Listener:
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    abort: Callable[[], None] = lambda: None


class Stream:
    """Tells every listener of each new view state. ``counted`` hears how many listen."""

    def __init__(
        self, cache: ViewCache, counted: Counted, *, heartbeat: float = HEARTBEAT_SECONDS, lasts: float = LASTS_SECONDS
    ) -> None:
        self._cache, self._counted, self._heartbeat, self._lasts = cache, counted, heartbeat, lasts
        self._listeners: set[_Listener] = set()
        self._dropped = 0
        self._number = 0
        self._retained: deque[tuple[int, bytes]] = deque(maxlen=RETAINED)
        self._last: Decision | None = None
        self._born = f"{id(self):x}"
        cache.subscribers.append(self.publish)

    def listeners(self) -> StreamListeners:
        """How many listen, and how many were sent away."""
        return StreamListeners(len(self._listeners), self._dropped)

    def end_with(self, app: web.Application) -> None:
        """The end of the application ends every listener."""
        app.on_shutdown.append(self._end)

    def publish(self, state: ViewState) -> None:
        """Hand the news of a state to everybody without waiting."""
        fresh = self._fresh(state.tick.recent)
        if len(fresh) > MOST_SENT:
            self._send("reset", b"{}")
        else:
            for decision in fresh:
                self._send("decision", msgspec.json.encode(decision_row(decision)))
        self._send("tick", msgspec.json.encode(tick_event(state)))

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
                async with asyncio.timeout(self._heartbeat):
                    event = await listener.queue.get()
            except TimeoutError:
                event = b": beat\n\n"
            if event is None or not allowed():
                return
            await response.write(event)

    def _send(self, kind: str, data: bytes) -> None:
        self._number += 1
        event = b"event: %s\nid: %s-%d\ndata: %s\n\n" % (kind.encode(), self._born.encode(), self._number, data)
        self._retained.append((self._number, event))
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
        if self._retained and since < self._retained[0][0] - 1:
            return (b"event: reset\ndata: {}\n\n",)
        return [event for retained, event in self._retained if retained > since]

    def _newest(self) -> Iterable[bytes]:
        """A newcomer hears at once how things stand."""
        state = self._cache.state
        if state is None:
            return ()
        return (b"event: tick\ndata: %s\n\n" % msgspec.json.encode(tick_event(state)),)

    def _fresh(self, recent: tuple[Decision, ...]) -> list[Decision]:
        """Decisions since the last state; all of them when that one has fallen out."""
        fresh: list[Decision] = []
        for decision in reversed(recent):
            if decision is self._last:
                break
            fresh.append(decision)
        self._last = recent[-1] if recent else self._last
        return fresh[::-1]

    async def _end(self, _: web.Application) -> None:
        for listener in tuple(self._listeners):
            while listener.queue.full():
                listener.queue.get_nowait()
            listener.queue.put_nowait(None)


def tick_event(state: ViewState) -> TickEvent:
    """The few figures of a state."""
    return TickEvent(
        at=state.at,
        tick=state.tick.number,
        complete=state.complete,
        paused=state.control.paused,
        states=dict(state.states),
        incidents_open=len(state.open),
    )
