"""RESTORE: give a drained pod its traffic back. Always the safe way: no guard blocks it, no pause stops it."""

from __future__ import annotations

from observer.actions import drain
from observer.actions.model import ActionSpec, Effect
from observer.domain.action import Action, ActionKind
from observer.domain.suspect import Tier


def diff(action: Action, _seconds: float) -> tuple[str, ...]:
    return (f"~ {action.target.title}", f"- {drain.LABEL}", f"- {drain.NOTE}: incident {action.incident}")


SPEC = ActionSpec(
    kind=ActionKind.RESTORE,
    summary="Gives a drained pod its traffic back.",
    done="restored",
    doing="Restoring",
    noun="restore",
    harmful=False,
    reversible=True,
    tier=Tier.NONE,
    effect=Effect.RESTORED,
    selectable=False,
    labels=True,
    diff=diff,
    event="Restored",
    verb="Restore",
    role=drain.SPEC.role,
    rules=drain.SPEC.rules,
    fences=drain.SPEC.fences,
)
