"""The guards: one pure function each. All are asked, all answers are kept; one that blocks is enough to stay put."""

from __future__ import annotations

from typing import Final

from observer.domain.decision import Blocked
from observer.engine.guards import (
    approval,
    attribution,
    budgets,
    capacity,
    changes,
    control,
    eligibility,
    evidence,
    history,
    policy,
)  # fmt: skip
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import Guard

GUARDS: Final[tuple[Guard, ...]] = (
    *control.GUARDS,
    *policy.GUARDS,
    *eligibility.GUARDS,
    *evidence.GUARDS,
    *attribution.GUARDS,
    *history.GUARDS,
    *changes.GUARDS,
    *capacity.GUARDS,
    *budgets.GUARDS,
    history.back_off,
    *approval.GUARDS,
)
"""In the order in which their answers are told."""


def ask(context: GuardContext) -> tuple[Blocked, ...]:
    """Every guard that says no, in the order above."""
    return tuple(answer for guard in GUARDS if isinstance(answer := guard(context), Blocked))
