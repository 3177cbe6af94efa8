"""Asks for each incident with evidence who is to blame, keeps the answer, and tells what a shared cause calls for."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from observer.domain.blame import Attribution, Blame, CauseKind
from observer.domain.cluster import Pod
from observer.domain.incident import Incident
from observer.domain.outcome import DrainVerdict
from observer.domain.suspect import CulpritKind, Suspect, Tier
from observer.engine.blame.members import cause_of
from observer.engine.blame.removal import shortened, victim_of, with_drain
from observer.engine.guards.accused import said
from observer.engine.sight import Sight
from observer.engine.suspicion import COUNTING
from observer.engine.turn import Turn

_MOST: Final = 50
"""Suspects of the annotate tier that are asked about in one tick; nothing follows from them but what is told."""
_SURE: Final = 5.0 / 6.0
"""From 5:1 on a shared cause is sure enough to suggest something to a person."""


def consult(turn: Turn, sight: Sight) -> None:
    """Bring the blame of today's suspects to their incidents, strongest first."""
    standing = {incident.culprit: incident for incident in turn.incidents()}
    left = _MOST
    for culprit, suspect in sight.by_culprit.items():
        incident = standing.get(culprit)
        if incident is None or incident.phase not in COUNTING:
            continue
        if suspect.tier < Tier.DRAIN:
            known = incident.blame
            told = culprit.kind is CulpritKind.POD and known is not None and known.at >= sight.inquiry.newest
            if told or left <= 0:
                continue
            left -= 1
        _asked(turn, sight, incident, suspect)


def blame_of(incident: Incident, pod: Pod, sight: Sight) -> Blame | None:
    """What a rung is held against: the blame from when the pod had traffic, and what its drain showed since."""
    ran = incident.experiment
    if incident.blame is None or ran is None or ran.verdict is not DrainVerdict.DROPPED:
        return incident.blame
    return with_drain(incident.blame, pod, sight.cluster, ran.log_odds)


def advise(turn: Turn, incident: Incident, pod: Pod, blame: Blame) -> None:
    """
    For a pod that the blame holds: what to do about whoever it suffers from, else about the cause that outdoes it.

    A cause that only spoils the odds of a kill, or is no likelier than UNKNOWN, is nobody to send a person after.
    """
    mine = next((one for one in blame.ranked if one.cause.pod == pod.ref), None)
    found = victim_of(blame, mine) if mine is not None else None
    if found is None:
        least = max(blame.unknown, mine.probability if mine is not None else 0.0)
        found = next((one for one in blame.ranked if one is not mine and one.probability >= least), None)
    if found is not None:
        _suggest(turn, incident, found)


def advice(found: Attribution, incident: Incident) -> tuple[str, str] | None:
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
        case _ if cause.accused not in (None, incident.service) and incident.service is not None:
            text = f"leave {incident.service} alone; {cause.accused} below it is for its own policy or a person."
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


def _asked(turn: Turn, sight: Sight, incident: Incident, suspect: Suspect) -> None:
    cause = cause_of(suspect.culprit)
    found = shortened(sight.inquiry.attribute(suspect), (cause,))
    changed = turn.put(replace(incident, blame=found))
    first = found.ranked[0]
    if suspect.culprit.kind is not CulpritKind.POD and first.cause == cause and first.probability >= _SURE:
        _suggest(turn, changed, first)


def _suggest(turn: Turn, incident: Incident, found: Attribution) -> None:
    """Tell once what a person could do about a cause that no rung of a pod reaches."""
    if (what := advice(found, incident)) is not None:
        reason, text = what
        turn.tell_once(incident, "suggested", reason, f"Suggestion: {text} Blame: {said(found)}.", severity="warning")
