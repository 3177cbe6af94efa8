"""What was learnt: useless acts, pods that were cleared, evidence that allows less, scopes that are all bad."""

from __future__ import annotations

from observer.domain.action import ActionKind
from observer.domain.decision import Allowed, Blocked
from observer.domain.reasons import GuardName, Reason
from observer.domain.suspect import Symptom, Tier
from observer.engine import ledger
from observer.engine.guards.context import GuardContext


def ceiling(context: GuardContext) -> Allowed | Blocked:
    """The explanation of the evidence may allow less than its strength: ties with a node, named revisions."""
    needed = Tier.EVICT if context.action_kind is ActionKind.EVICT else Tier.DRAIN
    if context.incident.symptom is Symptom.UNREACHED:
        return Blocked(GuardName.CEILING, Reason.UNREACHED, "its sidecar is silent: what it does cannot be measured")
    if context.incident.ceiling < needed:
        reason = context.incident.ceiling_reason or Reason.CEILING
        return Blocked(
            GuardName.CEILING, reason, f"the evidence allows at most {context.incident.ceiling.name.lower()}: {reason}"
        )
    return Allowed(GuardName.CEILING)


def impact(context: GuardContext) -> Allowed | Blocked:
    """A certain but harmless pod is annotated, not replaced."""
    if context.drained:
        return Allowed(GuardName.IMPACT)  # it passed when it was drained, and drained pods do no harm to measure
    if context.suspect is None or not context.suspect.impact:
        why = context.suspect.impact_reason if context.suspect is not None else "it is not suspected any more"
        return Blocked(GuardName.IMPACT, Reason.NO_IMPACT, why or "it hurts too few requests")
    return Allowed(GuardName.IMPACT)


def suppressed(context: GuardContext) -> Allowed | Blocked:
    """The judges say that nobody behind this service may be removed."""
    for one in context.judgement.suppressions:
        if one.service == context.pod.service:
            return Blocked(GuardName.SUPPRESSED, one.reason, one.detail)
    return Allowed(GuardName.SUPPRESSED)


def cleared(context: GuardContext) -> Allowed | Blocked:
    """A drain experiment showed that the errors stay without this pod."""
    until = context.memory.cleared.get(context.pod.ref, 0.0)
    if context.at < until:
        detail = (
            f"a drain showed that the callers' errors stay without it; cleared for {(until - context.at) / 60:.0f} min"
        )
        return Blocked(GuardName.CLEARED, Reason.CLEARED, detail)
    return Allowed(GuardName.CLEARED)


def back_off(context: GuardContext) -> Allowed | Blocked:
    """Twice as long after each act that gained nothing, at most an hour."""
    if context.pod.workload is None:
        return Allowed(GuardName.BACK_OFF)
    key = (context.pod.workload, context.incident.culprit.kind.value, context.pod.node, context.pod.revision)
    until, times = ledger.wait(context.memory.ledger, key, context.incident.id, context.policy.guards)
    if context.at < until:
        detail = f"{times} earlier attempts there gained nothing; waiting {(until - context.at) / 60:.1f} min more"
        return Blocked(GuardName.BACK_OFF, Reason.BACK_OFF, detail)
    return Allowed(GuardName.BACK_OFF)


def frozen(context: GuardContext) -> Allowed | Blocked:
    """Several acts helped nothing, or one made it worse: only a person goes on."""
    if context.pod.workload is None:
        return Allowed(GuardName.FROZEN)
    why = ledger.frozen(context.memory.ledger, context.pod.workload, context.at, context.policy.guards)
    return (
        Blocked(GuardName.FROZEN, Reason.FROZEN, f"{context.pod.workload.name}: {why}")
        if why
        else Allowed(GuardName.FROZEN)
    )


def fleet_breaker(context: GuardContext) -> Allowed | Blocked:
    """Too much is bad at once, or too much of what was done was useless: something bigger is going on."""
    guards = context.settings.guards
    useless, graded = ledger.useless_share(context.memory.ledger, guards.breaker_last)
    if useless >= guards.breaker_bad_min and useless > guards.breaker_useless_share * graded:
        return Blocked(
            GuardName.FLEET_BREAKER, Reason.BREAKER_USELESS, f"{useless} of the last {graded} acts gained nothing"
        )
    namespace = context.pod.ref.namespace
    for name, scope in ((f"namespace {namespace}", namespace), ("the cluster", None)):
        bad, judged = _bad(context, scope)
        if bad >= guards.breaker_bad_min and bad > guards.breaker_bad_share * judged:
            return Blocked(
                GuardName.FLEET_BREAKER, Reason.BREAKER_BAD_SHARE, f"{bad} of {judged} pods in {name} are bad"
            )
    return Allowed(GuardName.FLEET_BREAKER)


def _bad(context: GuardContext, namespace: str | None) -> tuple[int, int]:
    """Pods that are suspected, in hand or behind a failing service, and pods with traffic; None = everywhere."""
    bad, judged = context.fleet.scope(namespace)
    held = {
        incident.culprit.pod
        for incident in context.in_progress
        if incident.culprit.pod is not None and namespace in (None, incident.culprit.namespace)
    }
    return len(bad | held), judged + len(held - bad)
