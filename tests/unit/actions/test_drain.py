"""Takes the pod out of traffic, for a while and where sidecars balance it."""

from __future__ import annotations

from dataclasses import replace

from observer.actions import Effect
from observer.actions.drain import SPEC
from observer.domain.action import Action, ActionKind
from observer.domain.ids import PodRef, Target
from tests.support.builders import incident_of, pod

ACTION = Action(ActionKind.DRAIN, "i1", Target.of(PodRef("shop", "cart-1", "u1")))


def test_it_is_an_experiment_that_a_restore_takes_back() -> None:
    assert (SPEC.effect, SPEC.undo, SPEC.reversible) == (Effect.EXPERIMENT, ActionKind.RESTORE, True)
    assert SPEC.diff(ACTION, 300.0)[-1].endswith("incident i1, restored after 300 s at the latest")


def test_it_suits_pods_whose_callers_balance_by_label() -> None:
    incident, culprit = incident_of("catalog-1"), pod("catalog-1")
    assert SPEC.suits(incident, culprit) and SPEC.suits(incident, None)
    assert not SPEC.suits(incident, replace(culprit, sidecar=False))
    assert not SPEC.suits(incident, replace(culprit, labels={"istio": "ingressgateway"}))


def test_its_fence_lets_one_label_and_one_note_change() -> None:
    text = " ".join(fence.expression for fence in SPEC.fences)
    assert "object.spec == oldObject.spec" in text
    assert '"istio.io/draining"' in text and '"observer.dev/drained"' in text
