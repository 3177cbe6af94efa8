"""
Good and total events of many objectives in buckets of several widths: counts, never ratios.

Every event is counted once on each level, so that any window is one sum over one level and long windows cost little:
1 minute for 6 h 40 min, 5 minutes for 4 d 4 h, 1 hour for 93 days, 1 day for a year.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray

LEVELS: Final = ((60.0, 400), (300.0, 1200), (3600.0, 2240), (86_400.0, 372))
"""``(width in seconds, number of buckets)`` of each level."""
FINEST: Final = LEVELS[0][0]


class CountStore:
    """
    Counts of ``size`` objectives. Rows are objectives.

    A window of ``w`` seconds at ``at`` is the last ``w / width`` buckets of the finest level that holds it, the
    bucket of ``at`` included: it is short by less than one bucket while that one still fills, and exact at its end.
    """

    def __init__(self, size: int, levels: Sequence[tuple[float, int]] = LEVELS) -> None:
        self._levels = tuple(levels)
        self._counts = [np.zeros((2, size, count)) for _, count in self._levels]
        self._heads = [0 for _ in self._levels]
        self.since: FloatArray = np.full(size, np.inf)
        """Shape (size,): the first instant that was ever counted (even nothing), inf without one."""

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.since.size)

    @property
    def nbytes(self) -> int:
        """Bytes of all buckets."""
        return sum(table.nbytes for table in self._counts)

    def add(self, at: float, rows: IntArray, good: FloatArray, total: FloatArray) -> None:
        """
        Count events of unique ``rows`` that ended at ``at``; all shapes (K,).

        Later instants move the ring on; earlier ones are added to their own bucket while it is still held.
        """
        for (width, count), table, level in zip(self._levels, self._counts, range(len(self._heads)), strict=True):
            index = math.ceil(at / width)
            self._advance(level, index)
            if index > self._heads[level] - count:
                table[0, rows, index % count] += good
                table[1, rows, index % count] += total
        self.since[rows] = np.minimum(self.since[rows], at)

    def window(self, at: float, seconds: float) -> tuple[FloatArray, FloatArray]:
        """Shapes (size,), (size,): good and total events of the last ``seconds`` of every objective."""
        return self.between(at, at - seconds)

    def between(self, at: float, since: float) -> tuple[FloatArray, FloatArray]:
        """Good and total events of buckets that end after ``since`` up to the bucket of ``at``, both shape (size,)."""
        level = self._level(at - since)
        width, count = self._levels[level]
        last = min(math.ceil(at / width), self._heads[level])
        first = max(math.floor(since / width) + 1, self._heads[level] - count + 1)
        # A window slides by whole buckets: as many as it is long, not one more.
        first = max(first, math.ceil(at / width) - math.ceil((at - since) / width) + 1)
        if last < first:
            return np.zeros(self.size), np.zeros(self.size)
        start, stop = first % count, last % count
        table = self._counts[level]
        if start <= stop:
            sums = table[:, :, start : stop + 1].sum(axis=2)
        else:
            sums = table[:, :, start:].sum(axis=2) + table[:, :, : stop + 1].sum(axis=2)
        return sums[0], sums[1]

    def buckets(self, row: int, since: float, width: float = FINEST) -> list[tuple[float, float, float]]:
        """``(end, good, total)`` of one row's non-empty buckets of this width that end after ``since``, ascending."""
        level = next(i for i, (wide, _) in enumerate(self._levels) if wide == width)
        count, head = self._levels[level][1], self._heads[level]
        first = max(math.floor(since / width) + 1, head - count + 1)
        retained_counts = []
        for index in range(first, head + 1):
            good, total = self._counts[level][:, row, index % count].tolist()
            if total:
                retained_counts.append((index * width, good, total))
        return retained_counts

    def adopt(self, other: CountStore, rows: Sequence[tuple[int, int]]) -> None:
        """Take over ``(own row, row of other)``; ``other`` has the same levels. The rest of ``self`` must be empty."""
        mine = np.array([pair[0] for pair in rows], dtype=np.int64)
        theirs = np.array([pair[1] for pair in rows], dtype=np.int64)
        self._heads = list(other._heads)
        for table, source in zip(self._counts, other._counts, strict=True):
            table[:, mine] = source[:, theirs]
        self.since[mine] = other.since[theirs]

    def _level(self, seconds: float) -> int:
        for level, (width, count) in enumerate(self._levels):
            if seconds <= width * count:
                return level
        return len(self._levels) - 1

    def _advance(self, level: int, index: int) -> None:
        """Empty the buckets between the newest one and ``index``."""
        head, count = self._heads[level], self._levels[level][1]
        if index <= head:
            return
        table = self._counts[level]
        if index - head >= count:
            table[:] = 0.0
        else:
            stale: BoolArray = np.zeros(count, dtype=np.bool_)
            stale[[i % count for i in range(head + 1, index + 1)]] = True
            table[:, :, stale] = 0.0
        self._heads[level] = index
