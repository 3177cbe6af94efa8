"""One answer of a slow source, kept with its age and with the failure since."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

import structlog

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.snapshot import Gap
from observer.ports.sources import Clock

log = structlog.get_logger(__name__)

DEADLINE: Final = 30.0
"""Seconds after which a question is given up, whatever the source's own time limit is."""
PACE: Final = 1.0
"""Seconds between two looks at whether it is time to ask."""
GOOD_FOR: Final = 3.0
"""An answer is shown for so many times its refresh interval."""


class _Dated(Protocol):
    @property
    def at(self) -> float: ...


T = TypeVar("T", bound=_Dated)


class SourceCache(Generic[T]):
    """The newest answer of one source, the failure since then, and when it was asked."""

    def __init__(self, source: str, clock: Clock, refresh: float, good_for: float | None = None) -> None:
        """``good_for``: seconds for which an answer is shown, ``GOOD_FOR`` intervals unless given."""
        self.source = source
        self.failure: Gap | None = None
        self._clock, self._refresh = clock, refresh
        self._good_for = GOOD_FOR * refresh if good_for is None else good_for
        self._answer: T | None = None
        self._asked_at: float | None = None

    def answer(self, at: float) -> T | None:
        """The answer that is still good at ``at`` (Unix seconds)."""
        kept = self._answer
        return kept if kept is not None and abs(at - kept.at) <= self._good_for else None

    def due(self, now: float) -> bool:
        """It was not asked for one refresh interval, or the clock was set back."""
        return self._asked_at is None or not 0 <= now - self._asked_at < self._refresh

    def forget(self) -> None:
        """Nobody wants to know any more."""
        self._answer = self.failure = self._asked_at = None

    async def ask(self, question: Callable[[float], Awaitable[T]]) -> None:
        """Ask as of now; a failure keeps the old answer for as long as it is good."""
        now = self._asked_at = self._clock.now()
        try:
            async with asyncio.timeout(DEADLINE):
                self._answer = await question(now)
            self.failure = None
        except TimeoutError:
            self._failed(Gap(self.source, "timeout", f"no answer within {DEADLINE:g} s"))
        except (SourceUnavailable, SourceProtocolError) as exc:
            self._failed(Gap(self.source, exc.reason, str(exc)))

    def _failed(self, gap: Gap) -> None:
        if self.failure is None:
            log.warning("source_query_failed", source=gap.source, reason=gap.reason, detail=gap.detail)
        self.failure = gap
