"""
The peer test: does more than its share of the bad requests fall on one pod or group?

A mixture of Shiryaev-Roberts processes over effect sizes of the share, conditional on how many bad requests the service
had in the bin. What hits all peers alike changes that number, not the shares. Bins without a bad request add nothing,
so silence is no evidence. The mean number of bins between false alarms at ``score >= ln A`` is at least ``A``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.settings import DetectionSettings
from observer.engine.detect.comparison_groups import ComparisonGroups
from observer.engine.detect.counters import taken
from observer.engine.detect.hypergeometric import ln_mgf
from observer.engine.detect.overdispersion import WINDOW, Dispersion, overdispersion_bound

_FEW: Final = 200.0
_MANY_BAD: Final = 0.05
"""A bin with fewer requests or a larger bad part than this gets the exact likelihood."""
_MOST: Final = 1e26
"""A score is not counted beyond 60."""
ENDED: Final = 7.0
"""Score against "it goes on" after which a suspicion has ended by itself."""
FADED: Final = 4.6
"""The same for a suspicion that had no new evidence for a while."""
_DOUBT: Final = 4.0
"""Evidence from which it is asked whether a suspicion has ended."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """
    What speaks against each row (pods, groups, pooled) by stream: 0 = errors, then slower than each cut.

    Attributes:
        mixture: shape (R, X, T), one process an effect size.
        run: shape (R, X), a CUSUM of one effect size that is zero while nothing speaks against the row; the sums below
            are taken since it last was: ``own_total``, ``own_bad`` of the row, ``all_total``, ``all_bad`` of
            its service.
        bins: bins of the run in which the row had bad requests. onset: start of the run's first bin, Unix seconds.
        newest: end of the last bin with evidence; traffic: end of the last bin with requests.
        over: score that the fault has ended. recent: bad requests of the service, fading within a window of bins.
    """

    mixture: FloatArray
    run: FloatArray
    own_total: FloatArray
    own_bad: FloatArray
    all_total: FloatArray
    all_bad: FloatArray
    bins: FloatArray
    onset: FloatArray
    newest: FloatArray
    traffic: FloatArray
    over: FloatArray
    recent: FloatArray

    @classmethod
    def empty(cls, rows: int, streams: int, effect_sizes: int) -> Evidence:
        plain = {column.name: np.zeros((rows, streams)) for column in fields(cls) if column.name != "mixture"}
        return cls(mixture=np.zeros((rows, streams, effect_sizes)), **plain)

    def carried(self, take: IntArray) -> Evidence:
        """In a new order of pods."""
        return Evidence(**{column.name: taken(getattr(self, column.name), take, 0.0) for column in fields(self)})

    def score(self, effect_sizes: FloatArray, least: float = 0.0) -> FloatArray:
        """Shape (R, X): ln of the mean over effect sizes of at least ``least``; -inf where there is nothing."""
        with np.errstate(divide="ignore"):
            result: FloatArray = np.log(self.level(effect_sizes >= least))
        return result

    def level(self, chosen: BoolArray | None = None) -> FloatArray:
        """Shape (R, X): the mean over the chosen effect sizes, all by default."""
        weights = np.ones(self.mixture.shape[2]) if chosen is None else chosen.astype(np.float64)
        result: FloatArray = self.mixture @ (weights / weights.sum())
        return result

    def cleared(self, rows: BoolArray) -> Evidence:
        """Without what was gathered against the given rows and streams, shape (R, X)."""
        if not rows.any():
            return self
        out = {}
        for column in fields(self):
            values = getattr(self, column.name).copy()
            values[rows] = values[rows] if column.name == "recent" else 0.0
            out[column.name] = values
        return Evidence(**out)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """
    One bin by row and stream. ``bad``, ``total``: shape (R, X), of the row; ``all_bad``, ``all_total`` of its service
    (or services); ``start``, ``end``: shape (R,), Unix seconds, NaN where the row has no bin now. ``out``: shape
    (R, X), rows that are out of the comparison in this bin: their shares say nothing about what is usual.
    """

    bad: FloatArray
    total: FloatArray
    all_bad: FloatArray
    all_total: FloatArray
    start: FloatArray
    end: FloatArray
    out: BoolArray


def sample(
    comparison: ComparisonGroups, bad: FloatArray, total: FloatArray, start: FloatArray, end: FloatArray, out: BoolArray
) -> Sample:
    """
    Add pods up to groups and pooled rows.

    ``bad``, ``total``, ``out``: shape (N, X); ``start``, ``end``: shape (S,), NaN = not due.
    """
    own, everyone = [], []
    spans = np.stack([start, end], axis=1)
    span = [spans[comparison.service_of]]
    for column in (bad, total):
        sums = np.add.reduceat(column, comparison.first[:-1], axis=0)
        own.append(column)
        everyone.append(sums[comparison.service_of])
        if comparison.groups:
            inside = np.add.reduceat(column[comparison.members], comparison.group_first[:-1], axis=0)
            own[-1], everyone[-1] = (
                np.concatenate([column, inside]),
                np.concatenate([everyone[-1], sums[comparison.group_service]]),
            )
    if comparison.groups:
        span.append(spans[comparison.group_service])
    if comparison.pools:
        rows = np.concatenate(span)
        own = [_pooled(comparison, column) for column in own]
        everyone = [_pooled(comparison, column) for column in everyone]
        parts, first = rows[comparison.parts], comparison.pool_first[:-1]
        span.append(np.stack([np.fmin.reduceat(parts[:, 0], first), np.fmax.reduceat(parts[:, 1], first)], axis=1))
    joined = np.concatenate(span)
    alone = np.zeros(own[0].shape, dtype=np.bool_)
    alone[: len(out)] = out
    return Sample(own[0], own[1], everyone[0], everyone[1], joined[:, 0], joined[:, 1], alone)


def _pooled(comparison: ComparisonGroups, column: FloatArray) -> FloatArray:
    return np.concatenate([column, np.add.reduceat(column[comparison.parts], comparison.pool_first[:-1], axis=0)])


def update(
    evidence: Evidence, dispersion: Dispersion, comparison: ComparisonGroups, bin_: Sample, settings: DetectionSettings
) -> Evidence:
    """Weigh one bin. ``dispersion`` as it was before this bin."""
    effect_sizes = np.array(settings.effect_sizes)
    rows = len(comparison.refs) + len(comparison.groups)
    informative = (bin_.all_bad > 0.0) & (bin_.total > 0.0) & (bin_.total < bin_.all_total)
    row, stream = np.nonzero(informative[:rows])
    bad, total, all_bad, all_total = (
        column[row, stream] for column in (bin_.bad, bin_.total, bin_.all_bad, bin_.all_total)
    )
    due = ~np.isnan(bin_.end)[:, None]
    recent = np.where(due, (1.0 - 1.0 / WINDOW) * evidence.recent + bin_.all_bad, evidence.recent)
    evidence = replace(evidence, recent=recent)
    overdispersion = dispersion.factor(comparison, recent[:rows], settings.overdispersion_cap)[row, stream]
    log_ratio = likelihood(bad, total, all_bad, all_total, effect_sizes=effect_sizes) / overdispersion[:, None]
    log_ratio = np.minimum(
        log_ratio, overdispersion_bound(bad, all_bad, total / all_total, overdispersion, effect_sizes=effect_sizes)
    )
    if comparison.pools:
        row, stream, log_ratio = _with_pools(comparison, bin_, row, stream, log_ratio)
    log_ratio = np.minimum(log_ratio, settings.bin_cap)
    mixture = evidence.mixture.copy()
    mixture[row, stream] = np.minimum((1.0 + mixture[row, stream]) * np.exp(log_ratio), _MOST)
    anchor = int(np.argmin(np.where(effect_sizes >= settings.acting_effect_size, effect_sizes, np.inf)))
    step = np.zeros_like(evidence.run)
    step[row, stream] = log_ratio[:, anchor]
    return _run(replace(evidence, mixture=mixture), step, bin_)


def likelihood(
    bad: FloatArray, total: FloatArray, all_bad: FloatArray, all_total: FloatArray, *, effect_sizes: FloatArray
) -> FloatArray:
    """
    Shape (I, T): ln of the likelihood ratio of each effect size against "like its peers", given ``all_bad``.

    The exact form is never smaller than the binomial one; it is taken where it matters and where more than its share
    fell on the row, which leaves the ratio's mean at most one.
    """
    share = total / all_total
    result = bad[:, None] * np.log(effect_sizes)[None, :] - all_bad[:, None] * np.log1p(
        share[:, None] * (effect_sizes - 1.0)[None, :]
    )
    exact = ((all_total < _FEW) | (all_bad > _MANY_BAD * all_total)) & (bad > all_bad * share)
    if exact.any():
        ln_effect_sizes = np.log(effect_sizes)
        mgf = ln_mgf(total[exact], all_bad[exact], all_total[exact], ln_effect_sizes)
        result[exact] = bad[exact][:, None] * ln_effect_sizes[None, :] - mgf
    return result


def _with_pools(
    comparison: ComparisonGroups, bin_: Sample, row: IntArray, stream: IntArray, log_ratio: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Add the pooled rows: what each of their services says about the place, added up."""
    rows = len(comparison.refs) + len(comparison.groups)
    dense = np.zeros((rows, bin_.bad.shape[1], log_ratio.shape[1]))
    dense[row, stream] = log_ratio
    summed = np.add.reduceat(dense[comparison.parts], comparison.pool_first[:-1], axis=0)
    spoke = np.zeros((rows, bin_.bad.shape[1]))
    spoke[row, stream] = 1.0
    pool, pool_stream = np.nonzero(np.add.reduceat(spoke[comparison.parts], comparison.pool_first[:-1], axis=0))
    return (
        np.concatenate([row, pool + rows]),
        np.concatenate([stream, pool_stream]),
        np.concatenate([log_ratio, summed[pool, pool_stream]]),
    )


