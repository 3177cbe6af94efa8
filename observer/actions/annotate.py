"""ANNOTATE: say on the pod that it is suspected. Changes nothing that serves."""

from __future__ import annotations

from observer.actions.model import ActionSpec, Effect
from observer.domain.action import Action, ActionKind
from observer.domain.suspect import Tier


def diff(action: Action, _seconds: float) -> tuple[str, ...]:
    return (f"~ {action.target.title}", "+ an Event that names it")


SPEC = ActionSpec(
    kind=ActionKind.ANNOTATE,
    summary="Writes an Event that names the pod and the evidence.",
    done="annotated",
    doing="Annotating",
    noun="annotation",
    harmful=False,
    reversible=True,
    tier=Tier.ANNOTATE,
    effect=Effect.NOTHING,
    diff=diff,
    event="Suspected",
    verb="Observe",
)
