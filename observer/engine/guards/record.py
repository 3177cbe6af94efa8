"""What was learnt: useless acts, pods that were cleared, evidence that allows less, scopes that are all bad."""

from __future__ import annotations

from observer.domain.action import Rung
from observer.domain.decision import Allow, Hold
from observer.domain.suspect import Symptom, Tier
from observer.engine import backoff
from observer.engine.guards.situation import Situation


def ceiling(now: Situation) -> Allow | Hold:
    """The explanation of the evidence may allow less than its strength: ties with a node, named revisions."""
    needed = Tier.EVICT if now.rung is Rung.EVICT else Tier.DRAIN
    if now.incident.symptom is Symptom.UNREACHED:
        return Hold("ceiling", "unreached", "its sidecar is silent: what it does cannot be measured")
    if now.incident.ceiling < needed:
        reason = now.incident.ceiling_reason or "ceiling"
        return Hold("ceiling", reason, f"the evidence allows at most {now.incident.ceiling.name.lower()}: {reason}")
    return Allow("ceiling")


def impact(now: Situation) -> Allow | Hold:
    """A certain but harmless pod is annotated, not replaced."""
    if now.drained:
        return Allow("impact")  # it passed when it was drained, and drained pods do no harm to measure
    if now.suspect is None or not now.suspect.impact:
        why = now.suspect.impact_reason if now.suspect is not None else "it is not suspected any more"
        return Hold("impact", "no_impact", why or "it hurts too few requests")
    return Allow("impact")


def suppressed(now: Situation) -> Allow | Hold:
    """The judges say that nobody behind this service may be removed."""
    for one in now.judgement.suppressions:
        if one.service == now.pod.service:
            return Hold("suppressed", one.reason, one.detail)
    return Allow("suppressed")


def acquitted(now: Situation) -> Allow | Hold:
    """A drain experiment showed that the errors stay without this pod."""
    until = now.memory.acquitted.get(now.pod.ref, 0.0)
    if now.at < until:
        detail = f"a drain showed that the callers' errors stay without it; cleared for {(until - now.at) / 60:.0f} min"
        return Hold("acquitted", "acquitted", detail)
    return Allow("acquitted")


def back_off(now: Situation) -> Allow | Hold:
    """Twice as long after each act that gained nothing, at most an hour."""
    if now.pod.workload is None:
        return Allow("back_off")
    key = (now.pod.workload, now.incident.culprit.kind.value, now.pod.node, now.pod.revision)
    until, times = backoff.wait(now.memory.ledger, key, now.incident.id, now.policy.guards)
    if now.at < until:
        detail = f"{times} earlier attempts there gained nothing; waiting {(until - now.at) / 60:.1f} min more"
        return Hold("back_off", "back_off", detail)
    return Allow("back_off")


def frozen(now: Situation) -> Allow | Hold:
    """Several acts helped nothing, or one made it worse: only a person goes on."""
    if now.pod.workload is None:
        return Allow("frozen")
    why = backoff.frozen(now.memory.ledger, now.pod.workload, now.at, now.policy.guards)
    return Hold("frozen", "frozen", f"{now.pod.workload.name}: {why}") if why else Allow("frozen")


def fleet_breaker(now: Situation) -> Allow | Hold:
    """Too much is bad at once, or too much of what was done was useless: something bigger is going on."""
    guards = now.settings.guards
    useless, graded = backoff.useless_share(now.memory.ledger, guards.breaker_last)
    if useless >= guards.breaker_bad_min and useless > guards.breaker_useless_share * graded:
        return Hold("fleet_breaker", "breaker_useless", f"{useless} of the last {graded} acts gained nothing")
    namespace = now.pod.ref.namespace
    for name, scope in ((f"namespace {namespace}", namespace), ("the cluster", None)):
        bad, judged = _bad(now, scope)
        if bad >= guards.breaker_bad_min and bad > guards.breaker_bad_share * judged:
            return Hold("fleet_breaker", "breaker_bad_share", f"{bad} of {judged} pods in {name} are bad")
    return Allow("fleet_breaker")


def _bad(now: Situation, namespace: str | None) -> tuple[int, int]:
    """Pods that are suspected, in hand or behind a failing service, and pods with traffic; None = everywhere."""
    bad, judged = now.fleet.scope(namespace)
    held = {
        incident.culprit.pod
        for incident in now.in_hand
        if incident.culprit.pod is not None and namespace in (None, incident.culprit.namespace)
    }
    return len(bad | held), judged + len(held - bad)
