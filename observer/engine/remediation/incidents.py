"""Opens an incident for a culprit, keeps its figures fresh while it is only suspected, and lets it fade."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from observer.domain.action import ActionKind
from observer.domain.incident import Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.reasons import Reason
from observer.domain.severities import Severity
from observer.domain.suspect import FULL_SCORE, CulpritKind, Suspect, Symptom, Tier
from observer.engine import ledger
from observer.engine.context import TickContext
from observer.engine.detect.candidates import UNCONFIRMED
from observer.engine.memory import Baseline
from observer.engine.messages import decisions as say
from observer.engine.remediation.decision_log import NEW_EVIDENCE, DecisionLog, Figures, incident_id
from observer.engine.remediation.drain_experiment import bad_of

KNOWN_REQUESTS: Final = 20.0
"""From so many requests a rate is known well enough to be used."""
PASSING: Final = UNCONFIRMED
"""Ceilings that come from an answer that is missing today; they do not bind an incident that went on already."""
COUNTING: Final = frozenset({Phase.SUSPECTED, Phase.DRAINING, Phase.READMITTED})
"""Phases in which the culprit has traffic, so that evidence still counts."""


def take_in(log: DecisionLog, context: TickContext) -> DecisionLog:
    """Bring today's suspects to their incidents, open those that are missing, strongest first."""
    standing = {incident.culprit: incident for incident in log.incidents()}
    # What a replacement does is judged by the verification first.
    replacements = {incident.check.replacement for incident in log.in_progress() if incident.check is not None}
    resting = log.resting({culprit: suspect.evidence for culprit, suspect in context.by_culprit.items()})
    log = log.rest(resting)
    for culprit, suspect in context.by_culprit.items():
        incident = standing.get(culprit)
        if incident is not None:
            if incident.phase in COUNTING:
                log = refresh(log, context, incident, suspect)
        elif culprit not in resting and (culprit.pod is None or culprit.pod not in replacements):
            log = _open(log, context, suspect)
    return log


def refresh(log: DecisionLog, context: TickContext, incident: Incident, suspect: Suspect) -> DecisionLog:
    """With today's evidence in the incident; its figures follow only while it is merely suspected."""
    evidence = suspect.evidence
    score, tier = max(evidence.acting_score, 0.0), suspect.tier
    if incident.phase is Phase.READMITTED:
        if suspect.ceiling_reason in PASSING:
            return log  # what was gathered since cannot be confirmed today
        log, score = _on_top(log, incident, score)
        # The second look reaches back over the drain, so it holds what came before it too.
        confirmed = score if evidence.recheck_score is None else min(score, evidence.recheck_score)
        tier = Tier.EVICT if confirmed >= log.rules.evidence_needed.get(Tier.EVICT, math.inf) else tier
    goes_on = score >= FULL_SCORE and evidence.newest > incident.last_evidence
    fresh = score > incident.evidence_score + NEW_EVIDENCE or goes_on or evidence.symptom is Symptom.UNREACHED
    changed = replace(
        incident,
        evidence_score=max(incident.evidence_score, score),
        tier=max(incident.tier, tier),
        last_evidence=log.at if fresh else incident.last_evidence,
    )
    if incident.phase is Phase.SUSPECTED or suspect.ceiling_reason not in PASSING:
        changed = replace(changed, ceiling=suspect.ceiling, ceiling_reason=suspect.ceiling_reason)
    if incident.phase is Phase.SUSPECTED:
        changed = _with_figures(changed, context, suspect)
        same_symptom = (changed.symptom, changed.cut) == (incident.symptom, incident.cut)
        before = log.baseline(incident) if same_symptom else Baseline()  # else "bad" means another thing now
        baseline = _widened(before, context, changed, max(evidence.dispersion, 1.0))
        log, changed = log.put_baseline(changed, baseline), _with_rate(changed, baseline)
    return log.put(changed)


def unseen(log: DecisionLog, context: TickContext) -> DecisionLog:
    """Readmitted pods that are not even suspected: whatever the detector says later is new."""
    for incident in log.incidents():
        if incident.phase is Phase.READMITTED and context.suspect(incident) is None:
            log, _ = _on_top(log, incident, 0.0)
    return log


