"""Actions that the policy wants a person to approve."""

from __future__ import annotations

from observer import actions
from observer.domain.action import Action, Mode
from observer.domain.approval import Plan
from observer.domain.incident import Phase
from observer.domain.policy import APPROVAL_SECONDS
from observer.domain.reasons import GuardName, Reason
from observer.domain.suspect import Tier
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard


@guard(
    GuardName.APPROVAL,
    looks_at="approvals of exactly this plan within the last 15 min, and the evidence of this tick",
    setting="`approvals` of the policy",
    advice={
        Reason.APPROVAL_NEEDED: "`observer approve INCIDENT`, or the incident's page; an approval counts for 15 min.",
        Reason.EVIDENCE_WEAKENED: "Nothing: the action is due no more. It is asked for again if the evidence returns.",
    },
)
def approval(context: GuardContext) -> No | None:
    """
    The policy wants a person to approve this action.

    An approval is for one plan: its hash binds incident, target, action, attempt and diff. One that claims to last
    longer than approvals do, or to be given after this picture was taken, is none. The evidence of this picture must
    still reach the tier of its action, and every other guard is asked again all the same.
    """
    if context.action_kind not in context.policy.approvals or context.policy.mode is Mode.SHADOW:
        return None  # in shadow nothing is written, so nobody is asked
    wanted = plan(context).hash
    until = context.snapshot.approvals.get(wanted, 0.0)
    if not context.at < until <= context.at + APPROVAL_SECONDS:
        return No(Reason.APPROVAL_NEEDED, f"a person must approve plan {wanted}")
    needed, standing = actions.of(context.action_kind).tier, _tier(context)
    if standing >= needed:
        return None
    detail = f"approved, but the evidence is now {standing.name.lower()} where {needed.name.lower()} is needed"
    return No(Reason.EVIDENCE_WEAKENED, detail)


def plan(context: GuardContext) -> Plan:
    """The action that would follow, as a person is shown it."""
    spec = actions.of(context.action_kind)
    attempt = context.incident.attempts.get(spec.kind, 0)
    dry_run = context.policy.mode is Mode.DRY_RUN and spec.harmful
    target = spec.targets(context.incident, context.pod)
    action = Action(spec.kind, context.incident.id, target, attempt, dry_run=dry_run)
    return actions.plan_of(action, seconds=context.policy.escalation.drain_seconds)


def _tier(context: GuardContext) -> Tier:
    """What the evidence says now; of a pod that was silent by our own doing, what it said before."""
    silent = context.drained or context.incident.phase is Phase.READMITTED
    return context.incident.tier if silent else context.suspect.tier if context.suspect is not None else Tier.NONE


GUARDS = (approval,)
