"""Opens an incident for a culprit, keeps its figures fresh while it is only suspected, and lets it fade."""

from __future__ import annotations

import math
from dataclasses import replace

from observer.domain.action import Rung
from observer.domain.incident import Incident, Phase
from observer.domain.suspect import FULL_NATS, Culprit, CulpritKind, Suspect, Symptom, Tier
from observer.engine import backoff, explain
from observer.engine.detect.candidates import UNCONFIRMED
from observer.engine.experiment import bad_of
from observer.engine.memory import Backdrop
from observer.engine.sight import Sight
from observer.engine.turn import NEW_EVIDENCE, Turn, incident_id

KNOWN_REQUESTS = 20.0
"""From so many requests a rate is known well enough to be used."""
PASSING = UNCONFIRMED
"""Ceilings that come from an answer that is missing today; they do not bind an incident that went on already."""
COUNTING = frozenset({Phase.SUSPECTED, Phase.DRAINING, Phase.READMITTED})
"""Phases in which the culprit has traffic, so that evidence still counts."""


def take_in(turn: Turn, sight: Sight) -> None:
    """Bring today's suspects to their incidents, open those that are missing, strongest first."""
    standing = {incident.culprit: incident for incident in turn.incidents()}
    rested = turn.rested({culprit: suspect.evidence for culprit, suspect in sight.by_culprit.items()})
    for culprit, suspect in sight.by_culprit.items():
        incident = standing.get(culprit)
        if incident is not None:
            if incident.phase in COUNTING:
                refresh(turn, sight, incident, suspect)
        elif culprit not in rested and not _in_other_hands(turn, culprit):
            _open(turn, sight, suspect)


def refresh(turn: Turn, sight: Sight, incident: Incident, suspect: Suspect) -> Incident:
    """The incident with today's evidence; its figures follow only while it is merely suspected."""
    evidence = suspect.evidence
    nats, tier = max(evidence.acting_nats, 0.0), suspect.tier
    if incident.phase is Phase.READMITTED:
        if suspect.ceiling_reason in PASSING:
            return incident  # what was gathered since cannot be confirmed today
        nats = _on_top(turn, incident, nats)
        # The second look reaches back over the drain, so it holds what came before it too.
        confirmed = nats if evidence.again_nats is None else min(nats, evidence.again_nats)
        tier = Tier.EVICT if confirmed >= turn.needs.get(Tier.EVICT, math.inf) else tier
    goes_on = nats >= FULL_NATS and evidence.newest > incident.last_evidence
    fresh = nats > incident.nats + NEW_EVIDENCE or goes_on or evidence.symptom is Symptom.UNREACHED
    changed = replace(
        incident,
        nats=max(incident.nats, nats),
        tier=max(incident.tier, tier),
        last_evidence=turn.at if fresh else incident.last_evidence,
    )
    if incident.phase is Phase.SUSPECTED or suspect.ceiling_reason not in PASSING:
        changed = replace(changed, ceiling=suspect.ceiling, ceiling_reason=suspect.ceiling_reason)
    if incident.phase is Phase.SUSPECTED:
        changed = _with_figures(changed, sight, suspect)
        if (changed.symptom, changed.cut) != (incident.symptom, incident.cut):
            turn.put_backdrop(changed, Backdrop())  # what counts as bad is another thing now
        _widen_backdrop(turn, sight, changed, max(evidence.dispersion, 1.0))
        changed = _with_rate(turn, changed)
    return turn.put(changed)


def unseen(turn: Turn, sight: Sight) -> None:
    """Readmitted pods that are not even suspected: whatever the detector says later is new."""
    for incident in turn.incidents():
        if incident.phase is Phase.READMITTED and sight.suspect(incident) is None:
            _on_top(turn, incident, 0.0)


def begin_anew(turn: Turn) -> None:
    """In the first tick after a start detectors know nothing: what is only suspected has all its time again."""
    for incident in turn.incidents():
        if incident.phase is Phase.SUSPECTED:
            turn.put(replace(incident, nats=0.0, tier=Tier.NONE, last_evidence=turn.at))
        elif incident.phase is Phase.READMITTED:
            until = turn.at + turn.policy(incident).ladder.readmit_seconds
            turn.put(replace(incident, readmit_until=until, phase_since=turn.at))


