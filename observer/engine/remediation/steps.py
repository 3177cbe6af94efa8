"""One step of an incident in progress: drain, experiment, readmission, eviction, verification."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from observer.domain.action import ActionKind
from observer.domain.cluster import Pod
from observer.domain.incident import Experiment, Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import DrainVerdict
from observer.domain.reasons import Reason
from observer.domain.severities import Severity
from observer.domain.suspect import Tier
from observer.engine.context import TickContext
from observer.engine.memory import DRAIN_PHASES, Baseline
from observer.engine.messages import decisions as say
from observer.engine.remediation import drain_experiment as drain
from observer.engine.remediation import verify
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.escalation import attempt, choose, wants_human
from observer.engine.remediation.restore import check_drained, restore

OVERLOAD_SLACK: Final = 1.25
"""Minute rates of few requests scatter: above the peak by so much, peers are overloaded and not merely busy."""
BRIEF: Final = 15.0
"""Seconds: a fault that was drained sooner after its onset may have been over by itself, however strong it was."""
EXPECTED_REQUESTS: Final = 3.0
"""Requests that must be missing before "no requests" says anything."""


def step(log: DecisionLog, context: TickContext, incident: Incident, *, sees: bool) -> DecisionLog:
    """
    Move one incident in progress.

    ``sees`` is false in a blind tick: then only expiry, the serving floor and what Kubernetes alone tells count.
    """
    match incident.phase:
        case phase if phase in DRAIN_PHASES:
            log, done = check_drained(log, context.cluster, incident)
            pod = context.pod(incident)
            if not done and pod is not None:
                return _drained(log, context, log.incident(incident.id), pod, sees=sees)
        case Phase.READMITTED if sees:
            return _readmitted(log, context, incident)
        case Phase.EVICTING:
            return verify.evicting(log, context, incident, sees=sees)
        case Phase.VERIFYING if sees:
            return verify.verifying(log, context, incident)
    return log


def _drained(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod, *, sees: bool) -> DecisionLog:
    if sees and (suffering := _peers_suffer(log, context, incident, pod)):
        if suffering == Reason.PEERS_WORSE:
            log = log.grade(incident.id, useful=False, verdict=suffering)
        return restore(log, incident, pod, suffering)
    if incident.phase is Phase.DRAINING and sees:
        log = _draining(log, context, incident, pod)
    elif incident.phase is Phase.EXPERIMENT:
        log = _experiment(log, context, incident, pod, sees=sees)
    incident = log.incident(incident.id)
    if incident.phase is Phase.DRAINED and sees and not incident.restoring:
        return _after_verdict(log, context, incident, pod)
    return log


def _draining(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> DecisionLog:
    """Did the traffic leave? Judged on the pod's own requests against its share of the service's."""
    running, settings = incident.experiment, log.policy(incident).escalation
    if running is None:
        return log
    share, baseline = _own_share(log, context, incident, pod)
    log = log.put_baseline(incident, baseline)
    if share is None:
        return log
    if share < settings.effective_share:
        return log if baseline.own_expected < EXPECTED_REQUESTS else _effective(log, incident, running, share)
    if log.at >= drain.effective_deadline(running, baseline, settings, log.rules.settings.tick):
        failed = replace(running, verdict=DrainVerdict.NOT_EFFECTIVE)
        log = _verdict(log, incident, failed, useful=False)
        return restore(log, log.incident(incident.id), pod, Reason.NOT_EFFECTIVE)
    return log


def _own_share(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> tuple[float | None, Baseline]:
    """The drained pod's part of its usual requests, over the ticks since it last had traffic; None = unknown."""
    baseline, tally = _with_scrape(log.baseline(incident), context, pod), context.tally(pod.ref)
    if tally is None:
        return None, baseline
    others, _, _ = context.peer_counts(pod)
    # All of the service's requests land on its peers now, so its share is taken of the sum.
    share = drain.own_share(tally, others + tally.requests, incident.share)
    if share is None:
        return None, baseline
    if share >= log.policy(incident).escalation.effective_share:
        return share, replace(baseline, own_requests=0.0, own_expected=0.0)
    expected = incident.share * (others + tally.requests)
    return share, replace(
        baseline,
        own_requests=baseline.own_requests + tally.requests,
        own_expected=baseline.own_expected + expected,
    )


def _with_scrape(baseline: Baseline, context: TickContext, pod: Pod) -> Baseline:
    counters = context.snapshot.counters
    if counters is None or pod.ref.key not in counters.pods:
        return baseline
    scraped = float(counters.scraped[counters.pods.index(pod.ref.key)])
    newest = baseline.scrapes[1]
    return replace(baseline, scrapes=(newest, scraped)) if scraped > newest else baseline


def _effective(log: DecisionLog, incident: Incident, running: Experiment, share: float) -> DecisionLog:
    log = log.put_baseline(incident, replace(log.baseline(incident), seen=log.at))
    proven = running.verdict is DrainVerdict.DROPPED  # the first drain showed it; the errors came back with the pod
    started = replace(incident, experiment=replace(running, effective=log.at))
    log = log.phase(started, Phase.DRAINED if proven else Phase.EXPERIMENT)
    return log.publish(
        log.incident(incident.id), Kind.DRAIN_EFFECTIVE, Reason.TRAFFIC_LEFT,
        say.drain_effective(incident, share, log.at - running.started),
        figures={"own_share": round(share, 4)},
    )  # fmt: skip


