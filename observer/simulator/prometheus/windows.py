"""``rate`` and ``increase``: what a counter grew by over a window, as Prometheus 3 extrapolates it."""

from __future__ import annotations

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.simulator.prometheus.tsdb import Selection


def growth(selection: Selection, at_ms: IntArray, range_ms: int, *, per_second: bool) -> tuple[FloatArray, BoolArray]:
    """Growth of each series over the left-open window that ends at each instant; shapes (series, instants)."""
    shape = (len(selection.series), at_ms.size)
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for (block, table, rows), span in zip(selection.parts, selection.spans, strict=True):
        times = block.times
        first = np.searchsorted(times, at_ms - range_ms, side="right")
        last = np.searchsorted(times, at_ms, side="right")
        for step, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            if high - low < 2:
                continue
            end = int(at_ms[step])
            grown, counted = _window(table.values[rows, low:high], times[low:high], end - range_ms, end)
            values[span, step] = grown
            present[span, step] = counted
    if per_second:
        values /= range_ms / 1000.0
    return values, present


def _window(samples: FloatArray, times: IntArray, start: int, end: int) -> tuple[FloatArray, BoolArray]:
    """Increase of each row; rows with holes (births, staleness markers) are taken one by one."""
    holes = np.isnan(samples)
    if not holes.any():
        return _extrapolated(samples, times, start, end), np.ones(samples.shape[0], dtype=np.bool_)
    grown, counted = np.zeros(samples.shape[0]), np.zeros(samples.shape[0], dtype=np.bool_)
    for row, missing in enumerate(holes):
        held = ~missing
        if np.count_nonzero(held) >= 2:
            grown[row] = _extrapolated(samples[row, held][None, :], times[held], start, end)[0]
            counted[row] = True
    return grown, counted


def _extrapolated(samples: FloatArray, times: IntArray, start: int, end: int) -> FloatArray:
    """Samples (rows, at least 2 columns) without holes: resets undone, then stretched towards the window's borders."""
    steps = np.diff(samples, axis=1)
    grown = samples[:, -1] - samples[:, 0] + np.where(steps < 0, samples[:, :-1], 0.0).sum(axis=1)
    sampled = (int(times[-1]) - int(times[0])) / 1000.0
    mean_gap = sampled / (times.size - 1)
    to_start, to_end = (int(times[0]) - start) / 1000.0, (end - int(times[-1])) / 1000.0
    threshold = mean_gap * 1.1
    if to_start >= threshold:
        to_start = mean_gap / 2
    if to_end >= threshold:
        to_end = mean_gap / 2
    # A counter is never below zero: do not stretch back beyond the instant at which it would have been zero.
    positive = (grown > 0) & (samples[:, 0] >= 0)
    to_zero = sampled * samples[:, 0] / np.where(positive, grown, 1.0)
    before = np.where(positive, np.minimum(to_zero, to_start), to_start)
    result: FloatArray = grown * ((sampled + before + to_end) / sampled)
    return result
