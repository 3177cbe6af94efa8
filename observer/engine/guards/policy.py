"""What the workload's policy says: detectors that are off, standing holds, windows, and rungs that need a person."""

from __future__ import annotations

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.approval import Plan, plan_of
from observer.domain.decision import Allowed, Blocked
from observer.domain.incident import Phase
from observer.domain.policy import APPROVAL_SECONDS
from observer.domain.suspect import Symptom, Tier
from observer.engine.guards.context import GuardContext


def detector(context: GuardContext) -> Allowed | Blocked:
    """What a detector finds that the policy switched off is told, and nothing follows from it."""
    symptom = context.incident.symptom
    on = {Symptom.ERRORS: context.policy.errors, Symptom.LATENCY: context.policy.latency}.get(symptom, True)
    if not on:
        detail = f"the policy switched {symptom.value} off for {_owner(context)}"
        return Blocked("detector", "detector_off", detail, refused=True)
    return Allowed("detector")


def policy_hold(context: GuardContext) -> Allowed | Blocked:
    """Somebody wrote into a policy that nothing is to be done here, for now or for good."""
    standing = [hold for hold in context.policy.holds if context.at < hold.until]
    if standing:
        detail = "; ".join(f"{hold.reason} ({hold.source})" if hold.source else hold.reason for hold in standing)
        return Blocked("policy_hold", "policy_hold", detail)
    return Allowed("policy_hold")


def window(context: GuardContext) -> Allowed | Blocked:
    """Acting is allowed inside one of the policy's windows only."""
    if context.policy.windows and not any(one.holds_at(context.at) for one in context.policy.windows):
        return Blocked("window", "outside_window", f"outside the windows in which {_owner(context)} may be touched")
    return Allowed("window")


def approval(context: GuardContext) -> Allowed | Blocked:
    """
    The policy wants a person's word for this rung.

    An approval is for one plan: its hash binds incident, incarnation, rung, attempt and diff. One that claims to last
    longer than approvals do, or to be given after this picture was taken, is none. The evidence of this picture must
    still reach the tier of its rung, and every other brake is asked again all the same.
    """
    if context.action_kind not in context.policy.approvals or context.policy.mode is Mode.SHADOW:
        return Allowed("approval")  # in shadow nothing is written, so nobody is asked
    wanted = plan(context).hash
    until = context.snapshot.approvals.get(wanted, 0.0)
    if not context.at < until <= context.at + APPROVAL_SECONDS:
        return Blocked(
            "approval",
            "approval_needed",
            f"a person must approve plan {wanted}",
        )
    needed, found = Tier.EVICT if context.action_kind is ActionKind.EVICT else Tier.DRAIN, _tier(context)
    if found < needed:
        detail = f"approved, but the evidence is now {found.name.lower()} where {needed.name.lower()} is needed"
        return Blocked("approval", "evidence_weakened", detail)
    return Allowed("approval")


def plan(context: GuardContext) -> Plan:
    """The act that would follow, as a person is shown it."""
    attempt, dry_run = context.incident.attempts.get(context.action_kind, 0), context.policy.mode is Mode.DRY_RUN
    action = Action(
        context.action_kind,
        context.incident.id,
        context.pod.ref,
        attempt,
        dry_run=dry_run and context.action_kind is not ActionKind.RESTORE,
    )
    return plan_of(action, seconds=context.policy.escalation.drain_seconds)


def _tier(context: GuardContext) -> Tier:
    """What the evidence says now; of a pod that was silent by our own doing, what it said before."""
    silent = context.drained or context.incident.phase is Phase.READMITTED
    return context.incident.tier if silent else context.suspect.tier if context.suspect is not None else Tier.NONE


def _owner(context: GuardContext) -> str:
    return context.pod.workload.name if context.pod.workload is not None else context.pod.ref.name
