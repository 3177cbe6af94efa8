"""What the evidence allows: ceilings, impact, shared causes, pods that were cleared."""

from __future__ import annotations

from observer import actions
from observer.domain.reasons import GuardName, Reason
from observer.domain.suspect import Symptom
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard


@guard(
    GuardName.CEILING,
    looks_at="the tier that the explanation of the evidence allows at most, against the tier that the action needs",
    setting="`detection` in the settings (`young_revision`, `group_margin`)",
    advice={Reason.CEILING: "Look at what the suspicion names beside the pod: a tie is for a person to break."},
)
def ceiling(context: GuardContext) -> No | None:
    """The explanation of the evidence may allow less than its strength: ties with a node, named revisions."""
    if context.incident.symptom is Symptom.UNREACHED:
        return No(Reason.UNREACHED, "its sidecar is silent: what it does cannot be measured")
    if context.incident.ceiling >= actions.of(context.action_kind).tier:
        return None
    reason = context.incident.ceiling_reason or Reason.CEILING
    return No(reason, f"the evidence allows at most {context.incident.ceiling.name.lower()}")


@guard(
    GuardName.IMPACT,
    looks_at="the pod's own excess errors or latency, against its objectives' budgets or the impact settings",
    setting="`objectives` and `detectors.impact` of the policy",
    advice={Reason.NO_IMPACT: "Nothing, if users do not mind; else lower the impact limits or name an objective."},
)
def impact(context: GuardContext) -> No | None:
    """A certain but harmless pod is annotated, not replaced."""
    if context.drained:
        return None  # it passed when it was drained, and drained pods do no harm to measure
    suspect = context.suspect
    if suspect is not None and suspect.impact:
        return None
    why = suspect.impact_reason if suspect is not None else "it is not suspected any more"
    return No(Reason.NO_IMPACT, why or "it hurts too few requests")


@guard(
    GuardName.SUPPRESSED,
    looks_at="what the detectors say about the service as a whole",
    setting="`detection.bad_share` in the settings",
    advice={},
)
def suppressed(context: GuardContext) -> No | None:
    """The judges say that nobody behind this service may be removed."""
    for suppression in context.judgement.suppressions:
        if suppression.service == context.pod.service:
            return No(suppression.reason, suppression.detail)
    return None


@guard(
    GuardName.CLEARED,
    looks_at="the outcome of the pod's last drain, for `escalation.cleared_seconds`",
    setting="`escalation.cleared_seconds` of the policy",
    advice={Reason.CLEARED: "Look elsewhere: the callers' errors stayed while the pod was out of traffic."},
)
def cleared(context: GuardContext) -> No | None:
    """A drain experiment showed that the errors stay without this pod."""
    until = context.memory.cleared.get(context.pod.ref, 0.0)
    if context.at >= until:
        return None
    minutes = (until - context.at) / 60
    return No(Reason.CLEARED, f"a drain showed that the callers' errors stay without it; cleared for {minutes:.0f} min")


GUARDS = (ceiling, impact, suppressed, cleared)
