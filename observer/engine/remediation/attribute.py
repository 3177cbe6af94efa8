"""Asks for each incident with evidence what causes it, keeps the answer, and tells what a shared cause calls for."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from observer.domain.attribution import Attribution, RankedCause
from observer.domain.cluster import Pod
from observer.domain.incident import Incident
from observer.domain.kinds import Kind
from observer.domain.outcome import DrainVerdict
from observer.domain.severities import Severity
from observer.domain.suspect import CulpritKind, Suspect, Tier
from observer.engine.attribution.members import cause_of
from observer.engine.attribution.removal import shortened, victim_of, with_drain
from observer.engine.context import TickContext
from observer.engine.messages.announcements import advice, suggestion
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.remediation.incidents import COUNTING

_MOST: Final = 50
"""Suspects of the annotate tier that are asked about in one tick; nothing follows from them but what is told."""
_SURE: Final = 5.0 / 6.0
"""From 5:1 on a shared cause is sure enough to suggest something to a person."""


def consult(log: DecisionLog, context: TickContext) -> DecisionLog:
    """Bring the attribution of today's suspects to their incidents, strongest first."""
    standing = {incident.culprit: incident for incident in log.incidents()}
    left = _MOST
    for culprit, suspect in context.by_culprit.items():
        incident = standing.get(culprit)
        if incident is None or incident.phase not in COUNTING:
            continue
        if suspect.tier < Tier.DRAIN:
            before = incident.attribution
            current = before is not None and before.at >= context.attributor.newest
            if (current and culprit.kind is CulpritKind.POD) or left <= 0:
                continue
            left -= 1
        log = _asked(log, context, incident, suspect)
    return log


def attribution_of(incident: Incident, pod: Pod, context: TickContext) -> Attribution | None:
    """What an action is held against: the causes from when the pod had traffic, and what its drain showed since."""
    ran = incident.experiment
    if incident.attribution is None or ran is None or ran.verdict is not DrainVerdict.DROPPED:
        return incident.attribution
    return with_drain(incident.attribution, pod, context.cluster, ran.log_odds)


def advise(log: DecisionLog, incident: Incident, pod: Pod, attribution: Attribution) -> DecisionLog:
    """
    For a pod that attribution blocks: what to do about whoever it suffers from, else about the cause that outdoes it.

    A cause that only spoils the odds of a removal, or is no likelier than UNKNOWN, is nobody to send a person after.
    """
    mine = next((ranked for ranked in attribution.ranked if ranked.cause.pod == pod.ref), None)
    rival = victim_of(attribution, mine) if mine is not None else None
    if rival is None:
        least = max(attribution.unknown, mine.probability if mine is not None else 0.0)
        others = (ranked for ranked in attribution.ranked if ranked is not mine and ranked.probability >= least)
        rival = next(others, None)
    return _suggest(log, incident, rival) if rival is not None else log


def _asked(log: DecisionLog, context: TickContext, incident: Incident, suspect: Suspect) -> DecisionLog:
    cause = cause_of(suspect.culprit)
    attribution = shortened(context.attributor.attribute(suspect), (cause,))
    changed, first = replace(incident, attribution=attribution), attribution.ranked[0]
    log = log.put(changed)
    if suspect.culprit.kind is not CulpritKind.POD and first.cause == cause and first.probability >= _SURE:
        return _suggest(log, changed, first)
    return log


def _suggest(log: DecisionLog, incident: Incident, ranked: RankedCause) -> DecisionLog:
    """Tell once what a person could do about a cause that no action on a pod reaches."""
    suggested = advice(ranked, incident.service)
    if suggested is None:
        return log
    reason, what = suggested
    return log.publish_once(incident, Kind.SUGGESTED, reason, suggestion(ranked, what), severity=Severity.WARNING)