def _run(evidence: Evidence, step: FloatArray, bin_: Sample) -> Evidence:
    """Keep the sums since the onset, and ask whether what began has ended."""
    before = evidence.run
    run = np.maximum(before + step, 0.0)
    begun, retained = (before <= 0.0) & (run > 0.0), run > 0.0
    due = ~np.isnan(bin_.end)[:, None]
    start, end = np.nan_to_num(bin_.start)[:, None], np.nan_to_num(bin_.end)[:, None]

    def summed(old: FloatArray, new: FloatArray) -> FloatArray:
        return np.where(retained, np.where(begun, 0.0, old) + new, 0.0)

    own_total, own_bad = summed(evidence.own_total, bin_.total), summed(evidence.own_bad, bin_.bad)
    result = replace(
        evidence,
        run=run,
        own_total=own_total,
        own_bad=own_bad,
        all_total=summed(evidence.all_total, np.where(bin_.out, 0.0, bin_.all_total)),
        all_bad=summed(evidence.all_bad, np.where(bin_.out, 0.0, bin_.all_bad)),
        bins=summed(evidence.bins, (bin_.bad > 0.0).astype(np.float64)),
        onset=np.where(begun, start, np.where(retained, evidence.onset, 0.0)),
        newest=np.where(due & (step > 0.0), end, evidence.newest),
        traffic=np.where(due & (bin_.total > 0.0), end, evidence.traffic),
    )
    return replace(result, over=_over(result, bin_))


