"""Asks through a circuit: a source that keeps failing is left alone for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from observer.domain.circuit import Circuit, CircuitState
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.ports.sources import Clock

T = TypeVar("T")


class Breaker:
    """Holds one source's circuit (``circuit``) and keeps it true to how questions end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.circuit = Circuit()

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """
        The answer of ``question``, whose errors pass through and are counted.

        Raises ``SourceUnavailable`` without asking while the circuit is open; its reason is that of the last failure.
        """
        now = self._clock.now()
        if not self.circuit.admits(now):
            raise SourceUnavailable(_left_alone(self.circuit, now), reason=self.circuit.reason or "busy")
        self.circuit = self.circuit.asked(now)
        try:
            answer = await question()
        except (SourceUnavailable, SourceProtocolError) as exc:
            self.circuit = self.circuit.failed(self._clock.now(), exc.reason, str(exc))
            raise
        except asyncio.CancelledError:
            # Whoever asked lost patience: that counts, and a half-open circuit must not wait for it for ever.
            self.circuit = self.circuit.failed(self._clock.now(), "timeout", "given up before an answer came")
            raise
        self.circuit = self.circuit.succeeded(self._clock.now())
        return answer


def _left_alone(circuit: Circuit, now: float) -> str:
    if circuit.state is CircuitState.HALF_OPEN:
        return f"being tried again after {circuit.failures} failures; the last: {circuit.detail}"
    wait = max(circuit.retry_at - now, 0.0)
    return f"left alone for {wait:.0f} s after {circuit.failures} failures; the last: {circuit.detail}"
