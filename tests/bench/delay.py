"""
How long until a gray pod reaches a tier, in requests that it answered, over the information bound.

``bound = phi * max(ln A / information, ln A / (p1 * ln(1 / w)))``; beside it an oracle CUSUM that knows p0 and p1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from observer.domain.counts import FloatArray
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Judgement, Symptom, Tier
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState
from observer.engine.detect.tiers import tier_nats
from tests.bench.world import REGIMES, Fault, World

TICK = 5
WARM = 300
LIMIT = 3600


@dataclass(frozen=True)
class Case:
    """``size`` siblings at ``rate`` requests a second each; one of them fails ``p1`` instead of ``p0``."""

    size: int
    rate: float
    p0: float
    p1: float


CASES = (
    Case(10, 20.0, 0.001, 0.005),
    Case(10, 20.0, 0.001, 0.01),
    Case(5, 5.0, 0.001, 0.02),
    Case(3, 5.0, 0.001, 0.05),
    Case(10, 5.0, 0.001, 0.05),
)


@dataclass(frozen=True)
class Delay:
    """Multiples of the bound (median, 95th percentile), the oracle's, and how many were never found."""

    case: Case
    bound_requests: float
    bound_errors: float
    median: float
    p95: float
    oracle_median: float
    oracle_p95: float
    missed: int


def measure(repeats: int, *, seed: int = 3, say: Callable[[str], None] = print) -> list[Delay]:
    """One line a case; ``repeats`` services each."""
    out = []
    for case in CASES:
        out.append(_one(case, repeats, seed))
        say(row(out[-1]))
    return out


def row(found: Delay) -> str:
    """One printed line."""
    case = found.case
    who = f"K={case.size} {case.rate:g}/s {case.p0:.1%} -> {case.p1:.1%}"
    limit = f"bound {found.bound_requests:.0f} requests ({found.bound_errors:.0f} errors)"
    ours = f"median {found.median:.2f}, p95 {found.p95:.2f} x bound"
    oracle = f"oracle {found.oracle_median:.2f}, {found.oracle_p95:.2f}"
    ratio = found.p95 / found.oracle_p95
    return f"delay to evict, {who}: {limit}; {ours}; {oracle}; p95 {ratio:.2f} x the oracle's; missed {found.missed}"


def bound(case: Case, nats: float) -> float:
    """Requests at the sick pod."""
    mean = (case.p1 + (case.size - 1) * case.p0) / case.size
    information = _divergence(case.p1, mean) + (case.size - 1) * _divergence(case.p0, mean)
    return max(nats / information, nats / (case.p1 * math.log(case.size)))


def _one(case: Case, repeats: int, seed: int) -> Delay:
    settings = EngineSettings(tick=float(TICK))
    needed = tier_nats(settings)[Tier.EVICT]
    regime = replace(REGIMES[0], rate=case.rate, usual=case.p0)
    world = World(regime, repeats, size=case.size, tick=TICK, latency=False, seed=seed, fault=Fault(WARM, case.p1))
    found, oracle = np.full(repeats, np.nan), np.full(repeats, np.nan)
    state, total, before = DetectorState.empty(), np.zeros(repeats), None
    for snapshot in world.stream(WARM + LIMIT):
        state, judgement = judge(state, snapshot, settings)
        world.asked = judgement.recheck
        now = _counts(snapshot, repeats, case.size)
        if before is not None and world.seconds > WARM:
            total = _cusum(total, now - before, case)
            hit = (total >= needed) & np.isnan(oracle)
            oracle[hit] = world.culprit_requests[hit]
        before = now
        if world.seconds > WARM:
            _note(found, judgement, world)
            if not np.isnan(found).any() and not np.isnan(oracle).any():
                break
    limit = bound(case, needed)
    got, known = found[~np.isnan(found)] / limit, oracle[~np.isnan(oracle)] / limit
    return Delay(
        case,
        limit,
        limit * case.p1,
        float(np.percentile(got, 50)),
        float(np.percentile(got, 95)),
        float(np.percentile(known, 50)),
        float(np.percentile(known, 95)),
        int(np.isnan(found).sum()),
    )


def _note(found: FloatArray, judgement: Judgement, world: World) -> None:
    for suspect in judgement.suspects:
        pod, service = suspect.culprit.pod, suspect.culprit.service
        if (
            pod is None
            or service is None
            or suspect.tier < Tier.EVICT
            or suspect.evidence.symptom is not Symptom.ERRORS
        ):
            continue
        number = int(service.name[1:])
        if pod.name.endswith("-00-0") and np.isnan(found[number]):
            found[number] = world.culprit_requests[number]


def _counts(snapshot: Snapshot, repeats: int, size: int) -> FloatArray:
    if snapshot.counters is None:
        raise ValueError("the bench's world always has counters")
    return np.nan_to_num(snapshot.counters.requests.reshape(repeats, size, 3))[:, 0]


def _cusum(total: FloatArray, grown: FloatArray, case: Case) -> FloatArray:
    errors, requests = grown[:, 1], grown.sum(axis=1)
    ratio = errors * math.log(case.p1 / case.p0) + (requests - errors) * math.log((1 - case.p1) / (1 - case.p0))
    return np.maximum(0.0, total) + ratio


def _divergence(one: float, other: float) -> float:
    return one * math.log(one / other) + (1 - one) * math.log((1 - one) / (1 - other))
