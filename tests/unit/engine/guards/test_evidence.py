"""What the evidence allows."""

from __future__ import annotations

import pytest

from observer.domain import names
from observer.domain.reasons import Reason
from observer.domain.suspect import Suppression, Symptom, Tier
from observer.engine.guards import evidence
from tests.support.builders import NOW, pod, service_ref, suspect
from tests.support.guard_cases import (
    EVICT,
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
)  # fmt: skip

CASES = [
    Case(evidence.ceiling, "tie_node", incident={"ceiling": Tier.ANNOTATE, "ceiling_reason": "tie_node"}),
    Case(
        evidence.ceiling,
        "tie_revision",
        incident={"ceiling": Tier.DRAIN, "ceiling_reason": "tie_revision"},
        context=EVICT,
    ),
    Case(evidence.ceiling, "ceiling", incident={"ceiling": Tier.ANNOTATE}),
    Case(evidence.ceiling, "unreached", incident={"symptom": Symptom.UNREACHED}),
    Case(evidence.impact, "no_impact", context={"suspect": suspect(pod("catalog-1"), impact=False)}),
    Case(evidence.impact, "no_impact", context={"suspect": None}),
    Case(
        evidence.suppressed,
        "correlated_failure",
        judged={"suppressions": (Suppression(service_ref(), Reason.CORRELATED_FAILURE, "2 of 4 are bad"),)},
    ),
    Case(evidence.cleared, "cleared", memory={"cleared": {pod("catalog-1").ref: NOW + 60.0}}),
]
ALLOWED = [
    Case(
        evidence.impact,
        "drained pods do no harm",
        pod={"annotations": {names.DRAIN_ANNOTATION: "{}"}, "labels": {names.DRAIN_LABEL: "true"}},
        context={"suspect": None},
    ),
    Case(evidence.ceiling, "a tie may be drained", incident={"ceiling": Tier.DRAIN}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(evidence.GUARDS, CASES)
