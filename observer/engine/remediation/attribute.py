"""Asks for each incident with evidence who is to blame, keeps the answer, and tells what a shared cause calls for."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from observer.domain.attribution import Attribution, CauseKind, RankedCause
from observer.domain.cluster import Pod
from observer.domain.incident import Incident
from observer.domain.outcome import DrainVerdict
from observer.domain.suspect import CulpritKind, Suspect, Tier
from observer.engine.attribution.members import cause_of
from observer.engine.attribution.permit import victim_of
from observer.engine.attribution.record import shortened, with_drain
from observer.engine.context import TickContext
from observer.engine.guards.attribution import said
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.incidents import COUNTING

_MOST: Final = 50
"""Suspects of the annotate tier that are asked about in one tick; nothing follows from them but what is told."""
_SURE: Final = 5.0 / 6.0
"""From 5:1 on a shared cause is sure enough to suggest something to a person."""


def consult(log: DecisionLog, context: TickContext) -> None:
    """Bring the blame of today's suspects to their incidents, strongest first."""
    standing = {incident.culprit: incident for incident in log.incidents()}
    left = _MOST
    for culprit, suspect in context.by_culprit.items():
        incident = standing.get(culprit)
        if incident is None or incident.phase not in COUNTING:
            continue
        if suspect.tier < Tier.DRAIN:
            known = incident.attribution
            told = culprit.kind is CulpritKind.POD and known is not None and known.at >= context.attributor.newest
            if told or left <= 0:
                continue
            left -= 1
        _asked(log, context, incident, suspect)


def attribution_of(incident: Incident, pod: Pod, context: TickContext) -> Attribution | None:
    """What a rung is held against: the blame from when the pod had traffic, and what its drain showed since."""
    ran = incident.experiment
    if incident.attribution is None or ran is None or ran.verdict is not DrainVerdict.DROPPED:
        return incident.attribution
    return with_drain(incident.attribution, pod, context.cluster, ran.log_odds)


def advise(log: DecisionLog, incident: Incident, pod: Pod, attribution: Attribution) -> None:
    """
    For a pod that the blame holds: what to do about whoever it suffers from, else about the cause that outdoes it.

    A cause that only spoils the odds of a kill, or is no likelier than UNKNOWN, is nobody to send a person after.
    """
    mine = next((one for one in attribution.ranked if one.cause.pod == pod.ref), None)
    found = victim_of(attribution, mine) if mine is not None else None
    if found is None:
        least = max(attribution.unknown, mine.probability if mine is not None else 0.0)
        found = next((one for one in attribution.ranked if one is not mine and one.probability >= least), None)
    if found is not None:
        _suggest(log, incident, found)


def advice(found: RankedCause, incident: Incident) -> tuple[str, str] | None:
    """A fixed word, and a sentence; None when there is nothing to suggest."""
    cause, name = found.cause, f"{found.cause.namespace}/{found.cause.name}"
    match cause.kind:
        case CauseKind.UNKNOWN:
            return None
        case CauseKind.EXTERNAL:
            return "external_dependency", f"{cause.name} is outside the mesh; a person has to look there."
        case CauseKind.EDGE:
            return "check_way", f"look at the way {cause.service} -> {cause.callee}: calls get lost on it."
        case CauseKind.CALLER:
            return "check_caller", f"look at what {cause.service} asks of {cause.callee}: others are answered well."
        case _ if cause.suspected_service not in (None, incident.service) and incident.service is not None:
            text = (
                f"leave {incident.service} alone; {cause.suspected_service} below it is for its own policy or a person."
            )
            return "dependency", text
        case CauseKind.REVISION:
            return "roll_back", f"roll back revision {name}."
        case CauseKind.NODE:
            return "cordon_node", f"cordon and drain node {cause.name}."
        case CauseKind.ZONE:
            return "leave_zone", f"move traffic out of zone {cause.name}."
        case CauseKind.WORKLOAD:
            return "whole_workload", f"all of {name} fails alike; it needs a person, not another pod."
        case _:
            return None


def _asked(log: DecisionLog, context: TickContext, incident: Incident, suspect: Suspect) -> None:
    cause = cause_of(suspect.culprit)
    found = shortened(context.attributor.attribution(suspect), (cause,))
    changed = log.put(replace(incident, attribution=found))
    first = found.ranked[0]
    if suspect.culprit.kind is not CulpritKind.POD and first.cause == cause and first.probability >= _SURE:
        _suggest(log, changed, first)


def _suggest(log: DecisionLog, incident: Incident, found: RankedCause) -> None:
    """Tell once what a person could do about a cause that no rung of a pod reaches."""
    if (what := advice(found, incident)) is not None:
        reason, text = what
        log.tell_once(incident, "suggested", reason, f"Suggestion: {text} Blame: {said(found)}.", severity="warning")
