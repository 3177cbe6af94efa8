"""Opens an incident for a culprit, keeps its figures fresh while it is only suspected, and lets it fade."""

from __future__ import annotations

import math
from dataclasses import replace

from observer.domain.action import ActionKind
from observer.domain.incident import Incident, Phase
from observer.domain.suspect import FULL_SCORE, Culprit, CulpritKind, Suspect, Symptom, Tier
from observer.engine import ledger
from observer.engine.context import TickContext
from observer.engine.detect.suspects import UNCONFIRMED
from observer.engine.memory import Baseline
from observer.engine.messages import decisions
from observer.engine.remediation.decision_log import NEW_EVIDENCE, DecisionLog, incident_id
from observer.engine.remediation.drain_experiment import bad_of

KNOWN_REQUESTS = 20.0
"""From so many requests a rate is known well enough to be used."""
PASSING = UNCONFIRMED
"""Ceilings that come from an answer that is missing today; they do not bind an incident that went on already."""
COUNTING = frozenset({Phase.SUSPECTED, Phase.DRAINING, Phase.READMITTED})
"""Phases in which the culprit has traffic, so that evidence still counts."""


def take_in(log: DecisionLog, context: TickContext) -> None:
    """Bring today's suspects to their incidents, open those that are missing, strongest first."""
    standing = {incident.culprit: incident for incident in log.incidents()}
    rested = log.rested({culprit: suspect.evidence for culprit, suspect in context.by_culprit.items()})
    for culprit, suspect in context.by_culprit.items():
        incident = standing.get(culprit)
        if incident is not None:
            if incident.phase in COUNTING:
                refresh(log, context, incident, suspect)
        elif culprit not in rested and not _in_other_hands(log, culprit):
            _open(log, context, suspect)


def refresh(log: DecisionLog, context: TickContext, incident: Incident, suspect: Suspect) -> Incident:
    """The incident with today's evidence; its figures follow only while it is merely suspected."""
    evidence = suspect.evidence
    evidence_score, tier = max(evidence.acting_score, 0.0), suspect.tier
    if incident.phase is Phase.READMITTED:
        if suspect.ceiling_reason in PASSING:
            return incident  # what was gathered since cannot be confirmed today
        evidence_score = _on_top(log, incident, evidence_score)
        # The second look reaches back over the drain, so it holds what came before it too.
        confirmed = evidence_score if evidence.recheck_score is None else min(evidence_score, evidence.recheck_score)
        tier = Tier.EVICT if confirmed >= log.needs.get(Tier.EVICT, math.inf) else tier
    goes_on = evidence_score >= FULL_SCORE and evidence.newest > incident.last_evidence
    fresh = evidence_score > incident.evidence_score + NEW_EVIDENCE or goes_on or evidence.symptom is Symptom.UNREACHED
    changed = replace(
        incident,
        evidence_score=max(incident.evidence_score, evidence_score),
        tier=max(incident.tier, tier),
        last_evidence=log.at if fresh else incident.last_evidence,
    )
    if incident.phase is Phase.SUSPECTED or suspect.ceiling_reason not in PASSING:
        changed = replace(changed, ceiling=suspect.ceiling, ceiling_reason=suspect.ceiling_reason)
    if incident.phase is Phase.SUSPECTED:
        changed = _with_figures(changed, context, suspect)
        if (changed.symptom, changed.cut) != (incident.symptom, incident.cut):
            log.put_baseline(changed, Baseline())  # what counts as bad is another thing now
        _widen_backdrop(log, context, changed, max(evidence.dispersion, 1.0))
        changed = _with_rate(log, changed)
    return log.put(changed)


def unseen(log: DecisionLog, context: TickContext) -> None:
    """Readmitted pods that are not even suspected: whatever the detector says later is new."""
    for incident in log.incidents():
        if incident.phase is Phase.READMITTED and context.suspect(incident) is None:
            _on_top(log, incident, 0.0)


def begin_anew(log: DecisionLog) -> None:
    """In the first tick after a start detectors know nothing: what is only suspected has all its time again."""
    for incident in log.incidents():
        if incident.phase is Phase.SUSPECTED:
            log.put(replace(incident, evidence_score=0.0, tier=Tier.NONE, last_evidence=log.at))
        elif incident.phase is Phase.READMITTED:
            until = log.at + log.policy(incident).escalation.readmit_seconds
            log.put(replace(incident, readmit_until=until, phase_since=log.at))


def _on_top(log: DecisionLog, incident: Incident, evidence_score: float) -> float:
    """Evidence of a readmitted pod: what it had before, and what came since."""
    baseline = log.baseline(incident)
    base = baseline.base or incident.evidence_score
    low = evidence_score if baseline.low < 0.0 else min(baseline.low, evidence_score)
    if (base, low) != (baseline.base, baseline.low):
        log.put_baseline(incident, replace(baseline, base=base, low=low))
    return base + evidence_score - low


def fade(log: DecisionLog, context: TickContext) -> None:
    """Close what is only suspected and got no new evidence for long, or whose pod is gone."""
    for incident in log.incidents():
        if incident.phase is not Phase.SUSPECTED or _unsettled(log, incident):
            continue
        if incident.culprit.pod is not None and context.pod(incident) is None:
            log.close(incident, "pod_gone", f"{incident.culprit.name} is gone; nothing was done to it.")
        elif (quiet := log.at - incident.last_evidence) >= log.settings.detection.fade_seconds:
            text = (
                f"{incident.culprit.name}: no new evidence for {quiet:.0f} s, it ended by itself; nobody was removed."
            )
            log.close(incident, "ended_by_itself", text)


