"""
Did the replacement help? The same symptom, on the replacement, with enough requests.

An eviction is followed until another pod is Ready in the culprit's place, and that pod until the verdict is known.
"""

from __future__ import annotations

import math
from dataclasses import replace

from observer.domain.cluster import ClusterView, Pod, ResourceKind
from observer.domain.incident import Check, Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import Verification
from observer.domain.reasons import Reason
from observer.domain.settings import EscalationSettings
from observer.domain.severities import Severity
from observer.domain.suspect import PodTally
from observer.engine.context import TickContext
from observer.engine.messages import decisions as say
from observer.engine.remediation import side_effects
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.drain_experiment import bad_of, floor_rate, kullback


def evicting(log: DecisionLog, context: TickContext, incident: Incident, *, sees: bool) -> DecisionLog:
    """Wait until that incarnation leaves and another pod of the workload is Ready."""
    if sees:
        log = log.put_baseline(incident, side_effects.observed(log.baseline(incident), incident, context))
    check, cluster, stale = incident.check, context.cluster, log.rules.settings.guards.kubernetes_stale
    if check is None or log.at - cluster.fresh.get(ResourceKind.PODS, 0.0) > stale:
        return log
    workload = cluster.workloads.get(incident.workload) if incident.workload is not None else None
    if check.deadline <= 0.0:
        usual = workload.usual_start if workload is not None else None
        deadline = start_deadline(check.evicted, usual, log.policy(incident).escalation)
        check = replace(check, deadline=deadline)
        incident = replace(incident, check=check)
        log = log.put(incident)
    old, new = context.pod(incident), replacement(incident, cluster, check.evicted)
    if new is not None and new.ready and (old is None or old.deleting):
        ready = replace(incident, check=replace(check, replacement=new.ref, ready=log.at))
        log = log.phase(ready, Phase.VERIFYING)
        text = say.replaced(ready, new.ref.name, log.at - check.evicted)
        return log.publish(log.incident(incident.id), Kind.REPLACED, Reason.REPLACEMENT_READY, text)
    if log.at > check.deadline:
        desired = workload.desired if workload is not None else 0
        return _no_replacement(log, incident, check, old, new, desired=desired)
    return log


def _no_replacement(
    log: DecisionLog, incident: Incident, check: Check, old: Pod | None, new: Pod | None, *, desired: int
) -> DecisionLog:
    waited = log.at - check.evicted
    if old is not None and not old.deleting:
        return _finish(log, incident, Verification.UNKNOWN, say.still_there(incident.culprit.name, waited))
    if new is None and desired < len(incident.known_pods):
        return _finish(log, incident, Verification.UNKNOWN, say.scaled_down())
    name, state = (new.ref.name, new.waiting) if new is not None else ("", "")
    return _finish(log, incident, Verification.WORSE, say.not_ready(name, state, waited))


def verifying(log: DecisionLog, context: TickContext, incident: Incident) -> DecisionLog:
    """The same symptom on the replacement, until the verdict or the end of the time."""
    check, policy = incident.check, log.policy(incident)
    if check is None:
        return log
    pod = context.cluster.pods.get(check.replacement) if check.replacement is not None else None
    over = log.at - check.ready >= policy.escalation.verify_seconds
    baseline = side_effects.observed(log.baseline(incident), incident, context)
    log = log.put_baseline(incident, baseline)
    if side_effects.side_effect(baseline, incident, policy.impact) is not None:
        return _finish(log, incident, Verification.WORSE)
    if pod is None or pod.deleting:
        return _finish(log, incident, Verification.UNKNOWN, say.replacement_gone())
    tally = context.tally(pod.ref)
    if tally is not None:
        check = observe(check, incident, tally, policy.escalation)
        incident = replace(incident, check=check)
        log = log.put(incident)
    if check.verdict is not Verification.PENDING:
        # Good news waits until peers and callers could be looked at too.
        waits = check.verdict is Verification.FIXED and side_effects.waits(baseline, incident, policy.impact)
        return log if waits and not over else _finish(log, incident, check.verdict)
    if not over:
        return log
    if not pod.ready:
        return _finish(log, incident, Verification.WORSE, say.not_ready_for_long(pod.ref.name))
    why = say.too_few_requests(pod.ref.name, check.requests, log.at - check.ready)
    return _finish(log, incident, Verification.UNKNOWN, why)


