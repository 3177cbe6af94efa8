"""Decisions in words: short sentences with the figures, for an engineer who was just woken up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from observer import actions
from observer.domain.action import ActionKind
from observer.domain.decision import Blocked
from observer.domain.incident import Check, Experiment, Incident
from observer.domain.outcome import DrainVerdict, Outcome, Result
from observer.domain.snapshot import Gap
from observer.domain.suspect import CulpritKind, Suppression, Suspect, Symptom, Tier

Needs = Mapping[Tier, float]
"""How much evidence each tier needs."""

RESTORE_REASONS: Mapping[str, str] = {
    "not_dropped": "the callers' errors stayed while it was out of traffic, so it is not the culprit",
    "not_effective": "its traffic did not leave, so the drain tells nothing",
    "cannot_tell": "the experiment could not tell and the drain has expired",
    "expired": "the drain has expired",
    "readmit": "the errors dropped, but they were too few or too brief to evict for; if they return it will be",
    "serving_floor": "too few siblings would go on serving",
    "peer_gone": "a sibling stopped serving, so its capacity is needed",
    "scaled_down": "the workload was scaled down",
    "autoscaler_scaled_down": "an autoscaler takes replicas away",
    "node_draining": "a node beneath the workload is being drained",
    "rollout": "a rollout of the workload began",
    "peers_worse": "its siblings got worse since it was drained",
    "peers_overloaded": "its siblings carry more than they ever carried healthily",
    "orphan": "it carries our drain and no open incident asks for it",
    "mode": "the mode no longer allows a drain",
}


def percent(rate: float) -> str:
    """A share for people: ``31 %``, ``0.2 %``, ``0.04 %``."""
    value = 100.0 * rate
    if value == 0.0:
        return "0 %"
    return f"{value:.0f} %" if value >= 10.0 else f"{value:.1f} %" if value >= 0.1 else f"{value:.2g} %"


def suspicion(suspect: Suspect, needs: Needs) -> str:
    """Who does what, compared with whom, how sure we are and what more is needed."""
    evidence, who = suspect.evidence, name_of(suspect)
    if evidence.symptom is Symptom.UNREACHED:
        return f"{who} is not reached by its callers and its sidecar is silent."
    if evidence.symptom is Symptom.LATENCY:
        what = (
            f"{who} is {evidence.latency_ratio:.1f} times as slow as its siblings at the median "
            f"(+{evidence.latency_excess_ms:.0f} ms)"
        )
        if evidence.cut is not None:
            what += f", {percent(evidence.bad_rate)} of its requests over {evidence.cut:g} ms"
            what += f" against {percent(evidence.peer_bad_rate)}"
    else:
        what = (
            f"{who} fails {percent(evidence.bad_rate)} of its {evidence.requests:.0f} requests, "
            f"its siblings {percent(evidence.peer_bad_rate)} of {evidence.peer_requests:.0f}"
        )
    evidence_score = evidence.acting_score if suspect.tier >= Tier.DRAIN else max(evidence.score, evidence.acting_score)
    return f"{what}; {evidence_text(suspect.tier, evidence_score, needs)}."


def evidence_text(tier: Tier, evidence_score: float, needs: Needs) -> str:
    """``18.4 evidence_score (evict needs 20.0)``."""
    further = [one for one in (Tier.ANNOTATE, Tier.DRAIN, Tier.EVICT) if one > tier and one in needs]
    if further:
        return f"{evidence_score:.1f} nats ({further[0].name.lower()} needs {needs[further[0]]:.1f})"
    return (
        f"{evidence_score:.1f} nats (evict needs {needs[Tier.EVICT]:.1f})"
        if Tier.EVICT in needs
        else f"{evidence_score:.1f} nats"
    )


def name_of(suspect: Suspect) -> str:
    """The culprit as the first word of a sentence."""
    culprit = suspect.culprit
    return culprit.name if culprit.kind is CulpritKind.POD else f"{culprit.kind.value.capitalize()} {culprit.name}"


def blocked(incident: Incident, action_kind: ActionKind, blocked_by: Sequence[Blocked]) -> str:
    """What is not done and every reason."""
    reasons = "; ".join(f"{block.reason}: {block.detail}" for block in blocked_by)
    return f"{incident.culprit.name} would be {actions.of(action_kind).done}, but is not: {reasons}."


def acting(incident: Incident, action_kind: ActionKind, *, would: bool, seconds: float, needs: Needs) -> str:
    """What is done now and why."""
    verb = f"{'Would ' if would else ''}{action_kind.value}"
    figures = (
        f"{percent(incident.p1)} of its requests are bad against {percent(incident.p0)} at its siblings, "
        f"{evidence_text(incident.tier, incident.evidence_score, needs)}"
    )
    if action_kind is ActionKind.DRAIN:
        return f"{verb.capitalize()} {incident.culprit.name} for at most {seconds:.0f} s: {figures}."
    proof = (
        "its callers' errors dropped while it was drained"
        if incident.experiment is not None and incident.experiment.verdict is DrainVerdict.DROPPED
        else "it cannot be drained, the evidence decides alone"
    )
    return f"{verb.capitalize()} {incident.culprit.name}: {proof}; {figures}."


def restoring(name: str, reason: str) -> str:
    """Why a pod gets its traffic back."""
    return f"Give {name} back: {RESTORE_REASONS.get(reason, reason)}."


def drain_effective(incident: Incident, share: float, seconds: float) -> str:
    return (
        f"The traffic of {incident.culprit.name} has left {seconds:.0f} s after the label: it gets {percent(share)} "
        "of its usual requests. Now its callers are watched."
    )


def drain_verdict(incident: Incident, experiment: Experiment, *, hidden: bool = False) -> str:
    """What the experiment found; ``hidden``: the callers are not known to have seen the pod's bad requests before."""
    seen = (
        f"{experiment.bad:.0f} of {experiment.requests:.0f} requests of the callers were bad without "
        f"{incident.culprit.name} (odds {experiment.log_odds:+.1f} nats for a drop of "
        f"{percent(experiment.share * max(experiment.p1 - experiment.p0, 0.0))})"
    )
    match experiment.verdict:
        case DrainVerdict.DROPPED:
            return f"Dropped: {seen}. The errors came from this pod."
        case DrainVerdict.NOT_DROPPED:
            return f"Not dropped: {seen}. The pod is not the culprit; look elsewhere."
        case DrainVerdict.NOT_EFFECTIVE:
            return f"Not effective: {incident.culprit.name} went on getting requests after the label was written."
        case _ if hidden:
            return (
                f"Cannot tell: {seen}, and before the drain the callers are not known to have seen those of "
                f"{incident.culprit.name}: they may ask again and report the last answer only."
            )
        case _:
            return f"Cannot tell: {seen}."


