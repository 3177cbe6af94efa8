"""Says it on the pod, and changes nothing."""

from __future__ import annotations

from observer.actions import Effect
from observer.actions.annotate import SPEC
from observer.domain.action import Action, ActionKind
from observer.domain.ids import PodRef, Target

ACTION = Action(ActionKind.ANNOTATE, "i1", Target.of(PodRef("shop", "cart-1", "u1")))


def test_it_writes_nothing_and_needs_no_right() -> None:
    assert not (SPEC.writes or SPEC.harmful or SPEC.rules or SPEC.fences)
    assert SPEC.effect is Effect.NOTHING
    assert SPEC.diff(ACTION, 0.0) == ("~ Pod shop/cart-1 (uid u1)", "+ an Event that names it")
