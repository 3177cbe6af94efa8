"""Time, as the runtime asks for it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """``now`` is Unix seconds (UTC), for the instant of a tick; ``monotonic`` never jumps, for measuring spans."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...
