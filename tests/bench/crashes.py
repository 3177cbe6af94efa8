"""
Crashes at any point of an act: nothing is done twice, nothing that was done is forgotten.

One act goes through the daemon's own ``Executor``, a SQLite journal and ``apply_outcome``. At a drawn step (a
statement, a commit, an answer that is on its way) everything in memory is lost; the next start reads the journal, looks
open intents up, and may crash in turn. The steps of a crash inside SQLite itself are tested with killed processes
elsewhere.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Decision, LedgerEntry, Verdict
from observer.domain.errors import DuplicateIntent
from observer.domain.ids import Target
from observer.domain.incident import Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.domain.settings import EngineSettings
from observer.domain.suspect import Culprit, CulpritKind, Symptom
from observer.engine.decide import apply_outcome
from observer.engine.memory import Memory
from observer.engine.remediation.restore import recover
from observer.journal.store import SqlJournal
from observer.runtime.evidence import EvidenceStore
from observer.runtime.execute import Executor
from tests.bench.picture import Picture
from tests.support.fakes import FakeClock, FakeCluster, FakeLease, FakeSwitch

T = TypeVar("T")
STEPS = 18
"""About as many as an act and its recovery have."""
TRIES = 8
BATCH = 40
"""Crash points to a database, so that it stays small."""


class Crash(Exception):
    """The process is gone."""


@dataclass
class Crashes:
    """
    Attributes:
        points: acts that were tried; crashed: how many crashes they went through.
        duplicates: writes of an act that had happened already. lost: acts that happened and of which the ledger, or the
            incident, knows nothing. undone: acts that never happened.
    """

    points: int = 0
    crashed: int = 0
    duplicates: int = 0
    lost: int = 0
    undone: int = 0


@dataclass
class _Fuse:
    """Crashes at the given steps, counted from one; each of them once."""

    deadly: list[int]
    steps: int = 0
    crashed: int = 0

    def step(self, *_: object) -> None:
        self.steps += 1
        if self.deadly and self.steps >= self.deadly[0]:
            self.deadly.pop(0)
            self.steps = 0
            self.crashed += 1
            raise Crash


class Ledgers:
    """
    What a journal promises, in memory: each write happens whole or not at all, with a step before and after it.

    It stands in for SQLite where there are too many points for a real one.
    """

    def __init__(self, fuse: _Fuse) -> None:
        self._fuse = fuse
        self._incidents: dict[str, Incident] = {}
        self._intents: dict[str, Action] = {}
        self._ledger: dict[str, LedgerEntry] = {}

    async def save(self, incident: Incident) -> None:
        self._fuse.step()
        self._incidents[incident.id] = incident

    async def incidents(self) -> list[Incident]:
        return list(self._incidents.values())

    async def intend(self, action: Action, entry: LedgerEntry) -> None:
        self._fuse.step()
        if action.id in self._ledger:
            raise DuplicateIntent(action.id)
        self._intents[action.id], self._ledger[action.id] = action, entry

    async def record_outcome(self, action_id: str, outcome: Outcome, at: float) -> None:
        self._fuse.step()
        if outcome.result is not Result.UNKNOWN:
            self._intents.pop(action_id, None)
            applied = outcome.result is Result.APPLIED
            self._ledger[action_id] = replace(self._ledger[action_id], settled=True, applied=applied)

    async def open_intents(self) -> list[Action]:
        return list(self._intents.values())

    async def ledger(self, since: float) -> list[LedgerEntry]:
        return [entry for entry in self._ledger.values() if entry.at >= since]


class _Journal:
    """The journal; every answer of it is a step too."""

    def __init__(self, inner: SqlJournal | Ledgers, fuse: _Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._inner, name)

        async def stepped(*args: Any, **more: Any) -> Any:
            found = await method(*args, **more)
            self._fuse.step()
            return found

        return stepped


@dataclass
class _Pods:
    """The cluster's side: an act happens once; whoever asks again finds it done."""

    fuse: _Fuse
    done: int = 0
    again: int = 0

    async def apply(self, action: Action) -> Outcome:
        self.fuse.step()
        self.again += self.done
        self.done = 1
        self.fuse.step()
        return Outcome(action.id, Result.APPLIED, "applied")

    async def look_up(self, action: Action) -> Outcome:
        self.fuse.step()
        if self.done:
            return Outcome(action.id, Result.APPLIED, "applied")
        return Outcome(action.id, Result.DEFERRED, "not_applied")