def begin_anew(log: DecisionLog) -> DecisionLog:
    """In the first tick after a start detectors know nothing: what is only suspected has all its time again."""
    for incident in log.incidents():
        if incident.phase is Phase.SUSPECTED:
            log = log.put(replace(incident, evidence_score=0.0, tier=Tier.NONE, last_evidence=log.at))
        elif incident.phase is Phase.READMITTED:
            until = log.at + log.policy(incident).escalation.readmit_seconds
            log = log.put(replace(incident, readmit_until=until, phase_since=log.at))
    return log


def fade(log: DecisionLog, context: TickContext) -> DecisionLog:
    """Close what is only suspected and got no new evidence for long, or whose pod is gone."""
    unsettled = {entry.incident for entry in log.memory.ledger if not entry.settled}
    for incident in log.incidents():
        if incident.phase is not Phase.SUSPECTED or incident.id in unsettled:
            continue
        if incident.culprit.pod is not None and context.pod(incident) is None:
            log = log.close(incident, Reason.POD_GONE, say.ended("gone_before_action", incident.culprit.name))
        elif (quiet := log.at - incident.last_evidence) >= log.rules.settings.detection.fade_seconds:
            log = log.close(incident, Reason.ENDED_BY_ITSELF, say.ended("faded", incident.culprit.name, quiet))
    return log


def stand_still(log: DecisionLog) -> DecisionLog:
    """A blind tick is no quiet tick: clocks that wait for silence move along with it."""
    lost = max(0.0, log.at - log.memory.at) if log.memory.at else 0.0
    for incident in log.incidents():
        if lost and incident.phase in (Phase.SUSPECTED, Phase.READMITTED):
            until = incident.readmit_until + lost if incident.phase is Phase.READMITTED else incident.readmit_until
            log = log.put(replace(incident, last_evidence=incident.last_evidence + lost, readmit_until=until))
    return log


def spread(log: DecisionLog, context: TickContext) -> DecisionLog:
    """The symptom of a recent eviction on a peer, at the drain tier: it was the traffic, not the pod."""
    for incident in log.incidents():
        current = incident.phase is Phase.SUSPECTED and incident.tier >= Tier.DRAIN
        if not current or context.suspect(incident) is None:
            continue
        if incident.culprit.kind is not CulpritKind.POD or incident.service is None:
            continue
        symptom, guards = incident.symptom.value, log.policy(incident).guards
        for entry in ledger.same_symptom(log.memory.ledger, incident.service, symptom, log.at, guards):
            if entry.target.pod != incident.culprit.pod and entry.incident != incident.id:
                text = say.regraded(entry.target.name, incident.culprit.name, log.at - entry.at)
                log = log.grade(entry.incident, useful=False, verdict="same_symptom_on_peer")
                log = log.publish(incident, Kind.REGRADED, Reason.SAME_SYMPTOM_ON_PEER, text, severity=Severity.WARNING)
    return log


def _on_top(log: DecisionLog, incident: Incident, score: float) -> tuple[DecisionLog, float]:
    """Evidence of a readmitted pod: what it had before, and what came since."""
    baseline = log.baseline(incident)
    base = baseline.base or incident.evidence_score
    low = score if baseline.low < 0.0 else min(baseline.low, score)
    if (base, low) != (baseline.base, baseline.low):
        log = log.put_baseline(incident, replace(baseline, base=base, low=low))
    return log, base + score - low


