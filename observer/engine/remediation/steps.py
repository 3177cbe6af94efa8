"""One step of an incident in hand: drain, experiment, readmission, eviction, verification."""

from __future__ import annotations

import math
from dataclasses import replace

from observer.domain.action import ActionKind
from observer.domain.cluster import Pod, ResourceKind
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict, Verification
from observer.domain.suspect import Tier
from observer.engine.context import TickContext
from observer.engine.memory import DRAIN_PHASES, Baseline
from observer.engine.messages import decisions
from observer.engine.remediation import drain_experiment as drain
from observer.engine.remediation import side_effects, verify
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.drain_experiment import floor_rate, peers_worse
from observer.engine.remediation.escalation import attempt, choose, wants_human
from observer.engine.remediation.restore import check_drained, give_back

OVERLOAD_SLACK = 1.25
"""Minute rates of few requests scatter: above the peak by so much, siblings are overloaded and not merely busy."""
BRIEF = 15.0
"""Seconds: a fault that was drained sooner after its onset may have been over by itself, however strong it was."""
EXPECTED_REQUESTS = 3.0
"""Requests that must be missing before "no requests" says anything."""


def step(log: DecisionLog, context: TickContext, incident: Incident, *, sees: bool) -> None:
    """
    Move one incident in hand.

    ``sees`` is false in a blind tick: then only expiry, the serving floor and what Kubernetes alone tells count.
    """
    if incident.phase in DRAIN_PHASES:
        if check_drained(log, context.cluster, incident):
            return
        pod = context.pod(incident)
        if pod is not None:
            _drained(log, context, log.incident(incident.id), pod, sees=sees)
    elif incident.phase is Phase.READMITTED and sees:
        _readmitted(log, context, incident)
    elif incident.phase is Phase.EVICTING:
        _evicting(log, context, incident, sees=sees)
    elif incident.phase is Phase.VERIFYING and sees:
        _verifying(log, context, incident)


def _drained(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod, *, sees: bool) -> None:
    if sees and (suffering := _peers_suffer(log, context, incident, pod)):
        if suffering == "peers_worse":
            log.grade(incident.id, useful=False, verdict=suffering)
        give_back(log, incident, pod, suffering)
        return
    if incident.phase is Phase.DRAINING and sees:
        incident = _draining(log, context, incident, pod)
    elif incident.phase is Phase.EXPERIMENT:
        incident = _experiment(log, context, incident, pod, sees=sees)
    if incident.phase is Phase.DRAINED and sees and not incident.restoring:
        _after_verdict(log, context, incident, pod)


