"""Throwing and releasing the kill switch: nobody's word is written over unseen, and a stop is not given up lightly."""

from __future__ import annotations

from typing import Final

from observer.domain.errors import ActuatorUnavailable, SwitchChanged
from observer.ports.actuators import KillSwitch, SwitchReading

TRIES: Final = 3


async def stop(switch: KillSwitch, *, who: str, reason: str) -> SwitchReading:
    """
    Pause, and answer what the switch said before.

    A change of the same instant that stops Observer, too, stays as it is; one that lets it run (a resume, a label)
    would let it run against this person's word, so the stop is tried again over it; so it is when the switch is gone
    or cannot be read any more. One that cannot be read is written without a look: stopping must not depend on reading.

    Raises: ``SwitchChanged``, ``ActuatorUnavailable``.
    """
    before = await switch.look()
    for left in reversed(range(TRIES)):
        try:
            await switch.write(paused=True, who=who, reason=reason, over=before.version)
        except SwitchChanged as exc:
            if exc.paused or not left:
                raise
            before = await switch.look()
        else:
            break
    return before


async def release(switch: KillSwitch, seen: SwitchReading, *, who: str) -> None:
    """
    Resume what ``seen`` says, and nothing that came after it.

    Raises: ``SwitchChanged``; ``ActuatorUnavailable``, also when it could not be read.
    """
    if seen.version is None:
        raise ActuatorUnavailable(f"the kill switch {seen.why}")
    await switch.write(paused=False, who=who, reason="", over=seen.version)
