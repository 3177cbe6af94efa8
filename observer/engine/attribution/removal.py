"""
A finished attribution: as it is kept beside its incident, what a drain adds to it, and whether it permits a removal.

Everything else about the removal is for the guards.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Final

from observer.domain.attribution import Attribution, Cause, CauseKind, EvidenceLine, RankedCause
from observer.domain.cluster import ClusterView, Pod
from observer.domain.ids import PodRef
from observer.engine.attribution.evidence import MOST
from observer.engine.attribution.posterior import revision_of
from observer.engine.messages.wording import percent

MEMBER_ODDS: Final = 20.0
"""The pod against each of the other pods that could be meant, together."""
SHARED_ODDS: Final = 5.0
"""The pod against everything that its removal does not cure, and against not knowing."""
COUNTED: Final = frozenset({"peers", "drain"})
"""Words of evidence that sets a pod apart by counters. Spans alone permit no removal: whoever may send spans writes
them."""
_VICTIM: Final = 0.5
"""Above this part of inherited trouble a pod is a victim of whoever below is likelier at fault than nobody."""
_WHOLLY: Final = 0.9
"""Above this part it is one whatever the odds: next to nothing is left that it could have done itself."""
_SOME: Final = 0.5
"""Score from which on the trouble below is more than chance: two stray errors account for nothing."""


@dataclass(frozen=True, slots=True)
class Permission:
    """``reasons`` are fixed words with their figures; empty when ``allowed``."""

    allowed: bool
    reasons: tuple[str, ...] = ()


def permits_removal(attribution: Attribution, pod: PodRef) -> Permission:
    """
    What the attribution says to removing ``pod`` for good.

    Reasons: ``not_named`` (no evidence names this incarnation), ``not_finite``, ``other_members``, ``shared_cause``,
    ``spans_only``, ``victim``.
    """
    mine = next(
        (ranked for ranked in attribution.ranked if ranked.cause.pod == pod and ranked.cause.kind is CauseKind.POD),
        None,
    )
    if mine is None or not pod.uid:
        return Permission(False, ("not_named: no evidence names this pod with its uid",))
    if not is_finite(attribution):
        return Permission(False, ("not_finite: the attribution holds a figure that is not a number",))
    rivals = [rival for rival in attribution.ranked if rival is not mine]
    members = sum(rival.probability for rival in rivals if rival.cause.kind is CauseKind.POD)
    shared = sum(rival.probability for rival in rivals if rival.cause.kind is not CauseKind.POD)
    reasons = []
    if mine.probability < MEMBER_ODDS * members:
        reasons.append(f"other_members: odds {_odds(mine.probability, members)} against other pods, need 20:1")
    if mine.probability < SHARED_ODDS * shared:
        reasons.append(f"shared_cause: odds {_odds(mine.probability, shared)} against shared causes, need 5:1")
    if not any(line.word in COUNTED and line.score > 0.0 for line in mine.lines):
        reasons.append("spans_only: no counter sets it apart from its peers, and spans can be forged")
    if victim_of(attribution, mine) is not None:
        reasons.append(f"victim: its callees account for {percent(mine.inherited)} of its service's trouble")
    return Permission(not reasons, tuple(reasons))


def is_finite(attribution: Attribution) -> bool:
    """Every figure is a number: comparisons with what is none are silent, and silence must not permit anything."""
    return all(
        math.isfinite(figure)
        for ranked in attribution.ranked
        for figure in (ranked.probability, ranked.inherited, ranked.score, *(line.score for line in ranked.lines))
    )


def victim_of(attribution: Attribution, mine: RankedCause) -> RankedCause | None:
    """
    Whoever ``mine`` suffers from: its callees account for most of its service's trouble, and one of them, or the way
    there, is likelier at fault than nobody. A few stray errors below a service that fails by itself make no victim;
    errors below that account for all of its own, and are more than chance, do.
    """
    if mine.inherited <= _VICTIM:
        return None
    below = [
        ranked for ranked in attribution.ranked if ranked.cause.suspected_service not in (None, mine.cause.service)
    ]
    if mine.inherited > _WHOLLY:
        return next((ranked for ranked in below if ranked.score > _SOME), None)
    return next((ranked for ranked in below if ranked.probability > attribution.unknown), None)


def _odds(mine: float, others: float) -> str:
    return f"{mine / others:.1f}:1" if others > 0.0 else "beyond counting"


_RETAINED: Final = 6
"""Causes that are kept, UNKNOWN and the suspect not counted."""


def shortened(attribution: Attribution, always: Container[Cause] = ()) -> Attribution:
    """The likeliest causes and those in ``always``; what the others had goes to UNKNOWN, which then doubts more."""
    unknown = next((ranked for ranked in attribution.ranked if ranked.cause.kind is CauseKind.UNKNOWN), None)
    named = [ranked for ranked in attribution.ranked if ranked is not unknown]
    retained = [ranked for rank, ranked in enumerate(named) if rank < _RETAINED or ranked.cause in always]
    rest = 1.0 - math.fsum(ranked.probability for ranked in retained)
    shorter = [ranked for ranked in attribution.ranked if ranked is unknown or ranked in retained]
    return replace(
        attribution, ranked=_ranked(_doubting(ranked, rest) if ranked is unknown else ranked for ranked in shorter)
    )


def with_drain(attribution: Attribution, pod: Pod, cluster: ClusterView, log_odds: float) -> Attribution:
    """
    The attribution after the drain of ``pod``, whose log-odds for a drop were ``log_odds``.

    A drop speaks for the pod and for every group it is in (on a bad node it would be seen as well), against all else.
    """
    node = cluster.nodes.get(pod.node)
    score = max(min(log_odds, MOST), -MOST)
    line = EvidenceLine("drain", score, "its callers' bad requests dropped while it was drained")

    def removed(cause: Cause) -> bool:
        match cause.kind:
            case CauseKind.POD:
                return cause.pod == pod.ref
            case CauseKind.REVISION:
                return cause.service == pod.service and cause.name == revision_of(pod)
            case CauseKind.NODE:
                return cause.name == pod.node
            case CauseKind.ZONE:
                return node is not None and cause.name == node.zone
            case _:
                return False

    updated = [
        replace(ranked, score=ranked.score + score, lines=(line, *ranked.lines)) if removed(ranked.cause) else ranked
        for ranked in attribution.ranked
    ]
    top = max(ranked.score for ranked in updated)
    whole = math.fsum(math.exp(ranked.score - top) for ranked in updated)
    return replace(
        attribution,
        ranked=_ranked(replace(ranked, probability=math.exp(ranked.score - top) / whole) for ranked in updated),
    )


def _doubting(unknown: RankedCause, rest: float) -> RankedCause:
    """UNKNOWN with the probability ``rest``, where that is more than it had."""
    if not unknown.probability < rest < 1.0:
        return unknown
    score = unknown.score + math.log(rest / unknown.probability) if unknown.probability > 0.0 else unknown.score
    return replace(unknown, probability=rest, score=score)


def _ranked(causes: Iterable[RankedCause]) -> tuple[RankedCause, ...]:
    """Most probable first; what is as probable stays in the order that it had, milder first."""
    return tuple(sorted(causes, key=lambda ranked: -ranked.probability))
