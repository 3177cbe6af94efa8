"""
How much more unevenly bad requests fall on peers than chance would have it, learned while judging.

Retries, batches and routes make bad requests come in clusters: if one of a bin's falls on a pod, the next is more
likely to fall there too. With this correlation ``r`` the shares of ``E`` bad requests vary ``1 + (E - 1) r`` times as
much as they would by chance; that factor is the *overdispersion*, and evidence is divided by it. A cluster may reach
over bins, so it is learned from windows of some bins, and ``E`` counts the bad requests of as many. ``r`` is learned
from the peers without whoever is being judged, so that a sick pod does not excuse itself; where a service had too
little to learn from, the fleet's average stands in.

Divided by it, evidence has the right spread, but not the right tail: three of three bad requests of a
bin on one pod are no rarity when each draws the next after it. If the shares follow a Polya urn (each bad request on a
pod makes the next one there likelier, which is what the correlation says), the number on one pod is beta-binomial, and
``exp(theta * k) / E[exp(theta * K)]`` has mean one under it. Evidence is not believed beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.engine.detect.comparison_groups import ComparisonGroups
from observer.engine.detect.counters import taken
from observer.engine.detect.hypergeometric import ln_factorial

UNSEEN: Final = 0.5
"""The correlation before anything was seen: every other bad request is taken for an echo of one before it."""
FIRST: Final = 0.3
"""Weight of that, in bad requests of the whole fleet beyond the first of their window."""
CALM: Final = 0.5
"""What is left of that after each window, also one without any bad request: usual clusters come up soon."""
PRIOR: Final = 20.0
"""Weight of the fleet's average, in bad requests beyond the first of their bin."""
WINDOW: Final = 4
"""Bins that are looked at together."""
_MEMORY: Final = 600.0
"""Weight beyond which older bins fade."""
_REACH: Final = 3.0
"""How far beyond the usual number of bad requests the factor is believed to grow."""
_MOST: Final = 9.0
"""A window weighs at most as much as so many: a single storm teaches little about the clusters of quiet times."""


