"""What happens to an incident, in words: who, what, the figure against its limit, what follows, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from observer import actions
from observer.domain.action import Action, ActionKind
from observer.domain.decision import Blocked
from observer.domain.incident import Check, Experiment, Incident
from observer.domain.outcome import DrainVerdict, Outcome, Result, Verification
from observer.domain.reasons import Reason
from observer.domain.suspect import CulpritKind, Suspect, Symptom, Tier
from observer.engine.messages.wording import Needs, evidence, name_of, percent

RESTORE_REASONS: Final[Mapping[str, str]] = {
    Reason.NOT_DROPPED: "the callers' errors went on without it, so it is not the cause",
    Reason.NOT_EFFECTIVE: "its traffic did not leave in time, so the drain shows nothing",
    Reason.CANNOT_TELL: "the drain expired before it could show whether this pod is the cause",
    Reason.EXPIRED: "the drain expired",
    Reason.READMIT: (
        "the errors stopped without it, but they were too few or too brief to evict for; it is evicted if they return"
    ),
    Reason.SERVING_FLOOR: "too few other replicas would keep serving",
    Reason.PEER_GONE: "another replica stopped serving, so its capacity is needed",
    Reason.SCALED_DOWN: "the workload was scaled down",
    Reason.AUTOSCALER_SCALED_DOWN: "an autoscaler is removing replicas",
    Reason.NODE_DRAINING: "a node under this service is being drained",
    Reason.ROLLOUT: "a rollout of the workload began",
    Reason.PEERS_WORSE: "the other replicas got worse after the drain",
    Reason.PEERS_OVERLOADED: "the other replicas carry more than they ever carried healthily",
    Reason.ORPHAN: "it carries Observer's drain label, and no open incident asks for it",
    Reason.MODE: "the mode no longer allows a drain",
}
"""Why a pod gets its traffic back, by reason."""
ENDINGS: Final[Mapping[str, str]] = {
    "gone_before_action": "{pod} is gone. No action was taken.",
    "gone_while_drained": "{pod} is gone while it was drained. Nothing to restore.",
    "gone_after_restore": "{pod} is gone. Observer removed nothing.",
    "faded": "{pod}: no new evidence for {seconds:.0f} s, it ended by itself. No action was taken.",
    "quiet_after_restore": "{pod} serves again without errors, it ended by itself. Nothing was removed.",
    "person_took_it": "A person removed the drain label of {pod}. Observer leaves this pod alone.",
    "drain_expired": "{pod} was restored when its drain expired.",
    "restored_by_person": "A person restored {pod} before its drain expired. Observer leaves this pod alone.",
}
"""How an incident ends, by what happened."""
PAGES: Final[Mapping[str, str]] = {
    "approval": "Approval required: {action} {pod}. Every other guard allows it; {needed}.",
    "blocked_too_long": (
        "{pod} still hurts users and its action has been blocked for {minutes:.0f} min by: {reasons}. Look at it."
    ),
    "held_for_human": (
        "{pod} is the culprit and stays drained for {minutes:.0f} min, so that a person can look at it before it goes."
    ),
}
"""What a person is paged for."""
_VERDICTS: Final[Mapping[Verification, str]] = {
    Verification.FIXED: "Fixed",
    Verification.NO_CHANGE: "No change",
    Verification.WORSE: "Worse",
    Verification.UNKNOWN: "Unknown",
    Verification.PENDING: "Pending",
}


def suspicion(suspect: Suspect, needs: Needs) -> str:
    """Who does what, compared with whom, how sure we are and what more is needed."""
    found, who = suspect.evidence, name_of(suspect)
    others = "the other replicas" if suspect.culprit.kind is CulpritKind.POD else "the rest"
    if found.symptom is Symptom.UNREACHED:
        return f"{who}: its callers do not reach it, and its sidecar reports nothing."
    if found.symptom is Symptom.LATENCY:
        what = (
            f"{who} is {found.latency_ratio:.1f} times as slow as {others} at the median "
            f"(+{found.latency_excess_ms:.0f} ms)"
        )
        if found.cut is not None:
            what += f"; {percent(found.bad_rate)} of its requests take over {found.cut:g} ms"
            what += f", {percent(found.peer_bad_rate)} of theirs"
    else:
        what = (
            f"{who} fails {percent(found.bad_rate)} of its {found.requests:.0f} requests, "
            f"{others} {percent(found.peer_bad_rate)} of {found.peer_requests:.0f}"
        )
    score = found.acting_score if suspect.tier >= Tier.DRAIN else max(found.score, found.acting_score)
    return f"{what}; {evidence(suspect.tier, score, needs)}."


def blocked(incident: Incident, action_kind: ActionKind, blocked_by: Sequence[Blocked]) -> str:
    """What is not done, and every reason."""
    reasons = "; ".join(f"{answer.detail} ({answer.reason})" for answer in blocked_by)
    return f"{incident.culprit.name} is not {actions.of(action_kind).done}: {reasons}."


def acting(incident: Incident, action_kind: ActionKind, *, would: bool, seconds: float, needs: Needs) -> str:
    """What is done now and why."""
    name, verb = incident.culprit.name, actions.of(action_kind).doing
    verb = f"Would {action_kind.value}" if would else verb
    bad = "are slow" if incident.symptom is Symptom.LATENCY else "fail"
    figures = (
        f"{percent(incident.p1)} of its requests {bad}, {percent(incident.p0)} at the other replicas; "
        f"{evidence(incident.tier, incident.evidence_score, needs)}"
    )
    if actions.of(action_kind).runs:
        return f"{verb} {name} for at most {seconds:.0f} s: {figures}."
    proof = (
        "its callers' errors dropped while it was drained"
        if incident.experiment is not None and incident.experiment.verdict is DrainVerdict.DROPPED
        else "it cannot be drained, so the evidence alone decides"
    )
    return f"{verb} {name}: {proof}; {figures}."


def look_up(name: str, action_kind: ActionKind) -> str:
    """An act that got no answer is asked for again."""
    return f"No answer yet to the {actions.of(action_kind).noun} of {name}: looking up what came of it."


def restoring(name: str, reason: str) -> str:
    """Why a pod gets its traffic back."""
    return f"Restoring {name}: {RESTORE_REASONS.get(reason, reason)}."


def restored(name: str, reason: str) -> str:
    """The pod has its traffic back, and the incident is over."""
    return f"{name} is restored: {RESTORE_REASONS.get(reason, reason)}."


def resumed(name: str) -> str:
    """A drain that was found after a restart."""
    return f"{name} was drained just before Observer stopped. The experiment goes on."


def drain_effective(incident: Incident, share: float, seconds: float) -> str:
    """The traffic has left, and what follows."""
    return (
        f"Traffic left {incident.culprit.name} {seconds:.0f} s after the label: it gets {percent(share)} of its usual "
        "requests. Next: do its callers' errors drop?"
    )


def drain_verdict(incident: Incident, experiment: Experiment, *, hidden: bool = False) -> str:
    """What the experiment found; ``hidden``: the callers are not known to have seen the pod's bad requests before."""
    name, bad = incident.culprit.name, "were slow" if experiment.cut >= 0 else "failed"
    drop = percent(experiment.share * max(experiment.p1 - experiment.p0, 0.0))
    figures = f"{experiment.bad:.0f} of {experiment.requests:.0f} caller requests {bad} without {name}"
    match experiment.verdict:
        case DrainVerdict.DROPPED:
            return f"Confirmed: {figures} (a {drop} drop was expected). The errors come from this pod."
        case DrainVerdict.NOT_DROPPED:
            return f"Not the cause: {figures}, and a {drop} drop was expected. Look elsewhere."
        case DrainVerdict.NOT_EFFECTIVE:
            return f"No effect: {name} went on getting requests after the drain label was written."
        case _ if hidden:
            return f"Undecided: {figures}, but callers that retry may have hidden its errors before the drain too."
        case _:
            return f"Undecided: {figures}, too few to tell whether it is the cause (a {drop} drop was expected)."


