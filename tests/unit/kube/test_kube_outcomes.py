"""The table of what the API server's answers mean for an action."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import Action, ActionKind
from observer.domain.errors import ActuatorUnavailable
from observer.domain.ids import PodRef, Target
from observer.domain.outcome import Outcome, Result
from observer.kube import outcomes
from observer.kube.errors import BadAnswer, Cause, Details, KubeError, Status, Unavailable, typed
from observer.kube.target import LivePod

POD = PodRef("shop", "cart-1", "u1")
ACTION = Action(ActionKind.EVICT, "i1", Target.of(POD))
TARGET = LivePod(POD, "5", False, {}, None, False)
PDB = Details(causes=[Cause(reason="DisruptionBudget")], retry_after_seconds=10)
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


def error(code: int, message: str = "no", details: Details | None = None) -> KubeError:
    return typed(Status(code=code, message=message, details=details))


@pytest.mark.parametrize(
    ("refusal", "result", "reason", "retry_after"),
    [
        (error(429, details=PDB), Result.DEFERRED, "pdb", 10.0),
        (error(429, details=Details(causes=[Cause(reason="DisruptionBudget")])), Result.DEFERRED, "pdb", 0.0),
        (error(429, "Too many requests"), Result.DEFERRED, "api_priority", 1.0),
        (error(429, details=Details(retry_after_seconds=4)), Result.DEFERRED, "api_priority", 4.0),
        (error(404), Result.SUPERSEDED, "gone", 0.0),
        (error(409), Result.DEFERRED, "lost_race", 1.0),
        (error(403), Result.REFUSED, "forbidden", 0.0),
        (error(401), Result.REFUSED, "unauthorized", 0.0),
        (error(500, SEVERAL), Result.REFUSED, "several_budgets", 0.0),
        (error(400), Result.REFUSED, "rejected", 0.0),
        (error(405), Result.REFUSED, "rejected", 0.0),
        (error(422), Result.REFUSED, "rejected", 0.0),
    ],
)
def test_a_refused_write_has_an_outcome(refusal: KubeError, result: Result, reason: str, retry_after: float) -> None:
    outcome = outcomes.not_written(ACTION, refusal)
    assert (outcome.action_id, outcome.result, outcome.reason) == (ACTION.id, result, reason)
    assert outcome.retry_after == retry_after


@pytest.mark.parametrize(
    "refusal", [error(500), error(502), error(503), error(504, SEVERAL), Unavailable("cut"), BadAnswer("too large")]
)
def test_an_answer_that_leaves_it_open_is_no_outcome(refusal: KubeError) -> None:
    with pytest.raises(ActuatorUnavailable, match="evict shop/cart-1") as raised:
        outcomes.not_written(ACTION, refusal)
    assert raised.value.__cause__ is refusal


@pytest.mark.parametrize(
    ("refusal", "result", "reason"),
    [
        (error(403), Result.REFUSED, "forbidden"),
        (error(401), Result.REFUSED, "forbidden"),
        (error(500), Result.DEFERRED, "unreadable"),
        (Unavailable("cut"), Result.DEFERRED, "unreadable"),
        (BadAnswer("odd"), Result.DEFERRED, "unreadable"),
    ],
)
def test_a_failed_look_is_known_to_have_written_nothing(refusal: KubeError, result: Result, reason: str) -> None:
    outcome = outcomes.not_read(ACTION, refusal)
    assert (outcome.result, outcome.reason) == (result, reason)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "gone"),
        (replace(TARGET, ref=replace(POD, uid="u2")), "uid_changed"),
        (replace(TARGET, deleting=True), "terminating"),
    ],
)
def test_only_the_judged_incarnation_stands(found: LivePod | None, reason: str) -> None:
    outcome = outcomes.standing(ACTION, found)
    assert isinstance(outcome, Outcome)
    assert (outcome.result, outcome.reason) == (Result.SUPERSEDED, reason)
    assert outcomes.standing(ACTION, TARGET) is TARGET