def _over(evidence: Evidence, bin_: Sample) -> FloatArray:
    """Score for "it is like its peers again" against "it goes on as it was", for rows that are suspected at all."""
    tested = evidence.level() >= np.exp(_DOUBT)
    rate = (evidence.own_bad + 0.5) / (evidence.own_total + 1.0)
    others = np.maximum(evidence.all_bad - evidence.own_bad, 0.0)
    usual = (others + 0.5) / (np.maximum(evidence.all_total - evidence.own_total, 0.0) + 1.0)
    tested &= rate > 2.0 * usual
    rate, usual = np.where(tested, rate, 0.5), np.where(tested, usual, 0.25)
    good = bin_.total - bin_.bad
    step = bin_.bad * np.log(usual / rate) + good * np.log((1.0 - usual) / np.maximum(1.0 - rate, 1e-9))
    return np.where(tested, np.maximum(evidence.over + step, 0.0), 0.0)


def ended(evidence: Evidence, at: float, fade: float) -> BoolArray:
    """Shape (R, X): suspicions that ended by themselves, or that nothing has been said about for ``fade`` seconds."""
    old = (evidence.newest > 0.0) & (evidence.newest < at - fade)
    silent = evidence.traffic < at - 5.0 * fade
    something = evidence.level() >= np.exp(_DOUBT)
    result: BoolArray = something & ((evidence.over >= ENDED) | (old & ((evidence.over >= FADED) | silent)))
    return result
