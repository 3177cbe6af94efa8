"""What the outside may know of the loop: the last tick, readiness, standing suspects. Read by page, CLI and probes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from observer.config.policies.effective import doubts, modes
from observer.config.reload import Rules
from observer.domain.action import Mode
from observer.domain.circuit import Circuit
from observer.domain.decision import Decision
from observer.domain.incident import Incident
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Gap, Snapshot
from observer.engine.memory import Memory
from observer.ports.sources import Clock
from observer.runtime.reload import ReloadState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TickResult:
    """
    One tick after its end.

    Attributes:
        number: ticks that have ended; complete: those that saw enough to act on.
        took: seconds from the first question to the last record.
        recent: the newest decisions of this process, oldest first.
        rules: settings, policies and objectives in force; None where nobody told them.
        circuits: of the sources that have one.
        halted: the broken invariant, empty when none.
    """

    number: int
    complete: int
    took: float
    memory: Memory
    snapshot: Snapshot
    settings: EngineSettings
    policies: EffectivePolicies
    recent: tuple[Decision, ...] = ()
    rules: Rules | None = None
    reload: ReloadState = field(default_factory=ReloadState)
    circuits: Mapping[str, Circuit] = field(default_factory=dict)
    halted: str = ""

    @property
    def at(self) -> float:
        """The instant of the tick, Unix seconds."""
        return self.snapshot.at


class LoopMetrics(Protocol):
    """The self metrics that the loop feeds (``telemetry.metrics.SelfMetrics``)."""

    def tick(self, duration: float, *, complete: bool) -> None: ...
    def gap(self, source: str, reason: str) -> None: ...
    def decision(self, kind: str, verdict: str) -> None: ...
    def action(self, action_kind: str, result: str) -> None: ...
    def verification(self, verdict: str) -> None: ...
    def reload(self, *, ok: bool) -> None: ...
    def policies(self, workloads: Mapping[str, int]) -> None: ...
    def circuit(self, source: str, state: str) -> None: ...
    def standing(self, *, suspects: int, blocked: int, drained: int, leader: bool, paused: bool) -> None: ...
    def looked(self, at: float, *, readable: bool) -> None: ...
    def overran(self) -> None: ...
    def unrecorded(self) -> None: ...


class LoopStatus:
    """Keeps the newest facts about the loop and counts them; ``circuits`` tells those of the sources that have one."""

    def __init__(
        self,
        settings: EngineSettings,
        clock: Clock,
        metrics: LoopMetrics,
        *,
        circuits: Callable[[], Mapping[str, Circuit]] = dict,
        rules: Rules | None = None,
    ) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._circuits, self._rules = circuits, rules
        self._gaps: tuple[Gap, ...] = ()
        self._halted = ""
        self._last = 0.0
        self._control: tuple[bool, str, bool, int] = (True, "starting", False, 0)
        self._complete = False
        self._incidents: tuple[Incident, ...] = ()
        self._ticks = self._complete_ticks = 0
        self._reload, self._policies = ReloadState(), EffectivePolicies()
        self._doubts: dict[str, str] = {}
        self._changed: list[Callable[[], None]] = []
        self.recent: deque[Decision] = deque(maxlen=500)
        self.result: TickResult | None = None
        """The last tick; None before the first one has ended."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """``changed`` is called after every tick, and must return at once."""
        self._changed.append(changed)

    def ticked(
        self,
        memory: Memory,
        snapshot: Snapshot,
        duration: float,
        halted: str,
        policies: EffectivePolicies = NO_POLICIES,
    ) -> None:
        """Called after every tick."""
        self._ruled(policies)
        self._ticks += 1
        self._complete = memory.complete
        self._complete_ticks += int(memory.complete)
        self._metrics.tick(duration, complete=memory.complete)
        self._publish_gaps(snapshot.gaps)
        self._halted, self._last = halted, snapshot.at
        control = snapshot.control
        self._control = (control.paused, control.reason, control.leader, control.term)
        self._incidents = tuple(i for i in memory.incidents.values() if not i.closed)
        self._metrics.standing(
            suspects=len(self._incidents),
            blocked=sum(len(i.blocked) for i in self._incidents),
            drained=sum(1 for i in self._incidents if i.drain_expires),
            leader=control.leader,
            paused=control.paused,
        )
        self._metrics.looked(snapshot.at, readable=control.readable)
        for source, circuit in self._circuits().items():
            self._metrics.circuit(source, circuit.state.value)
        log.info(
            "tick_completed",
            tick=self._ticks,
            at=round(snapshot.at, 3),
            complete=memory.complete,
            duration_s=round(duration, 4),
            gaps=[f"{gap.source}:{gap.reason}" for gap in snapshot.gaps],
            incidents=len(self._incidents),
        )
        self._show(memory, snapshot, duration, policies)

    def reloaded(self, settings: EngineSettings, state: ReloadState, rules: Rules | None = None) -> None:
        """
        Called after every try to take edited files into force; ``settings`` are those in force now, ``rules`` new ones.
        """
        self._settings, self._reload = settings, state
        self._rules = rules or self._rules
        self._metrics.reload(ok=state.ok)

    def overran(self) -> None:
        """Called when a tick began later than it was due."""
        self._metrics.overran()

    def unrecorded(self) -> None:
        """Called for every decision that the journal did not keep."""
        self._metrics.unrecorded()

    def decided(self, decision: Decision) -> None:
        """Called for every decision."""
        self.recent.append(decision)
        self._metrics.decision(decision.kind, decision.verdict.value)
        if decision.outcome is not None and decision.action_kind is not None:
            self._metrics.action(decision.action_kind.value, decision.outcome.result.value)
        if decision.kind == "verified":
            self._metrics.verification(decision.reason)
        log.info(
            "decided",
            kind=decision.kind,
            verdict=decision.verdict.value,
            subject=decision.subject,
            reason=decision.reason,
            text=decision.text,
            incident=decision.incident,
            decision=decision.id,
        )

    def ready(self) -> tuple[bool, str]:
        """Ready = a tick ended lately; a standby that cannot act is ready too, a halted one is not."""
        if self._halted:
            return False, f"halted after a broken invariant: {self._halted}"
        if not self._last:
            return False, "no tick has ended yet"
        age = self._clock.now() - self._last
        limit = max(6 * self._settings.tick, 30.0)
        return age <= limit, f"last tick {age:.0f} s ago"

    @property
    def settings(self) -> EngineSettings:
        """Those in force now."""
        return self._settings

    @property
    def reload(self) -> ReloadState:
        """The last try to take edited files into force."""
        return self._reload

    def circuits(self) -> Mapping[str, Circuit]:
        """Those of the sources that have one."""
        return self._circuits()

    def _show(self, memory: Memory, snapshot: Snapshot, took: float, policies: EffectivePolicies) -> None:
        self.result = TickResult(
            number=self._ticks,
            complete=self._complete_ticks,
            took=took,
            memory=memory,
            snapshot=snapshot,
            settings=self._settings,
            policies=policies,
            recent=tuple(self.recent),
            rules=self._rules,
            reload=self._reload,
            circuits=dict(self._circuits()),
            halted=self._halted,
        )
        for changed in self._changed:
            changed()

    def _ruled(self, policies: EffectivePolicies) -> None:
        if policies is self._policies:
            return
        conflicts = doubts(policies)
        for workload in sorted(conflicts.keys() - self._doubts.keys()):
            log.warning("policies_conflicted", workload=workload, detail=conflicts[workload])
        self._policies, self._doubts = policies, conflicts
        self._metrics.policies(dict.fromkeys((mode.value for mode in Mode), 0) | modes(policies))

    def _publish_gaps(self, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            self._metrics.gap(gap.source, gap.reason)
        before, now = {(g.source, g.reason) for g in self._gaps}, {(g.source, g.reason) for g in gaps}
        for gap in gaps:
            if (gap.source, gap.reason) not in before:
                log.warning("source_failed", source=gap.source, reason=gap.reason, detail=gap.detail)
        for source, reason in before - now:
            log.info("source_recovered", source=source, reason=reason)
        self._gaps = gaps