def evict_not_allowed(name: str) -> str:
    """The culprit is proven, and the policy ends here."""
    return f"{name} stays drained until the drain expires: the policy's actions do not include evict."


def replaced(incident: Incident, replacement: str, seconds: float) -> str:
    """Another pod took the culprit's place, and what follows."""
    return (
        f"{replacement} replaced {incident.culprit.name} and was Ready {seconds:.0f} s after the eviction. "
        "Next: is the symptom gone?"
    )


def verified(incident: Incident, check: Check, why: str = "") -> str:
    """What the verification found."""
    verdict = _VERDICTS[check.verdict]
    if why:
        return f"{verdict}: {why}."
    name = check.replacement.name if check.replacement is not None else "the replacement"
    bad = "were slow" if incident.cut >= 0 else "failed"
    counted = f"{check.bad:.0f} of {check.requests:.0f} requests to {name} {bad}"
    if check.requests:
        counted += f" ({percent(check.bad / check.requests)})"
    before = f"{percent(incident.p1)} at {incident.culprit.name} before"
    return f"{verdict}: {counted}; {before}, {percent(incident.p0)} at the other replicas."


def still_there(name: str, seconds: float) -> str:
    """An eviction that was accepted and did not happen."""
    return f"{name} is still there {seconds:.0f} s after its eviction was accepted"


