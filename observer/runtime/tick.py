"""The loop: one instant, one snapshot, one pure decision, then acts and records, in this order, under one lock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from observer.config.policies.effective import EffectivePolicyCache
from observer.config.reload import Rules
from observer.domain.action import Action
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import InvariantError, JournalUnavailable
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome
from observer.domain.policy import EffectivePolicies
from observer.domain.slo import Objective
from observer.domain.snapshot import Snapshot
from observer.engine.decide import apply_outcome, decide
from observer.engine.memory import Memory, undisturbed
from observer.engine.remediation.approvals import waiting
from observer.engine.remediation.restore import floor_check, recover
from observer.ports.sources import Clock, Cluster
from observer.ports.stores import Journal
from observer.recording import events
from observer.runtime.collect import Collector, SnapshotRequest
from observer.runtime.dispatcher import Dispatcher
from observer.runtime.execute import Executor, with_outcome
from observer.runtime.inbox import AlertCache, ApprovalCache
from observer.runtime.reload import ReloadState
from observer.runtime.status import LoopStatus

log = structlog.get_logger(__name__)


class Recorder(Protocol):
    """Keeps events; ``after`` is where a new file may begin: what holds once the event has happened."""

    def note(self, event: events.Event, after: events.Began) -> None: ...


class TickListener(Protocol):
    """Hears how a tick goes on (``telemetry.ticks.TickTracer``); instants are Unix seconds, ``at`` the tick's own."""

    def sensed(self, at: float, now: float, gaps: tuple[str, ...]) -> None: ...
    def decided(self, at: float, now: float, decisions: int) -> None: ...
    def ended(self, at: float, now: float) -> None: ...


