"""The simulator's time: moved by hand (virtual) or following real time at a chosen speed (wall)."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time

DEFAULT_START = 1_767_225_600.0
"""2026-01-01T00:00:00Z: where virtual time begins unless told otherwise."""

EPSILON = 1e-6
"""Seconds within which two instants are the same: Unix seconds in a float are no finer than that."""


class SimClock:
    """
    Implements ``ports.sources.Clock``.

    Virtual (``speed`` is None): ``now`` moves only by ``advance``, and sleepers wake in the order of their due times.
    Wall: ``now`` follows the real monotonic clock, ``speed`` simulated seconds a real second. Either can be held at an
    earlier instant and moved by hand to the present: that is how history is made before anybody looks.
    """

    def __init__(self, start: float | None = None, *, speed: float | None = None) -> None:
        if speed is not None and speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._speed = speed
        if start is None:
            start = DEFAULT_START if speed is None else time.time()  # noqa: TID251 - this is a clock
        self._frozen: float | None = start if speed is None else None
        self._origin = start
        self._real_origin = time.monotonic()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @property
    def virtual(self) -> bool:
        """Time stands still unless it is moved by hand."""
        return self._speed is None

    @property
    def frozen(self) -> bool:
        """Time moves only by hand now."""
        return self._frozen is not None

    @property
    def next_due(self) -> float:
        """When the next sleeper wants to wake; infinite when nobody sleeps."""
        return self._sleepers[0][0] if self._sleepers else math.inf

    def now(self) -> float:
        """Unix seconds, UTC."""
        if self._frozen is not None:
            return self._frozen
        return self._origin + (time.monotonic() - self._real_origin) * (self._speed or 1.0)

    def monotonic(self) -> float:
        """Simulated seconds since an arbitrary origin; never goes back."""
        return self.now()

    def advance(self, seconds: float) -> None:
        """Move virtual (or held) time on and wake who is due; woken tasks run at the next turn of the event loop."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self.advance_to(self.now() + seconds)

    def advance_to(self, at: float) -> None:
        """As ``advance``, to an instant; an instant in the past changes nothing."""
        if self._frozen is None:
            raise RuntimeError("a running wall clock cannot be moved by hand")
        self._frozen = max(at, self._frozen)
        while self._sleepers and self._sleepers[0][0] <= self._frozen + EPSILON:
            _, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)

    async def run(self, seconds: float) -> None:
        """Advance from sleeper to sleeper, letting each run (and sleep again) before time goes on."""
        end = self.now() + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.advance_to(self._sleepers[0][0])
            await run_ready()
        self.advance_to(end)
        await run_ready()

    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` of simulated time."""
        if self._speed is not None:
            await asyncio.sleep(max(seconds, 0.0) / self._speed)
            return
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now() + seconds, next(self._order), sleeper))
        await sleeper

    def freeze(self, at: float) -> None:
        """Set the clock to ``at``, also back, to be moved by hand (a wall clock: until ``release``)."""
        self._frozen = at

    def release(self) -> None:
        """Let a held wall clock follow real time again; it jumps on by what real time went on meanwhile."""
        if self._speed is not None:
            self._frozen = None


async def run_ready(turns: int = 5) -> None:
    """Give tasks that were just woken a few turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
