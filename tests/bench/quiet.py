"""
False acts on services where nobody is sick, in five regimes, and the curve of crossings beside its bound.

A false act is counted before any guard and any drain experiment: a pod that reached the tier with impact. What the
whole chain would do can only be less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from observer.domain.settings import EngineSettings
from observer.domain.suspect import Tier
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState
from tests.bench.rivals import RIVALS, Rivals
from tests.bench.world import REGIMES, Regime, World

SERVICES = 50
SIZE = 10
TICK = 5
LEVELS = (6, 7, 8, 9, 10, 11, 12)
DAY = 86_400.0


@dataclass
class Quiet:
    """One regime: exposure, false acts by tier, crossings by level, flags of the rivals."""

    regime: str
    pod_days: float
    drains: int = 0
    evictions: int = 0
    exposure: float = 0.0
    crossings: dict[int, int] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0))
    rivals: dict[str, int] = field(default_factory=dict)


def measure(pod_days: float, *, seed: int = 11, say: Callable[[str], None] = print) -> list[Quiet]:
    """``pod_days`` spread evenly over the regimes."""
    seconds = int(pod_days / len(REGIMES) * DAY / (SERVICES * SIZE) / TICK) * TICK
    out = []
    for number, regime in enumerate(REGIMES):
        found = _one(regime, seconds, seed + number)
        out.append(found)
        say(row(found))
    say(curve(out))
    return out


def row(found: Quiet) -> str:
    """One printed line."""
    per_day = ", ".join(f"{name} {found.rivals[name] / found.pod_days:.2f}" for name in RIVALS)
    return (
        f"quiet, {found.regime:<14} {found.pod_days:6.1f} pod-days: "
        f"{found.drains} false drains, {found.evictions} false evictions; flags a pod-day of others: {per_day}"
    )


def curve(found: list[Quiet]) -> str:
    """Crossings at each level beside exposure / A, which they may not exceed."""
    exposure = sum(one.exposure for one in found)
    parts = []
    for level in LEVELS:
        crossed = sum(one.crossings[level] for one in found)
        parts.append(f"{level} nats {crossed} of at most {exposure / math.exp(level):.1f}")
    return f"crossings over {exposure:.3g} ticking pod-bins: " + "; ".join(parts)


def _one(regime: Regime, seconds: int, seed: int) -> Quiet:
    settings = EngineSettings(tick=float(TICK))
    world = World(regime, SERVICES, size=SIZE, tick=TICK, latency=False, seed=seed)
    state, out = DetectorState.empty(), Quiet(regime.name, seconds * SERVICES * SIZE / DAY)
    rivals = Rivals(SERVICES, SIZE, TICK)
    tilts = np.array(settings.detection.tilts)
    over: dict[int, set[int]] = {level: set() for level in LEVELS}
    acted: dict[str, Tier] = {}
    before = None
    for snapshot in world.stream(seconds):
        state, judgement = judge(state, snapshot, settings)
        world.asked = judgement.recheck
        for suspect in judgement.suspects:
            if suspect.culprit.pod is not None and suspect.impact and suspect.tier >= Tier.DRAIN:
                known = acted.get(suspect.culprit.pod.uid, Tier.NONE)
                out.drains += int(known < Tier.DRAIN)
                out.evictions += int(known < Tier.EVICT <= suspect.tier)
                acted[suspect.culprit.pod.uid] = max(known, suspect.tier)
        nats = state.errors.evidence.nats(tilts)[: SERVICES * SIZE, 0]
        for level in LEVELS:
            now = {int(i) for i in np.flatnonzero(nats >= level)}
            out.crossings[level] += len(now - over[level])
            over[level] = now
        counts = np.nan_to_num(snapshot.counters.requests) if snapshot.counters is not None else np.zeros((0, 3))
        if before is not None and before.shape == counts.shape:
            grown = np.maximum(counts - before, 0.0).reshape(SERVICES, SIZE, 3)
            rivals.judge(grown.sum(axis=2), grown[..., 1])
            out.exposure += float((grown[..., 1].sum(axis=1) > 0).sum() * SIZE)
        before = counts
    out.rivals = dict(rivals.flags)
    return out