class Loop:
    """
    Ticks until cancelled. ``state`` is what the page, the CLI and ``/readyz`` may know of it.

    Memory changes only under ``_lock``: the tick and the floor watcher never decide at the same time.
    """

    def __init__(
        self,
        *,
        collector: Collector,
        executor: Executor,
        cluster: Cluster,
        journal: Journal,
        dispatcher: Dispatcher,
        clock: Clock,
        rules: Rules,
        state: LoopStatus,
        recorder: Recorder | None = None,
        alerts: AlertCache | None = None,
        approvals: ApprovalCache | None = None,
        ticks: TickListener | None = None,
    ) -> None:
        self._collector, self._executor, self._cluster = collector, executor, cluster
        self._journal, self.dispatcher, self._clock = journal, dispatcher, clock
        self._settings, self._policies = rules.settings.engine, EffectivePolicyCache(rules.policies)
        self._objectives = rules.objectives
        self._state = state
        self._recorder, self._alerts, self._approvals, self._ticks = recorder, alerts, approvals, ticks
        self._wanted: tuple[tuple[object, object, object], tuple[Objective, ...]] = (None, None, None), ()
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._unsaved: set[str] = set()
        self._ungraded: dict[str, tuple[bool, str]] = {}
        self._halted = ""
        self._in_charge = False
        self._restored = 0.0
        self.memory = Memory.restore((), ())
        cluster.subscribe(self._changed.set)

    def standing(self) -> frozenset[str] | None:
        """Ids of the open incidents; None until this replica leads and has taken over what the journal says."""
        if not self._in_charge:
            return None
        return frozenset(key for key, incident in self.memory.incidents.items() if not incident.closed)

    def wanted(self) -> tuple[Objective, ...]:
        """The objectives that hold now: of the rules in force, for the services that their policies reach."""
        now = self._clock.now()
        view = self._cluster.view(now)
        policies = self._policies.policies(view, now)
        # The book and the mappings of a view are never changed after they were handed out.
        key = (self._objectives, policies, view.by_workload)
        if any(part is not before for part, before in zip(key, self._wanted[0], strict=True)):
            self._wanted = key, self._objectives.wanted(policies, view)
        return self._wanted[1]

    async def restore(self) -> None:
        """
        Load incidents and budgets; must end before the first tick. Raises ``JournalUnavailable``.

        Detectors that followed the ticks since the last time go on, unless somebody wrote labels meanwhile.
        """
        now = self._clock.now()
        since = now - 86_400
        incidents, ledger = await self._journal.incidents(since=since), await self._journal.ledger(since)
        watched = self.memory.ticks > 0 and undisturbed(ledger, self._restored)
        self.memory = Memory.restore(incidents, ledger, self.memory.detector if watched else None)
        self._restored = now
        self._note(events.Restored(now, tuple(incidents), tuple(ledger), watched))

    async def resume(self) -> None:
        """Once the cluster is known and the Lease held: look open intents up, then restore or go on, exactly once."""
        async with self._lock:
            if self.memory.ticks:
                await self.restore()  # another may have acted meanwhile: what the journal says holds
            self._policies.policies(self._cluster.view(self._clock.now()), self._clock.now())
            for action in await self._journal.open_intents():
                outcome = await self._executor.look_up(action)
                log.info(
                    "open_intent_looked_up",
                    action_id=action.id,
                    action_kind=Kind(action.action_kind.value),
                    outcome=outcome.result,
                )
                await self._apply_outcome(_resumed(action, self._clock.now()), outcome)
            await self._recover()

    async def run(self) -> None:
        """Tick for ever; overruns are counted and skipped, never queued."""
        due = self._clock.now()
        was_leader = False
        while True:
            leads = await self._tick_once(was_leader)
            was_leader = leads
            due += self._settings.tick
            if (late := self._clock.now() - due) > 0:
                log.warning("tick_overran", late_s=round(late, 3))
                self._state.overran()
                due = self._clock.now()
            await self._clock.sleep(due - self._clock.now())

    async def adopt(self, rules: Rules | None, state: ReloadState, decision: Decision) -> None:
        """
        New rules between two ticks; None = those in force stay. A drained pod whose mode was taken away is restored
        at once.
        """
        async with self._lock:
            if rules is not None:
                self._settings, self._policies = rules.settings.engine, EffectivePolicyCache(rules.policies)
                self._objectives = rules.objectives
            self._state.reloaded(self._settings, state, rules)
            await self._record(decision)
        self._changed.set()

    async def record_operator_action(self, decision: Decision) -> None:
        """Record what a person did through us; the engine sees what follows from it in its next picture."""
        async with self._lock:
            await self._record(decision)

    async def watch_floor(self) -> None:
        """On every change in the cluster: does a drained pod have to come back at once?"""
        while True:
            await self._changed.wait()
            self._changed.clear()
            async with self._lock:
                if self._drained():
                    await self._floor()

    async def _tick_once(self, was_leader: bool) -> bool:
        at, began = self._clock.now(), self._clock.monotonic()
        question = SnapshotRequest(watch=self.memory.watch, recheck=self.memory.recheck)
        snapshot = await self._collector.snapshot(at, question)
        if self._ticks is not None:
            gaps = tuple(f"{gap.source}:{gap.reason}" for gap in snapshot.gaps)
            self._ticks.sensed(at, self._clock.now(), gaps)
        if snapshot.control.leader and not was_leader:
            await self.resume()
        self._in_charge = snapshot.control.leader
        async with self._lock:
            decisions = await self._decide(snapshot)
            if self._ticks is not None:
                self._ticks.decided(at, self._clock.now(), len(decisions))
            await self._follow(decisions)
            if self._alerts is not None:
                self._alerts.answer(decisions)
            if self._approvals is not None:
                policies = self._policies.policies(None, at)
                self._approvals.wanted(waiting(self.memory, snapshot.cluster, self._settings, policies))
        if self._ticks is not None:
            self._ticks.ended(at, self._clock.now())
        took = self._clock.monotonic() - began
        self._state.ticked(self.memory, snapshot, took, self._halted, self._policies.policies(None, at))
        return snapshot.control.leader

    async def _decide(self, snapshot: Snapshot) -> tuple[Decision, ...]:
        try:
            policies = self._policies.policies(snapshot.cluster, snapshot.at)
            # In a thread: the Lease, watch events and probes must not wait for the judgement of many pods.
            memory, decisions = await asyncio.to_thread(decide, snapshot, self.memory, self._settings, policies)
        except InvariantError as exc:
            # A bug: nothing of this tick may be acted on, and nothing after it until a person looked.
            self._halted = str(exc)
            log.error("invariant_broken", error=str(exc))
            return ()
        if self._halted:
            decisions = tuple(d for d in decisions if d.verdict is not Verdict.ACT)
        else:
            self._adopt(memory)
        self._note(events.Ticked(self._rules(policies), snapshot, decisions, retained=not self._halted))
        return decisions

    async def _floor(self) -> None:
        now = self._clock.now()
        view = self._cluster.view(now)
        policies = self._policies.policies(view, now)
        memory, decisions = floor_check(view, self.memory, self._settings, now, policies)
        self._adopt(memory)
        self._note(events.FloorChecked(self._rules(policies), now, view, decisions))
        await self._follow(decisions)

    async def _recover(self) -> None:
        now = self._clock.now()
        view = self._cluster.view(now)
        policies = self._policies.policies(view, now)
        memory, decisions = recover(self.memory, view, now, self._settings, policies)
        self._adopt(memory)
        self._note(events.Recovered(self._rules(policies), now, view, decisions))
        await self._follow(decisions)

    async def _follow(self, decisions: Sequence[Decision]) -> None:
        """Carry out what says ACT, record everything, save the incidents that changed."""
        for decision in decisions:
            if decision.verdict is Verdict.ACT and decision.action is not None:
                await self._save()
                incident = self.memory.incidents.get(decision.incident)
                outcome, folder = await self._executor.carry_out(decision, incident)
                if folder and incident is not None:
                    self._remember_evidence(decision.incident, folder)
                await self._record(with_outcome(decision, outcome))
                await self._apply_outcome(decision, outcome)
            else:
                await self._record(decision)
        await self._save()

    async def _apply_outcome(self, decision: Decision, outcome: Outcome) -> None:
        now = self._clock.now()
        policies = self._policies.policies(None, now)
        memory, more = apply_outcome(self.memory, decision, outcome, now, self._settings, policies)
        self._adopt(memory)
        self._note(events.Settled(self._rules(policies), now, decision, outcome, more))
        for following in more:
            await self._record(following)

    async def _record(self, decision: Decision) -> None:
        self._state.decided(decision)
        self.dispatcher.publish(decision)
        try:
            await self._journal.record(decision)
        except JournalUnavailable as exc:
            log.error("decision_not_recorded", decision=decision.id, detail=str(exc))
            self._state.unrecorded()

    def _adopt(self, memory: Memory) -> None:
        old = self.memory.incidents
        self._unsaved |= {key for key, incident in memory.incidents.items() if old.get(key) is not incident}
        if memory.ledger is not self.memory.ledger:
            before = {entry.action_id: entry.useful for entry in self.memory.ledger}
            for entry in memory.ledger:
                if entry.useful is not None and before.get(entry.action_id) is not entry.useful:
                    self._ungraded[entry.incident] = (entry.useful, entry.verdict)
        self.memory = memory

    async def _save(self) -> None:
        for key in tuple(self._unsaved):
            incident = self.memory.incidents.get(key)
            with contextlib.suppress(JournalUnavailable):  # stays unsaved and is tried again after the next decision
                if incident is not None:
                    await self._journal.save(incident)
                self._unsaved.discard(key)
        for key, (useful, verdict) in tuple(self._ungraded.items()):
            with contextlib.suppress(JournalUnavailable):
                await self._journal.grade(key, useful=useful, verdict=verdict)
                del self._ungraded[key]

    def _remember_evidence(self, incident: str, folder: str) -> None:
        changed = replace(self.memory.incidents[incident], evidence_at=folder)
        self._adopt(replace(self.memory, incidents={**self.memory.incidents, incident: changed}))
        self._note(events.EvidenceSaved(self._clock.now(), incident, folder))

    def _note(self, event: events.Event) -> None:
        """Record what happened to the memory, after it happened."""
        if self._recorder is not None:
            self._recorder.note(event, events.Began(self._clock.now(), self.memory))

    def _rules(self, policies: EffectivePolicies) -> events.RulesInForce:
        return events.RulesInForce(self._settings, policies)

    def _drained(self) -> bool:
        return any(incident.drain_expires and not incident.closed for incident in self.memory.incidents.values())


def _resumed(action: Action, at: float) -> Decision:
    """The decision that an open intent stood for, as far as it matters for settling it."""
    return Decision(
        id=f"resumed-{action.id}",
        at=at,
        kind=Kind(action.action_kind.value),
        verdict=Verdict.ACT,
        subject=action.target.subject,
        reason="resumed",
        text="An intent from before the restart was looked up.",
        incident=action.incident,
        action_kind=action.action_kind,
        pod=action.target.pod,
        target=action.target,
        action=action,
    )
