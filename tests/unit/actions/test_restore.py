"""Gives the pod back, always."""

from __future__ import annotations

from observer.actions import Effect, drain
from observer.actions.restore import SPEC
from observer.domain.action import Action, ActionKind
from observer.domain.ids import PodRef, Target

ACTION = Action(ActionKind.RESTORE, "i1", Target.of(PodRef("shop", "cart-1", "u1")))


def test_it_does_no_harm_and_needs_no_more_rights_than_a_drain() -> None:
    assert not SPEC.harmful and SPEC.effect is Effect.RESTORED and not SPEC.selectable
    assert (SPEC.role, SPEC.rules, SPEC.fences) == (drain.SPEC.role, drain.SPEC.rules, drain.SPEC.fences)
    assert [line[0] for line in SPEC.diff(ACTION, 0.0)] == ["~", "-", "-"]
