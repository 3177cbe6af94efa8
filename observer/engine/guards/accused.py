"""The right culprit: no rung above annotate for a victim, or for what is shared; nobody is killed on doubtful odds."""

from __future__ import annotations

from typing import Final

from observer.domain.action import ActionKind
from observer.domain.attribution import Attribution, CauseKind
from observer.domain.decision import Allowed, Blocked
from observer.engine.attribution.removal import is_finite, permits_removal, victim_of
from observer.engine.guards.context import GuardContext
from observer.engine.messages.wording import cause as say_cause
from observer.engine.messages.wording import percent

_MILD: Final = frozenset({ActionKind.ANNOTATE, ActionKind.DRAIN, ActionKind.RESTORE})
"""Rungs that are undone by themselves: for these the pod need only be the likeliest cause."""
_TIE: Final = 1.0 + 1e-9
"""A pod and its rival with the same evidence differ by rounding only."""
_REASONS: Final = {
    CauseKind.POD: "other_pod_likelier",
    CauseKind.REVISION: "revision_likelier",
    CauseKind.NODE: "node_likelier",
    CauseKind.ZONE: "zone_likelier",
    CauseKind.WORKLOAD: "workload_likelier",
    CauseKind.EDGE: "edge_likelier",
    CauseKind.CALLER: "caller_likelier",
    CauseKind.EXTERNAL: "external_likelier",
    CauseKind.UNKNOWN: "cannot_tell",
}


def attribution(context: GuardContext) -> Allowed | Blocked:
    """
    The blame's word on this rung.

    A victim is never touched. For a drain, which is an experiment, no other cause may be likelier than the pod; what
    removes it for good needs the odds of ``permits_removal``.
    """
    if context.attribution is None:
        return Blocked("attribution", "attribution_unknown", "nobody has been asked yet who is to blame")
    if not is_finite(context.attribution):
        return Blocked("attribution", "cannot_tell", "the blame holds something that is no number")
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
            "attribution", "not_named", f"no evidence names this pod; likeliest: {_first_of(context.attribution)}"
        )
    culprit = victim_of(context.attribution, mine)
    if culprit is not None:
        detail = f"{percent(mine.inherited)} of its service's trouble comes from {say_cause(culprit)}"
        return Blocked("attribution", "victim", detail)
    rival = max(
        (one for one in context.attribution.ranked if one is not mine), key=lambda one: one.probability, default=None
    )
    if rival is not None and rival.probability > mine.probability * _TIE:
        detail = f"{say_cause(rival)} is likelier than {say_cause(mine)}"
        return Blocked("attribution", _REASONS[rival.cause.kind], detail)
    if context.action_kind not in _MILD:
        permission = permits_removal(context.attribution, context.pod.ref)
        if not permission.allowed:
            return Blocked("attribution", "removal_odds", "; ".join(permission.reasons))
    return Allowed("attribution")


def _first_of(found: Attribution) -> str:
    """The likeliest cause with its probability."""
    return say_cause(found.ranked[0]) if found.ranked else "nobody"