def stand_still(log: DecisionLog) -> None:
    """A blind tick is no quiet tick: clocks that wait for silence move along with it."""
    lost = max(0.0, log.at - log.memory.at) if log.memory.at else 0.0
    for incident in log.incidents():
        if lost and incident.phase in (Phase.SUSPECTED, Phase.READMITTED):
            until = incident.readmit_until + lost if incident.phase is Phase.READMITTED else incident.readmit_until
            log.put(replace(incident, last_evidence=incident.last_evidence + lost, readmit_until=until))


def _open(log: DecisionLog, context: TickContext, suspect: Suspect) -> None:
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
    incident = log.put(_with_figures(incident, context, suspect))
    _begin_backdrop(log, context, incident, max(evidence.dispersion, 1.0))
    kind = "unreached" if evidence.symptom is Symptom.UNREACHED else "suspected"
    text = decisions.suspicion(suspect, log.needs)
    log.tell(
        incident, kind, evidence.symptom.value, text, severity="warning", action_kind=ActionKind.ANNOTATE,
        figures={
            "all_nats": round(evidence.score, 3),
            "history_score": None if evidence.history_score is None else round(evidence.history_score, 3),
            "recheck_score": None if evidence.recheck_score is None else round(evidence.recheck_score, 3),
            "callers": ", ".join(f"{name} {count:.0f}" for name, count in [*evidence.callers.items()][:3]),
            "flags": ", ".join(f"{flag} {count:.0f}" for flag, count in [*evidence.flags.items()][:3]),
            "ceiling": suspect.ceiling.name.lower(),
            "ceiling_reason": suspect.ceiling_reason,
            "impact": suspect.impact,
            "also": ", ".join(str(other) for other in suspect.also),
        },
    )  # fmt: skip


def spread(log: DecisionLog, context: TickContext) -> None:
    """The symptom of a recent eviction on a sibling, at the drain tier: it was the traffic, not the pod."""
    for incident in log.incidents():
        seen = (
            incident.phase is Phase.SUSPECTED and incident.tier >= Tier.DRAIN and context.suspect(incident) is not None
        )
        if not seen or incident.culprit.kind is not CulpritKind.POD or incident.service is None:
            continue
        found = ledger.same_symptom(
            log.memory.ledger, incident.service, incident.symptom.value, log.at, log.policy(incident).guards
        )
        for entry in found:
            if entry.target.pod != incident.culprit.pod and entry.incident != incident.id:
                text = (
                    f"The eviction of {entry.target.name} counts as useless: {incident.culprit.name} shows the same "
                    f"symptom {(log.at - entry.at) / 60:.0f} min later. It was the traffic, not the pod."
                )
                log.grade(entry.incident, useful=False, verdict="same_symptom_on_sibling")
                log.tell(incident, "regraded", "same_symptom_on_sibling", text, severity="warning")


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


def _begin_backdrop(log: DecisionLog, context: TickContext, incident: Incident, dispersion: float) -> None:
    own = context.tally(incident.culprit.pod)
    requests, bad = (own.requests, bad_of(own, incident.cut)) if own is not None else (0.0, 0.0)
    log.put_baseline(incident, Baseline(dispersion=dispersion, lately=requests, lately_bad=bad))


def _with_rate(log: DecisionLog, incident: Incident) -> Incident:
    """The bad rate is the culprit's since it was suspected, when that is higher and known well enough."""
    seen = log.baseline(incident)
    if seen.lately < KNOWN_REQUESTS:
        return incident
    return replace(incident, p1=max(incident.p1, min(seen.lately_bad / seen.lately, 1.0)))


def _widen_backdrop(log: DecisionLog, context: TickContext, incident: Incident, dispersion: float) -> None:
    """Count what callers and siblings see while the culprit still serves: the drain is measured against it."""
    pod = context.pod(incident)
    if pod is None:
        return
    before, own = log.baseline(incident), context.tally(pod.ref)
    requests, errors, slow = context.peer_counts(pod)
    callers = context.judgement.callers.get(pod.service)
    bad = bad_of(callers, incident.cut) if callers is not None else 0.0
    log.put_baseline(
        incident,
        replace(
            before,
            requests=before.requests + (callers.requests if callers is not None else 0.0),
            bad=before.bad + bad,
            unreached=before.unreached + (callers.unreached if callers is not None else 0.0),
            peer_requests=before.peer_requests + requests,
            peer_errors=before.peer_errors + errors,
            peer_slow=_summed(before.peer_slow, slow),
            lately=before.lately + (own.requests if own is not None else 0.0),
            lately_bad=before.lately_bad + (bad_of(own, incident.cut) if own is not None else 0.0),
            dispersion=dispersion,
        ),
    )


def _summed(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    if not one or not other:
        return one or other
    return tuple(a + b for a, b in zip(one, other, strict=False))


def _in_other_hands(log: DecisionLog, culprit: Culprit) -> bool:
    """The pod is the replacement under verification: what it does is judged there first."""
    return any(
        incident.check is not None and incident.check.replacement == culprit.pod
        for incident in log.in_progress()
        if culprit.pod is not None
    )


def _unsettled(log: DecisionLog, incident: Incident) -> bool:
    return any(entry.incident == incident.id and not entry.settled for entry in log.memory.ledger)
