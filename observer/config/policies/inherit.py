"""Platform, namespace, workload: which value holds for one workload, and from where."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from observer.config.policies.document import Place, Policy, Subject, Value
from observer.config.policies.keys import FLEET, paths
from observer.config.policies.windows import placed
from observer.config.settings.model import Settings
from observer.domain.action import Mode
from observer.domain.ids import WorkloadRef
from observer.domain.policy import EffectivePolicy, StandingHold, TimeWindow
from observer.domain.settings import EngineSettings, EscalationSettings, GuardSettings, ImpactSettings

BUILT_IN = Place("built in")
DOUBT = "observer"
"""Source of a hold that no person placed: the policies of the workload disagree."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Two policies of equal rank set the same value for one workload."""

    path: str
    one: Value
    other: Value

    def __str__(self) -> str:
        return (
            f"{self.path} is set by {self.one.policy} ({self.one.place}) and by {self.other.policy} "
            f"({self.other.place}), and neither is more specific"
        )


@dataclass(frozen=True, slots=True)
class EffectiveValues:
    """
    What holds for one workload.

    ``values`` has every path of ``keys.paths``; ``holds`` those of every policy that reaches it; ``policies`` are the
    names of the documents, platform first. While there are ``ties`` nothing may be done.
    """

    values: Mapping[str, Value]
    policies: tuple[str, ...] = ()
    holds: tuple[Value, ...] = ()
    ties: tuple[Tie, ...] = ()


def base_values(settings: Settings, places: Mapping[str, Place] | None = None) -> dict[str, Value]:
    """
    What holds without a policy: the settings.

    ``places`` say where the settings file has a key (``escalation.drain_seconds``); what it leaves out is built in.
    """
    engine, known = settings.engine, places or {}
    found: dict[str, Any] = {
        "mode": engine.mode, "percent": 100.0, "objectives": (), "detectors.errors": True, "detectors.latency": True,
        "approvals": (), "windows": (), "alerts": (),
    }  # fmt: skip
    for prefix, section in (
        ("detectors.impact", engine.impact),
        ("escalation", engine.escalation),
        ("guards", engine.guards),
    ):
        for item in fields(section):
            if section is not engine.guards or item.name not in FLEET:
                found[f"{prefix}.{item.name}"] = getattr(section, item.name)
    return {path: Value(found[path], known.get(path.removeprefix("detectors."), BUILT_IN)) for path in paths()}


def resolve(policies: Iterable[Policy], subject: Subject, base: Mapping[str, Value]) -> EffectiveValues:
    """Field by field the most specific policy that reaches ``subject``; the order of ``policies`` does not matter."""
    return layered([policy for policy in policies if policy.selector.matches(subject)], base)


def layered(reaching: Iterable[Policy], base: Mapping[str, Value]) -> EffectiveValues:
    """The same for policies that are known to reach one workload."""
    ordered = sorted(reaching, key=lambda one: (one.rank, one.name, one.place))
    values, ties = dict(base), list[Tie]()
    for path in base:
        setters = [policy for policy in ordered if path in policy.values]
        if not setters:
            continue
        values[path] = setters[-1].values[path]
        rivals = [rival for rival in setters[:-1] if rival.rank == setters[-1].rank]
        ties += [Tie(path, rival.values[path], values[path]) for rival in rivals]
    holds = tuple(policy.values["hold"] for policy in ordered if "hold" in policy.values)
    return EffectiveValues(values, tuple(policy.name for policy in ordered), holds, tuple(ties))


def inside(ref: WorkloadRef, percent: float) -> bool:
    """
    The workload is among the first ``percent`` of all, by a hash of its name: raising the percentage only adds.
    """
    drawn = int.from_bytes(hashlib.sha256(f"{ref.namespace}/{ref.kind}/{ref.name}".encode()).digest()[:4], "big")
    return drawn * 100.0 < percent * 2**32


def applied(
    effective: EffectiveValues, engine: EngineSettings, *, inside_percent: bool, at: float, faults: tuple[str, ...] = ()
) -> EffectivePolicy:
    """
    The engine's form. ``faults`` (ties, values that disagree) put the workload into shadow and hold it: a policy that
    can be read in two ways is unknown, and unknown never acts.
    """
    found = {path: value.value for path, value in effective.values.items()}
    doubts = tuple(str(tie) for tie in effective.ties) + faults
    holds = tuple(value.value for value in effective.holds)
    holds += tuple(StandingHold(f"policies disagree: {doubt}", math.inf, DOUBT) for doubt in doubts)
    mode = found["mode"] if inside_percent and not doubts else Mode.SHADOW
    windows: tuple[TimeWindow, ...] = found["windows"]
    return EffectivePolicy(
        identity=identity(effective, engine, mode, holds),
        names=effective.policies,
        mode=mode,
        errors=found["detectors.errors"],
        latency=found["detectors.latency"],
        objectives=found["objectives"],
        impact=ImpactSettings(**_section(found, "detectors.impact")),
        escalation=escalation_of(effective),
        guards=guards_of(effective, engine),
        approvals=frozenset(found["approvals"]),
        windows=tuple(placed(window, at) for window in windows),
        holds=holds,
        alerts=frozenset(found["alerts"]),
    )


def escalation_of(effective: EffectiveValues) -> EscalationSettings:
    return EscalationSettings(**_section({path: value.value for path, value in effective.values.items()}, "escalation"))


def guards_of(effective: EffectiveValues, engine: EngineSettings) -> GuardSettings:
    """The workload's brakes; those of the whole cluster are the settings'."""
    fleet = {name: getattr(engine.guards, name) for name in FLEET}
    return GuardSettings(**_section({path: value.value for path, value in effective.values.items()}, "guards"), **fleet)


def identity(effective: EffectiveValues, engine: EngineSettings, mode: Mode, holds: tuple[StandingHold, ...]) -> str:
    """Twelve hex digits of everything that changes decisions about the workload; where it stands does not count."""
    values = sorted((path, _spelled(value.value)) for path, value in effective.values.items())
    text = repr((engine.identity, effective.policies, mode.value, values, [(one.reason, one.until) for one in holds]))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _section(found: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    start = f"{prefix}."
    return {path[len(start) :]: value for path, value in found.items() if path.startswith(start)}


def _spelled(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_spelled(item) for item in value) + "]"
    if isinstance(value, TimeWindow):
        return f"{sorted(value.days)} {value.begin}-{value.end} {value.zone}"
    return str(getattr(value, "value", value))
