"""
Health policies as the engine knows them: resolved for one workload, with nothing left to inherit.

``config.policies`` reads the documents and keeps file and line of every value; here are values only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from observer.domain.action import ActionKind, Mode, approvable
from observer.domain.ids import WorkloadRef
from observer.domain.settings import EngineSettings, EscalationSettings, GuardSettings, ImpactSettings, Setting

APPROVAL_SECONDS: Final = 900.0
"""An approval is for one act on one incarnation in one incident, and for so long."""


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """
    When acting is allowed: weekdays (0 = Monday) and minutes of the local day, ``begin`` inclusive, ``end`` exclusive
    (an ``end`` at or before ``begin`` is on the next day). ``offsets`` are ``(since, seconds east of UTC)`` of the zone
    around the time of loading, ascending: the engine has no zone data.
    """

    days: frozenset[int]
    begin: int
    end: int
    zone: str
    offsets: tuple[tuple[float, float], ...] = ((0.0, 0.0),)

    def open_at(self, at: float) -> bool:
        """``at`` (Unix seconds) lies inside the window."""
        local = at + next((offset for since, offset in reversed(self.offsets) if since <= at), self.offsets[0][1])
        day, second = divmod(local, 86_400.0)
        weekday, minute = (int(day) + 3) % 7, second / 60.0  # the epoch was a Thursday
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        late = weekday in self.days and minute >= self.begin
        return late or ((weekday - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class StandingHold:
    """A person said: do nothing here, until ``until`` (Unix seconds; infinite = until the text is taken out)."""

    reason: str
    until: float = math.inf
    source: str = ""
    """The policy document that places it."""


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """
    What holds for one workload. A field with a ``Setting`` is a key of a health policy, declared here alone.

    Attributes:
        identity: hash of every value; decisions carry it.
        names: the policy documents it came from, platform first.
        mode: after ``percent`` was applied (a workload outside the percentage is in shadow).
        objectives: ``Objective.slo`` of those whose scope is the culprit's service; empty = ``impact`` holds.
        holds: standing holds of every policy that reaches the workload; a more specific one lifts none of them.
    """

    identity: str
    names: tuple[str, ...]
    mode: Annotated[
        Mode, Setting("shadow, dry-run or enforce, as in the settings; enforce acts in on-boarded namespaces only.")
    ]
    percent: Annotated[
        float,
        Setting(
            "mode holds for so many percent of the workloads, by a hash of their names; the others are in shadow.",
            ge=0,
            le=100,
        ),
    ] = 100.0
    objectives: Annotated[
        tuple[str, ...], Setting("Names of the SLO documents whose projected burn says whether users are affected.")
    ] = ()
    errors: Annotated[bool, Setting("Errors may lead to more than a note.", path="detectors.errors")] = True
    latency: Annotated[bool, Setting("Latency may lead to more than a note.", path="detectors.latency")] = True
    impact: Annotated[
        ImpactSettings,
        Setting(
            "When users are affected, without an objective: the thresholds of the settings.", path="detectors.impact"
        ),
    ] = field(default_factory=ImpactSettings)
    escalation: Annotated[EscalationSettings, Setting("The escalation, as in the settings.")] = field(
        default_factory=EscalationSettings
    )
    guards: Annotated[
        GuardSettings, Setting("What the guards allow, as in the settings, but for what is the whole cluster's.")
    ] = field(default_factory=GuardSettings)
    approvals: Annotated[
        frozenset[Annotated[ActionKind, Setting(among=approvable)]],
        Setting("Actions that need a person's approval; one approval is for one action, for 15 minutes."),
    ] = frozenset()
    windows: Annotated[
        tuple[TimeWindow, ...],
        Setting("Acting is allowed inside one of these windows only; empty = always. Restoring always is."),
    ] = ()
    holds: tuple[StandingHold, ...] = ()
    alerts: Annotated[frozenset[str], Setting("Names of alerts that may start or cancel work here.")] = frozenset()

    @classmethod
    def of(cls, settings: EngineSettings) -> EffectivePolicy:
        """What holds where no policy applies: the settings."""
        return cls(
            identity=settings.identity,
            names=(),
            mode=settings.mode,
            impact=settings.impact,
            escalation=settings.escalation,
            guards=settings.guards,
        )


@dataclass(frozen=True, slots=True)
class EffectivePolicies:
    """
    The applied policy of every workload known at one instant. ``identity`` is the hash of all policy and objective
    documents. A workload that is missing has no policy: the settings hold there.
    """

    identity: str = ""
    applied: Mapping[WorkloadRef, EffectivePolicy] = field(default_factory=dict)

    def of(self, workload: WorkloadRef | None, settings: EngineSettings) -> EffectivePolicy:
        """What holds for a workload; the settings where no policy does, and for a pod without a workload."""
        found = self.applied.get(workload) if workload is not None else None
        return found if found is not None else EffectivePolicy.of(settings)


NO_POLICIES: Final = EffectivePolicies()
"""No policy anywhere: the settings hold."""
