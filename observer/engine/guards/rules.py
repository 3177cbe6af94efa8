"""What the workload's policy says: detectors that are off, standing holds, windows, and rungs that need a person."""

from __future__ import annotations

from observer.domain.action import Action, Mode, Rung
from observer.domain.approval import Plan, plan_of
from observer.domain.decision import Allow, Hold
from observer.domain.incident import Phase
from observer.domain.policy import APPROVAL_SECONDS
from observer.domain.suspect import Symptom, Tier
from observer.engine.guards.situation import Situation


def detector(now: Situation) -> Allow | Hold:
    """What a detector finds that the policy switched off is told, and nothing follows from it."""
    symptom = now.incident.symptom
    on = {Symptom.ERRORS: now.policy.errors, Symptom.LATENCY: now.policy.latency}.get(symptom, True)
    if not on:
        detail = f"the policy switched {symptom.value} off for {_owner(now)}"
        return Hold("detector", "detector_off", detail, refused=True)
    return Allow("detector")


def policy_hold(now: Situation) -> Allow | Hold:
    """Somebody wrote into a policy that nothing is to be done here, for now or for good."""
    standing = [hold for hold in now.policy.holds if now.at < hold.until]
    if standing:
        detail = "; ".join(f"{hold.reason} ({hold.source})" if hold.source else hold.reason for hold in standing)
        return Hold("policy_hold", "policy_hold", detail)
    return Allow("policy_hold")


def window(now: Situation) -> Allow | Hold:
    """Acting is allowed inside one of the policy's windows only."""
    if now.policy.windows and not any(one.holds_at(now.at) for one in now.policy.windows):
        return Hold("window", "outside_window", f"outside the windows in which {_owner(now)} may be touched")
    return Allow("window")


def approval(now: Situation) -> Allow | Hold:
    """
    The policy wants a person's word for this rung.

    An approval is for one plan: its hash binds incident, incarnation, rung, attempt and diff. One that claims to last
    longer than approvals do, or to be given after this picture was taken, is none. The evidence of this picture must
    still reach the tier of its rung, and every other brake is asked again all the same.
    """
    if now.rung not in now.policy.approvals or now.policy.mode is Mode.SHADOW:
        return Allow("approval")  # in shadow nothing is written, so nobody is asked
    wanted = plan(now).hash
    until = now.snapshot.approvals.get(wanted, 0.0)
    if not now.at < until <= now.at + APPROVAL_SECONDS:
        return Hold("approval", "approval_needed", f"{now.rung.value} of {now.pod.ref.name} needs approval {wanted}")
    needed, found = Tier.EVICT if now.rung is Rung.EVICT else Tier.DRAIN, _tier(now)
    if found < needed:
        detail = f"approved, but the evidence is now {found.name.lower()} where {needed.name.lower()} is needed"
        return Hold("approval", "evidence_weakened", detail)
    return Allow("approval")


def plan(now: Situation) -> Plan:
    """The act that would follow, as a person is shown it."""
    attempt, dry_run = now.incident.attempts.get(now.rung, 0), now.policy.mode is Mode.DRY_RUN
    action = Action(now.rung, now.incident.id, now.pod.ref, attempt, dry_run=dry_run and now.rung is not Rung.RESTORE)
    return plan_of(action, seconds=now.policy.ladder.drain_seconds)


def _tier(now: Situation) -> Tier:
    """What the evidence says now; of a pod that was silent by our own doing, what it said before."""
    silent = now.drained or now.incident.phase is Phase.READMITTED
    return now.incident.tier if silent else now.suspect.tier if now.suspect is not None else Tier.NONE


def _owner(now: Situation) -> str:
    return now.pod.workload.name if now.pod.workload is not None else now.pod.ref.name
