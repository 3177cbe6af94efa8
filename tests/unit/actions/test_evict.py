"""Has the pod replaced, and nothing else."""

from __future__ import annotations

from observer.actions import Effect
from observer.actions.evict import SPEC
from observer.domain.action import Action, ActionKind
from observer.domain.ids import PodRef, Target

ACTION = Action(ActionKind.EVICT, "i1", Target.of(PodRef("shop", "cart-1", "u1")))


def test_it_cannot_be_undone_and_keeps_the_evidence() -> None:
    assert (SPEC.effect, SPEC.reversible, SPEC.undo, SPEC.keeps_evidence) == (Effect.REPLACEMENT, False, None, True)


def test_it_goes_through_the_eviction_api_alone() -> None:
    assert [(rule.resources, rule.verbs) for rule in SPEC.rules] == [(("pods/eviction",), ("create",))]
    assert "Eviction API" in SPEC.diff(ACTION, 0.0)[0]
