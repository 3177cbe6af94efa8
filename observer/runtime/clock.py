"""Real time, behind the port, so that tests may bring their own."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Implements ``ports.sources.Clock``."""

    def now(self) -> float:
        return time.time()  # noqa: TID251  this is the one place

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))
