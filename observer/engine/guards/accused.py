"""The right culprit: no rung above annotate for a victim, or for what is shared; nobody is killed on doubtful odds."""

from __future__ import annotations

from typing import Final

from observer.domain.action import ActionKind
from observer.domain.attribution import Attribution, CauseKind, RankedCause
from observer.domain.decision import Allowed, Blocked
from observer.domain.reasons import GuardName, Reason
from observer.engine.attribution.permit import is_finite, permits_removal, victim_of
from observer.engine.guards.context import GuardContext

_MILD: Final = frozenset({ActionKind.ANNOTATE, ActionKind.DRAIN, ActionKind.RESTORE})
"""Rungs that are undone by themselves: for these the pod need only be the likeliest cause."""
_TOLD: Final = 3
"""Lines of evidence in a hold."""
_TIE: Final = 1.0 + 1e-9
"""A pod and its rival with the same evidence differ by rounding only."""
_REASONS: Final = {
    CauseKind.POD: Reason.OTHER_POD_LIKELIER,
    CauseKind.REVISION: Reason.REVISION_LIKELIER,
    CauseKind.NODE: Reason.NODE_LIKELIER,
    CauseKind.ZONE: Reason.ZONE_LIKELIER,
    CauseKind.WORKLOAD: Reason.WORKLOAD_LIKELIER,
    CauseKind.EDGE: Reason.EDGE_LIKELIER,
    CauseKind.CALLER: Reason.CALLER_LIKELIER,
    CauseKind.EXTERNAL: Reason.EXTERNAL_LIKELIER,
    CauseKind.UNKNOWN: Reason.CANNOT_TELL,
}


def attribution(context: GuardContext) -> Allowed | Blocked:
    """
    The blame's word on this rung.

    A victim is never touched. For a drain, which is an experiment, no other cause may be likelier than the pod; what
    removes it for good needs the odds of ``permits_removal``.
    """
    if context.attribution is None:
        return Blocked(GuardName.ATTRIBUTION, Reason.ATTRIBUTION_UNKNOWN, "nobody has been asked yet who is to blame")
    if not is_finite(context.attribution):
        return Blocked(GuardName.ATTRIBUTION, Reason.CANNOT_TELL, "the blame holds something that is no number")
    mine = next(
        (
            one
            for one in context.attribution.ranked
            if one.cause.kind is CauseKind.POD and one.cause.pod == context.pod.ref
        ),
        None,
    )
    if mine is None:
        return Blocked(
            GuardName.ATTRIBUTION,
            Reason.NOT_NAMED,
            f"no evidence names this pod; likeliest: {_first_of(context.attribution)}",
        )
    culprit = victim_of(context.attribution, mine)
    if culprit is not None:
        detail = f"{mine.inherited:.0%} of its service's trouble comes from {said(culprit)}"
        return Blocked(GuardName.ATTRIBUTION, Reason.VICTIM, detail)
    rival = max(
        (one for one in context.attribution.ranked if one is not mine), key=lambda one: one.probability, default=None
    )
    if rival is not None and rival.probability > mine.probability * _TIE:
        return Blocked(
            GuardName.ATTRIBUTION, _REASONS[rival.cause.kind], f"{said(rival)} is likelier than {said(mine)}"
        )
    if context.action_kind not in _MILD:
        permission = permits_removal(context.attribution, context.pod.ref)
        if not permission.allowed:
            return Blocked(GuardName.ATTRIBUTION, Reason.REMOVAL_ODDS, "; ".join(permission.reasons))
    return Allowed(GuardName.ATTRIBUTION)


def _first_of(found: Attribution) -> str:
    """The likeliest cause with its probability."""
    return said(found.ranked[0]) if found.ranked else "nobody"


def said(one: RankedCause) -> str:
    """``pod shop/store-1 (99.9 %: 3 of 90 errors ...)`` with its strongest lines."""
    lines = "; ".join(f"{line.text} ({line.score:+.1f} nats)" for line in one.lines[:_TOLD])
    return f"{one.cause} ({100.0 * one.probability:.3g} %{': ' + lines if lines else ''})"