def scaled_down() -> str:
    """Nobody replaces the pod, and nobody has to."""
    return "the workload was scaled down, so nothing replaced the pod"


def not_ready(name: str, waiting: str, seconds: float) -> str:
    """The replacement does not serve; ``waiting`` is what Kubernetes says about its containers."""
    state = f"{name} is not Ready" if name else "no replacement exists"
    return f"{state}{f' ({waiting})' if waiting else ''} {seconds:.0f} s after the eviction"


def replacement_gone() -> str:
    """It cannot be judged any more."""
    return "the replacement is gone before it could be judged"


def not_ready_for_long(name: str) -> str:
    """It was Ready, and is not."""
    return f"{name} did not stay Ready"


def too_few_requests(name: str, requests: float, seconds: float) -> str:
    """It cannot be judged yet, and the time is over."""
    return f"{name} had only {requests:.0f} requests in {seconds:.0f} s"


def worse_elsewhere(who: str, what: str, since: tuple[float, float], before: tuple[float, float]) -> str:
    """Peers or callers got worse; ``since`` and ``before`` are ``(bad rate, requests)``."""
    whom = "the other replicas" if who == "peers" else "its callers"
    return (
        f"{whom} {what} {percent(since[0])} of {since[1]:.0f} requests since the eviction, "
        f"{percent(before[0])} of {before[1]:.0f} before"
    )


def finished(name: str, verdict: Verification, seconds: float) -> str:
    """The incident is over, and how long it took."""
    return f"{name}: {_VERDICTS[verdict].lower()}, {seconds:.0f} s after it was first suspected."


def ended(what: str, pod: str, seconds: float = 0.0) -> str:
    """How an incident ended, by a key of ``ENDINGS``."""
    return ENDINGS[what].format(pod=pod, seconds=seconds)


def approval(pod: str, action_kind: ActionKind, needed: str) -> str:
    """A person's word is all that is missing."""
    return PAGES["approval"].format(pod=pod, action=action_kind.value, needed=needed)


def blocked_too_long(pod: str, seconds: float, reasons: Sequence[str]) -> str:
    """Guards block for longer than the policy bears."""
    return PAGES["blocked_too_long"].format(pod=pod, minutes=seconds / 60.0, reasons=", ".join(reasons))


def held_for_human(pod: str, seconds: float) -> str:
    """The drained culprit is kept for a person."""
    return PAGES["held_for_human"].format(pod=pod, minutes=seconds / 60.0)


def regraded(evicted: str, pod: str, seconds: float) -> str:
    """An eviction turns out to have been useless."""
    return (
        f"The eviction of {evicted} did not help: {pod} shows the same symptom {seconds / 60.0:.0f} min later. "
        "It is the traffic, not the pod."
    )


def outcome(incident: Incident | None, action_kind: ActionKind, answer: Outcome, name: str) -> str:
    """What the API server answered, and what follows."""
    act = f"the {actions.of(action_kind).noun} of {incident.culprit.name if incident is not None else name}"
    why = f"{answer.reason}{': ' + answer.detail if answer.detail else ''}"
    match answer.result:
        case Result.APPLIED:
            text = f"{act} was accepted ({why})"
        case Result.DEFERRED:
            text = f"{act} waits and is tried again ({why})"
        case Result.SUPERSEDED:
            text = f"{act} no longer applies: the pod changed ({why})"
        case Result.REFUSED:
            follows = "until then the workload is frozen" if actions.harmful(action_kind) else "it is tried again"
            text = f"{act} was refused ({why}); a person must look, {follows}"
        case Result.UNKNOWN:
            text = f"{act} got no answer ({why}); it is looked up before anything else"
    return f"{text[0].upper()}{text[1:]}."


def done(action: Action) -> str:
    """An action was carried out that nothing follows in its incident."""
    what = f"{action.target.name} was {actions.of(action.action_kind).done}"
    return f"{what} ({action.target.kind.value}); what goes on is a new incident."
