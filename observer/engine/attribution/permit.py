"""May this pod be killed, as far as the blame goes? Everything else is for the guards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from observer.domain.attribution import Attribution, CauseKind, RankedCause
from observer.domain.ids import PodRef
from observer.engine.messages.wording import percent

MEMBER_ODDS: Final = 20.0
"""The pod against each of the other pods that could be meant, together."""
SHARED_ODDS: Final = 5.0
"""The pod against everything that its removal does not cure, and against not knowing."""
COUNTED: Final = frozenset({"peers", "drain"})
"""Words of evidence that sets a pod apart by counters. Spans alone kill nobody: whoever may send spans writes them."""
_VICTIM: Final = 0.5
"""Above this part of inherited trouble a pod is a victim of whoever below is likelier at fault than nobody."""
_WHOLLY: Final = 0.9
"""Above this part it is one whatever the odds: next to nothing is left that it could have done itself."""
_SOME: Final = 0.5
"""Nats from which on the trouble below is more than chance: two stray errors account for nothing."""


@dataclass(frozen=True, slots=True)
class Permission:
    """``reasons`` are fixed words with their figures; empty when ``allowed``."""

    allowed: bool
    reasons: tuple[str, ...] = ()


def permits_removal(attribution: Attribution, pod: PodRef) -> Permission:
    """
    The blame's word on removing ``pod`` for good.

    Reasons: ``not_named`` (no evidence names this incarnation), ``not_finite``, ``other_members``, ``shared_cause``,
    ``spans_only``, ``victim``.
    """
    mine = next((one for one in attribution.ranked if one.cause.pod == pod and one.cause.kind is CauseKind.POD), None)
    if mine is None or not pod.uid:
        return Permission(False, ("not_named: no evidence names this pod with its uid",))
    if not is_finite(attribution):
        return Permission(False, ("not_finite: the attribution holds something that is no number",))
    rivals = [one for one in attribution.ranked if one is not mine]
    members = sum(one.probability for one in rivals if one.cause.kind is CauseKind.POD)
    shared = sum(one.probability for one in rivals if one.cause.kind is not CauseKind.POD)
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
        for one in attribution.ranked
        for figure in (one.probability, one.inherited, one.score, *(line.score for line in one.lines))
    )


def victim_of(attribution: Attribution, mine: RankedCause) -> RankedCause | None:
    """
    Whoever ``mine`` suffers from: its callees account for most of its service's trouble, and one of them, or the way
    there, is likelier at fault than nobody. A few stray errors below a service that fails by itself make no victim;
    errors below that account for all of its own, and are more than chance, do.
    """
    if mine.inherited <= _VICTIM:
        return None
    below = [one for one in attribution.ranked if one.cause.suspected_service not in (None, mine.cause.service)]
    if mine.inherited > _WHOLLY:
        return next((one for one in below if one.score > _SOME), None)
    return next((one for one in below if one.probability > attribution.unknown), None)


def _odds(mine: float, others: float) -> str:
    return f"{mine / others:.1f}:1" if others > 0.0 else "beyond counting"
