"""``observer pause`` and ``observer resume``: the kill switch is a ConfigMap, so it works without the daemon."""

from __future__ import annotations

from typing import Any

from observer.app import connected, kill_switch
from observer.config.model import Settings


async def throw(settings: Settings, *, paused: bool, who: str, reason: str) -> tuple[dict[str, Any], str]:
    """Write the switch, read it back, and say what it says now."""
    async with connected(settings) as api:
        switch = kill_switch(api, settings)
        await switch.write(paused=paused, who=who, reason=reason)
        now, why = await switch.read()
    word = "paused" if now else "running"
    return {"paused": now, "reason": why}, f"Observer is {word}: {why}" if why else f"Observer is {word}"
