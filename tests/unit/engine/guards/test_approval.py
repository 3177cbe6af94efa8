"""Actions that a person has to approve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer import actions
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.ids import PodRef, Target
from observer.domain.settings import EscalationSettings
from observer.domain.suspect import Tier
from observer.engine.guards import approval
from tests.support.builders import NOW, pod, suspect
from tests.support.guard_cases import (
    EVICT,
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
)  # fmt: skip

DRAIN_SECONDS = EscalationSettings().drain_seconds
APPROVED = actions.plan_of(
    Action(ActionKind.DRAIN, "incident-catalog-1", Target.of(pod("catalog-1").ref)), seconds=DRAIN_SECONDS
).hash

CASES = [
    Case(approval.approval, "approval_needed", policy={"approvals": frozenset({ActionKind.DRAIN})}),
    Case(
        approval.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW}},  # over
    ),
    Case(
        approval.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 901.0}},  # no approval lasts so long
    ),
    Case(
        approval.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        incident={"attempts": {ActionKind.DRAIN: 1}},  # it was for the first attempt
    ),
    Case(
        approval.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.EVICT})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        context=EVICT,  # it was for the drain
    ),
    Case(
        approval.approval,
        "approval_needed",
        policy={
            "approvals": frozenset({ActionKind.DRAIN}),
            "escalation": replace(EscalationSettings(), drain_seconds=DRAIN_SECONDS + 1.0),
        },
        picture={"approvals": {APPROVED: NOW + 60.0}},  # it was shown a shorter drain
    ),
    Case(
        approval.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        pod={"ref": PodRef("shop", "catalog-1", "its-heir")},
    ),
    Case(
        approval.approval,
        "evidence_weakened",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        context={"suspect": suspect(pod("catalog-1"), Tier.ANNOTATE)},
    ),
    Case(
        approval.approval,
        "evidence_weakened",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        context={"suspect": None},
    ),
]
ALLOWED = [
    Case(approval.approval, "only the eviction needs one", policy={"approvals": frozenset({ActionKind.EVICT})}),
    Case(
        approval.approval,
        "approved",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 900.0}},
    ),
    Case(
        approval.approval,
        "nobody is asked in shadow",
        policy={"approvals": frozenset({ActionKind.DRAIN}), "mode": Mode.SHADOW},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(approval.GUARDS, CASES)
