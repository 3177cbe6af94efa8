"""One ledger for every kind of act: how much may be done in a namespace and in the cluster; budgets of others."""

from __future__ import annotations

import math

from observer.domain.action import Rung
from observer.domain.decision import Allow, Hold
from observer.domain.incident import Phase
from observer.engine.guards.situation import Situation


def namespace_rate(now: Situation) -> Allow | Hold:
    """So many acts in one namespace in so long."""
    guards, namespace = now.policy.guards, now.pod.ref.namespace
    done = sum(1 for act in now.acts(now.at - guards.namespace_window) if act.pod.namespace == namespace)
    if done >= guards.namespace_actions:
        detail = f"{done} acts in {namespace} in the last {guards.namespace_window / 60:.0f} min"
        return Hold("namespace_rate", "namespace_rate", detail)
    return Allow("namespace_rate")


def replacement_first(now: Situation) -> Allow | Hold:
    """No second eviction in a namespace before the first replacement serves."""
    if now.rung is not Rung.EVICT:
        return Allow("replacement_first")
    planned = {act.incident for act in now.planned if act.rung is Rung.EVICT}
    for other in now.others_in_hand():
        waits = other.phase is Phase.EVICTING or other.id in planned
        if waits and other.culprit.namespace == now.pod.ref.namespace:
            detail = f"the replacement of {other.culprit.name} does not serve yet"
            return Hold("replacement_first", "replacement_first", detail)
    return Allow("replacement_first")


def cluster_rate(now: Situation) -> Allow | Hold:
    """So many acts in the whole cluster in so long."""
    guards = now.settings.guards
    done = len(now.acts(now.at - guards.cluster_window))
    if done >= guards.cluster_actions:
        detail = f"{done} acts in the cluster in the last {guards.cluster_window / 60:.0f} min"
        return Hold("cluster_rate", "cluster_rate", detail)
    return Allow("cluster_rate")


def cluster_share(now: Situation) -> Allow | Hold:
    """At most a tenth of all desired replicas (and at least one) are in our hands at once."""
    desired = now.fleet.desired(now.cluster)
    limit = max(1, math.floor(now.settings.guards.cluster_share * desired))
    held = len(now.others_in_hand())
    if held >= limit:
        return Hold(
            "cluster_share", "cluster_share", f"{held} of {desired} replicas are in hand, at most {limit} may be"
        )
    return Allow("cluster_share")


def disruption_budget(now: Situation) -> Allow | Hold:
    """A PodDisruptionBudget must allow one more; a drain asks it as an eviction would."""
    pod = now.pod.ref
    found = [b for b in now.cluster.budgets if b.namespace == pod.namespace and pod.name in b.pods]
    if len(found) > 1:
        names = ", ".join(budget.name for budget in found)
        detail = f"several budgets select it ({names}), which the Eviction API refuses"
        return Hold("disruption_budget", "several_budgets", detail, refused=True)
    for budget in found:
        if not budget.current:
            return Hold("disruption_budget", "budget_stale", f"status of {budget.name} lags behind its spec")
        if budget.disruptions_allowed < 1:
            return Hold("disruption_budget", "disruption_budget", f"{budget.name} allows no disruption now")
    return Allow("disruption_budget")
