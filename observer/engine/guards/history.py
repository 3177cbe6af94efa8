"""What earlier actions taught: useless ones, frozen workloads, and scopes in which too much is bad at once."""

from __future__ import annotations

from observer.domain.reasons import GuardName, Reason
from observer.engine import ledger
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard


@guard(
    GuardName.FROZEN,
    looks_at="the outcomes of the workload's actions within `guards.freeze_window`",
    setting="`guards.freeze_after`, `guards.freeze_window`",
    advice={Reason.FROZEN: "Look at the workload: Observer's actions do not help. It goes on when the window is over."},
)
def frozen(context: GuardContext) -> No | None:
    """Several actions helped nothing, or one made it worse: only a person goes on."""
    workload = context.pod.workload
    if workload is None:
        return None
    why = ledger.frozen(context.memory.ledger, workload, context.at, context.policy.guards)
    return No(Reason.FROZEN, f"{workload.name}: {why}") if why else None


@guard(
    GuardName.FLEET_BREAKER,
    looks_at="the share of bad pods in the namespace and in the cluster (at least 3), and of useless actions among the "
    "last ones",
    setting="`guards.breaker_bad_share`, `guards.breaker_bad_min`, `guards.breaker_useless_share`, "
    "`guards.breaker_last`",
    advice={
        Reason.BREAKER_USELESS: "Find out why the last actions gained nothing before Observer goes on.",
        Reason.BREAKER_BAD_SHARE: "Look for a shared cause: network, DNS, a dependency, a node pool, a bad release.",
    },
)
def fleet_breaker(context: GuardContext) -> No | None:
    """Too much is bad at once, or too much of what was done was useless: something bigger is going on."""
    guards = context.settings.guards
    useless, graded = ledger.useless_share(context.memory.ledger, guards.breaker_last)
    if useless >= guards.breaker_bad_min and useless > guards.breaker_useless_share * graded:
        return No(Reason.BREAKER_USELESS, f"{useless} of the last {graded} actions gained nothing")
    namespace = context.pod.ref.namespace
    for name, scope in ((f"namespace {namespace}", namespace), ("the cluster", None)):
        bad, judged = _bad(context, scope)
        if bad >= guards.breaker_bad_min and bad > guards.breaker_bad_share * judged:
            return No(Reason.BREAKER_BAD_SHARE, f"{bad} of {judged} pods in {name} are bad")
    return None


@guard(
    GuardName.BACK_OFF,
    looks_at="earlier incidents of the same workload, kind of culprit, node and revision that gained nothing",
    setting="`guards.backoff_seconds`, `guards.backoff_max`",
    advice={Reason.BACK_OFF: "Look why the earlier attempts gained nothing, or wait: it is tried again by itself."},
)
def back_off(context: GuardContext) -> No | None:
    """Twice as long after each action that gained nothing, at most an hour."""
    pod = context.pod
    if pod.workload is None:
        return None
    key = (pod.workload, context.incident.culprit.kind.value, pod.node, pod.revision)
    until, times = ledger.wait(context.memory.ledger, key, context.incident.id, context.policy.guards)
    if context.at >= until:
        return None
    minutes = (until - context.at) / 60
    return No(Reason.BACK_OFF, f"earlier attempts here that gained nothing: {times}; waiting {minutes:.1f} min more")


def _bad(context: GuardContext, namespace: str | None) -> tuple[int, int]:
    """Pods that are suspected, in progress or behind a failing service, and pods with traffic; None = everywhere."""
    bad, judged = context.fleet.scope(namespace)
    holding = {
        incident.culprit.pod
        for incident in context.in_progress
        if incident.culprit.pod is not None and namespace in (None, incident.culprit.namespace)
    }
    return len(bad | holding), judged + len(holding - bad)


GUARDS = (frozen, fleet_breaker)
"""``back_off`` is asked after the budgets."""
