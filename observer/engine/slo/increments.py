"""
Raw counters of one instant after the other -> events in between, without losing births or counting anything twice.

A series that appears counts from zero only when its whole life lies after the last look: its pod started since then,
or its target was seen at both instants and simply had not answered that way before (the first 503 of a living pod). So
the errors of pods that crash in a loop are counted although no series of theirs ever grows. Everything else that
appears (first look, after a reload, back from an absence) is a baseline. A counter that falls is a reset only when its
container restarted; one that falls and comes back is two servers answering in turn, and says nothing.

Where budgets count slices of time, a slice becomes one event, so that windows, budgets and burn rates are the same.
*Timeslices*: a slice is one good event when its share of good events is at least the slice target, else one bad.
*RatioTimeslices*: a slice is one event that is good to the share of its good events; the budget is the mean of ratios.
A slice without a single event: no user was affected where silence is right (IDLE), so Timeslices count it as good; a
ratio of nothing does not exist, so RatioTimeslices leave it out. Where data is missing the objective's ``no_data``
decides: ``bad`` and ``page`` count it as bad, ``good`` as good, ``hold`` leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.events import BAD, GOOD, TOTAL, Parts, Readings, Series
from observer.domain.slo import BudgetingMethod, DataState, NoData, Objective

ABSENT_FOR: Final = 3600.0
"""A series is remembered so long after it vanished, so that its return is no birth."""
FLICKER: Final = 300.0
"""A counter that comes back to where it was within so many seconds after it fell was never reset."""
START_SLACK: Final = 1.0
"""Kubernetes tells starts in whole seconds."""


@dataclass(slots=True, eq=False)
class Growth:
    """
    What happened between the last look and this one.

    Attributes:
        events: shape (rows, 3), by ``GOOD``, ``BAD``, ``TOTAL``.
        seen: shape (rows, 3), series at this instant.
        first: this was a first look: nothing can be said.
        uncertain: rows where a counter fell without a restart. ``flickering``: rows whose counters go back and forth.
        born: events that came from births, all rows together.
    """

    events: FloatArray
    seen: FloatArray
    first: bool
    uncertain: set[int] = field(default_factory=set)
    flickering: set[int] = field(default_factory=set)
    born: float = 0.0


@dataclass(slots=True)
class Counters:
    """
    The memory between two looks.

    ``births`` may be switched off to count as Prometheus does (for the comparison with its rules).
    """

    rows: int
    births: bool = True
    _at: float = 0.0
    _values: dict[Series, float] = field(default_factory=dict)
    _gone: dict[Series, float] = field(default_factory=dict)
    _fallen: dict[Series, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def at(self) -> float:
        """The last look, Unix seconds; 0 before the first."""
        return self._at

    def advance(self, now: Readings, started: Mapping[tuple[str, str], float]) -> Growth:
        """
        Events since the last look. ``started`` tells when each pod's newest container started, Unix seconds.

        A look that is not after the last one tells nothing.
        """
        first, before = not self._at, self._at
        growth = Growth(np.zeros((self.rows, 3)), np.zeros((self.rows, 3)), first or now.at <= before)
        if now.at <= before:
            return growth
        alive = {series.pod for series in self._values if series.pod[1]}
        values = dict(zip(now.series, now.values.tolist(), strict=True))
        for series, value in values.items():
            growth.seen[series.row, series.column] += 1
            old = self._values.get(series)
            if old is None:
                if not first and self._is_birth(series, before, started, alive):
                    growth.events[series.row, series.column] += value
                    growth.born += value
            elif value >= old:
                self._grown(growth, series, value - old, value, now.at)
            else:
                self._fell(growth, series, value, old, now.at, started.get(series.pod))
        self._remember(now.at, values)
        return growth

    def _is_birth(
        self, series: Series, before: float, started: Mapping[tuple[str, str], float], alive: set[tuple[str, str]]
    ) -> bool:
        if not self.births or series in self._gone or not series.pod[1]:
            return False
        start = started.get(series.pod)
        return (start is not None and start > before - START_SLACK) or series.pod in alive

    def _grown(self, growth: Growth, series: Series, more: float, value: float, at: float) -> None:
        fell = self._fallen.get(series)
        if fell is not None and value >= fell[1]:
            growth.flickering.add(series.row)
            self._fallen[series] = (fell[0], fell[1], 0.0)
            return
        growth.events[series.row, series.column] += more
        if fell is not None and at - fell[0] > FLICKER:
            growth.events[series.row, series.column] += fell[2]
            del self._fallen[series]

    def _fell(self, growth: Growth, series: Series, value: float, old: float, at: float, start: float | None) -> None:
        """A pod that Kubernetes knows must have restarted; otherwise only time tells a reset from a second server."""
        if start is not None and start > self._at - START_SLACK:
            growth.events[series.row, series.column] += value
        elif start is not None:
            growth.uncertain.add(series.row)
            self._fallen[series] = (at, old, 0.0)
        elif self.births:
            before = self._fallen.get(series)
            if before is not None and before[2] == 0.0:
                growth.flickering.add(series.row)
            self._fallen[series] = (at, old, 0.0 if before is not None else value)
        else:
            growth.events[series.row, series.column] += value

    def _remember(self, at: float, values: dict[Series, float]) -> None:
        for series in self._values:
            if series not in values:
                self._gone[series] = at
        self._gone = {
            series: when for series, when in self._gone.items() if at - when < ABSENT_FOR and series not in values
        }
        self._fallen = {
            series: fell
            for series, fell in self._fallen.items()
            if series in values and (fell[2] or at - fell[0] <= FLICKER)
        }
        self._values, self._at = values, at


def good_and_total(events: FloatArray, parts: IntArray) -> tuple[FloatArray, FloatArray]:
    """
    Shapes (rows,), (rows,): good and total events of growth of shape (rows, 3); ``parts`` has shape (rows,).

    Good is at most the total: a scrape may fall between the parts of one series.
    """
    good, bad, whole = events[:, GOOD], events[:, BAD], events[:, TOTAL]
    total = np.where(parts == Parts.GOOD_AND_BAD, good + bad, whole)
    retained = np.where(parts == Parts.BAD_OF_TOTAL, total - bad, good)
    return np.clip(retained, 0.0, total), total


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
        self.sliced = np.array(
            [objective.method is not BudgetingMethod.OCCURRENCES for objective in self.objectives], np.bool_
        )
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