@dataclass(frozen=True, slots=True, eq=False)
class Dispersion:
    """
    Sums by row (pods, then groups) and stream, shape (rows, X) each.

    Attributes:
        excess: of Pearson's statistic over its freedom, less one. weight: of bad requests beyond the first.
        variance: of ``excess``.
        squares, count: of the bad requests of each window, squared and plain: the ratio is how many there usually are.
        bad, total: shape (N, X), of the open window. bins: shape (N, 1), how many bins it holds. windows: shape (N, 1),
            how many were closed.
    """

    excess: FloatArray
    weight: FloatArray
    variance: FloatArray
    squares: FloatArray
    count: FloatArray
    bad: FloatArray
    total: FloatArray
    bins: FloatArray
    windows: FloatArray

    @classmethod
    def empty(cls, rows: int, streams: int) -> Dispersion:
        nothing = np.zeros((rows, streams))
        none = np.zeros((rows, 1))
        return cls(nothing, nothing, nothing, nothing, nothing, nothing, nothing, none, none)

    def carried(self, take: IntArray, pods: int) -> Dispersion:
        """In a new order of pods, of which the first ``pods`` rows are pods."""
        sums = [taken(column, take, 0.0) for column in self._sums()]
        window = [taken(column, take[:pods], 0.0) for column in (self.bad, self.total, self.bins, self.windows)]
        return Dispersion(*sums, *window)

    def _sums(self) -> tuple[FloatArray, ...]:
        return self.excess, self.weight, self.variance, self.squares, self.count

    def factor(self, comparison: ComparisonGroups, bad: FloatArray, cap: float) -> FloatArray:
        """
        The overdispersion for ``bad`` bad requests within a window, shape (rows, X), between 1 and ``cap``.

        More bad requests than ``_REACH`` times the usual are not what was learned from: the factor grows no further.
        """
        believed = np.minimum(bad, _REACH * (self.squares + 1.0) / (self.count + 1.0))
        beyond = np.maximum(believed - 1.0, 0.0)
        doubt = np.minimum(beyond, _REACH - 1.0) * self.unseen(comparison)
        result: FloatArray = np.clip(1.0 + beyond * self.correlation(comparison) + doubt, 1.0, cap)
        return result

    def unseen(self, comparison: ComparisonGroups) -> FloatArray:
        """
        Shape (rows, X): the part of the correlation that is assumed because neither row nor fleet has shown it yet.

        It fades with what is seen, and holds for few bad requests only: it tempers early evidence and hides no fault.
        """
        if not comparison.refs:
            return np.zeros_like(self.weight)
        shown = np.minimum.reduceat(self.weight[: len(comparison.refs)], comparison.first[:-1], axis=0).sum(axis=0)
        left = UNSEEN * CALM ** float(self.windows.max()) * FIRST / (shown + FIRST)
        result: FloatArray = PRIOR / (self.weight + PRIOR) * left
        return result

    def correlation(self, comparison: ComparisonGroups) -> FloatArray:
        """
        Shape (rows, X): the estimate of ``r``, between 0 and 1, plus one standard error where it is beyond doubt.

        The fleet's average takes each service as it looks without its most uneven pod: one sick pod excuses nobody.
        """
        if not comparison.refs:
            return np.zeros_like(self.weight)
        pods, first = len(comparison.refs), comparison.first[:-1]
        least = np.minimum.reduceat(self.excess[:pods], first, axis=0).sum(axis=0)
        total = np.minimum.reduceat(self.weight[:pods], first, axis=0).sum(axis=0)
        fleet = np.maximum(least, 0.0) / (total + FIRST)
        weight = self.weight + PRIOR
        mean, error = (self.excess + PRIOR * fleet) / weight, np.sqrt(self.variance) / weight
        sure = np.clip(mean / np.maximum(error, 1e-12) - 1.0, 0.0, 1.0)
        result: FloatArray = np.clip(mean + error * sure, 0.0, 1.0)
        return result

    def added(
        self, comparison: ComparisonGroups, bad: FloatArray, total: FloatArray, spared: BoolArray, due: BoolArray
    ) -> Dispersion:
        """
        Add one bin of the services that are due.

        Args:
            bad, total: shape (N, X), by pod and stream.
            spared: shape (N, X), pods under suspicion: nobody learns from them. due: shape (N,).
        """
        bins = self.bins + due[:, None]
        summed = replace(self, bad=self.bad + bad, total=self.total + total, bins=bins)
        full = bins[:, 0] >= WINDOW
        if not full.any():
            return summed
        window = [np.where(full[:, None] & ~spared, column, 0.0) for column in (summed.bad, summed.total)]
        whole = [np.where(full[:, None], column, 0.0) for column in (summed.bad, summed.total)]
        closed = _learned(summed, comparison, window, whole)
        return replace(
            closed,
            bad=np.where(full[:, None], 0.0, summed.bad),
            total=np.where(full[:, None], 0.0, summed.total),
            bins=np.where(full[:, None], 0.0, bins),
            windows=closed.windows + full[:, None],
        )


