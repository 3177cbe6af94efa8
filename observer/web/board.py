"""The picture that everybody reads: made anew after each tick, beside the event loop, and exchanged as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from observer.ports.sources import Clock
from observer.runtime.status import TickResult
from observer.web.views.picture import ViewState, view_state_of
from observer.web.views.trail import EvidenceHistory


class Watched(Protocol):
    """The loop's watcher, as far as it tells of ticks."""

    @property
    def result(self) -> TickResult | None: ...

    def subscribe(self, changed: Callable[[], None]) -> None: ...


class ViewCache:
    """
    ``picture`` is the last tick's, None before the first. ``took`` is the seconds that making it cost.

    ``exchanged`` are called with every new picture, on the event loop, and must return at once.
    """

    def __init__(self, watched: Watched, clock: Clock) -> None:
        self._watched, self._clock = watched, clock
        self._changed = asyncio.Event()
        self.picture: ViewState | None = None
        self.trail = EvidenceHistory()
        self.took = 0.0
        self.exchanged: list[Callable[[ViewState], None]] = []
        watched.subscribe(self._changed.set)

    async def run(self) -> None:
        """Until cancelled; ticks that come while one is drawn are drawn as the newest of them."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.refresh()

    async def refresh(self) -> None:
        """Draw the newest tick now."""
        seen = self._watched.result
        if seen is None or (self.picture is not None and self.picture.seen is seen):
            return
        began = self._clock.monotonic()
        picture = await asyncio.to_thread(view_state_of, seen)
        self.trail.note(seen, picture.open)
        self.picture, self.took = picture, self._clock.monotonic() - began
        for tell in self.exchanged:
            tell(picture)
