"""The brakes: one pure function each. All are asked, all answers are kept; one Hold is enough to stay put."""

from __future__ import annotations

from typing import Final

from observer.domain.decision import Hold
from observer.engine.guards import accused, budgets, capacity, changes, control, record, refusals, rules
from observer.engine.guards.situation import Guard, Situation

GUARDS: Final[tuple[Guard, ...]] = (
    control.kill_switch,
    control.leader,
    control.namespace_enabled,
    control.sources,
    control.deferred,
    rules.detector,
    rules.policy_hold,
    rules.window,
    refusals.owner,
    refusals.singleton,
    refusals.refused_namespace,
    refusals.priority,
    refusals.local_volumes,
    refusals.disruption_marks,
    refusals.opt_out,
    refusals.foreign_drain,
    refusals.terminating,
    record.ceiling,
    record.impact,
    record.suppressed,
    record.acquitted,
    accused.blame,
    record.frozen,
    record.fleet_breaker,
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
    record.back_off,
    rules.approval,
)


def ask(situation: Situation) -> tuple[Hold, ...]:
    """Every brake that says no, in the order above."""
    return tuple(answer for guard in GUARDS if isinstance(answer := guard(situation), Hold))
