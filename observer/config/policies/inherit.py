"""Platform, namespace, workload: which value holds for one workload, and from where."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from observer.config.documents.declarations import changed
from observer.config.documents.declarations import written as as_written
from observer.config.policies.document import Place, Policy, Subject, Value
from observer.config.policies.keys import inherited, parts, paths, section_of, settings
from observer.config.policies.windows import WEEKDAYS, placed
from observer.config.settings.model import Settings
from observer.domain.action import Mode
from observer.domain.ids import WorkloadRef
from observer.domain.policy import EffectivePolicy, StandingHold, TimeWindow
from observer.domain.settings import EngineSettings, Setting

T = TypeVar("T")
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
    known, found = places or {}, dict[str, object]()
    policy = EffectivePolicy.of(settings.engine)
    for path, item in parts():
        value = getattr(policy, item.name)
        inner = section_of(item)
        if inner is not None:
            found |= {f"{path}.{key.name}": getattr(value, key.name) for key in inherited(inner)}
        else:
            found[path] = tuple(sorted(value)) if isinstance(value, frozenset) else value
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
    doubts = tuple(str(tie) for tie in effective.ties) + faults
    holds = tuple(value.value for value in effective.holds)
    holds += tuple(StandingHold(f"policies disagree: {doubt}", math.inf, DOUBT) for doubt in doubts)
    base = EffectivePolicy.of(engine)
    policy = changed(base, {item.name: _value(effective, path, getattr(base, item.name)) for path, item in parts()})
    mode = policy.mode if inside_percent and not doubts else Mode.SHADOW
    return replace(
        policy,
        identity=identity(effective, engine, mode, holds),
        names=effective.policies,
        mode=mode,
        windows=tuple(placed(window, at) for window in policy.windows),
        holds=holds,
    )


def _value(effective: EffectiveValues, path: str, base: object) -> object:
    """What ``EffectivePolicy`` holds at ``path``; ``base`` is what the settings say."""
    if path in effective.values:
        value = effective.values[path].value
        return frozenset(value) if isinstance(base, frozenset) else value
    return section(effective, path, base)


def section(effective: EffectiveValues, prefix: str, base: T) -> T:
    """A section for the workload; what is for the whole cluster stays as ``base``, the settings, says."""
    start = f"{prefix}."
    values = effective.values.items()
    return changed(base, {path[len(start) :]: value.value for path, value in values if path.startswith(start)})


def identity(effective: EffectiveValues, engine: EngineSettings, mode: Mode, holds: tuple[StandingHold, ...]) -> str:
    """Twelve hex digits of everything that changes decisions about the workload; where it stands does not count."""
    values = sorted((path, _spelled(value.value)) for path, value in effective.values.items())
    text = repr(
        (engine.identity, effective.policies, mode.value, values, [(hold.reason, hold.until) for hold in holds])
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _spelled(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_spelled(item) for item in value) + "]"
    if isinstance(value, TimeWindow):
        return f"{sorted(value.days)} {value.begin}-{value.end} {value.zone}"
    return str(getattr(value, "value", value))


def written(path: str, value: object) -> object:
    """The value of ``path`` (``guards.serving_share``) as it would stand in a document: text, number, switch, list."""
    if isinstance(value, StandingHold):
        return value.reason + ("" if value.until == float("inf") else f" (until {_utc(value.until)})")
    if isinstance(value, TimeWindow):
        days = ",".join(WEEKDAYS[day] for day in sorted(value.days))
        return f"{days} {_clock(value.begin)}-{_clock(value.end)} {value.zone}"
    if isinstance(value, tuple):
        return [written(path, item) for item in value]
    known = settings().get(path)
    return as_written(value, known.setting if known is not None else Setting())


def shown(value: object) -> str:
    """What ``written`` gave, in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
