"""
What one kind of evidence has to say (one score, shared out among causes), and how a score is found.

Counts: how much more likely are two rates than one (profile likelihood)? Series: did they leave what they used to do,
by how much, and since when? Medians and a tail-aware scale, because one spike is no incident and an onset estimated a
minute late must not matter; a stretch counts by as much as it beats the strongest stretch of its kind in the reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from observer.domain.attribution import Cause, EvidenceLine, Measure, Reading
from observer.domain.counts import FloatArray
from observer.domain.ids import ServiceRef


@dataclass(frozen=True, slots=True)
class ServiceEvidence:
    """
    Attributes:
        word: the kind of evidence, as in ``EvidenceLine``.
        score: how certain it is that anything is wrong at all, as far as this kind can see.
        services, others: the part of the trouble, 0..1, that stays with each service, and with edges and strangers.
            What is missing from 1 is explained by nobody and speaks for UNKNOWN.
        texts: what a person should read about each service.
        inherited: the part of each service's own trouble, 0..1, that its callees account for.
        onset: when the trouble began, Unix seconds; None when this kind cannot tell.
    """

    word: str
    score: float
    services: Mapping[ServiceRef, float]
    others: Mapping[Cause, float] = field(default_factory=dict)
    texts: Mapping[ServiceRef, str] = field(default_factory=dict)
    inherited: Mapping[ServiceRef, float] = field(default_factory=dict)
    onset: float | None = None

    @property
    def unexplained(self) -> float:
        """The part that nobody accounts for, 0..1."""
        return max(1.0 - sum(self.services.values()) - sum(self.others.values()), 0.0)


@dataclass(frozen=True, slots=True)
class MemberEvidence:
    """
    Within one service: evidence for one member over all pods being alike, as a score (negative: against).

    ``cause`` is a pod, revision, node or zone.
    """

    service: ServiceRef
    cause: Cause
    line: EvidenceLine


def more(bad: float, total: float, other_bad: float, other_total: float) -> float:
    """
    Score for a higher rate in the first count than in the second; 0 when it is not higher.

    Profile likelihood of two rates against one, less a score of a half per doubling of what was looked at (the
    price of the second rate). Half an event is added to the second count, so that "never seen" is not "impossible".
    """
    other_bad, other_total = other_bad + 0.5, other_total + 1.0
    if total <= 0.0 or bad <= 0.0 or bad / total <= other_bad / other_total:
        return 0.0
    gain = _fit(bad, total) + _fit(other_bad, other_total) - _fit(bad + other_bad, total + other_total)
    return max(gain - 0.5 * math.log1p(total), 0.0)


def _fit(bad: float, total: float) -> float:
    good = max(total - bad, 0.0)
    return (bad * math.log(bad / total) if bad > 0.0 else 0.0) + (good * math.log(good / total) if good > 0.0 else 0.0)


MOST: Final = 12.0
"""Score that one series can add: what is beyond is certain enough, and no single series is."""
_LEAST: Final = 8
"""Reference points below which nothing is known about the usual."""
_STEEP: Final = 3.5
"""Deviations up to which evidence grows as under a normal law; from there on as under a heavy tail."""
_TAIL: Final = 4.0
_DROP: Final = -6.0
_RECORD: Final = 0.98
_LASTING: Final = 0.1
"""A stretch shorter than this part of the time in question is a blip in it, not what it is about."""
_FLOOR: Final = {
    Measure.LATENCY: 0.05,
    Measure.ERROR_RATE: 0.004,
    Measure.REQUESTS: 0.1,
    Measure.SATURATION: 0.1,
}
"""Least scale: of the logarithm, or of the rate for ERROR_RATE."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """
    Attributes:
        score: evidence for a rise, 0..``MOST``.
        excess: median of the disturbed stretch less what was usual, in the reading's unit; 0 without a rise.
        usual: the usual level in that unit.
        first, last: the disturbed stretch, indices into ``times``.
        onset: ``times[first]``, None without a rise.
    """

    score: float
    excess: float
    usual: float
    first: int = 0
    last: int = 0
    onset: float | None = None


def contrast(reading: Reading, before: float | None = None) -> Contrast | None:
    """
    Weigh one reading; None when it has too little of either part.

    ``before``: values up to this instant count as usual too: what was high before the incident is not its cause.
    """
    usual, now = _scaled(reading.reference, reading.measure), _scaled(reading.values, reading.measure)
    if np.count_nonzero(~np.isnan(usual)) < _LEAST or not np.any(~np.isnan(now)):
        return None
    level = max(float(np.nanmedian(usual)), _early(reading, now, before))
    raised = rise(usual, now, _FLOOR[reading.measure], level)
    usually = _unscaled(level, reading.measure)
    if raised.score <= 0.0:
        return Contrast(0.0, 0.0, usually)
    excess = max(_unscaled(level + raised.excess, reading.measure) - usually, 0.0)
    return Contrast(raised.score, excess, usually, raised.first, raised.last, float(reading.times[raised.first]))


def rise(usual: FloatArray, now: FloatArray, floor: float, level: float | None = None) -> Contrast:
    """
    Weigh ``now`` against ``usual`` as they stand, NaN = no sample; both need a known value.

    ``floor`` is the least scale that counts as one deviation; ``level`` the usual level when it is not the median.
    """
    middle, scale = _law(usual, floor)
    base = middle if level is None else level
    best, first, last = _stretch(_gains((now - base) / scale))
    record = _record(_gains((usual - middle) / scale), len(now))
    lasting = min((last - first + 1) / (_LASTING * len(now)), 1.0)
    score = min(max(best - max(record, 0.0), 0.0), MOST) * lasting
    if score <= 0.0:
        return Contrast(0.0, 0.0, base)
    return Contrast(score, max(float(np.nanmedian(now[first : last + 1])) - base, 0.0), base, first, last)


def mean_over(values: FloatArray, first: int, last: int) -> float:
    """Mean of the known values of a stretch, 0 when none is known."""
    part = values[first : last + 1]
    samples = part[~np.isnan(part)]
    return float(samples.mean()) if len(samples) else 0.0


def _early(reading: Reading, now: FloatArray, before: float | None) -> float:
    """The level at the beginning of the time in question, where that is known to precede the incident."""
    sampled = ~np.isnan(now)
    early = sampled & (reading.times <= before) if before is not None else np.zeros(len(now), dtype=np.bool_)
    if not early.any() and not reading.adjacent and sampled.any() and len(now) > 1:
        early[np.flatnonzero(sampled)[0]] = True
    return float(np.median(now[early])) if early.any() else -np.inf


def _scaled(values: FloatArray, measure: Measure) -> FloatArray:
    if measure is Measure.ERROR_RATE:
        return values.astype(np.float64)
    return np.log(np.maximum(values, 1e-9))


def _unscaled(value: float, measure: Measure) -> float:
    return value if measure is Measure.ERROR_RATE else float(np.exp(value))


def _law(values: FloatArray, floor: float) -> tuple[float, float]:
    """Median, and a scale that is no smaller than what the upper tail shows."""
    samples = values[~np.isnan(values)]
    middle = float(np.median(samples))
    spread = 1.4826 * float(np.median(np.abs(samples - middle)))
    tail = (float(np.quantile(samples, 0.975)) - middle) / 1.96
    return middle, max(spread, tail, floor)


def _gains(deviations: FloatArray) -> FloatArray:
    """Score that each point adds to a stretch of raised values; NaN adds nothing."""
    plain = np.clip(3.0 * deviations - 4.5, _DROP, 3.0 * _STEEP - 4.5)
    far = _TAIL * np.log(np.maximum(deviations, _STEEP) / _STEEP)
    return np.where(np.isnan(deviations), 0.0, plain + far)


def _stretch(gains: FloatArray) -> tuple[float, int, int]:
    """The contiguous stretch with the greatest sum, with its first and last index."""
    sums = np.concatenate(([0.0], np.cumsum(gains)))
    lowest = np.minimum.accumulate(sums[:-1])
    rises = sums[1:] - lowest
    last = int(np.argmax(rises))
    first = int(np.argmin(sums[: last + 1]))
    return float(rises[last]), first, last


def _record(gains: FloatArray, length: int) -> float:
    """What the reference itself did in stretches as long as the time in question."""
    length = max(min(length, len(gains)), 1)
    starts = range(0, len(gains) - length + 1, length)
    return float(np.quantile([_stretch(gains[start : start + length])[0] for start in starts], _RECORD))
