"""One ledger for every kind of action: how much may be done in a namespace and in the cluster; budgets of others."""

from __future__ import annotations

import math

from observer import actions
from observer.domain.action import ActionKind
from observer.domain.incident import Phase
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard


@guard(
    GuardName.DISRUPTION_BUDGET,
    looks_at="`disruptionsAllowed` of the PodDisruptionBudget that selects the pod, and whether its status is current",
    setting="the PodDisruptionBudget",
    advice={
        Reason.DISRUPTION_BUDGET: "Bring the other replicas back, scale up, or widen the budget.",
        Reason.SEVERAL_BUDGETS: "Let one budget select the pod: with several no pod of it can be evicted by anybody.",
        Reason.BUDGET_STALE: "Nothing, if it passes within a minute; else see the disruption controller.",
    },
)
def disruption_budget(context: GuardContext) -> No | None:
    """A PodDisruptionBudget must allow one more; a drain asks it as an eviction would."""
    pod = context.pod.ref
    budgets = [b for b in context.cluster.budgets if b.namespace == pod.namespace and pod.name in b.pods]
    if len(budgets) > 1:
        names = ", ".join(budget.name for budget in budgets)
        detail = f"several budgets select it ({names}), which the Eviction API refuses"
        return No(Reason.SEVERAL_BUDGETS, detail, final=True)
    for budget in budgets:
        if not budget.current:
            return No(Reason.BUDGET_STALE, f"status of {budget.name} lags behind its spec")
        if budget.disruptions_allowed < 1:
            return No(Reason.DISRUPTION_BUDGET, f"{budget.name} allows no disruption now")
    return None


@guard(
    GuardName.NAMESPACE_RATE,
    looks_at="harmful actions in the namespace within `guards.namespace_window`, all kinds together",
    setting="`guards.namespace_actions`, `guards.namespace_window`",
    advice={Reason.NAMESPACE_RATE: "Look why so much has to be done there; it goes on when the window has moved."},
)
def namespace_rate(context: GuardContext) -> No | None:
    """So many actions in one namespace in so long."""
    guards, namespace = context.policy.guards, context.pod.ref.namespace
    since = context.at - guards.namespace_window
    done = sum(1 for entry in context.acts(since) if entry.target.namespace == namespace)
    if done < guards.namespace_actions:
        return None
    return No(
        Reason.NAMESPACE_RATE, f"{done} actions in {namespace} in the last {guards.namespace_window / 60:.0f} min"
    )


@guard(
    GuardName.REPLACEMENT_FIRST,
    looks_at="evictions in the namespace whose replacement does not serve yet",
    advice={Reason.REPLACEMENT_FIRST: "See why the replacement that is named does not become Ready."},
)
def replacement_first(context: GuardContext) -> No | None:
    """No second eviction in a namespace before the first replacement serves."""
    if not _replaces(context.action_kind):
        return None
    planned = {entry.incident for entry in context.planned if _replaces(entry.action_kind)}
    for other in context.others_in_progress():
        waits = other.phase is Phase.EVICTING or other.id in planned
        if waits and other.culprit.namespace == context.pod.ref.namespace:
            return No(Reason.REPLACEMENT_FIRST, f"the replacement of {other.culprit.name} does not serve yet")
    return None


@guard(
    GuardName.CLUSTER_RATE,
    looks_at="harmful actions in the cluster within `guards.cluster_window`, all kinds together",
    setting="`guards.cluster_actions`, `guards.cluster_window` in the settings",
    advice={Reason.CLUSTER_RATE: "Look for a shared cause; it goes on when the window has moved."},
)
def cluster_rate(context: GuardContext) -> No | None:
    """So many actions in the whole cluster in so long."""
    guards = context.settings.guards
    done = len(context.acts(context.at - guards.cluster_window))
    if done < guards.cluster_actions:
        return None
    return No(Reason.CLUSTER_RATE, f"{done} actions in the cluster in the last {guards.cluster_window / 60:.0f} min")


@guard(
    GuardName.CLUSTER_SHARE,
    looks_at="pods that are being acted upon, against all desired replicas",
    setting="`guards.cluster_share` in the settings",
    advice={Reason.CLUSTER_SHARE: "Wait for what is going on to finish; look for a shared cause."},
)
def cluster_share(context: GuardContext) -> No | None:
    """At most a tenth of all desired replicas (and at least one) are acted upon at once."""
    desired = context.fleet.desired(context.cluster)
    limit = max(1, math.floor(context.settings.guards.cluster_share * desired))
    busy = len(context.others_in_progress())
    if busy < limit:
        return None
    return No(
        Reason.CLUSTER_SHARE, f"an action is in progress on {busy} of {desired} replicas, at most {limit} allowed"
    )


def _replaces(kind: ActionKind) -> bool:
    return actions.has_effect(kind, actions.Effect.REPLACEMENT)


GUARDS = (disruption_budget, namespace_rate, replacement_first, cluster_rate, cluster_share)
