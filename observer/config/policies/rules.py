"""What policies say against each other and against what can ever be seen: all of it found before anything is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from observer import actions
from observer.config.documents.durations import format_duration
from observer.config.documents.faults import Fault
from observer.config.policies.document import Level, Policy, Value
from observer.config.policies.inherit import EffectiveValues, layered, section
from observer.config.settings.consistency import RULES
from observer.config.settings.model import Settings
from observer.domain.action import Mode
from observer.domain.settings import EngineSettings, EscalationSettings

Contradiction = tuple[str, str, str]
"""Path, message and hint."""
PEAK_RATE = 50_000.0
"""Requests a second that no single pod behind a sidecar serves: more than this can never be seen."""


def doubles(policies: Iterable[Policy]) -> Iterator[Fault]:
    """A name is a policy's identity in every decision: it must be one document's only."""
    seen: dict[str, Policy] = {}
    for policy in sorted(policies, key=lambda one: (one.own, one.place)):
        if (first := seen.setdefault(policy.name, policy)) is not policy:
            yield policy.place.fault("metadata.name", f"{policy.name} is taken", f"{first.place}")


def ties(policies: Iterable[Policy]) -> Iterator[Fault]:
    """Two documents of equal rank that reach the same workload for certain and set the same value."""
    for one, other in combinations(sorted(policies, key=lambda policy: policy.place), 2):
        if one.rank != other.rank or not one.selector.meets(other.selector):
            continue
        for path in sorted(set(one.values) & set(other.values) - {"hold"}):
            value, first = other.values[path], one.values[path]
            if path == "percent" and first.place == one.values["mode"].place:
                continue  # it only follows from the mode, which is told
            message = f"is set by {one.name}, too, for the same workloads, and neither is more specific"
            yield value.place.fault(f"spec.{path}", message, f"{first.place}")


def unknown_objectives(policies: Iterable[Policy], known: Iterable[str]) -> Iterator[Fault]:
    """Objectives that no OpenSLO document defines."""
    names = sorted(set(known))
    for policy in policies:
        value = policy.values.get("objectives")
        for name in value.value if value is not None else ():
            if value is not None and name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]}?" if near else "no SLO document has this name"
                yield value.place.fault("spec.objectives", f"{name} is not defined", hint)


def disagreements(policies: Iterable[Policy], base: Mapping[str, Value], settings: Settings) -> Iterator[Fault]:
    """Each document over those that reach all that it reaches: what together cannot work."""
    everybody, largest = list(policies), max(settings.prometheus.cuts_ms)
    for policy in everybody:
        above = [other for other in everybody if other.rank < policy.rank and _reaches(other, policy)]
        before = set(contradictions(layered(above, base), settings.engine, largest))
        effective = layered([*above, policy], base)
        for path, message, hint in contradictions(effective, settings.engine, largest):
            if (path, message, hint) not in before:
                yield _fault(policy, effective, path, message, hint)


def unreachable(policies: Iterable[Policy], settings: Settings) -> Iterator[Fault]:
    """Namespaces that Observer never touches, whatever a policy says."""
    refused = {*settings.engine.guards.refused_namespaces, settings.own_namespace}
    for policy in policies:
        for name in sorted(refused & set(policy.selector.namespaces)):
            hint = "guards.refused_namespaces of the settings, and its own"
            yield policy.place.fault("spec.selector.namespaces", f"Observer never acts in {name}", hint)


def _reaches(other: Policy, policy: Policy) -> bool:
    return other.selector.level is Level.PLATFORM or other.selector.covers(policy.selector)


def _fault(policy: Policy, effective: EffectiveValues, path: str, message: str, hint: str) -> Fault:
    """At the policy's own value, else at its value that turned an inherited one senseless."""
    if (own := policy.values.get(path)) is not None:
        return own.place.fault(f"spec.{path}", message, hint)
    near = [value for key, value in policy.values.items() if key.partition(".")[0] == path.partition(".")[0]]
    at = next(iter(near or policy.values.values())).place
    source = effective.values[path].place
    return at.fault(f"spec.{path}", f"{message} (inherited from {source})", hint)


def contradictions(effective: EffectiveValues, engine: EngineSettings, largest_cut: float) -> Iterator[Contradiction]:
    """What cannot work together; ``largest_cut`` in milliseconds."""
    escalation, guards = (
        section(effective, "escalation", engine.escalation),
        section(effective, "guards", engine.guards),
    )
    for found in RULES[EscalationSettings](escalation):
        yield f"escalation.{found.field}", found.message, found.hint
    if guards.backoff_max < guards.backoff_seconds:
        text = format_duration(guards.backoff_seconds)
        yield "guards.backoff_max", f"must be at least backoff_seconds, {text}", ""
    if guards.namespace_actions > guards.cluster_actions:
        limit = f"{guards.cluster_actions} actions of the whole cluster"
        yield "guards.namespace_actions", f"is no limit: it is above the {limit}", "guards.cluster_actions"
    if guards.in_flight_per_workload > guards.namespace_actions:
        limit = f"{guards.namespace_actions} actions of its namespace"
        yield "guards.in_flight_per_workload", f"is no limit: it is above the {limit}", "guards.namespace_actions"
    yield from _never_seen(effective, escalation, largest_cut)
    yield from _never_done(effective, escalation)


def _never_seen(
    effective: EffectiveValues, escalation: EscalationSettings, largest_cut: float
) -> Iterator[Contradiction]:
    for path, wanted, within in (
        ("escalation.verify_requests", escalation.verify_requests, escalation.verify_seconds),
        ("escalation.experiment_requests", escalation.experiment_requests, escalation.drain_seconds),
    ):
        if wanted > PEAK_RATE * within:
            needed = f"{wanted / within:.0f} requests a second for {format_duration(within)}"
            yield (
                path,
                f"can never be reached: one pod would have to serve {needed}",
                f"at most {PEAK_RATE * within:.0f}",
            )
    if effective.values["detectors.latency"].value:
        excess = effective.values["detectors.impact.latency_excess_ms"].value
        if excess >= largest_cut:
            message = f"has no effect: latencies above {largest_cut:g} ms are not distinguished"
            yield "detectors.impact.latency_excess_ms", message, "prometheus.cuts_ms of the settings"
    if effective.values["detectors.errors"].value and effective.values["detectors.impact.error_rate"].value >= 1.0:
        message = "can never be reached: all of its requests would have to fail, and none of its replica peers'"
        yield "detectors.impact.error_rate", message, "0.01 is one request in a hundred"


def _never_done(effective: EffectiveValues, escalation: EscalationSettings) -> Iterator[Contradiction]:
    values = effective.values
    for action_kind in values["approvals"].value:
        if action_kind not in escalation.actions:
            yield (
                "approvals",
                f"{action_kind.value} is not among escalation.actions, so nobody is ever asked",
                "add it there",
            )
    acts = values["mode"].value is not Mode.SHADOW
    if acts and not (values["detectors.errors"].value or values["detectors.latency"].value):
        path = "detectors.latency" if values["detectors.latency"].policy else "detectors.errors"
        yield path, "with both detectors off there is nothing to act on", "write mode: shadow"
    if (
        acts
        and not any(actions.harmful(kind) for kind in escalation.actions)
        and values["mode"].policy == values["escalation.actions"].policy
    ):
        message = "annotate alone never acts, whatever the mode"
        yield "escalation.actions", message, "add drain, or write mode: shadow"