def _on_top(turn: Turn, incident: Incident, nats: float) -> float:
    """Evidence of a readmitted pod: what it had before, and what came since."""
    backdrop = turn.backdrop(incident)
    base = backdrop.base or incident.nats
    low = nats if backdrop.low < 0.0 else min(backdrop.low, nats)
    if (base, low) != (backdrop.base, backdrop.low):
        turn.put_backdrop(incident, replace(backdrop, base=base, low=low))
    return base + nats - low


def fade(turn: Turn, sight: Sight) -> None:
    """Close what is only suspected and got no new evidence for long, or whose pod is gone."""
    for incident in turn.incidents():
        if incident.phase is not Phase.SUSPECTED or _unsettled(turn, incident):
            continue
        if incident.culprit.pod is not None and sight.pod(incident) is None:
            turn.close(incident, "pod_gone", f"{incident.culprit.name} is gone; nothing was done to it.")
        elif (quiet := turn.at - incident.last_evidence) >= turn.settings.detection.fade_seconds:
            text = (
                f"{incident.culprit.name}: no new evidence for {quiet:.0f} s, it ended by itself; nobody was removed."
            )
            turn.close(incident, "ended_by_itself", text)


def stand_still(turn: Turn) -> None:
    """A blind tick is no quiet tick: clocks that wait for silence move along with it."""
    lost = max(0.0, turn.at - turn.memory.at) if turn.memory.at else 0.0
    for incident in turn.incidents():
        if lost and incident.phase in (Phase.SUSPECTED, Phase.READMITTED):
            until = incident.readmit_until + lost if incident.phase is Phase.READMITTED else incident.readmit_until
            turn.put(replace(incident, last_evidence=incident.last_evidence + lost, readmit_until=until))


def _open(turn: Turn, sight: Sight, suspect: Suspect) -> None:
    culprit, evidence = suspect.culprit, suspect.evidence
    pod = sight.cluster.pods.get(culprit.pod) if culprit.pod is not None else None
    uid = culprit.pod.uid if culprit.pod is not None else ""
    incident = Incident(
        id=incident_id(str(culprit), uid, turn.at),
        opened=turn.at,
        culprit=culprit,
        symptom=evidence.symptom,
        phase=Phase.SUSPECTED,
        phase_since=turn.at,
        workload=pod.workload if pod is not None else None,
        service=culprit.service or (pod.service if pod is not None else None),
        node=pod.node if pod is not None else "",
        revision=pod.revision if pod is not None else "",
        nats=max(evidence.acting_nats, 0.0),
        tier=suspect.tier,
        ceiling=suspect.ceiling,
        ceiling_reason=suspect.ceiling_reason,
        last_evidence=turn.at,
    )
    incident = turn.put(_with_figures(incident, sight, suspect))
    _begin_backdrop(turn, sight, incident, max(evidence.dispersion, 1.0))
    kind = "unreached" if evidence.symptom is Symptom.UNREACHED else "suspected"
    text = explain.suspicion(suspect, turn.needs)
    turn.tell(
        incident, kind, evidence.symptom.value, text, severity="warning", rung=Rung.ANNOTATE,
        figures={
            "all_nats": round(evidence.nats, 3),
            "history_nats": None if evidence.history_nats is None else round(evidence.history_nats, 3),
            "again_nats": None if evidence.again_nats is None else round(evidence.again_nats, 3),
            "callers": ", ".join(f"{name} {count:.0f}" for name, count in [*evidence.callers.items()][:3]),
            "flags": ", ".join(f"{flag} {count:.0f}" for flag, count in [*evidence.flags.items()][:3]),
            "ceiling": suspect.ceiling.name.lower(),
            "ceiling_reason": suspect.ceiling_reason,
            "impact": suspect.impact,
            "also": ", ".join(str(other) for other in suspect.also),
        },
    )  # fmt: skip


