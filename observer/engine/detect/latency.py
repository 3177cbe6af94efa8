"""
Slow pods: the sibling test once for each cut point, where "bad" is slower than the cut.

A slow-down moves requests over some of the cuts, whichever it is; the mixture over cuts finds it. Cuts far below the
delay that would hurt anybody are left out: siblings differ there for good and harmless reasons. Pods in their first
minute or hundred requests are neither judged nor compared with: caches fill and compilers warm up.
"""

from __future__ import annotations

import numpy as np

from observer.domain.counts import BoolArray, FloatArray
from observer.domain.settings import DetectionSettings
from observer.engine.detect.counters import CounterState
from observer.engine.detect.roster import ComparisonGroups

FADE = 0.6
"""Part of the older latency shares that is kept from bin to bin: the medians look back over two or three bins."""
LEAST_BIN = 5.0
"""Seconds. Envoy adds to its histograms only every five seconds, each proxy at its own moment: shorter bins would hold
one pod at a time."""


def judged_cuts(cuts: tuple[float, ...], hurts: float) -> tuple[int, ...]:
    """Which cuts are tested: those of at least half the delay that ``hurts`` (milliseconds), else the last one."""
    return tuple(i for i, cut in enumerate(cuts) if cut >= 0.5 * hurts) or tuple(range(len(cuts)))[-1:]


def slower(buckets: FloatArray, warm: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Requests slower than each cut and requests in all, shape (N, cuts) each, from a bin's cumulative buckets."""
    timed = np.where(warm[:, None], buckets[:, -1:], 0.0)
    slow = np.where(warm[:, None], np.maximum(buckets[:, -1:] - buckets[:, :-1], 0.0), 0.0)
    return slow, np.broadcast_to(timed, slow.shape)


def warm_pods(
    comparison: ComparisonGroups, counters: CounterState, at: float, settings: DetectionSettings
) -> BoolArray:
    """Shape (N,): old enough, and with enough requests in their life, to be compared by latency."""
    lived: BoolArray = np.nan_to_num(counters.last[:, -1]) >= settings.warm_up_requests
    old: BoolArray = at - comparison.created >= settings.warm_up_seconds
    return lived & old


def mixed(score: FloatArray) -> FloatArray:
    """Shape (R,): ln of the mean over the cuts of evidence given in nats, shape (R, cuts)."""
    if not score.shape[1]:
        return np.full(len(score), -np.inf)
    best = score.max(axis=1)
    safe = np.where(np.isfinite(best), best, 0.0)
    with np.errstate(divide="ignore"):
        result: FloatArray = safe + np.log(np.exp(score - safe[:, None]).mean(axis=1))
    return result


def median(buckets: FloatArray, cuts: tuple[float, ...]) -> float:
    """
    Median in milliseconds by linear interpolation inside its bucket; the last cut where it lies beyond it, NaN
    without requests. ``buckets``: shape (cuts + 1,), cumulative requests.
    """
    half = 0.5 * float(buckets[-1])
    if half <= 0.0:
        return float("nan")
    place = int(np.argmax(buckets >= half))
    if place >= len(cuts):
        return cuts[-1]
    low, below = (cuts[place - 1], float(buckets[place - 1])) if place else (0.0, 0.0)
    return low + (cuts[place] - low) * (half - below) / (float(buckets[place]) - below)


def slowdown(own: FloatArray, others: FloatArray, cuts: tuple[float, ...]) -> tuple[float, float]:
    """Median of the culprit over that of its siblings, and the difference in milliseconds; ``(1, 0)`` if unknown."""
    mine, theirs = median(own, cuts), median(others, cuts)
    if not mine > 0.0 or not theirs > 0.0:
        return 1.0, 0.0
    return mine / theirs, mine - theirs
