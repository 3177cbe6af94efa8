"""The hand that writes, and the switch that stops it."""

from __future__ import annotations

from typing import Protocol

from observer.domain.action import Action
from observer.domain.outcome import Outcome


class Actuator(Protocol):
    """
    Carries out the actions of one rung.

    ``apply`` answers every documented reply of the API as an ``Outcome`` and raises ``ActuatorUnavailable`` when it
    is unknown whether the write happened. ``look_up`` tells what came of an action whose answer was never seen.
    """

    async def apply(self, action: Action) -> Outcome: ...

    async def look_up(self, action: Action) -> Outcome: ...


class KillSwitch(Protocol):
    """Read before every write. Unreadable means paused."""

    async def read(self) -> tuple[bool, str]:
        """``(paused, why)``; never raises: a failure to read is ``(True, "cannot be read: ...")``."""
        ...

    async def write(self, *, paused: bool, who: str, reason: str) -> None: ...
