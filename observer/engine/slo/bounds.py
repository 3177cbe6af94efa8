"""
How sure is it that too many events are bad? The exact binomial tail, by the regularised incomplete beta function.

``P(X >= k | n, p) = I_p(k, n - k + 1)``; the lower Clopper-Pearson bound of the bad rate is above ``p`` exactly when
this is at most ``1 - confidence``. Wilson's interval is not used: with few bad events of many its lower bound is
several times too high (1 of 60: 0.42 % instead of 0.09 %).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from observer.domain.counts import FloatArray

_TINY: Final = 1e-300
_TERMS: Final = 400
_DONE: Final = 1e-13


def tail(bad: FloatArray, total: FloatArray, rate: FloatArray) -> FloatArray:
    """
    Probability of at least ``bad`` bad events among ``total`` when each is bad with probability ``rate``.

    All shapes (N,); ``rate`` in 0..1. Counts need not be whole. No bad event gives 1.
    """
    result = np.ones(bad.shape)
    some = (bad > 0) & (total > 0)
    if some.any():
        k, n = bad[some], np.maximum(total[some], bad[some])
        result[some] = _regularised(np.clip(rate[some], 0.0, 1.0), k, n - k + 1.0)
    return result


def lower_bound(bad: float, total: float, confidence: float) -> float:
    """The lower Clopper-Pearson bound of the bad rate, 0..1; 0 without a bad event."""
    if bad <= 0 or total <= 0:
        return 0.0
    low, high = 0.0, min(bad / total, 1.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        chance = tail(np.array([bad]), np.array([total]), np.array([middle]))[0]
        low, high = (middle, high) if chance <= 1.0 - confidence else (low, middle)
    return low


def _regularised(x: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """``I_x(a, b)``; the continued fraction converges fast on the side of the mean that it is asked on."""
    result = np.where(x >= 1.0, 1.0, 0.0)
    inside = (x > 0.0) & (x < 1.0)
    if not inside.any():
        return result
    x, a, b = x[inside], a[inside], b[inside]
    gammas = np.array(
        [math.lgamma(p + q) - math.lgamma(p) - math.lgamma(q) for p, q in zip(a.tolist(), b.tolist(), strict=True)]
    )
    front = np.exp(gammas + a * np.log(x) + b * np.log1p(-x))
    mirrored = x > (a + 1.0) / (a + b + 2.0)
    value = front * _fraction(np.where(mirrored, 1 - x, x), np.where(mirrored, b, a), np.where(mirrored, a, b))
    result[inside] = np.where(mirrored, 1.0 - value / b, value / a)
    return np.clip(result, 0.0, 1.0)


def _fraction(x: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Lentz' evaluation of the continued fraction of the incomplete beta function."""
    c = np.ones(x.shape)
    d = 1.0 / _apart(1.0 - (a + b) * x / (a + 1.0))
    result = d.copy()
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1.0 / _apart(1.0 + even * d), _apart(1.0 + even / c)
        result *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1.0 / _apart(1.0 + odd * d), _apart(1.0 + odd / c)
        step = d * c
        result *= step
        if np.all(np.abs(step - 1.0) < _DONE):
            break
    return result


def _apart(value: FloatArray) -> FloatArray:
    """Away from zero, so that it may be divided by."""
    return np.where(np.abs(value) < _TINY, _TINY, value)