def _draining(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> Incident:
    """Did the traffic leave? Judged on the pod's own requests against its share of the service's."""
    running = incident.experiment
    if running is None:
        return incident
    share, baseline = _own_share(log, context, incident, pod)
    settings = log.policy(incident).escalation
    if share is None:
        return incident
    if share < settings.effective_share:
        if baseline.own_expected < EXPECTED_REQUESTS:
            return incident
        return _effective(log, incident, running, share)
    if log.at >= drain.effective_deadline(running, baseline, settings, log.settings.tick):
        failed = replace(running, verdict=DrainVerdict.NOT_EFFECTIVE)
        incident = _verdict(log, incident, failed, useful=False)
        give_back(log, incident, pod, "not_effective")
    return log.incident(incident.id)


def _own_share(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> tuple[float | None, Baseline]:
    """The drained pod's part of its usual requests, over the ticks since it last had traffic; None = unknown."""
    baseline = _with_scrape(log, context, incident, pod)
    tally = context.tally(pod.ref)
    if tally is None:
        return None, baseline
    peers, _, _ = context.peer_counts(pod)
    # All of the service's requests land on the siblings now, so its share is taken of the sum.
    share = drain.own_share(tally, peers + tally.requests, incident.share)
    if share is None:
        return None, baseline
    expected = incident.share * (peers + tally.requests)
    if share >= log.policy(incident).escalation.effective_share:
        kept = replace(baseline, own_requests=0.0, own_expected=0.0)
    else:
        kept = replace(
            baseline,
            own_requests=baseline.own_requests + tally.requests,
            own_expected=baseline.own_expected + expected,
        )
    return share, log.put_baseline(incident, kept)


def _with_scrape(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> Baseline:
    baseline, counters = log.baseline(incident), context.snapshot.counters
    if counters is None or pod.ref.key not in counters.pods:
        return baseline
    scraped = float(counters.scraped[counters.pods.index(pod.ref.key)])
    if scraped > baseline.scrapes[1]:
        baseline = log.put_baseline(incident, replace(baseline, scrapes=(baseline.scrapes[1], scraped)))
    return baseline


def _effective(log: DecisionLog, incident: Incident, running: Experiment, share: float) -> Incident:
    log.put_baseline(incident, replace(log.baseline(incident), seen=log.at))
    proven = running.verdict is DrainVerdict.DROPPED  # the first drain showed it; the errors came back with the pod
    started = log.put(replace(incident, experiment=replace(running, effective=log.at)))
    changed = log.phase(started, Phase.DRAINED if proven else Phase.EXPERIMENT)
    log.tell(
        changed, "drain_effective", "traffic_left",
        decisions.drain_effective(changed, share, log.at - running.started),
        figures={"own_share": round(share, 4)},
    )  # fmt: skip
    return changed


def _experiment(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod, *, sees: bool) -> Incident:
    """Did the callers' bad requests drop by what the suspicion predicts?"""
    running = incident.experiment
    if running is None:
        return incident
    callers = context.judgement.callers.get(pod.service) if sees else None
    if callers is not None:
        baseline = log.put_baseline(incident, replace(log.baseline(incident), seen=log.at))
        if log.at > drain.clean_from(running, baseline):
            running = drain.observe(running, baseline, callers)
            incident = log.put(replace(incident, experiment=running))
    escalation = log.policy(incident).escalation
    baseline = log.baseline(incident)
    verdict = drain.judge(running, baseline, log.at, incident.drain_expires, escalation)
    if verdict is DrainVerdict.PENDING:
        return incident
    decided = replace(running, verdict=verdict)
    if verdict is DrainVerdict.NOT_DROPPED:
        incident = _verdict(log, incident, decided, useful=False)
        until = log.at + escalation.cleared_seconds
        log.memory = replace(log.memory, cleared={**log.memory.cleared, pod.ref: until})
        give_back(log, incident, pod, "not_dropped")
        return log.incident(incident.id)
    useful = verdict is DrainVerdict.DROPPED
    hidden = drain.visible(running, baseline) < math.log(escalation.experiment_odds)
    return log.phase(_verdict(log, incident, decided, useful=useful, hidden=hidden), Phase.DRAINED)


def _verdict(
    log: DecisionLog, incident: Incident, decided: Experiment, *, useful: bool, hidden: bool = False
) -> Incident:
    """Keep, grade and tell what a drain showed."""
    changed = log.put(replace(incident, experiment=decided))
    reason = decided.verdict.value.replace(" ", "_")
    log.grade(incident.id, useful=useful, verdict=reason)
    severity = "info" if useful else "warning"
    log.tell(
        changed, "drain_verdict", reason, decisions.drain_verdict(changed, decided, hidden=hidden),
        severity=severity, figures={"useful": useful},
    )  # fmt: skip
    return changed


def _after_verdict(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> None:
    """The pod is drained and the experiment has spoken: evict, gather more evidence, or wait for the expiry."""
    if incident.experiment is None or incident.experiment.verdict is not DrainVerdict.DROPPED:
        return
    if ActionKind.EVICT not in log.policy(incident).escalation.actions:
        text = f"{incident.culprit.name} stays drained until the drain expires: evict is not among the allowed rungs."
        log.tell_once(incident, "waiting", "evict_not_allowed", text)
    elif incident.ceiling >= Tier.EVICT and (incident.tier < Tier.EVICT or _brief(incident)):
        give_back(log, incident, pod, "readmit")
    elif wants_human(log, context, incident):
        minutes = max(0.0, incident.drain_expires - log.at) / 60.0
        text = f"{incident.culprit.name} is the culprit and is kept drained for a person to look at, {minutes:.0f} min."
        log.tell_once(incident, "page", "held_for_human", text, severity="page")
    else:
        attempt(log, context, incident, ActionKind.EVICT, "dropped")


def _brief(incident: Incident) -> bool:
    """Drained so soon that nobody can tell a fault from a moment of weakness, and not seen to come back yet."""
    running = incident.experiment
    return (
        running is not None
        and running.started - incident.onset < BRIEF
        and not incident.attempts.get(ActionKind.RESTORE)
    )


def _readmitted(log: DecisionLog, context: TickContext, incident: Incident) -> None:
    """Given back to see whether the errors return; quiet for long enough means that it ended by itself."""
    pod = context.pod(incident)
    if pod is None or pod.deleting:
        log.close(incident, "pod_gone", f"{incident.culprit.name} is gone; nothing was removed by Observer.")
        return
    quiet = log.at - max(incident.last_evidence, incident.phase_since)
    if log.at >= incident.readmit_until and quiet >= log.policy(incident).escalation.readmit_seconds:
        text = f"{incident.culprit.name} serves again without errors: it ended by itself, nobody was removed."
        log.close(incident, "ended_by_itself", text)
        return
    choose(log, context, incident)


def _evicting(log: DecisionLog, context: TickContext, incident: Incident, *, sees: bool) -> None:
    """Wait until that incarnation leaves and another pod of the workload is Ready."""
    if sees:
        log.put_baseline(incident, side_effects.observed(log.baseline(incident), incident, context))
    check, settings, cluster = incident.check, log.settings, context.cluster
    if check is None or log.at - cluster.fresh.get(ResourceKind.PODS, 0.0) > settings.guards.kubernetes_stale:
        return
    workload = cluster.workloads.get(incident.workload) if incident.workload is not None else None
    if check.deadline <= 0.0:
        usual = workload.usual_start if workload is not None else None
        deadline = verify.start_deadline(check.evicted, usual, log.policy(incident).escalation)
        incident = log.put(replace(incident, check=replace(check, deadline=deadline)))
        check = incident.check or check
    old = context.pod(incident)
    replacement = verify.replacement(incident, cluster, check.evicted)
    if replacement is not None and replacement.ready and (old is None or old.deleting):
        ready = log.put(replace(incident, check=replace(check, replacement=replacement.ref, ready=log.at)))
        changed = log.phase(ready, Phase.VERIFYING)
        text = decisions.replaced(changed, replacement.ref.name, log.at - check.evicted)
        log.tell(changed, "replaced", "replacement_ready", text)
    elif log.at > check.deadline:
        _no_replacement(log, incident, check, replacement, old, wanted=workload.desired if workload is not None else 0)


def _no_replacement(
    log: DecisionLog, incident: Incident, check: Check, replacement: Pod | None, old: Pod | None, *, wanted: int
) -> None:
    waited = log.at - check.evicted
    if old is not None and not old.deleting:
        why = f"{incident.culprit.name} is still there {waited:.0f} s after its eviction was accepted"
        _finish(log, incident, Verification.UNKNOWN, why)
    elif replacement is None and wanted < len(incident.known_pods):
        _finish(log, incident, Verification.UNKNOWN, "the workload was scaled down, so nobody took its place")
    else:
        state = f" ({replacement.waiting})" if replacement is not None and replacement.waiting else ""
        name = replacement.ref.name if replacement is not None else "no pod"
        _finish(log, incident, Verification.WORSE, f"{name} is not Ready{state} {waited:.0f} s after the eviction")


def _verifying(log: DecisionLog, context: TickContext, incident: Incident) -> None:
    """The same symptom on the replacement, until the verdict or the end of the time."""
    check = incident.check
    if check is None:
        return
    replacement = context.cluster.pods.get(check.replacement) if check.replacement is not None else None
    over = log.at - check.ready >= log.policy(incident).escalation.verify_seconds
    baseline = log.put_baseline(incident, side_effects.observed(log.baseline(incident), incident, context))
    if side_effects.side_effect(baseline, incident, log.policy(incident).impact) is not None:
        _finish(log, incident, Verification.WORSE)
        return
    if replacement is None or replacement.deleting:
        _finish(log, incident, Verification.UNKNOWN, "the replacement is gone before it could be judged")
        return
    tally = context.tally(replacement.ref)
    if tally is not None:
        check = verify.observe(check, incident, tally, log.policy(incident).escalation)
        incident = log.put(replace(incident, check=check))
    if check.verdict is not Verification.PENDING:
        # Good news waits until siblings and callers could be looked at too.
        if (
            over
            or check.verdict is not Verification.FIXED
            or not side_effects.waits(baseline, incident, log.policy(incident).impact)
        ):
            _finish(log, incident, check.verdict)
    elif over and not replacement.ready:
        _finish(log, incident, Verification.WORSE, f"{replacement.ref.name} did not stay Ready")
    elif over:
        why = f"{replacement.ref.name} had only {check.requests:.0f} requests in {log.at - check.ready:.0f} s"
        _finish(log, incident, Verification.UNKNOWN, why)


def _finish(log: DecisionLog, incident: Incident, verdict: Verification, why: str = "") -> None:
    """Tell, grade and close; a workload that was made worse, itself or its neighbours, is frozen."""
    check = incident.check or Check(log.at, log.at)
    baseline, impact = log.baseline(incident), log.policy(incident).impact
    harmed = side_effects.side_effect(baseline, incident, impact)
    if harmed is not None:
        verdict, why = Verification.WORSE, str(harmed)
    check = replace(check, verdict=verdict)
    incident = log.put(replace(incident, check=check))
    text = decisions.verified(incident, check, why)
    useful = {Verification.FIXED: True, Verification.UNKNOWN: None}.get(verdict, False)
    if useful is not None:
        log.grade(incident.id, useful=useful, verdict=verdict.value)
    severity = {Verification.WORSE: "page", Verification.FIXED: "info"}.get(verdict, "warning")
    figures = {"useful": useful, **side_effects.figures(baseline, incident, impact)}
    log.tell(incident, "verified", verdict.value, text, severity=severity, figures=figures)
    name, lasted = incident.culprit.name, log.at - incident.opened
    closing = f"{name}: {verdict.value}, {lasted:.0f} s after it was suspected."
    log.close(incident, verdict.value.replace("-", "_"), closing)


def _peers_suffer(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> str:
    """Siblings that got worse since the drain, or carry more than they ever did, get the pod back in this tick."""
    impact, baseline = log.policy(incident).impact, log.baseline(incident)
    requests, errors, slow = context.peer_counts(pod)
    known = baseline.peer_requests
    floor = floor_rate(0.0, incident.requests, incident.share)
    before = baseline.peer_errors / known if known >= 100.0 else 0.0
    usual = max(floor, before, incident.p0 if incident.cut < 0 else 0.0)
    if peers_worse(requests, errors, usual, impact.error_ratio, impact.error_rate):
        return "peers_worse"
    for cut, count in enumerate(slow):
        if cut == incident.cut:
            share = max(floor, incident.p0)
        elif known >= 100.0 and cut < len(baseline.peer_slow):
            share = max(floor, baseline.peer_slow[cut] / known)
        else:
            continue
        if peers_worse(requests, count, share, impact.error_ratio, 0.1):
            return "peers_worse"
    health = context.fleet.health(pod.service)
    if health is not None and baseline.peak > 0.0:
        busiest = max((health.rates.get(peer.ref, 0.0) for peer in context.peers(pod)), default=0.0)
        if busiest > OVERLOAD_SLACK * baseline.peak:
            return "peers_overloaded"
    return ""