def spread(turn: Turn, sight: Sight) -> None:
    """The symptom of a recent eviction on a sibling, at the drain tier: it was the traffic, not the pod."""
    for incident in turn.incidents():
        seen = incident.phase is Phase.SUSPECTED and incident.tier >= Tier.DRAIN and sight.suspect(incident) is not None
        if not seen or incident.culprit.kind is not CulpritKind.POD or incident.service is None:
            continue
        found = backoff.same_symptom(
            turn.memory.ledger, incident.service, incident.symptom.value, turn.at, turn.policy(incident).guards
        )
        for entry in found:
            if entry.pod != incident.culprit.pod and entry.incident != incident.id:
                text = (
                    f"The eviction of {entry.pod.name} counts as useless: {incident.culprit.name} shows the same "
                    f"symptom {(turn.at - entry.at) / 60:.0f} min later. It was the traffic, not the pod."
                )
                turn.grade(entry.incident, useful=False, verdict="same_symptom_on_sibling")
                turn.tell(incident, "regraded", "same_symptom_on_sibling", text, severity="warning")


def _with_figures(incident: Incident, sight: Sight, suspect: Suspect) -> Incident:
    evidence, cuts, cut = suspect.evidence, sight.judgement.cuts, -1
    if (limit := evidence.cut) is not None:
        cut = min(range(len(cuts)), key=lambda i: abs(cuts[i] - limit), default=-1)
    return replace(
        incident,
        symptom=evidence.symptom,
        onset=evidence.onset,
        share=evidence.share,
        p1=evidence.bad_rate,
        p0=evidence.sibling_bad_rate,
        cut=cut,
        requests=evidence.requests,
        bad=evidence.bad,
    )


def _begin_backdrop(turn: Turn, sight: Sight, incident: Incident, dispersion: float) -> None:
    own = sight.tally(incident.culprit.pod)
    requests, bad = (own.requests, bad_of(own, incident.cut)) if own is not None else (0.0, 0.0)
    turn.put_backdrop(incident, Backdrop(dispersion=dispersion, lately=requests, lately_bad=bad))


def _with_rate(turn: Turn, incident: Incident) -> Incident:
    """The bad rate is the culprit's since it was suspected, when that is higher and known well enough."""
    seen = turn.backdrop(incident)
    if seen.lately < KNOWN_REQUESTS:
        return incident
    return replace(incident, p1=max(incident.p1, min(seen.lately_bad / seen.lately, 1.0)))


def _widen_backdrop(turn: Turn, sight: Sight, incident: Incident, dispersion: float) -> None:
    """Count what callers and siblings see while the culprit still serves: the drain is measured against it."""
    pod = sight.pod(incident)
    if pod is None:
        return
    before, own = turn.backdrop(incident), sight.tally(pod.ref)
    requests, errors, slow = sight.sibling_counts(pod)
    callers = sight.judgement.callers.get(pod.service)
    bad = bad_of(callers, incident.cut) if callers is not None else 0.0
    turn.put_backdrop(
        incident,
        replace(
            before,
            requests=before.requests + (callers.requests if callers is not None else 0.0),
            bad=before.bad + bad,
            unreached=before.unreached + (callers.unreached if callers is not None else 0.0),
            sibling_requests=before.sibling_requests + requests,
            sibling_errors=before.sibling_errors + errors,
            sibling_slow=_summed(before.sibling_slow, slow),
            lately=before.lately + (own.requests if own is not None else 0.0),
            lately_bad=before.lately_bad + (bad_of(own, incident.cut) if own is not None else 0.0),
            dispersion=dispersion,
        ),
    )


def _summed(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    if not one or not other:
        return one or other
    return tuple(a + b for a, b in zip(one, other, strict=False))


def _in_other_hands(turn: Turn, culprit: Culprit) -> bool:
    """The pod is the replacement under verification: what it does is judged there first."""
    return any(
        incident.check is not None and incident.check.replacement == culprit.pod
        for incident in turn.in_hand()
        if culprit.pod is not None
    )


def _unsettled(turn: Turn, incident: Incident) -> bool:
    return any(entry.incident == incident.id and not entry.settled for entry in turn.memory.ledger)
