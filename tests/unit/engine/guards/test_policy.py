"""What the policy says, and how it blocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.policy import StandingHold, TimeWindow
from observer.domain.suspect import Symptom
from observer.engine.guards import policy
from tests.support.builders import NOW
from tests.support.guard_cases import (
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
)  # fmt: skip

ALL_DAY = TimeWindow(frozenset(range(7)), 0, 1440, "UTC")

CASES = [
    Case(policy.detector, "detector_off", policy={"errors": False}, refused=True),
    Case(
        policy.detector,
        "detector_off",
        policy={"latency": False},
        incident={"symptom": Symptom.LATENCY},
        refused=True,
    ),
    Case(policy.policy_hold, "policy_hold", policy={"holds": (StandingHold("sale"),)}),
    Case(policy.policy_hold, "policy_hold", policy={"holds": (StandingHold("a", NOW), StandingHold("b", NOW + 1.0))}),
    Case(policy.window, "outside_window", policy={"windows": (TimeWindow(frozenset(), 0, 1440, "UTC"),)}),
]
ALLOWED = [
    Case(policy.detector, "the other detector is off", policy={"latency": False}),
    Case(policy.policy_hold, "it is over", policy={"holds": (StandingHold("sale", NOW),)}),
    Case(policy.window, "inside one of two", policy={"windows": (replace(ALL_DAY, days=frozenset()), ALL_DAY)}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(policy.GUARDS, CASES)
