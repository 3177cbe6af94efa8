"""One ledger for every kind of act: how much may be done in a namespace and in the cluster; budgets of others."""

from __future__ import annotations

import math

from observer.domain.action import ActionKind
from observer.domain.decision import Allowed, Blocked
from observer.domain.incident import Phase
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext


def namespace_rate(context: GuardContext) -> Allowed | Blocked:
    """So many acts in one namespace in so long."""
    guards, namespace = context.policy.guards, context.pod.ref.namespace
    done = sum(1 for act in context.acts(context.at - guards.namespace_window) if act.pod.namespace == namespace)
    if done >= guards.namespace_actions:
        detail = f"{done} acts in {namespace} in the last {guards.namespace_window / 60:.0f} min"
        return Blocked(GuardName.NAMESPACE_RATE, Reason.NAMESPACE_RATE, detail)
    return Allowed(GuardName.NAMESPACE_RATE)


def replacement_first(context: GuardContext) -> Allowed | Blocked:
    """No second eviction in a namespace before the first replacement serves."""
    if context.action_kind is not ActionKind.EVICT:
        return Allowed(GuardName.REPLACEMENT_FIRST)
    planned = {act.incident for act in context.planned if act.action_kind is ActionKind.EVICT}
    for other in context.others_in_progress():
        waits = other.phase is Phase.EVICTING or other.id in planned
        if waits and other.culprit.namespace == context.pod.ref.namespace:
            detail = f"the replacement of {other.culprit.name} does not serve yet"
            return Blocked(GuardName.REPLACEMENT_FIRST, Reason.REPLACEMENT_FIRST, detail)
    return Allowed(GuardName.REPLACEMENT_FIRST)


def cluster_rate(context: GuardContext) -> Allowed | Blocked:
    """So many acts in the whole cluster in so long."""
    guards = context.settings.guards
    done = len(context.acts(context.at - guards.cluster_window))
    if done >= guards.cluster_actions:
        detail = f"{done} acts in the cluster in the last {guards.cluster_window / 60:.0f} min"
        return Blocked(GuardName.CLUSTER_RATE, Reason.CLUSTER_RATE, detail)
    return Allowed(GuardName.CLUSTER_RATE)


def cluster_share(context: GuardContext) -> Allowed | Blocked:
    """At most a tenth of all desired replicas (and at least one) are in our hands at once."""
    desired = context.fleet.desired(context.cluster)
    limit = max(1, math.floor(context.settings.guards.cluster_share * desired))
    held = len(context.others_in_progress())
    if held >= limit:
        return Blocked(
            GuardName.CLUSTER_SHARE,
            Reason.CLUSTER_SHARE,
            f"{held} of {desired} replicas are in hand, at most {limit} may be",
        )
    return Allowed(GuardName.CLUSTER_SHARE)


def disruption_budget(context: GuardContext) -> Allowed | Blocked:
    """A PodDisruptionBudget must allow one more; a drain asks it as an eviction would."""
    pod = context.pod.ref
    found = [b for b in context.cluster.budgets if b.namespace == pod.namespace and pod.name in b.pods]
    if len(found) > 1:
        names = ", ".join(budget.name for budget in found)
        detail = f"several budgets select it ({names}), which the Eviction API refuses"
        return Blocked(GuardName.DISRUPTION_BUDGET, Reason.SEVERAL_BUDGETS, detail, refused=True)
    for budget in found:
        if not budget.current:
            return Blocked(
                GuardName.DISRUPTION_BUDGET, Reason.BUDGET_STALE, f"status of {budget.name} lags behind its spec"
            )
        if budget.disruptions_allowed < 1:
            return Blocked(
                GuardName.DISRUPTION_BUDGET, Reason.DISRUPTION_BUDGET, f"{budget.name} allows no disruption now"
            )
    return Allowed(GuardName.DISRUPTION_BUDGET)
