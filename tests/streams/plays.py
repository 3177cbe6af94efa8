"""Stories played through the engine: a cluster that obeys, the floor watched in every tick, a restart in some."""

from __future__ import annotations

import json
import lzma
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.attribution import AttributionInputs
from observer.domain.cluster import Pod, ResourceKind
from observer.domain.counts import ServiceBaseline
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.outcome import Outcome, Result
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.engine.decide import apply_outcome, decide, floor_check, recover
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.recording.files import Recording
from observer.recording.replay import replay
from observer.simulator.mesh.faults import pod_errors
from observer.simulator.mesh.topology import ScrapeSpec
from observer.simulator.scenarios.world import COARSE, World
from tests.bench.attribution.episodes import AFTERWARDS, CALM, LASTS, TICK, WARM
from tests.bench.attribution.lab import case
from tests.bench.attribution.stage import Stage
from tests.support.call_graphs import call_graph
from tests.support.recordings import Replay, load
from tests.support.scenarios import FAMILIES, begin, scene_of, tend

Obey = Callable[[Action], Outcome]

DEMO_SEED: Final = 7
DEMO_HISTORY: Final = 600.0
DEMO_CALM: Final = 6.0
DEMO_LASTS: Final = 100.0
DEMO_ERRORS: Final = 0.3
DAY: Final = 86_400.0
_RESTARTED: Final = 3
"""Ticks with a drained pod after which the daemon restarts, in every third story."""


@dataclass
class Player:
    """The daemon's loop without a daemon."""

    settings: EngineSettings
    restarts: bool = False
    memory: Memory = field(default_factory=Memory)
    evicted: float = 0.0
    _drained: int = 0

    def tick(self, snapshot: Snapshot, obey: Obey) -> None:
        """Decide, carry out, watch the floor; ``obey`` takes an action and gives its outcome."""
        self.memory, decisions = decide(snapshot, self.memory, self.settings)
        self._follow(decisions, snapshot.at, obey)
        if snapshot.cluster is None or not self._draining():
            return
        self._drained += 1
        if self.restarts and self._drained == _RESTARTED:
            self.memory = Memory.restore(self.memory.open_incidents(), self.memory.ledger)
            self.memory, decisions = recover(self.memory, snapshot.cluster, snapshot.at, self.settings)
        else:
            self.memory, decisions = floor_check(snapshot.cluster, self.memory, self.settings, snapshot.at)
        self._follow(decisions, snapshot.at, obey)

    def _draining(self) -> bool:
        return any(incident.phase in DRAIN_PHASES for incident in self.memory.open_incidents())

    def _follow(self, decisions: Iterable[Decision], at: float, obey: Obey) -> None:
        for decision in decisions:
            if decision.verdict is Verdict.ACT and decision.action is not None:
                outcome = obey(decision.action)
                if decision.action.action_kind is ActionKind.EVICT:
                    self.evicted = self.evicted or at
                self.memory, _ = apply_outcome(self.memory, decision, outcome, at, self.settings)


def episode(family: str, seed: int, services: int) -> None:
    """A fault of this family in a drawn call graph, until some time after an eviction or after the fault began."""
    world = World(call_graph(seed, services=services), seed=seed % 2**32, scrape=ScrapeSpec(interval=TICK), age=7200.0)
    player = Player(replace(EngineSettings(), mode=Mode.ENFORCE, tick=TICK), restarts=seed % 3 == 0)
    stage = Stage(world)
    chance = np.random.default_rng([seed, 77])
    calm = world.mesh.now + WARM + float(chance.uniform(0.0, 20.0))
    while world.mesh.now < calm:
        _simulated(player, stage, TICK, CALM)
    injury = FAMILIES[family](scene_of(world, world.mesh.now, chance))
    known = frozenset(pod.name for pod in world.mesh.pods.living())
    begin(world, injury)
    until = world.mesh.now + LASTS
    while world.mesh.now < until and not (player.evicted and world.mesh.now > player.evicted + AFTERWARDS):
        tend(world, injury, known)
        _simulated(player, stage, TICK, COARSE)


def demo() -> None:
    """The mesh of ``observer demo`` with its gray pod, in virtual time."""
    world = World(seed=DEMO_SEED, history=DEMO_HISTORY)
    player, stage = Player(replace(EngineSettings(), mode=Mode.ENFORCE, tick=1.0)), Stage(world)
    until = world.mesh.now + DEMO_CALM
    while world.mesh.now < until:
        _simulated(player, stage, 1.0, world.spec.step)
    world.mesh.faults.set(pod_errors(world.pods_of("catalog")[0], DEMO_ERRORS, since=world.mesh.now))
    until = world.mesh.now + DEMO_LASTS
    while world.mesh.now < until:
        _simulated(player, stage, 1.0, world.spec.step)


def _simulated(player: Player, stage: Stage, tick: float, step: float) -> None:
    stage.world.run(stage.world.mesh.now + tick, step)
    player.tick(stage.look(tick), stage.obey)
    stage.asked, stage.watched = player.memory.recheck, player.memory.watch


def recording(name: str, *, mode: Mode, thin: float) -> None:
    """A recording of the laboratory: pods that are drained in it by us show our mark, as the API server would."""
    replay = Replay(load(name), thin=thin)
    player = Player(replace(EngineSettings(), mode=mode, tick=replay.tick), restarts=thin < 1.0)
    marks: dict[PodRef, str] = {}

    def obey(action: Action) -> Outcome:
        if action.action_kind is ActionKind.DRAIN and not action.dry_run:
            marks[action.pod] = json.dumps({"incident": action.incident, "expires": action.expires})
        elif action.action_kind is ActionKind.RESTORE:
            marks.pop(action.pod, None)
        return Outcome(action.id, Result.APPLIED, "applied")

    asked: list[frozenset[ServiceRef]] = [frozenset(), frozenset()]
    asking = case(name).inputs if thin == 1.0 else None
    for snapshot in replay.snapshots(asked):
        player.tick(_completed(snapshot, marks, asking), obey)
        asked[0], asked[1] = player.memory.watch, player.memory.recheck


def _completed(snapshot: Snapshot, marks: dict[PodRef, str], asking: AttributionInputs | None) -> Snapshot:
    """With what the recordings do not hold: our marks, a usual day, and what neighbours say once they are asked."""
    view, at = snapshot.cluster, snapshot.at
    assert view is not None
    pods = {ref: _drained(pod, marks[ref]) if ref in marks else pod for ref, pod in view.pods.items()}
    seen = replace(
        snapshot,
        cluster=replace(view, at=at, fresh=dict.fromkeys(ResourceKind, at), pods=pods),
        baselines={ref: ServiceBaseline(ref, 1e6, 1e3, 1e-3, 1e3, at - DAY, at) for ref in view.by_service},
    )
    if asking is None:
        return seen
    asked = at >= asking.at
    return replace(
        seen,
        edges=asking.graph if asked else None,
        usual_edges=asking.usual_graph if asked else None,
        traces=asking.traces if asked else None,
    )


def _drained(pod: Pod, mark: str) -> Pod:
    labels = {**pod.labels, names.DRAIN_LABEL: names.DRAIN_VALUE}
    return replace(pod, labels=labels, annotations={**pod.annotations, names.DRAIN_ANNOTATION: mark})


def recorded(path: Path) -> None:
    """What the daemon of 0.1.0 recorded of its demo, from the calm to the closed incident."""
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "demo.rec"
        unpacked.write_bytes(lzma.decompress(path.read_bytes()))
        with Recording(unpacked) as recording:
            for _ in replay(recording.events()):
                pass
