"""``observer restore``: restores drained pods without daemon or journal. ``undo`` does it for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from observer.app.cluster_access import connected
from observer.app.commands import restore_pods
from observer.cli.application import Config, Json, app, awaited, settings_from
from observer.cli.output import EXIT_BAD_INPUT, EXIT_UNREACHABLE, fail, show
from observer.domain.outcome import Outcome, Result
from observer.runtime.clock import SystemClock

if TYPE_CHECKING:
    from observer.config.settings.model import Settings

Restored = Sequence[tuple[str, Outcome]]
"""Pods as NAMESPACE/NAME with what came of it."""


@app.command()
def restore(
    expired: Annotated[bool, typer.Option("--expired", help="Restore every pod whose drain has expired.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Restore every pod that Observer drained.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Restore drained pods even when the daemon is down; run by a CronJob."""
    if expired == everything:
        step = "--expired restores what is overdue; --all ends every drain that Observer began"
        fail("one of --expired or --all is required", EXIT_BAD_INPUT, step)
    code, body, text = awaited(many_pods(settings_from(config), force=everything))
    show(body, text, json=json)
    raise SystemExit(code)


async def many_pods(settings: Settings, *, force: bool) -> tuple[int, dict[str, object], str]:
    """Restore what has expired, or with ``force`` all that Observer drained."""

    async with connected(settings) as api:
        given = await restore_pods(api, now=SystemClock().now(), force=force, only=None)
    text = text_of(given) if given else "nothing to restore"
    return code_of(given), body_of(given), text


def code_of(given: Restored) -> int:
    fine = {Result.APPLIED, Result.SUPERSEDED}
    return 0 if all(outcome.result in fine for _, outcome in given) else EXIT_UNREACHABLE


def body_of(given: Restored) -> dict[str, object]:
    return {
        "pods": [
            {"pod": pod, "result": outcome.result.value, "reason": outcome.reason, "detail": outcome.detail}
            for pod, outcome in given
        ]
    }


def text_of(given: Restored) -> str:
    return "\n".join(
        f"{pod}: {outcome.result.value}: {outcome.reason} {outcome.detail}".rstrip() for pod, outcome in given
    )