def _finish(log: DecisionLog, incident: Incident, verdict: Verification, why: str = "") -> DecisionLog:
    """Tell, grade and close; a workload that was made worse, itself or its neighbours, is frozen."""
    baseline, impact = log.baseline(incident), log.policy(incident).impact
    harmed = side_effects.side_effect(baseline, incident, impact)
    if harmed is not None:
        verdict, why = Verification.WORSE, str(harmed)
    check = replace(incident.check or Check(log.at, log.at), verdict=verdict)
    incident = replace(incident, check=check)
    log = log.put(incident)
    useful = {Verification.FIXED: True, Verification.UNKNOWN: None}.get(verdict, False)
    if useful is not None:
        log = log.grade(incident.id, useful=useful, verdict=verdict.value)
    severity = {Verification.WORSE: Severity.PAGE, Verification.FIXED: Severity.INFO}.get(verdict, Severity.WARNING)
    figures = {"useful": useful, **side_effects.figures(baseline, incident, impact)}
    text = say.verified(incident, check, why)
    log = log.publish(incident, Kind.VERIFIED, verdict.value, text, severity=severity, figures=figures)
    text = say.finished(incident.culprit.name, verdict, log.at - incident.opened)
    return log.close(incident, verdict.value.replace("-", "_"), text)


def start_deadline(evicted: float, usual_start: float | None, settings: EscalationSettings) -> float:
    """When a replacement that is not Ready counts as worse, Unix seconds."""
    usual = usual_start if usual_start is not None and usual_start > 0.0 else settings.default_start
    return evicted + settings.start_factor * usual


def replacement(incident: Incident, cluster: ClusterView, evicted: float) -> Pod | None:
    """The pod that took the culprit's place: of the same workload and not there when the eviction was decided."""
    if incident.workload is None:
        return None
    candidates = [
        pod
        for ref in cluster.by_workload.get(incident.workload, ())
        if (pod := cluster.pods.get(ref)) is not None
        and pod.ref.uid not in incident.known_pods
        and pod.ref != incident.culprit.pod
        and pod.created >= evicted - side_effects.CREATION_SLACK
        and not pod.deleting
    ]
    return min(candidates, key=lambda pod: (not pod.ready, pod.created, pod.ref), default=None)


def observe(check: Check, incident: Incident, tally: PodTally, settings: EscalationSettings) -> Check:
    """The verification after one more tick of the replacement's own counts."""
    requests = check.requests + tally.requests
    bad = check.bad + bad_of(tally, incident.cut)
    good = min(floor_rate(incident.p0, incident.requests, incident.share), incident.p1 / 2.0)
    p1, p0 = _inside(incident.p1), _inside(good)
    odds = bad * math.log(p0 / p1) + (requests - bad) * math.log((1.0 - p0) / (1.0 - p1))
    counted = replace(check, requests=requests, bad=bad, log_odds=odds)
    return replace(counted, verdict=judge(counted, incident, settings))


def judge(check: Check, incident: Incident, settings: EscalationSettings) -> Verification:
    """The verdict on what was counted so far; ``PENDING`` while there is too little."""
    bound = math.log(settings.verify_odds)
    if check.requests < settings.verify_requests:
        return Verification.PENDING
    rate = min(check.bad / check.requests, 1.0)
    if rate > incident.p1 and check.requests * kullback(rate, _inside(incident.p1)) >= bound:
        return Verification.WORSE
    if check.log_odds >= bound:
        return Verification.FIXED
    if check.log_odds <= -bound:
        return Verification.NO_CHANGE
    return Verification.PENDING


def _inside(rate: float) -> float:
    return min(max(rate, 1e-6), 1.0 - 1e-6)
