"""
Budgets by slices of time: a slice becomes one event, so that windows, budgets and burn rates are the same for all.

*Timeslices*: a slice is one good event when its share of good events is at least the slice target, else one bad.
*RatioTimeslices*: a slice is one event that is good to the share of its good events; the budget is the mean of ratios.
A slice without a single event: nobody was hurt where silence is right (IDLE), so Timeslices count it as good; a ratio
of nothing does not exist, so RatioTimeslices leave it out. Where data is missing the objective's ``no_data`` decides:
``bad`` and ``page`` count it as bad, ``good`` as good, ``hold`` leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.slo import BudgetingMethod, DataState, NoData, Objective

_SILENT_AND_RIGHT: Final = frozenset({DataState.IDLE, DataState.OK, DataState.NEW})
_ROUNDING: Final = 1e-12


@dataclass(slots=True)
class Slicer:
    """
    Collects the events of the slice that is running, for objectives counted by slices.

    ``sliced`` has shape (N,): whose events go through here.
    """

    objectives: Sequence[Objective]
    sliced: BoolArray = field(init=False)
    _good: FloatArray = field(init=False)
    _total: FloatArray = field(init=False)
    _end: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.objectives)
        self.sliced = np.array([one.method is not BudgetingMethod.OCCURRENCES for one in self.objectives], np.bool_)
        self._good, self._total, self._end = np.zeros(size), np.zeros(size), np.zeros(size)

    def add(
        self, at: float, good: FloatArray, total: FloatArray, states: Sequence[DataState]
    ) -> list[tuple[float, IntArray, FloatArray, FloatArray]]:
        """
        Events up to ``at``, shapes (N,), with each objective's state then.

        Returns ``(instant, rows, good, total)`` of all that is to be counted: events as they are, and slices that
        ended. Events of a look that crosses the end of a slice belong to the slice that ``at`` lies in.
        """
        counted: list[tuple[float, IntArray, FloatArray, FloatArray]] = []
        plain = np.flatnonzero(~self.sliced)
        if plain.size:
            counted.append((at, plain, good[plain], total[plain]))
        for row in np.flatnonzero(self.sliced).tolist():
            width = self.objectives[row].slice_seconds
            if not self._end[row]:
                self._end[row] = math.ceil(at / width) * width
            if at > self._end[row]:
                if (slice_ := self._closed(row, states[row])) is not None:
                    counted.append((float(self._end[row]), np.array([row]), np.array([slice_]), np.ones(1)))
                self._good[row] = self._total[row] = 0.0
                # Slices in which nobody looked are unknown: not counted at all.
                self._end[row] = math.ceil(at / width) * width
            self._good[row] += good[row]
            self._total[row] += total[row]
        return counted

    def _closed(self, row: int, state: DataState) -> float | None:
        """How good the slice that just ended was, 0..1; None when it does not count."""
        objective, total = self.objectives[row], float(self._total[row])
        if total > 0:
            ratio = float(self._good[row]) / total
            if objective.method is BudgetingMethod.RATIO_TIMESLICES:
                return ratio
            return 1.0 if ratio >= objective.slice_target - _ROUNDING else 0.0
        if state in _SILENT_AND_RIGHT:
            return None if objective.method is BudgetingMethod.RATIO_TIMESLICES else 1.0
        return {NoData.BAD: 0.0, NoData.PAGE: 0.0, NoData.GOOD: 1.0}.get(objective.no_data)
