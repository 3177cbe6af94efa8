"""
Episodes of every family of faults on call graphs of 10 and 40 services, through the whole chain.

Each tick goes through ``engine.decide`` in mode enforce; what it decides is carried out in the simulated cluster and
settled. The answer is the blame that the ladder kept when it first reached for a pod; where it never does, what an
alert would ask some time after the fault began. When the fault began is estimated, never told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from observer.domain.action import ActionKind, Mode
from observer.domain.attribution import Attribution, AttributionInputs, Measure, Reading
from observer.domain.counts import FloatArray
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import ServiceRef
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Judgement, Tier
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.evidence import contrast
from observer.engine.attribution.posterior import changes_of, seats_of
from observer.engine.decide import apply_outcome, decide, open_actions
from observer.engine.detect.judge import judge
from observer.engine.detect.tiers import tier_scores
from observer.engine.memory import Memory
from observer.runtime import source_cache
from observer.simulator.mesh.topology import ScrapeSpec
from observer.simulator.scenarios.world import COARSE, World
from tests.bench.attribution.stage import Stage, usual_errors
from tests.bench.delay import Case, bound
from tests.support.call_graphs import call_graph
from tests.support.scenarios import FAMILIES, InjectedFault, Scene, begin, pod_cause, scene_of, tend

TICK: Final = 5.0
WARM: Final = 150.0
_PAST: Final = {"sidecar_down": source_cache.LAG + source_cache.USUAL}
"""Seconds instead, where what is judged needs to know what was usual: as long as the daemon looks back for it."""
ASKED: Final = 90.0
"""Seconds after the fault at which is asked where nobody reached for a pod."""
LASTS: Final = 120.0
AFTERWARDS: Final = 30.0
"""Seconds for which an episode goes on after an eviction."""
SIZES: Final = (*[10] * 11, 40)
"""One in twelve graphs has 40 services."""
CALM: Final = 2.5
"""Seconds of a step while all is well; then ``COARSE``."""
_USUAL: Final = 180.0
_CENTRES: Final = np.array([0.003, 0.012, 0.055, 0.165, 0.5, 2.2, 7.0])
"""Seconds that a request between two cut points is counted as."""
_FEW: Final = 10.0
_HARM: Final = frozenset({ActionKind.DRAIN, ActionKind.EVICT})


@dataclass(frozen=True)
class Act:
    """A drain or an eviction ``after`` seconds of the fault; ``right``: of a pod that may go for it."""

    action_kind: str
    pod: str
    after: float
    right: bool


@dataclass(frozen=True)
class Episode:
    """
    One story and how it ended.

    Attributes:
        culprits: right answers; named: the first three of the ranking with their probabilities.
        asked: seconds after the fault at which blame was asked; onset: estimated begin less the true one, seconds.
        bound: seconds of the culprit's own traffic until the evict tier by the information bound; None where the
            family has no single pod or the bound is of no use (latency).
        acts: drains and evictions in their order.
    """

    family: str
    seed: int
    services: int
    culprits: tuple[str, ...]
    named: tuple[tuple[str, float], ...]
    asked: float
    onset: float
    bound: float | None
    acts: tuple[Act, ...]

    def within(self, k: int) -> bool:
        """A right answer is among the first ``k``."""
        return any(name in self.culprits for name, _ in self.named[:k])

    def first(self, action_kind: ActionKind) -> float | None:
        """Seconds until the first right act of this kind."""
        return next((act.after for act in self.acts if act.right and act.action_kind == action_kind.value), None)


def draw(episodes: int, seed: int, only: Sequence[str] = ()) -> list[tuple[str, int, int]]:
    """``(family, seed, services)`` of each: every family as often, sizes in turn."""
    families = tuple(only) or tuple(FAMILIES)
    chosen = []
    for number in range(episodes):
        turn, family = divmod(number, len(families))
        chosen.append((families[family], seed * 1_000_003 + number, SIZES[(turn + family) % len(SIZES)]))
    return chosen


def play(family: str, seed: int, services: int) -> Episode:
    """One episode, from its seed alone."""
    world = World(call_graph(seed, services=services), seed=seed % 2**32, scrape=ScrapeSpec(interval=TICK), age=7200.0)
    return _Play(Stage(world), family, seed, services).run()


@dataclass
class _Play:
    """One episode while it runs."""

    stage: Stage
    family: str
    seed: int
    services: int
    memory: Memory = field(default_factory=Memory)
    acts: list[Act] = field(default_factory=list)
    answer: tuple[Attribution, float] | None = None
    began: float = math.inf
    injury: InjectedFault | None = None

    def __post_init__(self) -> None:
        self.settings = replace(EngineSettings(), mode=Mode.ENFORCE, tick=TICK)
        self.log = Log(self.stage)

    def run(self) -> Episode:
        world = self.stage.world
        chance = np.random.default_rng([self.seed, 77])
        warm = _PAST.get(self.family, WARM) + float(chance.uniform(0.0, 20.0))
        start = world.mesh.now
        while world.mesh.now < start + warm:
            self._tick()
        self.began = world.mesh.now
        scene = scene_of(world, self.began, chance)
        injury = self.injury = FAMILIES[self.family](scene)
        limit = bound_of(injury, scene, self.log)
        known = frozenset(pod.name for pod in world.mesh.pods.living())
        begin(world, injury)
        until = self.began + LASTS
        while world.mesh.now < until:
            tend(world, injury, known)
            self._tick()
            if any(act.action_kind == ActionKind.EVICT.value for act in self.acts):
                until = min(until, self.began + self.acts[-1].after + AFTERWARDS)
        assert self.answer is not None
        if injury.cold is not None:
            # They did fail while they were cold: to name one of them is right, to remove it is not.
            new = [pod for pod in world.mesh.pods.living() if pod.name not in known]
            injury = replace(injury, culprits=injury.culprits | {pod_cause(pod) for pod in new})
        found, asked = self.answer
        return Episode(
            self.family,
            self.seed,
            self.services,
            tuple(sorted(map(str, injury.culprits))),
            tuple((str(one.cause), round(one.probability, 4)) for one in found.ranked[:3]),
            asked - self.began,
            (found.onset if found.onset is not None else math.nan) - self.began,
            limit,
            tuple(self.acts),
        )

    def _tick(self) -> None:
        step = CALM if self.injury is None else COARSE
        self.stage.world.run(self.stage.world.mesh.now + TICK, step)
        snapshot = self.stage.look(TICK)
        self.log.add(snapshot)
        before = self.memory
        self.memory, decisions = decide(snapshot, before, self.settings)
        acting = [one for one in decisions if one.verdict is Verdict.ACT and one.action is not None]
        due = snapshot.at >= self.began + ASKED or any(one.action_kind in _HARM for one in acting)
        if self.answer is None and self.began < math.inf and due:
            told = [self.memory.incidents[one.incident].attribution for one in acting if one.action_kind in _HARM]
            self.answer = (told and told[0]) or self._asked(snapshot, before), snapshot.at
        for decision in acting:
            self._follow(decision, snapshot.at)
        self.stage.asked, self.stage.watched = self.memory.recheck, self.memory.watch

    def _asked(self, snapshot: Snapshot, before: Memory) -> Attribution:
        """Nobody reached for a pod: what an alert would ask."""
        _, judgement = judge(before.detector, snapshot, self.settings, open_actions(before))
        return attribute(question(self.stage, snapshot, judgement, self.log))

    def _follow(self, decision: Decision, at: float) -> None:
        action = decision.action
        assert action is not None
        if action.action_kind in _HARM:
            right = self.injury is not None and action.pod.name in self.injury.pods
            self.acts.append(Act(action.action_kind.value, str(action.pod), at - min(self.began, at), right))
        outcome = self.stage.obey(action)
        self.memory, _ = apply_outcome(self.memory, decision, outcome, at, self.settings)


class Log:
    """What each service answered in each tick: requests, errors, and those slower than each cut."""

    def __init__(self, stage: Stage) -> None:
        spec = stage.world.spec
        self.entries = sorted({ServiceRef(spec.namespace_of(one.target), one.target) for one in spec.sources})
        self.times: list[float] = []
        self.rows: list[Mapping[ServiceRef, FloatArray]] = []
        self.by_pod: list[Mapping[tuple[str, str], float]] = []
        self._last: Mapping[tuple[str, str], FloatArray] = {}
        self._nothing = np.full(1 + len(_CENTRES), np.nan)

    def add(self, snapshot: Snapshot) -> None:
        frame, view = snapshot.counters, snapshot.cluster
        assert frame is not None
        assert view is not None
        slow = frame.buckets[:, -1:] - frame.buckets[:, :-1]
        table = np.concatenate([frame.requests[:, :2], slow], axis=1)
        now = {pod: row for pod, row in zip(frame.pods, table, strict=True) if not np.isnan(row).any()}
        sums: dict[ServiceRef, FloatArray] = {}
        counts: dict[tuple[str, str], float] = {}
        for name, row in now.items():
            ref = view.by_name.get(name)
            if ref is None or name not in self._last:
                continue
            grown = np.maximum(row - self._last[name], 0.0)
            service = view.pods[ref].service
            sums[service] = sums.get(service, np.zeros(table.shape[1])) + grown
            counts[name] = float(grown[:2].sum())
        self._last = now
        self.times.append(snapshot.at)
        self.rows.append(sums)
        self.by_pod.append(counts)

    def rate(self, pod: str) -> float:
        """Requests a second of one pod over the last minute."""
        lately = self.by_pod[-int(60.0 / TICK) :]
        return sum(count for row in lately for (_, name), count in row.items() if name == pod) / 60.0

    def onset(self, at: float, seconds: float = 120.0) -> float | None:
        """When what the entries answer began to be worse in the last ``seconds``; None when it did not."""
        times = np.array(self.times)
        split = int(np.searchsorted(times, at - seconds))
        found = []
        for entry in self.entries:
            rows = np.array([row.get(entry, self._nothing) for row in self.rows])
            total = np.maximum(rows[:, 0] + rows[:, 1], 1.0)
            for column in range(1, rows.shape[1]):
                share = rows[:, column] / total
                one = contrast(Reading(entry, Measure.ERROR_RATE, share[:split], times[split:], share[split:]))
                if one is not None and one.onset is not None:
                    found.append((one.score, one.onset))
        return max(found)[1] - TICK if found else None

    def readings(self, since: float, at: float) -> tuple[Reading, ...]:
        """Mean seconds of each service, as its latency buckets tell them, and its requests."""
        times = np.array(self.times)
        usual = (times > since - _USUAL) & (times <= since)
        now = (times > since) & (times <= at)
        found = []
        for service in sorted(set().union(*self.rows)):
            rows = np.array([row.get(service, self._nothing) for row in self.rows])
            total = np.maximum(rows[:, 0] + rows[:, 1], 1e-9)
            late = rows[:, 2:] @ np.diff(_CENTRES) / total + _CENTRES[0]
            late[~(rows[:, :2].sum(axis=1) >= _FEW)] = np.nan
            found.append(Reading(service, Measure.LATENCY, late[usual], times[now], late[now], what="mean"))
        return tuple(found)


def question(stage: Stage, snapshot: Snapshot, judgement: Judgement, log: Log) -> AttributionInputs:
    """What would be asked now: calls and traces since the estimated begin, against those of the minutes before."""
    at, view = snapshot.at, snapshot.cluster
    assert view is not None
    onsets = [one.evidence.onset for one in judgement.suspects if at - one.evidence.onset < 2.0 * ASKED]
    told = log.onset(at)
    since = min(onsets or ([told] if told is not None else [at - 60.0]))
    since = min(max(since, at - 2.0 * ASKED), at - 3.0 * TICK)
    return AttributionInputs(
        at=at,
        since=since,
        graph=stage.direct.graph(since, at),
        usual_graph=stage.direct.graph(since - _USUAL, since - TICK),
        traces=stage.direct.traces(since, at, 200),
        usual_traces=stage.direct.traces(since - _USUAL, since - TICK, 300),
        readings=log.readings(since, at),
        judgement=judgement,
        changes=changes_of(view),
        placements=seats_of(view),
    )


def bound_of(injury: InjectedFault, scene: Scene, log: Log) -> float | None:
    """Seconds of the culprit's traffic that the evict tier needs at least; twice that if it is well half the time."""
    if len(injury.pods) != 1 or injury.rate <= 0.0:
        return None
    pod = next(one for one in scene.pods if one.name in injury.pods)
    rate, service = log.rate(pod.name), pod.identity.service
    usual = usual_errors(scene.spec)[service]
    case = Case(scene.size(service), rate, max(usual, 1e-4), min(1.0 - (1.0 - usual) * (1.0 - injury.rate), 0.999))
    if rate <= 0.0:
        return math.inf
    needed = bound(case, tier_scores(EngineSettings())[Tier.EVICT]) / rate
    return needed * (2.0 if injury.family == "flapping" else 1.0)
