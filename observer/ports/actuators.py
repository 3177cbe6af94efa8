"""What writes to the cluster, the switch that stops it, and who hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from observer.domain.action import Action
from observer.domain.decision import Decision
from observer.domain.outcome import Outcome


class Actuator(Protocol):
    """
    Carries out the actions of one kind.

    ``apply`` answers every documented reply of the API as an ``Outcome`` and raises ``ActuatorUnavailable`` when it
    is unknown whether the write happened. ``look_up`` tells what came of an action whose answer was never seen.
    """

    async def apply(self, action: Action) -> Outcome: ...

    async def look_up(self, action: Action) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class SwitchReading:
    """
    The switch at one moment. ``version`` is what ``KillSwitch.write`` takes to write only over this very reading:
    empty = there is no switch yet, None = it could not be read. ``who`` wrote it last, empty when that is not known.
    """

    paused: bool
    why: str
    version: str | None
    who: str = ""

    @property
    def said(self) -> str:
        """What it says, for people."""
        return self.why if self.paused else f"not paused{f': resumed by {self.who}' if self.who else ''}"


class KillSwitch(Protocol):
    """Read before every write. Unreadable means paused."""

    async def read(self) -> tuple[bool, str]:
        """``(paused, why)``; never raises: a failure to read is ``(True, "cannot be read: ...")``."""
        ...

    async def look(self) -> SwitchReading:
        """``read`` with the version; never raises."""
        ...

    async def write(self, *, paused: bool, who: str, reason: str, over: str | None = None) -> None:
        """
        ``over`` is the version of the reading that may be replaced; None = whatever it says now.

        Raises: ``SwitchChanged`` when it is another version now, with what it says now; ``ActuatorUnavailable`` when
        it is not known to be written.
        """
        ...


class Sink(Protocol):
    """A sink may fail or be slow; it never delays a decision (the runtime puts a bounded queue before it)."""

    @property
    def name(self) -> str: ...

    async def publish(self, decision: Decision) -> None: ...

    async def close(self) -> None: ...
