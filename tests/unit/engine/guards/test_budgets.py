"""How much may be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import ActionKind
from observer.domain.cluster import DisruptionBudget
from observer.domain.ids import Target
from observer.domain.incident import Phase
from observer.engine.guards import budgets
from tests.support.builders import ledger_entry as entry
from tests.support.builders import pod
from tests.support.guard_cases import (
    ELSEWHERE,
    EVICT,
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
    other_in_progress,
)  # fmt: skip

BUDGET = DisruptionBudget("shop", "pdb", frozenset({"catalog-1"}), 1, current=True)

CASES = [
    Case(budgets.namespace_rate, "namespace_rate", memory={"ledger": tuple(entry(f"cart-{n}") for n in range(5))}),
    Case(
        budgets.namespace_rate,
        "namespace_rate",
        memory={"ledger": tuple(entry(f"cart-{n}", settled=False, applied=False) for n in range(5))},
    ),
    Case(
        budgets.namespace_rate,
        "namespace_rate",
        context={"planned": tuple(entry(f"cart-{n}") for n in range(5))},
    ),
    Case(
        budgets.replacement_first, "replacement_first", context=EVICT | other_in_progress(Phase.EVICTING, **ELSEWHERE)
    ),
    Case(
        budgets.cluster_rate,
        "cluster_rate",
        memory={
            "ledger": tuple(
                replace(entry(f"cart-{n}"), target=Target.of(pod("x", namespace=f"n{n}").ref)) for n in range(10)
            )
        },
    ),
    Case(budgets.cluster_share, "cluster_share", context=other_in_progress(**ELSEWHERE)),
    Case(
        budgets.disruption_budget,
        "disruption_budget",
        view={"budgets": (replace(BUDGET, disruptions_allowed=0),)},
    ),
    Case(budgets.disruption_budget, "budget_stale", view={"budgets": (replace(BUDGET, current=False),)}),
    Case(
        budgets.disruption_budget,
        "several_budgets",
        view={"budgets": (BUDGET, replace(BUDGET, name="other"))},
        refused=True,
    ),
]
ALLOWED = [
    Case(budgets.disruption_budget, "one more is allowed", view={"budgets": (BUDGET,)}),
    Case(
        budgets.disruption_budget,
        "another namespace's budget",
        view={"budgets": (replace(BUDGET, namespace="other", disruptions_allowed=0),)},
    ),
    Case(
        budgets.namespace_rate,
        "long ago",
        memory={"ledger": tuple(entry(f"c-{n}", ago=601.0) for n in range(9))},
    ),
    Case(
        budgets.namespace_rate,
        "giving back costs nothing",
        memory={"ledger": tuple(entry(f"c-{n}", action_kind=ActionKind.RESTORE) for n in range(9))},
    ),
    Case(
        budgets.namespace_rate,
        "acts that did not happen cost nothing",
        memory={"ledger": tuple(entry(f"c-{n}", applied=False) for n in range(9))},
    ),
    Case(budgets.replacement_first, "a drain need not wait", context=other_in_progress(Phase.EVICTING, **ELSEWHERE)),
    Case(budgets.replacement_first, "it serves", context=EVICT | other_in_progress(Phase.VERIFYING, **ELSEWHERE)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(budgets.GUARDS, CASES)
