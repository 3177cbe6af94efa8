"""What belongs to no incident, in words: what cannot be seen, services without an action, frozen workloads, alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from observer.domain.attribution import CauseKind, RankedCause
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.domain.suspect import Suppression
from observer.engine.messages.wording import cause

RECOVERED: Final = "Data is complete again; Observer decides again."
BLIND: Final[Mapping[str, str]] = {
    "prometheus:incomplete": "fewer than 90 % of the scraped pods have fresh counters",
    "clock:went_back": "the clock went back",
}
"""What lies behind a tick that cannot be judged, where no source named a gap."""
FREEZES: Final[Mapping[str, str]] = {
    "worse": "the last action made it worse",
    "refused": "the API server refused the last action; a person must look",
    "useless": "{acts} actions in {hours:.0f} h gained nothing",
}
"""Why a workload is frozen."""
ALERTS: Final[Mapping[str, str]] = {
    "resolved": "{alert} is over; Observer stops looking.",
    "unknown_target": (
        "{alert} names no service, workload or pod of the mesh: give it the labels namespace and service."
    ),
    "not_allowed": "{alert} starts nothing: the policy of {service} does not list it under alerts.",
    "looking": "{alert} fires for {service}: looking at its pods and callers.",
    "found": "{alert}: {found} stands out; see incident {incident}.",
    "inherited": "{alert}: no pod of {service} is the cause, {found} is.",
    "nobody": "{alert}: no pod, revision or node of {service} stands out after {seconds:.0f} s.",
}
"""What is answered to an alert."""


def blind(gaps: Sequence[Gap], why: str) -> str:
    """What cannot be seen, and what follows."""
    if gaps:
        why = "; ".join(f"{gap.source}: {gap.reason}{f' ({gap.detail})' if gap.detail else ''}" for gap in gaps)
    return f"Data incomplete, no actions until it recovers: {BLIND.get(why, why)}."


def suppression(suppressed: Suppression) -> str:
    """Why there is no action behind a service."""
    cause = str(suppressed.cause) if suppressed.cause is not None else ""
    likely = f" Likely cause: {cause}." if cause not in suppressed.detail else ""
    return f"{suppressed.service}: no action, {suppressed.detail} ({suppressed.reason}).{likely}"


def frozen(workload: str, why: str) -> str:
    """A workload on which nothing is done any more."""
    return f"{workload} is frozen, Observer takes no action on it for a while: {why}."


def answer_to_alert(
    answer: str,
    name: str,
    service: ServiceRef | None,
    *,
    found: str = "",
    incident: str = "",
    seconds: float = 0.0,
) -> str:
    """What is answered to an alert, by a key of ``ALERTS``."""
    return ALERTS[answer].format(alert=name, service=service, found=found, incident=incident, seconds=seconds)


def suggestion(ranked: RankedCause, text: str) -> str:
    """What a person could do about a cause that no action on a pod reaches."""
    return f"Suggestion: {text}. Likely cause: {cause(ranked)}."


def advice(ranked: RankedCause, service: ServiceRef | None) -> tuple[str, str] | None:
    """A fixed word, and what to do; None when there is nothing to suggest. ``service``: the incident's."""
    found, name = ranked.cause, f"{ranked.cause.namespace}/{ranked.cause.name}"
    match found.kind:
        case CauseKind.UNKNOWN:
            return None
        case CauseKind.EXTERNAL:
            return "external_dependency", f"look at {found.name}, it is outside the mesh"
        case CauseKind.EDGE:
            return "check_way", f"look at the way {found.service} -> {found.callee}, calls get lost on it"
        case CauseKind.CALLER:
            return "check_caller", f"look at what {found.service} asks of {found.callee}, others are answered well"
        case _ if found.suspected_service not in (None, service) and service is not None:
            return "dependency", f"leave {service} alone and look at {found.suspected_service}, which it depends on"
        case CauseKind.REVISION:
            return "roll_back", f"roll back revision {name}"
        case CauseKind.NODE:
            return "cordon_node", f"cordon and drain node {found.name}"
        case CauseKind.ZONE:
            return "leave_zone", f"move traffic out of zone {found.name}"
        case CauseKind.WORKLOAD:
            return "whole_workload", f"look at {name}, all of its replicas fail alike; replacing a pod does not help"
        case _:
            return None
