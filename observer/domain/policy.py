"""
Health policies as the engine knows them: resolved for one workload, with nothing left to inherit.

``config.policies`` reads the documents and keeps file and line of every value; here are values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from observer.domain.action import Mode, Rung
from observer.domain.ids import WorkloadRef
from observer.domain.settings import EngineSettings, GuardSettings, ImpactSettings, LadderSettings


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


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """
    What holds for one workload.

    Attributes:
        identity: hash of every value; decisions carry it.
        names: the policy documents it came from, platform first.
        mode: after ``percent`` was applied (a workload outside the percentage is in shadow).
        errors, latency: which detectors may lead to more than a note.
        objectives: ids of the objectives whose projected burn is the impact gate; empty = ``impact`` holds.
        impact, ladder, guards: as in the settings, with the policy's changes.
        approvals: rungs that need a person.
        windows: acting is allowed only inside one of them; empty = always.
        hold: a standing hold that a policy places, in words; empty = none.
        alerts: names of alerts that may start or cancel work here.
    """

    identity: str
    names: tuple[str, ...]
    mode: Mode
    errors: bool = True
    latency: bool = True
    objectives: tuple[str, ...] = ()
    impact: ImpactSettings = field(default_factory=ImpactSettings)
    ladder: LadderSettings = field(default_factory=LadderSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    approvals: frozenset[Rung] = frozenset()
    windows: tuple[TimeWindow, ...] = ()
    hold: str = ""
    alerts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: EngineSettings) -> AppliedPolicy:
        """What holds where no policy applies: the settings."""
        return cls(
            identity=settings.identity,
            names=(),
            mode=settings.mode,
            impact=settings.impact,
            ladder=settings.ladder,
            guards=settings.guards,
        )


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """
    The applied policy of every workload known at one instant. ``identity`` is the hash of all policy and objective
    documents. A workload that is missing has no policy: the settings hold there.
    """

    identity: str = ""
    applied: Mapping[WorkloadRef, AppliedPolicy] = field(default_factory=dict)
