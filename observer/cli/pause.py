"""``observer pause``: the kill switch is a ConfigMap, so it works without the daemon. ``resume`` stands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from observer.app.cluster_access import connected, kill_switch
from observer.cli.application import Config, Json, app, awaited, settings_from, who_is_here, words
from observer.cli.output import harmless, show

if TYPE_CHECKING:
    from observer.config.settings.model import Settings


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why; everybody can see it.")] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Pause all actions; only restores still run.

    Exit codes: 0 paused, 1 somebody else paused in the same instant and theirs stands, 4 API server unreachable.
    """
    set_switch(config, paused=True, reason=reason, json=json)


def set_switch(config: Path | None, *, paused: bool, reason: str, json: bool) -> None:
    """Write the switch as a command says and print what it says now."""
    who, reason = who_is_here(), words("--reason", reason)
    body, text = awaited(throw(settings_from(config), paused=paused, who=who, reason=reason))
    show(body, text, json=json)


async def throw(settings: Settings, *, paused: bool, who: str, reason: str) -> tuple[dict[str, object], str]:
    """
    Write the switch over what it says, read it back, and say what it said and says now.

    Raises: ``SwitchChanged``, ``ActuatorUnavailable``.
    """
    from observer.runtime.operator_actions import pause_switch, resume_switch

    async with connected(settings) as api:
        switch = kill_switch(api, settings)
        if paused:
            before = await pause_switch(switch, who=who, reason=reason)
        else:
            before = await switch.look()
            await resume_switch(switch, before, who=who)
        now, why = await switch.read()
    word = "paused" if now else "running"
    text = f"actions are {word}: {harmless(why)}" if why else f"actions are {word}"
    over = f"\nbefore: {harmless(before.why)}" if before.paused else ""
    return {"paused": now, "reason": why, "before": before.why}, text + over