@dataclass
class _Scene:
    """One act, from the suspicion to an incident that knows it was done."""

    journal: SqlJournal | Ledgers
    fuse: _Fuse
    action_kind: ActionKind
    key: str
    folder: Path
    memory: Memory = field(default_factory=Memory)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.settings = replace(EngineSettings(), mode=Mode.ENFORCE)
        self.picture = Picture(1, 4)
        self.pod = self.picture.pods[0].ref
        self.pods = _Pods(self.fuse)
        self.stepped: Any = _Journal(self.journal, self.fuse)

    async def play(self) -> Incident | None:
        """Until the act is done and known; the incident as the last journal has it."""
        started = False
        for _ in range(TRIES):
            try:
                if not started:
                    await self._start()
                started = True
                await self._act()
            except Crash:
                started = False
            if started and self.memory.incidents[self.key].phase is not Phase.SUSPECTED:
                break
            self.clock.at += self.settings.tick
        self.fuse.deadly = []
        return next((one for one in await self.journal.incidents() if one.id == self.key), None)

    def suspected(self) -> Incident:
        culprit = Culprit(CulpritKind.POD, self.pod.namespace, self.pod.name, self.picture.refs[0], self.pod)
        return Incident(
            self.key, self.clock.at, culprit, Symptom.ERRORS, Phase.SUSPECTED, self.clock.at,
            workload=self.picture.pods[0].workload, service=self.picture.refs[0], last_evidence=self.clock.at,
        )  # fmt: skip

    def _executor(self) -> Executor:
        cluster = FakeCluster()
        return Executor(
            actuators={self.action_kind: self.pods},
            cluster=cluster,
            journal=self.stepped,
            lease=FakeLease(),
            switch=FakeSwitch(),
            evidence=EvidenceStore(cluster, self.folder, logs=False, lines=0, max_bytes=0, redact=()),
            clock=self.clock,
            fresh_for=10.0,
        )

    async def _start(self) -> None:
        """As the loop resumes: the journal, open intents, then what the cluster shows."""
        mine = [one for one in await self.stepped.incidents() if one.id == self.key]
        ledger = [one for one in await self.stepped.ledger(0.0) if one.incident == self.key]
        self.memory = Memory.restore(mine, ledger)
        executor = self._executor()
        for action in await self.stepped.open_intents():
            if action.incident == self.key:
                outcome = await executor.look_up(action)
                self._settle(self._decision(action), outcome)
        self.memory, _ = recover(self.memory, self._view(), self.clock.at, self.settings)
        await self._save()

    async def _act(self) -> None:
        """What the ladder would do: nothing, where the act is known to be done."""
        incident = self.memory.incidents[self.key]
        if incident.phase is not Phase.SUSPECTED or self.pod not in self._view().pods:
            return  # nobody suspects a pod that is gone
        action = Action(
            self.action_kind, self.key, Target.of(self.pod), attempt=incident.attempts.get(self.action_kind, 0)
        )
        decision = self._decision(action)
        outcome, _ = await self._executor().carry_out(decision, incident)
        self._settle(decision, outcome)
        await self._save()

    def _settle(self, decision: Decision, outcome: Outcome) -> None:
        self.memory, _ = apply_outcome(self.memory, decision, outcome, self.clock.at, self.settings)

    async def _save(self) -> None:
        await self.stepped.save(self.memory.incidents[self.key])

    def _decision(self, action: Action) -> Decision:
        return Decision(
            f"d-{action.id}", self.clock.at, Kind(self.action_kind.value), Verdict.ACT, str(self.pod), "bench", "",
            self.key, action_kind=self.action_kind, action=action,
        )  # fmt: skip

    def _view(self) -> Any:
        if self.pods.done and self.action_kind is ActionKind.DRAIN and not self.picture.pods[0].drained:
            self.picture.mark(0, self.key)
        if self.pods.done and self.action_kind is ActionKind.EVICT and self.picture.pods[0].ref == self.pod:
            self.picture.replace([0], self.clock.at)
        return self.picture.view(self.clock.at)


def measure(points: int, real: int, *, seed: int) -> tuple[Crashes, Crashes]:
    """
    ``points`` acts over the journal's promise and ``real`` over SQLite, with up to three crashes each at drawn steps.

    Drains and evictions take turns.
    """
    return asyncio.run(_promised(points, random.Random(seed))), asyncio.run(_stored(real, random.Random(seed + 1)))


def row(where: str, found: Crashes) -> str:
    """One printed line."""
    return (
        f"crashes, {where}: {found.points} acts through {found.crashed} crashes: {found.duplicates} done twice, "
        f"{found.lost} forgotten, {found.undone} never done"
    )


async def _promised(points: int, draw: random.Random) -> Crashes:
    found = Crashes()
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(points):
            fuse = _Fuse([])
            await _point(found, Ledgers(fuse), fuse, number, draw, Path(scratch))
    return found


async def _stored(points: int, draw: random.Random) -> Crashes:
    found = Crashes()
    for first in range(0, points, BATCH):
        with tempfile.TemporaryDirectory() as scratch:
            journal = await SqlJournal.open(f"sqlite+aiosqlite:///{scratch}/journal.db")
            fuse = _Fuse([])
            for name in ("after_cursor_execute", "commit"):
                event.listen(journal._engine.sync_engine, name, fuse.step)
            for number in range(first, min(first + BATCH, points)):
                await _point(found, journal, fuse, number, draw, Path(scratch))
            await journal.close()
    return found


async def _point(
    found: Crashes, journal: SqlJournal | Ledgers, fuse: _Fuse, number: int, draw: random.Random, folder: Path
) -> None:
    scene = _Scene(journal, fuse, (ActionKind.DRAIN, ActionKind.EVICT)[number % 2], f"i{number}", folder)
    await journal.save(scene.suspected())
    fuse.deadly = [draw.randint(1, STEPS) for _ in range(draw.randint(1, 3))]
    fuse.steps = fuse.crashed = 0
    incident = await scene.play()
    entries = [one for one in await journal.ledger(0.0) if one.incident == scene.key and one.applied]
    known = incident is not None and incident.phase is not Phase.SUSPECTED
    found.points += 1
    found.crashed += fuse.crashed
    found.duplicates += scene.pods.again
    found.lost += int(bool(scene.pods.done) and (len(entries) != 1 or not known))
    found.undone += int(not scene.pods.done)