def _open(log: DecisionLog, context: TickContext, suspect: Suspect) -> DecisionLog:
    culprit, evidence = suspect.culprit, suspect.evidence
    pod = context.cluster.pods.get(culprit.pod) if culprit.pod is not None else None
    uid = culprit.pod.uid if culprit.pod is not None else ""
    incident = Incident(
        id=incident_id(str(culprit), uid, log.at),
        opened=log.at,
        culprit=culprit,
        symptom=evidence.symptom,
        phase=Phase.SUSPECTED,
        phase_since=log.at,
        workload=pod.workload if pod is not None else None,
        service=culprit.service or (pod.service if pod is not None else None),
        node=pod.node if pod is not None else "",
        revision=pod.revision if pod is not None else "",
        evidence_score=max(evidence.acting_score, 0.0),
        tier=suspect.tier,
        ceiling=suspect.ceiling,
        ceiling_reason=suspect.ceiling_reason,
        last_evidence=log.at,
    )
    incident = _with_figures(incident, context, suspect)
    own = context.tally(incident.culprit.pod)
    requests, bad = (own.requests, bad_of(own, incident.cut)) if own is not None else (0.0, 0.0)
    baseline = Baseline(dispersion=max(evidence.dispersion, 1.0), lately=requests, lately_bad=bad)
    kind = Kind.UNREACHED if evidence.symptom is Symptom.UNREACHED else Kind.SUSPECTED
    return log.put(incident).put_baseline(incident, baseline).publish(
        incident, kind, evidence.symptom.value, say.suspicion(suspect, log.rules.evidence_needed),
        severity=Severity.WARNING, action_kind=ActionKind.ANNOTATE, figures=_suspicion_figures(suspect),
    )  # fmt: skip


def _suspicion_figures(suspect: Suspect) -> Figures:
    evidence = suspect.evidence
    return {
        "all_nats": round(evidence.score, 3),
        "history_score": _rounded(evidence.history_score),
        "recheck_score": _rounded(evidence.recheck_score),
        "callers": ", ".join(f"{name} {count:.0f}" for name, count in [*evidence.callers.items()][:3]),
        "flags": ", ".join(f"{flag} {count:.0f}" for flag, count in [*evidence.flags.items()][:3]),
        "ceiling": suspect.ceiling.name.lower(),
        "ceiling_reason": suspect.ceiling_reason,
        "impact": suspect.impact,
        "also": ", ".join(str(other) for other in suspect.also),
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 3)


def _with_figures(incident: Incident, context: TickContext, suspect: Suspect) -> Incident:
    evidence, cuts, cut = suspect.evidence, context.judgement.cuts, -1
    if (limit := evidence.cut) is not None:
        cut = min(range(len(cuts)), key=lambda i: abs(cuts[i] - limit), default=-1)
    return replace(
        incident,
        symptom=evidence.symptom,
        onset=evidence.onset,
        share=evidence.share,
        p1=evidence.bad_rate,
        p0=evidence.peer_bad_rate,
        cut=cut,
        requests=evidence.requests,
        bad=evidence.bad,
    )


def _with_rate(incident: Incident, baseline: Baseline) -> Incident:
    """The bad rate is the culprit's since it was suspected, when that is higher and known well enough."""
    if baseline.lately < KNOWN_REQUESTS:
        return incident
    return replace(incident, p1=max(incident.p1, min(baseline.lately_bad / baseline.lately, 1.0)))


def _widened(before: Baseline, context: TickContext, incident: Incident, dispersion: float) -> Baseline:
    """With what callers and peers see while the culprit still serves: the drain is measured against it."""
    pod = context.pod(incident)
    if pod is None:
        return before
    own, callers = context.tally(pod.ref), context.judgement.callers.get(pod.service)
    requests, errors, slow = context.peer_counts(pod)
    return replace(
        before,
        requests=before.requests + (callers.requests if callers is not None else 0.0),
        bad=before.bad + (bad_of(callers, incident.cut) if callers is not None else 0.0),
        unreached=before.unreached + (callers.unreached if callers is not None else 0.0),
        peer_requests=before.peer_requests + requests,
        peer_errors=before.peer_errors + errors,
        peer_slow=_summed(before.peer_slow, slow),
        lately=before.lately + (own.requests if own is not None else 0.0),
        lately_bad=before.lately_bad + (bad_of(own, incident.cut) if own is not None else 0.0),
        dispersion=dispersion,
    )


def _summed(before: tuple[float, ...], now: tuple[float, ...]) -> tuple[float, ...]:
    if not before or not now:
        return before or now
    return tuple(a + b for a, b in zip(before, now, strict=False))