def replaced(incident: Incident, replacement: str, seconds: float) -> str:
    return f"{replacement} took the place of {incident.culprit.name} and is Ready {seconds:.0f} s after the eviction."


def verified(incident: Incident, check: Check, why: str = "") -> str:
    """What the verification found."""
    verdict = check.verdict.value.capitalize()
    if why:
        return f"{verdict}: {why}."
    replacement = check.replacement.name if check.replacement is not None else "the replacement"
    rate = check.bad / check.requests if check.requests else 0.0
    counted = f"{replacement} had {check.bad:.0f} bad of {check.requests:.0f} requests ({percent(rate)})"
    before = f"{incident.culprit.name} had {percent(incident.p1)}, its siblings {percent(incident.p0)}"
    return f"{verdict}: {counted}; {before}."


def outcome(incident: Incident | None, action_kind: ActionKind, answer: Outcome, name: str) -> str:
    """What the API server answered."""
    verb = f"{action_kind.value} of {incident.culprit.name if incident is not None else name}"
    words = {
        Result.APPLIED: "was accepted",
        Result.DEFERRED: "has to wait",
        Result.SUPERSEDED: "is void: that incarnation is gone or somebody was faster",
        Result.REFUSED: "was refused and needs a person",
        Result.UNKNOWN: "got no answer; it is looked up before anything else",
    }
    detail = f" ({answer.reason}{': ' + answer.detail if answer.detail else ''})"
    return f"The {verb} {words[answer.result]}{detail}."


def suppression(one: Suppression) -> str:
    """Why nobody behind a service is removed."""
    blamed = f" Blamed: {one.blamed}." if one.blamed is not None else ""
    return f"Nobody behind {one.service} is removed ({one.reason}): {one.detail}.{blamed}"


def blind(gaps: Sequence[Gap], reason: str) -> str:
    """What cannot be seen."""
    if gaps:
        named = "; ".join(f"{gap.source}: {gap.reason}{f' ({gap.detail})' if gap.detail else ''}" for gap in gaps)
        return f"Observer is blind and touches nothing: {named}."
    return f"Observer is blind and touches nothing: {reason}."
