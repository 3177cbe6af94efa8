"""The right culprit: no rung above annotate for a victim, or for what is shared; nobody is killed on doubtful odds."""

from __future__ import annotations

from typing import Final

from observer.domain.action import Rung
from observer.domain.blame import Attribution, Blame, CauseKind
from observer.domain.decision import Allow, Hold
from observer.engine.blame.removal import is_finite, permits_kill, victim_of
from observer.engine.guards.situation import Situation

_MILD: Final = frozenset({Rung.ANNOTATE, Rung.DRAIN, Rung.RESTORE})
"""Rungs that are undone by themselves: for these the pod need only be the likeliest cause."""
_TOLD: Final = 3
"""Lines of evidence in a hold."""
_TIE: Final = 1.0 + 1e-9
"""A pod and its rival with the same evidence differ by rounding only."""
_REASONS: Final = {
    CauseKind.POD: "other_pod_blamed",
    CauseKind.REVISION: "revision_blamed",
    CauseKind.NODE: "node_blamed",
    CauseKind.ZONE: "zone_blamed",
    CauseKind.WORKLOAD: "workload_blamed",
    CauseKind.EDGE: "edge_blamed",
    CauseKind.CALLER: "caller_blamed",
    CauseKind.EXTERNAL: "external_blamed",
    CauseKind.UNKNOWN: "cannot_tell",
}


def blame(now: Situation) -> Allow | Hold:
    """
    The blame's word on this rung.

    A victim is never touched. For a drain, which is an experiment, no other cause may be likelier than the pod; what
    removes it for good needs the odds of ``permits_kill``.
    """
    if now.blame is None:
        return Hold("blame", "blame_unknown", "nobody has been asked yet who is to blame")
    if not is_finite(now.blame):
        return Hold("blame", "cannot_tell", "the blame holds something that is no number")
    mine = next(
        (one for one in now.blame.ranked if one.cause.kind is CauseKind.POD and one.cause.pod == now.pod.ref), None
    )
    if mine is None:
        return Hold("blame", "not_named", f"no evidence names this pod; likeliest: {_first_of(now.blame)}")
    culprit = victim_of(now.blame, mine)
    if culprit is not None:
        detail = f"{mine.inherited:.0%} of its service's trouble comes from {said(culprit)}"
        return Hold("blame", "victim", detail)
    rival = max((one for one in now.blame.ranked if one is not mine), key=lambda one: one.probability, default=None)
    if rival is not None and rival.probability > mine.probability * _TIE:
        return Hold("blame", _REASONS[rival.cause.kind], f"{said(rival)} is likelier than {said(mine)}")
    if now.rung not in _MILD:
        permission = permits_kill(now.blame, now.pod.ref)
        if not permission.allowed:
            return Hold("blame", "kill_odds", "; ".join(permission.reasons))
    return Allow("blame")


def _first_of(found: Blame) -> str:
    """The likeliest cause with its probability."""
    return said(found.ranked[0]) if found.ranked else "nobody"


def said(one: Attribution) -> str:
    """``pod shop/store-1 (99.9 %: 3 of 90 errors ...)`` with its strongest lines."""
    lines = "; ".join(f"{line.text} ({line.nats:+.1f} nats)" for line in one.lines[:_TOLD])
    return f"{one.cause} ({100.0 * one.probability:.3g} %{': ' + lines if lines else ''})"
