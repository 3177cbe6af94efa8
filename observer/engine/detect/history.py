"""
The history test: is a pod worse than its service ever was?

Two replicas cannot outvote each other: one error is worth ln 2 in the peer test there. So a pair is also compared with
the service's own past, by the same kind of process over effect sizes of the error rate against the worst usual rate. A
service that fails as a whole is found by the same measure; a lone pod is never acted on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, ServiceBaseline
from observer.domain.ids import ServiceRef
from observer.domain.settings import DetectionSettings
from observer.engine.detect.comparison_groups import ComparisonGroups

_MOST = 1e26
_UNKNOWN_RATE = 0.05
"""Without any past, a service fails when more than this part of its requests does."""
_ENOUGH = 200.0
"""Requests after which what we saw ourselves counts as a past."""
_MARGIN = 2.0


def null_rates(
    services: tuple[ServiceRef, ...], baselines: Mapping[ServiceRef, ServiceBaseline], floor: float
) -> FloatArray:
    """Shape (S,): the highest error rate that was usual, at least ``floor``; NaN without a history."""
    rates = np.full(len(services), np.nan)
    if not baselines:
        return rates
    for i, service in enumerate(services):
        baseline = baselines.get(service)
        if baseline is not None and baseline.requests > 0.0:
            rates[i] = max(baseline.q99_error_rate, baseline.errors / baseline.requests, floor)
    result: FloatArray = np.minimum(rates, 0.5)
    return result


def pairs(comparison: ComparisonGroups) -> BoolArray:
    """Shape (N,): pods that have exactly one peer."""
    size = np.diff(comparison.first)
    result: BoolArray = (size == 2)[comparison.service_of]
    return result


def update(
    mixture: FloatArray,
    comparison: ComparisonGroups,
    bad: FloatArray,
    total: FloatArray,
    null: FloatArray,
    overdispersion: FloatArray,
    settings: DetectionSettings,
) -> FloatArray:
    """
    Weigh one bin of errors; ``mixture``: shape (N, T), ``null``: shape (S,), the others shape (N,).

    ``overdispersion`` is the overdispersion.

    Only pods with one peer and a known past are followed; bins without a bad request of the service count for the
    defence only.
    """
    rate = null[comparison.service_of]
    chosen = np.flatnonzero(pairs(comparison) & (total > 0.0) & ~np.isnan(rate))
    if not len(chosen):
        return mixture
    effect_sizes = np.array(settings.effect_sizes)
    p0 = rate[chosen][:, None]
    p1 = 1.0 - (1.0 - p0) / (1.0 + p0 * (effect_sizes[None, :] - 1.0))
    failed, good = bad[chosen][:, None], (total - bad)[chosen][:, None]
    step = (failed * np.log(p1 / p0) + good * np.log((1.0 - p1) / (1.0 - p0))) / overdispersion[chosen][:, None]
    result = mixture.copy()
    clock = (failed > 0.0).astype(np.float64)
    result[chosen] = np.minimum((clock + mixture[chosen]) * np.exp(np.minimum(step, settings.bin_cap)), _MOST)
    return result


def score(mixture: FloatArray) -> FloatArray:
    """Shape (N,): ln of the mean over effect sizes; -inf where nothing was gathered."""
    with np.errstate(divide="ignore"):
        result: FloatArray = np.log(mixture.mean(axis=1))
    return result


def references(null: FloatArray, past_total: FloatArray, past_bad: FloatArray, floor: float) -> FloatArray:
    """Shape (S,): the rate above which a service fails: its history, else what we saw of it, else a plain guess."""
    observed = np.maximum(_MARGIN * (past_bad + 1.0) / np.maximum(past_total, 1.0), floor)
    own = np.where(past_total >= _ENOUGH, observed, _UNKNOWN_RATE)
    return np.where(np.isnan(null), own, null)


def failing(bad: FloatArray, total: FloatArray, reference: FloatArray, need: FloatArray) -> BoolArray:
    """
    Services (or what is left of them) whose error rate over the last minute is above the reference by a score of
    ``need``.

    It only ever spares pods, so a plain likelihood ratio is enough.
    """
    rate = bad / np.maximum(total, 1.0)
    safe = np.clip(rate, 1e-9, 1.0 - 1e-9)
    surprise = total * (safe * np.log(safe / reference) + (1.0 - safe) * np.log((1.0 - safe) / (1.0 - reference)))
    result: BoolArray = (rate >= _MARGIN * reference) & (surprise >= need)
    return result
