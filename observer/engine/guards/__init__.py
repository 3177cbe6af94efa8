"""The brakes: one pure function each. All are asked, all answers are kept; one Hold is enough to stay put."""

from __future__ import annotations

from typing import Final

from observer.domain.decision import Blocked
from observer.engine.guards import accused, budgets, capacity, changes, control, eligibility, history, policy
from observer.engine.guards.context import Guard, GuardContext

GUARDS: Final[tuple[Guard, ...]] = (
    control.kill_switch,
    control.leader,
    control.namespace_enabled,
    control.sources,
    control.deferred,
    policy.detector,
    policy.policy_hold,
    policy.window,
    eligibility.owner,
    eligibility.singleton,
    eligibility.refused_namespace,
    eligibility.priority,
    eligibility.local_volumes,
    eligibility.disruption_marks,
    eligibility.opt_out,
    eligibility.foreign_drain,
    eligibility.terminating,
    history.ceiling,
    history.impact,
    history.suppressed,
    history.cleared,
    accused.attribution,
    history.frozen,
    history.fleet_breaker,
    changes.person,
    changes.rollout,
    changes.autoscaler,
    changes.node,
    changes.mesh,
    changes.other_owner,
    capacity.serving_floor,
    capacity.small_workload,
    capacity.headroom,
    capacity.in_flight,
    budgets.disruption_budget,
    budgets.namespace_rate,
    budgets.replacement_first,
    budgets.cluster_rate,
    budgets.cluster_share,
    history.back_off,
    policy.approval,
)


def ask(context: GuardContext) -> tuple[Blocked, ...]:
    """Every brake that says no, in the order above."""
    return tuple(answer for guard in GUARDS if isinstance(answer := guard(context), Blocked))
