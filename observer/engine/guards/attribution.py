"""The right culprit: nothing above a note for a victim or for what is shared; nobody is removed on doubtful odds."""

from __future__ import annotations

from typing import Final

from observer import actions
from observer.domain.attribution import Attribution, CauseKind
from observer.domain.reasons import GuardName, Reason
from observer.engine.attribution.removal import is_finite, permits_removal, victim_of
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard
from observer.engine.messages.wording import cause as say_cause
from observer.engine.messages.wording import percent

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
_LIKELIER: Final = "Look at the cause that is named first (`observer why`, the page); act on it by hand."


@guard(
    GuardName.ATTRIBUTION,
    looks_at="the probability of each cause, the part of the trouble that comes from services below, and for what "
    "cannot be undone the odds of the pod against every other cause",
    advice={
        Reason.ATTRIBUTION_UNKNOWN: "Wait one tick.",
        Reason.CANNOT_TELL: "Look at the evidence yourself; connect Jaeger or Kiali if they are missing.",
        Reason.NOT_NAMED: "Look at the cause that is named first.",
        Reason.VICTIM: "Look at the service below that is named; this one recovers with it.",
        **{reason: _LIKELIER for reason in _REASONS.values() if reason is not Reason.CANNOT_TELL},
        Reason.REMOVAL_ODDS: "Decide yourself: the reasons that speak against a removal stand in the detail.",
    },
)
def attribution(context: GuardContext) -> No | None:
    """
    What the attribution says about this action.

    A victim is never touched. For what can be undone, which is an experiment, no other cause may be likelier than the
    pod; what removes it for good needs the odds of ``permits_removal``.
    """
    known = context.attribution
    if known is None:
        return No(Reason.ATTRIBUTION_UNKNOWN, "no attribution has been made yet")
    if not is_finite(known):
        return No(Reason.CANNOT_TELL, "the attribution holds something that is no number")
    pod = context.pod.ref
    mine = next((one for one in known.ranked if one.cause.kind is CauseKind.POD and one.cause.pod == pod), None)
    if mine is None:
        return No(Reason.NOT_NAMED, f"no evidence names this pod; likeliest: {_first_of(known)}")
    culprit = victim_of(known, mine)
    if culprit is not None:
        return No(Reason.VICTIM, f"{percent(mine.inherited)} of its service's trouble comes from {say_cause(culprit)}")
    rival = max((one for one in known.ranked if one is not mine), key=lambda one: one.probability, default=None)
    if rival is not None and rival.probability > mine.probability * _TIE:
        return No(_REASONS[rival.cause.kind], f"{say_cause(rival)} is likelier than {say_cause(mine)}")
    if not actions.of(context.action_kind).reversible:
        permission = permits_removal(known, pod)
        if not permission.allowed:
            return No(Reason.REMOVAL_ODDS, "; ".join(permission.reasons))
    return None


def _first_of(known: Attribution) -> str:
    """The likeliest cause with its probability."""
    return say_cause(known.ranked[0]) if known.ranked else "nobody"


GUARDS = (attribution,)
