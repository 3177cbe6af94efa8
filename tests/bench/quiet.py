"""
False acts on services where nobody is sick, in five regimes, and the curve of crossings beside its bound.

Every tick goes through ``engine.decide`` in mode enforce, with all brakes, the drain experiment and the memory; what
it decides is carried out in the world and settled, so that one false act may lead to the next. The control is the
same stream with some sick pods, budgets raised: a chain that acts on nobody would show there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from observer.domain.action import ActionKind, Mode
from observer.domain.counts import FloatArray
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import PodRef
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Tier
from observer.engine.decide import apply_outcome, decide
from observer.engine.memory import Memory
from tests.bench.rivals import RIVALS, Rivals
from tests.bench.world import REGIMES, Fault, Regime, World

SERVICES = 100
SIZE = 10
TICK = 5
LEVELS = (6, 7, 8, 9, 10, 11, 12)
DAY = 86_400.0
SICK = 20
CONTROL_SECONDS = 1500


@dataclass
class Chain:
    """The engine over one world: what it decides is done, and remembered here as rung and pod."""

    world: World
    memory: Memory = field(default_factory=Memory)
    acts: list[tuple[ActionKind, PodRef]] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    settings: EngineSettings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = replace(EngineSettings(), mode=Mode.ENFORCE, tick=float(self.world.tick))

    def tick(self, snapshot: Snapshot) -> None:
        """Decide, obey, settle."""
        self.memory, decisions = decide(snapshot, self.memory, self.settings)
        for decision in decisions:
            self.told[decision.kind] = self.told.get(decision.kind, 0) + 1
            if decision.verdict is Verdict.ACT:
                self._follow(decision, snapshot.at)
        self.world.asked, self.world.watched = self.memory.recheck, self.memory.watch

    def count(self, action_kind: ActionKind) -> int:
        return sum(done is action_kind for done, _ in self.acts)

    def _follow(self, decision: Decision, at: float) -> None:
        if decision.action is None:
            return
        self.acts.append((decision.action.action_kind, decision.action.pod))
        outcome = self.world.obey(decision.action)
        self.memory, _ = apply_outcome(self.memory, decision, outcome, at, self.settings)


@dataclass
class Quiet:
    """
    One regime.

    Attributes:
        drains, evictions: acts that were decided. drain_tier, evict_tier: incidents whose evidence reached that tier.
        suspected: incidents that were told to people. exposure: pod-bins in which a clock ran.
        crossings: by level in nats. rivals: flags by rival.
    """

    regime: str
    pod_days: float
    drains: int = 0
    evictions: int = 0
    drain_tier: int = 0
    evict_tier: int = 0
    suspected: int = 0
    exposure: float = 0.0
    crossings: dict[int, int] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0))
    rivals: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Control:
    """The same chain with ``sick`` sick pods: how many of them were drained and evicted, and acts on others."""

    sick: int
    drained: int
    evicted: int
    acts_on_others: int


def measure(pod_days: float, *, seed: int, say: Callable[[str], None] = print) -> list[Quiet]:
    """``pod_days`` spread evenly over the regimes."""
    seconds = math.ceil(pod_days / len(REGIMES) * DAY / (SERVICES * SIZE) / TICK) * TICK
    out = []
    for number, regime in enumerate(REGIMES):
        found = quiet(regime, seconds, seed + number)
        out.append(found)
        say(row(found))
    say(curve(out))
    return out


def row(found: Quiet) -> str:
    """One printed line."""
    per_day = ", ".join(f"{name} {found.rivals[name] / found.pod_days:.2f}" for name in RIVALS)
    return (
        f"quiet, {found.regime:<14} {found.pod_days:6.1f} pod-days: decided {found.drains} false drains, "
        f"{found.evictions} false evictions; told {found.suspected} suspicions, {found.drain_tier} of them of the "
        f"drain tier, {found.evict_tier} of evict; flags a pod-day of others: {per_day}"
    )


def curve(found: list[Quiet]) -> str:
    """Crossings at each level beside exposure / A, which they may not exceed."""
    exposure = sum(one.exposure for one in found)
    parts = []
    for level in LEVELS:
        crossed = sum(one.crossings[level] for one in found)
        parts.append(f"{level} nats {crossed} of at most {exposure / math.exp(level):.1f}")
    return f"crossings over {exposure:.3g} ticking pod-bins: " + "; ".join(parts)


def quiet(regime: Regime, seconds: int, seed: int, *, services: int = SERVICES) -> Quiet:
    """So many seconds of one regime through the whole chain."""
    chain = Chain(World(regime, services, size=SIZE, tick=TICK, seed=seed))
    out, rivals = Quiet(regime.name, seconds * services * SIZE / DAY), Rivals(services, SIZE, TICK)
    over = np.zeros((services * SIZE, len(LEVELS)), np.bool_)
    effect_sizes = np.array(chain.settings.detection.effect_sizes)
    tiers: dict[str, Tier] = {}
    before: FloatArray | None = None
    for snapshot in chain.world.stream(seconds):
        chain.tick(snapshot)
        tiers |= {key: incident.tier for key, incident in chain.memory.incidents.items()}
        score = chain.memory.detector.errors.evidence.score(effect_sizes)[: services * SIZE, :1]
        now = score >= np.array(LEVELS)
        crossed = (now & ~over).sum(axis=0).tolist()
        out.crossings = {level: out.crossings[level] + new for level, new in zip(LEVELS, crossed, strict=True)}
        over = now
        counts = _requests(snapshot)
        if before is not None:
            grown = np.maximum(counts - before, 0.0).reshape(services, SIZE, 3)
            rivals.judge(grown.sum(axis=2), grown[..., 1])
            out.exposure += float((grown[..., 1].sum(axis=1) > 0).sum() * SIZE)
        before = counts
    out.drains, out.evictions = chain.count(ActionKind.DRAIN), chain.count(ActionKind.EVICT)
    out.suspected = len(tiers)
    out.drain_tier = sum(tier >= Tier.DRAIN for tier in tiers.values())
    out.evict_tier = sum(tier >= Tier.EVICT for tier in tiers.values())
    out.rivals = dict(rivals.flags)
    return out


def control(*, seed: int, services: int = SERVICES) -> Control:
    """Pods that fail a tenth of their requests, in the first regime: they are drained, proven and evicted."""
    world = World(REGIMES[0], services, size=SIZE, tick=TICK, seed=seed, fault=Fault(300, 0.1, SICK))
    sick = {world.refs[number * SIZE] for number in range(SICK)}
    chain = Chain(world)
    guards = replace(chain.settings.guards, namespace_actions=10**6, cluster_actions=10**6)
    chain.settings = replace(chain.settings, guards=guards)
    for snapshot in world.stream(CONTROL_SECONDS):
        chain.tick(snapshot)
    harm = [(action_kind, pod) for action_kind, pod in chain.acts if action_kind is not ActionKind.RESTORE]
    return Control(
        sick=SICK,
        drained=len({pod for action_kind, pod in harm if action_kind is ActionKind.DRAIN and pod in sick}),
        evicted=len({pod for action_kind, pod in harm if action_kind is ActionKind.EVICT and pod in sick}),
        acts_on_others=sum(pod not in sick for _, pod in harm),
    )


def control_row(found: Control) -> str:
    """One printed line."""
    return (
        f"quiet, control: of {found.sick} pods that fail 10 % {found.drained} were drained and {found.evicted} "
        f"evicted; {found.acts_on_others} acts on others"
    )


def _requests(snapshot: Snapshot) -> FloatArray:
    if snapshot.counters is None:
        raise ValueError("the bench's world always has counters")
    return np.nan_to_num(snapshot.counters.requests)
