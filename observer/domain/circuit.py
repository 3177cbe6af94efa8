"""
Whether a source that keeps failing is asked at all: a circuit breaker as a value. Times are Unix seconds.

A closed circuit lets every question through. After ``FAILURES`` failures in a row it opens: nobody is asked until
``retry_at``. Then it is half open: one question goes through, and its end closes the circuit or opens it for twice as
long as before (``FIRST_PAUSE`` to ``LONGEST_PAUSE`` seconds). A clock that was set back never holds it open for longer
than one pause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

FAILURES: Final = 3
FIRST_PAUSE: Final = 15.0
LONGEST_PAUSE: Final = 300.0


class CircuitState(StrEnum):
    """``CLOSED`` lets through, ``OPEN`` refuses, ``HALF_OPEN`` waits for the end of one question."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """
    Attributes:
        since: when it came into this state; 0 = it has never been asked.
        reason: the last failure's fixed word, empty after a success; ``detail`` is the same for people.
        failures: how many in a row.
        last_success: 0 = none yet.
        retry_at: while open, when the next question goes through; ``pause`` is how long it was opened for, seconds.
    """

    state: CircuitState = CircuitState.CLOSED
    since: float = 0.0
    reason: str = ""
    detail: str = ""
    failures: int = 0
    last_success: float = 0.0
    retry_at: float = 0.0
    pause: float = 0.0

    def admits(self, at: float) -> bool:
        """A question asked at ``at`` goes through."""
        if self.state is CircuitState.OPEN:
            return at >= self.retry_at or at < self.since
        return self.state is CircuitState.CLOSED

    def asked(self, at: float) -> Circuit:
        """After a question went through: an open circuit is half open until its end is known."""
        if self.state is CircuitState.OPEN:
            return replace(self, state=CircuitState.HALF_OPEN, since=at)
        return self

    def succeeded(self, at: float) -> Circuit:
        """After an answer."""
        since = self.since if self.state is CircuitState.CLOSED and self.since else at
        return Circuit(since=since, last_success=at)

    def failed(self, at: float, reason: str, detail: str) -> Circuit:
        """After a failure; ``reason`` is its fixed word."""
        failed = replace(self, reason=reason, detail=detail, failures=self.failures + 1)
        if self.state is CircuitState.CLOSED and failed.failures < FAILURES:
            return replace(failed, since=self.since or at)
        pause = min(2 * self.pause, LONGEST_PAUSE) if self.pause else FIRST_PAUSE
        return replace(failed, state=CircuitState.OPEN, since=at, retry_at=at + pause, pause=pause)
