"""
Crashes at any point of an act: nothing is done twice, nothing that was done is forgotten.

One act goes through the daemon's own ``Executor``, a SQLite journal and ``settle``. At a drawn step (a statement, a
commit, an answer that is on its way) everything in memory is lost; the next start reads the journal, looks open intents
up, and may crash in turn. The steps of a crash inside SQLite itself are tested with killed processes elsewhere.
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

from observer.domain.action import Action, Mode, Rung
from observer.domain.decision import Decision, Verdict
from observer.domain.incident import Incident, Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.settings import EngineSettings
from observer.domain.suspect import Culprit, CulpritKind, Symptom
from observer.engine.decide import settle
from observer.engine.ladder import recover
from observer.engine.memory import Memory
from observer.journal.store import SqlJournal
from observer.runtime.evidence import EvidenceKeeper
from observer.runtime.execute import Executor
from tests.bench.picture import Picture
from tests.support.fakes import FakeClock, FakeCluster, FakeLease, FakeSwitch

T = TypeVar("T")
STEPS = 40
"""More than an act and its recovery have."""
TRIES = 6
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


class _Journal:
    """The journal; every answer of it is a step too."""

    def __init__(self, inner: SqlJournal, fuse: _Fuse) -> None:
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

    journal: SqlJournal
    fuse: _Fuse
    rung: Rung
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
        for _ in range(TRIES):
            try:
                await self._start()
                await self._act()
            except Crash:
                self.clock.at += 5.0
                continue
            break
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
            actuators={self.rung: self.pods},
            cluster=cluster,
            journal=self.stepped,
            lease=FakeLease(),
            switch=FakeSwitch(),
            evidence=EvidenceKeeper(cluster, self.folder, logs=False, lines=0, max_bytes=0, redact=()),
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
        if incident.phase is not Phase.SUSPECTED:
            return
        action = Action(self.rung, self.key, self.pod, attempt=incident.attempts.get(self.rung, 0))
        decision = self._decision(action)
        outcome, _ = await self._executor().carry_out(decision, incident)
        self._settle(decision, outcome)
        await self._save()

    def _settle(self, decision: Decision, outcome: Outcome) -> None:
        self.memory, _ = settle(self.memory, decision, outcome, self.clock.at, self.settings)

    async def _save(self) -> None:
        await self.stepped.save(self.memory.incidents[self.key])

    def _decision(self, action: Action) -> Decision:
        return Decision(
            f"d-{action.id}", self.clock.at, self.rung.value, Verdict.ACT, str(self.pod), "bench", "", self.key,
            rung=self.rung, action=action,
        )  # fmt: skip

    def _view(self) -> Any:
        if self.pods.done and self.rung is Rung.DRAIN and not self.picture.pods[0].drained:
            self.picture.mark(0, self.key)
        if self.pods.done and self.rung is Rung.EVICT and self.picture.pods[0].ref == self.pod:
            self.picture.replace([0], self.clock.at)
        return self.picture.view(self.clock.at)


def measure(points: int, *, seed: int) -> Crashes:
    """``points`` acts, drains and evictions in turn, each with up to three crashes at drawn steps."""
    return asyncio.run(_measure(points, random.Random(seed)))


def row(found: Crashes) -> str:
    """One printed line."""
    return (
        f"crashes: {found.points} acts through {found.crashed} crashes: {found.duplicates} done twice, "
        f"{found.lost} forgotten, {found.undone} never done"
    )


async def _measure(points: int, draw: random.Random) -> Crashes:
    found = Crashes()
    for first in range(0, points, BATCH):
        with tempfile.TemporaryDirectory() as scratch:
            await _batch(found, range(first, min(first + BATCH, points)), draw, Path(scratch))
    return found


async def _batch(found: Crashes, numbers: range, draw: random.Random, folder: Path) -> None:
    journal = await SqlJournal.open(f"sqlite+aiosqlite:///{folder / 'journal.db'}")
    fuse = _Fuse([])
    for name in ("after_cursor_execute", "commit"):
        event.listen(journal._engine.sync_engine, name, lambda *_: fuse.step())
    for number in numbers:
        rung = (Rung.DRAIN, Rung.EVICT)[number % 2]
        scene = _Scene(journal, fuse, rung, f"i{number}", folder)
        await journal.save(scene.suspected())
        fuse.deadly = [draw.randint(1, STEPS) for _ in range(draw.randint(1, 3))]
        fuse.steps = fuse.crashed = 0
        incident = await scene.play()
        entries = [one for one in await journal.ledger(0.0) if one.incident == scene.key and one.applied]
        found.points += 1
        found.crashed += fuse.crashed
        found.duplicates += scene.pods.again
        known = incident is not None and incident.phase is not Phase.SUSPECTED
        found.lost += int(bool(scene.pods.done) and (len(entries) != 1 or not known))
        found.undone += int(not scene.pods.done)
    await journal.close()
