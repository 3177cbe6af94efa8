"""``observer pause`` and ``observer resume``: the kill switch is a ConfigMap, so it works without the daemon."""

from __future__ import annotations

from typing import Any

from observer.app import connected, kill_switch
from observer.cli.paint import harmless
from observer.config.settings.model import Settings
from observer.runtime.operator_actions import pause_switch, resume_switch


async def throw(settings: Settings, *, paused: bool, who: str, reason: str) -> tuple[dict[str, Any], str]:
    """
    Write the switch over what it says, read it back, and say what it said and says now.

    Raises: ``SwitchChanged``, ``ActuatorUnavailable``.
    """
    async with connected(settings) as api:
        switch = kill_switch(api, settings)
        if paused:
            before = await pause_switch(switch, who=who, reason=reason)
        else:
            before = await switch.look()
            await resume_switch(switch, before, who=who)
        now, why = await switch.read()
    word = "paused" if now else "running"
    text = f"Observer is {word}: {harmless(why)}" if why else f"Observer is {word}"
    over = f"\nbefore: {harmless(before.why)}" if before.paused else ""
    return {"paused": now, "reason": why, "before": before.why}, text + over
