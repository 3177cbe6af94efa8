"""
The exact conditional likelihood: how the errors of a bin fall on a pod, given how many there were in all.

If ``bad`` of ``total`` requests failed and the pod answered ``own`` of them, the number of its failures follows a
hypergeometric law while the pod is like its peers, and Fisher's non-central one with odds ``omega`` when it is
not. Their ratio at ``k`` failures is ``omega**k / E[omega**K]``; this file knows ``ln E[omega**K]``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray

_REACHES: Final = ((0.0, 0.25, 7), (0.25, 1.0, 10), (1.0, 3.0, 14), (3.0, 8.0, 20))
"""Variances above and up to which a sum over so many terms on either side of the mode leaves nothing out."""
_WIDE: Final = 8.0
_LN_2PI: Final = float(np.log(2.0 * np.pi))


def ln_factorial(x: FloatArray) -> FloatArray:
    """``ln Gamma(x + 1)`` for real ``x >= 0``, to about 1e-10: Stirling's series, shifted by eight."""
    low = np.log((x + 1.0) * (x + 2.0) * (x + 3.0) * (x + 4.0)) + np.log((x + 5.0) * (x + 6.0) * (x + 7.0) * (x + 8.0))
    y = x + 9.0
    series = 1.0 / (12.0 * y) - 1.0 / (360.0 * y**3) + 1.0 / (1260.0 * y**5)
    result: FloatArray = (y - 0.5) * np.log(y) - y + 0.5 * _LN_2PI + series - low
    return result


def ln_choose(n: FloatArray, k: FloatArray) -> FloatArray:
    """``ln`` of the binomial coefficient, for real arguments with ``0 <= k <= n``."""
    return ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)


def ln_mgf(own: FloatArray, bad: FloatArray, total: FloatArray, ln_omega: FloatArray) -> FloatArray:
    """
    ``ln E[omega**K]`` for K hypergeometric: ``bad`` draws from ``total`` of which ``own`` are marked.

    Args:
        own, bad, total: shape (I,), whole numbers, ``0 <= own, bad <= total``.
        ln_omega: shape (T,), positive.

    Returns: shape (I, T). Exact where the law is narrow (variance up to 8), else by Laplace's method, a touch too
    large, which makes evidence a touch too small.
    """
    shape = (len(own), len(ln_omega))
    flat = [np.broadcast_to(column[:, None], shape).ravel() for column in (own, bad, total)]
    n, e, rest = flat[0], flat[1], flat[2] - flat[0]
    ln_o = np.broadcast_to(ln_omega, shape).ravel()
    mode = _saddle(n, e, rest, np.exp(ln_o))
    variance = _variance(n, e, rest, mode)
    result = np.empty(len(n))
    wide = variance > _WIDE
    for above, up_to, reach in _REACHES:
        chosen = (variance > above) & (variance <= up_to) if above else variance <= up_to
        if chosen.any():
            result[chosen] = _summed(n[chosen], e[chosen], rest[chosen], ln_o[chosen], mode[chosen], reach)
    if wide.any():
        peak = _ln_weight(n[wide], e[wide], rest[wide], ln_o[wide], mode[wide])
        spread = variance[wide]
        result[wide] = peak + 0.5 * (_LN_2PI + np.log(spread)) + 1.0 / (12.0 * spread)
    return np.maximum(result.reshape(shape), 0.0)


def _saddle(n: FloatArray, e: FloatArray, rest: FloatArray, omega: FloatArray) -> FloatArray:
    """Where ``(n - k)(e - k) omega = k (rest - e + k)``: the peak of the non-central law, within its support."""
    b = (n + e) * omega + rest - e
    root = np.sqrt(np.maximum(b * b - 4.0 * (omega - 1.0) * omega * n * e, 0.0))
    peak: FloatArray = 2.0 * omega * n * e / np.maximum(b + root, 1e-300)
    return np.clip(peak, np.maximum(0.0, e - rest), np.minimum(n, e))


def _variance(n: FloatArray, e: FloatArray, rest: FloatArray, k: FloatArray) -> FloatArray:
    tiny = 1e-9
    inverse: FloatArray = (
        1.0 / np.maximum(k, tiny)
        + 1.0 / np.maximum(n - k, tiny)
        + 1.0 / np.maximum(e - k, tiny)
        + 1.0 / np.maximum(rest - e + k, tiny)
    )
    return 1.0 / inverse


def _ln_weight(n: FloatArray, e: FloatArray, rest: FloatArray, ln_o: FloatArray, k: FloatArray) -> FloatArray:
    return ln_choose(n, k) + ln_choose(rest, e - k) - ln_choose(n + rest, e) + k * ln_o


def _summed(
    n: FloatArray, e: FloatArray, rest: FloatArray, ln_o: FloatArray, mode: FloatArray, reach: int
) -> FloatArray:
    """The sum over the support within ``reach`` of the mode, by the ratios of neighbouring terms."""
    start = np.clip(np.rint(mode), np.maximum(0.0, e - rest), np.minimum(n, e))
    steps = np.arange(reach, dtype=np.float64)[None, :]
    up, down = start[:, None] + steps, start[:, None] - steps
    n2, e2, rest2, omega = n[:, None], e[:, None], rest[:, None], np.exp(ln_o)[:, None]
    inside: BoolArray = (up < n2) & (up < e2)
    rise = np.where(inside, (n2 - up) * (e2 - up) * omega / ((up + 1.0) * np.maximum(rest2 - e2 + up + 1.0, 1e-300)), 0)
    inside = (down > 0.0) & (rest2 - e2 + down > 0.0)
    fall = np.where(inside, down * (rest2 - e2 + down) / ((n2 - down + 1.0) * (e2 - down + 1.0) * omega), 0.0)
    # Ratios on either side of the mode are at most about one, so the products neither overflow nor lose anything.
    around = 1.0 + np.cumprod(rise, axis=1).sum(axis=1) + np.cumprod(fall, axis=1).sum(axis=1)
    result: FloatArray = _ln_weight(n, e, rest, ln_o, start) + np.log(around)
    return result