def _learned(
    before: Dispersion, comparison: ComparisonGroups, spared: list[FloatArray], whole: list[FloatArray]
) -> Dispersion:
    """With one closed window: bad and total requests by pod, without and with the suspected ones."""
    freedom, statistic, evidence = _pods(comparison, spared[0], spared[1])
    if comparison.groups:
        parts = zip((freedom, statistic, evidence), _groups(comparison, whole[0], whole[1]), strict=True)
        freedom, statistic, evidence = (np.concatenate(pair) for pair in parts)
    free = freedom >= 1.0
    usable = free & (evidence > 1.0)
    beyond = np.where(usable, evidence - 1.0, 0.0)
    weight = np.minimum(beyond, _MOST)
    scale = np.divide(weight, beyond, out=np.zeros_like(weight), where=usable)
    ratio = np.where(usable, statistic / np.maximum(freedom, 1.0), 1.0)
    noise = 2.0 * beyond / np.maximum(evidence, 1.0) / np.maximum(freedom, 1.0)
    fade = np.minimum(1.0, _MEMORY / np.maximum(before.weight + weight, 1e-9))
    return replace(
        before,
        excess=fade * (before.excess + scale * (ratio - 1.0)),
        weight=fade * (before.weight + weight),
        variance=fade**2 * (before.variance + np.where(usable, scale**2 * noise * np.maximum(ratio, 1.0), 0.0)),
        squares=fade * (before.squares + np.where(free, evidence**2, 0.0)),
        count=fade * (before.count + np.where(free, evidence, 0.0)),
    )


def _columns(bad: FloatArray, total: FloatArray) -> tuple[FloatArray, ...]:
    """What Pearson's statistic needs of each pod: bad requests, all, whether there are any, and their squared bad."""
    square = np.divide(bad * bad, total, out=np.zeros_like(bad), where=total > 0.0)
    return bad, total, (total > 0.0).astype(np.float64), square


def _pods(groups: ComparisonGroups, bad: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For each pod: degrees of freedom, Pearson's statistic and bad requests of its peers without it."""
    first, service = groups.first[:-1], groups.service_of
    sums = [np.add.reduceat(column, first, axis=0)[service] - column for column in _columns(bad, total)]
    return (sums[2] - 1.0, *_pearson(sums[0], sums[1], sums[3]))


def _groups(groups: ComparisonGroups, bad: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For each group: the same within the group and within its complement, added up."""
    columns, first = _columns(bad, total), groups.first[:-1]
    inside = [np.add.reduceat(column[groups.members], groups.group_first[:-1], axis=0) for column in columns]
    whole = [np.add.reduceat(column, first, axis=0)[groups.group_service] for column in columns]
    outside = [everyone - own for everyone, own in zip(whole, inside, strict=True)]
    freedom = np.maximum(inside[2] - 1.0, 0.0) + np.maximum(outside[2] - 1.0, 0.0)
    statistic, few = _pearson(inside[0], inside[1], inside[3])
    other, more = _pearson(outside[0], outside[1], outside[3])
    return freedom, statistic + other, few + more


def _pearson(bad: FloatArray, total: FloatArray, square: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pearson's statistic of pods against their common rate (0 where all or none is bad), and the bad requests."""
    good = total - bad
    usable = (bad > 0.0) & (good > 0.0)
    bad_safe, total_safe = np.where(usable, bad, 1.0), np.where(usable, total, 1.0)
    raw = square * total_safe / bad_safe - bad_safe
    statistic = np.where(usable, np.maximum(raw, 0.0) * total_safe / np.maximum(good, 1.0), 0.0)
    # The law given the total has total - 1 in its variance; with few requests that matters.
    correction = np.maximum(total_safe - 1.0, 0.0) / total_safe
    return statistic * correction, np.where(usable, bad, 0.0)


_MANY: Final = 128.0
"""Bad requests in one bin from which the tail is no longer what matters."""
_LEAST: Final = 1e-6
_ROWS: Final = 512
"""Rows that are worked out at once: a fleet in trouble must not cost hundreds of megabytes."""


def overdispersion_bound(
    bad: FloatArray, all_bad: FloatArray, share: FloatArray, overdispersion: FloatArray, *, effect_sizes: FloatArray
) -> FloatArray:
    """
    Shape (I, T): the highest score that ``bad`` of ``all_bad`` on a row with this ``share`` of the requests may tell.

    ``overdispersion`` is the overdispersion that the effect sizes are tempered by, shape (I,); infinite where there
    is no cluster to speak of: at one bad request, at no more than its share on the row, or without overdispersion.
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
