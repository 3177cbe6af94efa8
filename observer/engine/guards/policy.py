"""What the workload's policy says: detectors that are off, standing holds, windows."""

from __future__ import annotations

from observer.domain.reasons import GuardName, Reason
from observer.domain.suspect import Symptom
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard


@guard(
    GuardName.DETECTOR,
    looks_at="the symptom of the incident",
    setting="`detectors.errors` and `detectors.latency` of the policy",
    advice={Reason.DETECTOR_OFF: "Switch the detector on in the policy if such incidents are to lead to actions."},
)
def detector(context: GuardContext) -> No | None:
    """What a detector finds that the policy switched off is told, and nothing follows from it."""
    symptom = context.incident.symptom
    on = {Symptom.ERRORS: context.policy.errors, Symptom.LATENCY: context.policy.latency}.get(symptom, True)
    if on:
        return None
    return No(Reason.DETECTOR_OFF, f"the policy switched {symptom.value} off for {context.owner}", final=True)


@guard(
    GuardName.POLICY_HOLD,
    looks_at="the standing holds of every policy that reaches the workload; a more specific policy lifts none",
    setting="`hold` of the policy (`reason`, `until`)",
    advice={Reason.POLICY_HOLD: "Act by hand if it cannot wait, or take the hold out of the policy that is named."},
)
def policy_hold(context: GuardContext) -> No | None:
    """Somebody wrote into a policy that nothing is to be done here, for now or for good."""
    standing = [hold for hold in context.policy.holds if context.at < hold.until]
    if not standing:
        return None
    said = (f"{hold.reason} ({hold.source})" if hold.source else hold.reason for hold in standing)
    return No(Reason.POLICY_HOLD, "; ".join(said))


@guard(
    GuardName.WINDOW,
    looks_at="the local time in the zone of each window",
    setting="`windows` of the policy",
    advice={Reason.OUTSIDE_WINDOW: "Wait for the window, or act by hand; the incident stays open."},
)
def window(context: GuardContext) -> No | None:
    """Acting is allowed inside one of the policy's windows only."""
    windows = context.policy.windows
    if not windows or any(one.open_at(context.at) for one in windows):
        return None
    return No(Reason.OUTSIDE_WINDOW, f"outside the windows in which {context.owner} may be touched")


GUARDS = (detector, policy_hold, window)
