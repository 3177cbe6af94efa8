"""
How often chance alone piles bad requests up when they come in clumps.

Divided by the overdispersion, evidence has the right spread, but not the right tail: three of three bad requests of a
bin on one pod are no rarity when each draws the next after it. If the shares follow a Polya urn (each bad request on a
pod makes the next one there likelier, which is what the correlation says), the number on one pod is beta-binomial, and
``exp(theta * k) / E[exp(theta * K)]`` has mean one under it. Evidence is not believed beyond that.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from observer.domain.counts import FloatArray
from observer.engine.detect.hypergeometric import ln_factorial

_MANY: Final = 128.0
"""Bad requests in one bin from which the tail is no longer what matters."""
_LEAST: Final = 1e-6
_ROWS: Final = 512
"""Rows that are worked out at once: a fleet in trouble must not cost hundreds of megabytes."""


def overdispersion_bound(
    bad: FloatArray, all_bad: FloatArray, share: FloatArray, overdispersion: FloatArray, *, effect_sizes: FloatArray
) -> FloatArray:
    """
    Shape (I, T): the most nats that ``bad`` of ``all_bad`` on a row with this ``share`` of the requests may tell.

    ``overdispersion`` is the overdispersion that the tilts are tempered by, shape (I,); infinite where there is no
    clump to
    speak of: at one bad request, at no more than its share on the row, or without overdispersion.
    """
    result = np.full((len(bad), len(effect_sizes)), np.inf)
    chosen = np.flatnonzero(
        (bad > share * all_bad) & (all_bad >= 2.0) & (all_bad <= _MANY) & (overdispersion > 1.0 + _LEAST)
    )
    for start in range(0, len(chosen), _ROWS):
        rows = chosen[start : start + _ROWS]
        count, factor = all_bad[rows], overdispersion[rows]
        correlation = np.clip((factor - 1.0) / (count - 1.0), _LEAST, 1.0 - _LEAST)
        theta = np.log(effect_sizes)[None, :] / factor[:, None]
        result[rows] = bad[rows][:, None] * theta - _ln_mgf(count, share[rows], correlation, theta)
    return result


def _ln_mgf(count: FloatArray, share: FloatArray, correlation: FloatArray, theta: FloatArray) -> FloatArray:
    """ln E[exp(theta K)] of beta-binomial K, shape (I, T): ``count`` draws with mean ``share`` each."""
    weight = 1.0 / correlation - 1.0
    a, b = share * weight, (1.0 - share) * weight
    none = _ln_rising(b, count) - _ln_rising(weight, count)
    k = np.arange(int(count.max()), dtype=np.float64)[None, :]
    left = count[:, None] - k
    there = left > 0.0
    ratio = np.where(there, left * (a[:, None] + k) / ((k + 1.0) * np.maximum(b[:, None] + left - 1.0, 1e-300)), 1.0)
    ln_terms = np.cumsum(np.log(ratio), axis=1)
    terms = np.where(there[:, None, :], ln_terms[:, None, :] + theta[:, :, None] * (k + 1.0)[None], -np.inf)
    peak = np.maximum(terms.max(axis=2), 0.0)
    total = np.exp(-peak) + np.exp(terms - peak[:, :, None]).sum(axis=2)
    result: FloatArray = none[:, None] + peak + np.log(total)
    return result


def _ln_rising(x: FloatArray, n: FloatArray) -> FloatArray:
    """ln of ``x (x + 1) ... (x + n - 1)``."""
    result: FloatArray = ln_factorial(x + n - 1.0) - ln_factorial(x) + np.log(np.maximum(x, 1e-300))
    return result
