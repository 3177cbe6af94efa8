"""
How long until a gray pod reaches a tier, in requests that it answered, over the information bound.

``bound = phi * max(ln A / information, ln A / (p1 * ln(1 / w)))``. Beside it two oracles that know both error rates:
one takes the sick pod's own errors against the healthy rate, which a storm that hits all siblings alike would fool;
the other sees, as the detector does, only how a bin's errors fall on the siblings, and is the best that can be had so.
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
from observer.engine.detect.hypergeometric import ln_mgf
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState
from observer.engine.detect.tiers import tier_scores
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
    """
    Multiples of the bound (median, 95th percentile), the oracles', and how many were never found.

    ``information_ratio`` is how many times more a request tells the oracle that knows the healthy rate than anybody
    who compares siblings.
    """

    case: Case
    bound_requests: float
    bound_errors: float
    median: float
    p95: float
    oracle_median: float
    oracle_p95: float
    peer_oracle_median: float
    peer_oracle_p95: float
    information_ratio: float
    missed: int


def measure(repeats: int, *, seed: int, say: Callable[[str], None] = print) -> list[Delay]:
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
    fair = f"sibling oracle {found.peer_oracle_median:.2f}, {found.peer_oracle_p95:.2f}"
    ratios = f"p95 {found.p95 / found.oracle_p95:.2f} and {found.p95 / found.peer_oracle_p95:.2f} x theirs"
    knows = f"the first is told {found.information_ratio:.2f} x as much a request"
    return f"delay to evict, {who}: {limit}; {ours}; {oracle}; {fair}; {ratios}; {knows}; missed {found.missed}"


def bound(case: Case, score: float) -> float:
    """Requests at the sick pod."""
    return max(score / information(case), score / (case.p1 * math.log(case.size)))


def information(case: Case) -> float:
    """Nats that one request of the sick pod, and one of each sibling, tell a comparison of siblings."""
    mean = (case.p1 + (case.size - 1) * case.p0) / case.size
    return _divergence(case.p1, mean) + (case.size - 1) * _divergence(case.p0, mean)


def _one(case: Case, repeats: int, seed: int) -> Delay:
    settings = EngineSettings(tick=float(TICK))
    needed = tier_scores(settings)[Tier.EVICT]
    regime = replace(REGIMES[0], rate=case.rate, usual=case.p0)
    world = World(regime, repeats, size=case.size, tick=TICK, latency=False, seed=seed, fault=Fault(WARM, case.p1))
    found, oracle, fair = (np.full(repeats, np.nan) for _ in range(3))
    state, before = DetectorState.empty(), None
    total, shared = np.zeros(repeats), np.zeros(repeats)
    for snapshot in world.stream(WARM + LIMIT):
        state, judgement = judge(state, snapshot, settings)
        world.asked = judgement.recheck
        now = _counts(snapshot, repeats, case.size)
        if before is not None and world.seconds > WARM:
            total = np.maximum(0.0, total) + _absolute(now - before, case)
            shared = np.maximum(0.0, shared) + _conditional(now - before, case)
            for reached, done in ((total, oracle), (shared, fair)):
                hit = (reached >= needed) & np.isnan(done)
                done[hit] = world.culprit_requests[hit]
        before = now
        if world.seconds > WARM:
            _note(found, judgement, world)
            if not any(np.isnan(one).any() for one in (found, oracle, fair)):
                break
    limit = bound(case, needed)
    (median, p95), (oracle_median, oracle_p95), (fair_median, fair_p95) = (
        np.nanpercentile(one / limit, (50, 95)).tolist() for one in (found, oracle, fair)
    )
    return Delay(
        case, limit, limit * case.p1, median, p95, oracle_median, oracle_p95, fair_median, fair_p95,
        _divergence(case.p1, case.p0) / information(case), int(np.isnan(found).sum()),
    )  # fmt: skip


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
    """Shape (repeats, size, 3)."""
    if snapshot.counters is None:
        raise ValueError("the bench's world always has counters")
    return np.nan_to_num(snapshot.counters.requests.reshape(repeats, size, 3))


def _absolute(grown: FloatArray, case: Case) -> FloatArray:
    """Shape (repeats,): nats of the sick pod's counts for p1 against p0."""
    errors, requests = grown[:, 0, 1], grown[:, 0].sum(axis=1)
    ratio: FloatArray = errors * math.log(case.p1 / case.p0) + (requests - errors) * math.log(
        (1 - case.p1) / (1 - case.p0)
    )
    return ratio


def _conditional(grown: FloatArray, case: Case) -> FloatArray:
    """Shape (repeats,): nats of how the errors of all siblings fall on the sick pod, given how many there are."""
    odds = np.array([math.log(case.p1 / (1 - case.p1) * (1 - case.p0) / case.p0)])
    errors, requests = grown[..., 1], grown.sum(axis=2)
    mgf = ln_mgf(requests[:, 0], errors.sum(axis=1), requests.sum(axis=1), odds)[:, 0]
    ratio: FloatArray = errors[:, 0] * odds[0] - mgf
    return ratio


def _divergence(one: float, other: float) -> float:
    return one * math.log(one / other) + (1 - one) * math.log((1 - one) / (1 - other))
