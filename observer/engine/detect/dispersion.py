"""
How much more unevenly bad requests fall on siblings than chance would have it, learned while judging.

Retries, batches and routes make errors come in clumps. Evidence is divided by this *overdispersion*. It is learned
from the siblings without whoever is being judged, so that a sick pod does not excuse itself, and weighted by the
number of bad requests, because a single one cannot clump.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.engine.detect.counters import taken
from observer.engine.detect.roster import Roster

PRIOR: Final = 20.0
"""Weight of the belief that there is none, in bad requests."""
_MEMORY: Final = 600.0
"""Weight beyond which older bins fade."""
_MOST: Final = 10.0
"""A bin weighs at most as much as so many bad requests."""


@dataclass(frozen=True, slots=True, eq=False)
class Dispersion:
    """Weighted sums by row (pods, then groups) and stream: of Pearson's statistic, of weights, of its variance."""

    statistic: FloatArray
    weight: FloatArray
    variance: FloatArray

    @classmethod
    def empty(cls, rows: int, streams: int) -> Dispersion:
        shape = (rows, streams)
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def carried(self, take: IntArray) -> Dispersion:
        """In the order of a new roster."""
        return Dispersion(
            taken(self.statistic, take, 0.0), taken(self.weight, take, 0.0), taken(self.variance, take, 0.0)
        )

    def estimate(self, cap: float) -> FloatArray:
        """Shape (rows, streams): the estimate plus one standard error, between 1 and ``cap``."""
        weight = self.weight + PRIOR
        mean = (self.statistic + PRIOR) / weight
        error = np.sqrt(self.variance) / weight
        return np.clip(mean + error * (self.weight > 0.0), 1.0, cap)

    def learned(self, roster: Roster, bad: FloatArray, total: FloatArray, spared: BoolArray) -> Dispersion:
        """
        Add one bin.

        Args:
            bad, total: shape (N, X), by pod and stream.
            spared: shape (N, X), pods under suspicion: nobody learns from them.
        """
        freedom, statistic, evidence = _pods(roster, np.where(spared, 0.0, bad), np.where(spared, 0.0, total))
        if roster.groups:
            parts = zip((freedom, statistic, evidence), _groups(roster, bad, total), strict=True)
            freedom, statistic, evidence = (np.concatenate(pair) for pair in parts)
        usable = (freedom >= 1.0) & (evidence > 1.0)
        weight = np.where(usable, np.minimum(evidence, _MOST), 0.0)
        ratio = np.where(usable, statistic / np.maximum(freedom, 1.0), 0.0)
        noise = np.where(
            usable, 2.0 * weight**2 * (1.0 - 1.0 / np.maximum(evidence, 1.0)) / np.maximum(freedom, 1.0), 0.0
        )
        # A single bad request always gives exactly one: it says nothing but counts as quiet time.
        single = (freedom >= 1.0) & (evidence == 1.0)
        weight, ratio = np.where(single, 1.0, weight), np.where(single, 1.0, ratio)
        fade = np.minimum(1.0, _MEMORY / np.maximum(self.weight + weight, 1e-9))
        return Dispersion(
            fade * (self.statistic + weight * ratio),
            fade * (self.weight + weight),
            fade**2 * (self.variance + noise * np.maximum(ratio, 1.0) ** 2),
        )


def _pods(roster: Roster, bad: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For each pod: degrees of freedom, Pearson's statistic and bad requests of its siblings without it."""
    first, service = roster.first[:-1], roster.service_of
    present = (total > 0.0).astype(np.float64)
    square = np.divide(bad * bad, total, out=np.zeros_like(bad), where=total > 0.0)
    sums = [np.add.reduceat(column, first, axis=0)[service] - column for column in (bad, total, present, square)]
    return (sums[2] - 1.0, *_pearson(sums[0], sums[1], sums[3]))


def _groups(roster: Roster, bad: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For each group: the same within the group and within its complement, added up."""
    first, member = roster.first[:-1], roster.members
    present = (total > 0.0).astype(np.float64)
    square = np.divide(bad * bad, total, out=np.zeros_like(bad), where=total > 0.0)
    inside, outside = [], []
    for column in (bad, total, present, square):
        own = np.add.reduceat(column[member], roster.group_first[:-1], axis=0)
        inside.append(own)
        outside.append(np.add.reduceat(column, first, axis=0)[roster.group_service] - own)
    freedom = np.maximum(inside[2] - 1.0, 0.0) + np.maximum(outside[2] - 1.0, 0.0)
    (one, few), (other, more) = _pearson(inside[0], inside[1], inside[3]), _pearson(outside[0], outside[1], outside[3])
    return freedom, one + other, few + more


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
