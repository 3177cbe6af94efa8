"""
Health policies as the engine knows them: resolved for one workload, with nothing left to inherit.

``config.policies`` reads the documents and keeps file and line of every value; here are values only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from observer.domain.action import ActionKind, Mode
from observer.domain.ids import WorkloadRef
from observer.domain.settings import EngineSettings, EscalationSettings, GuardSettings, ImpactSettings

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

    def holds_at(self, at: float) -> bool:
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
    What holds for one workload.

    Attributes:
        identity: hash of every value; decisions carry it.
        names: the policy documents it came from, platform first.
        mode: after ``percent`` was applied (a workload outside the percentage is in shadow).
        errors, latency: which detectors may lead to more than a note.
        objectives: names of the SLO documents whose projected burn is the impact gate (``Objective.slo``, of those
            whose scope is the culprit's service); empty = ``impact`` holds.
        impact, ladder, guards: as in the settings, with the policy's changes.
        approvals: actions that need a person.
        windows: acting is allowed only inside one of them; empty = always.
        holds: standing holds of every policy that reaches the workload; a more specific one lifts none of them.
        alerts: names of alerts that may start or cancel work here.
    """

    identity: str
    names: tuple[str, ...]
    mode: Mode
    errors: bool = True
    latency: bool = True
    objectives: tuple[str, ...] = ()
    impact: ImpactSettings = field(default_factory=ImpactSettings)
    escalation: EscalationSettings = field(default_factory=EscalationSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    approvals: frozenset[ActionKind] = frozenset()
    windows: tuple[TimeWindow, ...] = ()
    holds: tuple[StandingHold, ...] = ()
    alerts: frozenset[str] = frozenset()

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