def _experiment(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod, *, sees: bool) -> DecisionLog:
    """Did the callers' bad requests drop by what the suspicion predicts?"""
    running, settings = incident.experiment, log.policy(incident).escalation
    if running is None:
        return log
    baseline = log.baseline(incident)
    callers = context.judgement.callers.get(pod.service) if sees else None
    if callers is not None:
        baseline = replace(baseline, seen=log.at)
        log = log.put_baseline(incident, baseline)
        if log.at > drain.clean_from(running, baseline):
            running = drain.observe(running, baseline, callers)
            incident = replace(incident, experiment=running)
            log = log.put(incident)
    verdict = drain.judge(running, baseline, log.at, incident.drain_expires, settings)
    if verdict is DrainVerdict.PENDING:
        return log
    decided = replace(running, verdict=verdict)
    if verdict is DrainVerdict.NOT_DROPPED:
        log = _verdict(log, incident, decided, useful=False).clear(pod.ref, log.at + settings.cleared_seconds)
        return restore(log, log.incident(incident.id), pod, Reason.NOT_DROPPED)
    useful = verdict is DrainVerdict.DROPPED
    hidden = drain.visible(running, baseline) < math.log(settings.experiment_odds)
    log = _verdict(log, incident, decided, useful=useful, hidden=hidden)
    return log.phase(log.incident(incident.id), Phase.DRAINED)


def _verdict(
    log: DecisionLog, incident: Incident, decided: Experiment, *, useful: bool, hidden: bool = False
) -> DecisionLog:
    """Keep, grade and tell what a drain showed."""
    changed = replace(incident, experiment=decided)
    reason = decided.verdict.value.replace(" ", "_")
    return log.put(changed).grade(incident.id, useful=useful, verdict=reason).publish(
        changed, Kind.DRAIN_VERDICT, reason, say.drain_verdict(changed, decided, hidden=hidden),
        severity=Severity.INFO if useful else Severity.WARNING, figures={"useful": useful},
    )  # fmt: skip


def _after_verdict(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> DecisionLog:
    """The pod is drained and the experiment has spoken: evict, gather more evidence, or wait for the expiry."""
    if incident.experiment is None or incident.experiment.verdict is not DrainVerdict.DROPPED:
        return log
    if ActionKind.EVICT not in log.policy(incident).escalation.actions:
        return log.publish_once(
            incident, Kind.WAITING, Reason.EVICT_NOT_ALLOWED, say.evict_not_allowed(incident.culprit.name)
        )
    if incident.ceiling >= Tier.EVICT and (incident.tier < Tier.EVICT or _brief(incident)):
        return restore(log, incident, pod, Reason.READMIT)
    if wants_human(log, context, incident):
        text = say.held_for_human(incident.culprit.name, max(0.0, incident.drain_expires - log.at))
        return log.publish_once(incident, Kind.PAGE, Reason.HELD_FOR_HUMAN, text, severity=Severity.PAGE)
    return attempt(log, context, incident, ActionKind.EVICT, Reason.DROPPED)


def _brief(incident: Incident) -> bool:
    """Drained so soon that nobody can tell a fault from a moment of weakness, and not seen to come back yet."""
    running, restored = incident.experiment, incident.attempts.get(ActionKind.RESTORE)
    return running is not None and running.started - incident.onset < BRIEF and not restored


def _readmitted(log: DecisionLog, context: TickContext, incident: Incident) -> DecisionLog:
    """Restored to see whether the errors return; quiet for long enough means that it ended by itself."""
    pod = context.pod(incident)
    if pod is None or pod.deleting:
        return log.close(incident, Reason.POD_GONE, say.ended("gone_after_restore", incident.culprit.name))
    quiet = log.at - max(incident.last_evidence, incident.phase_since)
    if log.at >= incident.readmit_until and quiet >= log.policy(incident).escalation.readmit_seconds:
        return log.close(incident, Reason.ENDED_BY_ITSELF, say.ended("quiet_after_restore", incident.culprit.name))
    return choose(log, context, incident)


def _peers_suffer(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod) -> str:
    """Peers that got worse since the drain, or carry more than they ever did, get the pod back in this tick."""
    impact, baseline = log.policy(incident).impact, log.baseline(incident)
    requests, errors, slow = context.peer_counts(pod)
    before = baseline.peer_requests
    floor = drain.floor_rate(0.0, incident.requests, incident.share)
    usual = max(
        floor,
        baseline.peer_errors / before if before >= 100.0 else 0.0,
        incident.p0 if incident.cut < 0 else 0.0,
    )
    if drain.peers_worse(requests, errors, usual, impact.error_ratio, impact.error_rate):
        return Reason.PEERS_WORSE
    for cut, count in enumerate(slow):
        if cut == incident.cut:
            share = max(floor, incident.p0)
        elif before >= 100.0 and cut < len(baseline.peer_slow):
            share = max(floor, baseline.peer_slow[cut] / before)
        else:
            continue
        if drain.peers_worse(requests, count, share, impact.error_ratio, 0.1):
            return Reason.PEERS_WORSE
    health = context.fleet.health(pod.service)
    if health is not None and baseline.peak > 0.0:
        busiest = max((health.rates.get(peer.ref, 0.0) for peer in context.peers(pod)), default=0.0)
        if busiest > OVERLOAD_SLACK * baseline.peak:
            return Reason.PEERS_OVERLOADED
    return ""
