"""The accounts of all objectives: look after look counters become events, events become slices, buckets and
statuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from observer.domain.counts import FloatArray
from observer.domain.events import BAD, GOOD, TOTAL, Parts, Readings
from observer.domain.ids import ServiceRef
from observer.domain.slo import DataState, LedgerCount, Objective, ObjectiveStatus
from observer.engine.slo.buckets import CountStore
from observer.engine.slo.composite import composites
from observer.engine.slo.evaluate import Plan, evaluate
from observer.engine.slo.increments import Counters, Growth, Slicer, good_and_total
from observer.engine.slo.states import Facts, disagreement

MOVING: Final = 300.0
"""Seconds without an event after which an objective is silent; a doubt lasts as long."""
LEDGER_WIDTHS: Final = (300.0, 3600.0)
"""Widths of the buckets that the journal keeps: fine ones for days, coarse ones for the whole window."""
_NEEDED: Final = {
    Parts.GOOD_AND_BAD: (),
    Parts.BAD_OF_TOTAL: ((TOTAL, "total"),),
    Parts.GOOD_OF_TOTAL: ((TOTAL, "total"), (GOOD, "good")),
}


_VIEW_LEVELS: Final = ((60.0, 16),)


class SloAccounting:
    """
    Counts for ``objectives``, whose rows are their places in that order.

    ``parts[i]`` says which columns objective ``i`` counts; ``views`` are the services whose calls are counted from two
    sides, in the rows after the objectives (see ``ObjectiveFrame``). ``births`` and ``gated`` are
    switched off only to compare with what Prometheus would say.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        parts: Sequence[Parts],
        views: Sequence[ServiceRef] = (),
        *,
        births: bool = True,
        gated: bool = True,
    ) -> None:
        size = len(objectives)
        self.views = tuple(views)
        self._viewed = CountStore(len(self.views), _VIEW_LEVELS)
        self.plan = Plan(tuple(objectives), gated=gated)
        self.store = CountStore(size)
        self._parts = np.array([int(part) for part in parts], dtype=np.int64)
        self._counters = Counters(size + len(self.views), births=births)
        self._slicer = Slicer(self.plan.objectives)
        self._series = np.zeros((size, 3))
        self._sides = np.zeros((size + len(self.views), 3))
        self._ever = np.zeros(size, np.bool_)
        self._moved, self._uncertain, self._flickering = (np.full(size, -np.inf) for _ in range(3))
        self._states = [DataState.ABSENT] * size
        self._written = dict.fromkeys(LEDGER_WIDTHS, 0.0)
        self._upto = np.zeros(size)
        self.born = 0.0
        """Events that came from births, since the start."""

    @property
    def at(self) -> float:
        """The last look at the counters, Unix seconds; 0 before the first."""
        return self._counters.at

    def count(self, now: Readings, started: Mapping[tuple[str, str], float]) -> None:
        """
        Take in the counters of one instant; those of the past first, in order of time.

        What an objective's restored counts cover already is not counted again.
        """
        before = self._counters.at
        growth = self._counters.advance(now, started)
        self._note(now.at, growth)
        if growth.first:
            return
        size = len(self.plan.objectives)
        good, total = good_and_total(growth.events[:size], self._parts)
        fresh = self._upto <= before
        good, total = np.where(fresh, good, 0.0), np.where(fresh, total, 0.0)
        if self.views:
            seen_by = growth.events[size:]
            self._viewed.add(now.at, np.arange(len(self.views)), seen_by[:, GOOD], seen_by[:, BAD])
        self._moved[total > 0] = now.at
        self.born += growth.born
        # Whoever has no series at all has not been counted, not even as silent.
        looked = self._series.sum(axis=1) > 0
        for at, rows, retained, whole in self._slicer.add(now.at, good, total, self._states):
            counted = looked[rows]
            self.store.add(at, rows[counted], retained[counted], whole[counted])

    def statuses(self, at: float, around: Sequence[Facts]) -> tuple[ObjectiveStatus, ...]:
        """
        How all objectives stand at ``at`` (Unix seconds), composites after the plain ones.

        ``around``: what others know about each objective's data; what is counted here is added to it.
        """
        facts = [self._facts(row, surroundings, at) for row, surroundings in enumerate(around)]
        statuses = evaluate(self.plan, self.store, facts, at)
        self._states = [status.state for status in statuses]
        return (*statuses, *composites(statuses))

    def restore(self, counts: Iterable[LedgerCount]) -> None:
        """Take in buckets that the journal kept, before the first look; those of unknown objectives are passed over."""
        rows = {objective.id: row for row, objective in enumerate(self.plan.objectives)}
        by_end: dict[float, list[tuple[int, float, float]]] = {}
        for count in counts:
            if count.objective in rows:
                by_end.setdefault(count.end, []).append((rows[count.objective], count.good, count.total))
        for end in sorted(by_end):
            entries = by_end[end]
            index = np.array([row for row, _, _ in entries], dtype=np.int64)
            good, total = (np.array([entry[i] for entry in entries]) for i in (1, 2))
            self.store.add(end, index, good, total)
            self._ever[index] = True
            self._upto[index] = np.maximum(self._upto[index], end)

    def latest(self) -> float:
        """Up to when every objective is counted already, Unix seconds; 0 when one is not counted at all."""
        return float(self._upto.min(initial=np.inf)) if self._upto.size else 0.0

    def closed(self, at: float) -> list[tuple[float, LedgerCount]]:
        """``(width, count)`` of every bucket that ended by ``at`` and was not handed out before, for the journal."""
        ended = []
        for width, written in self._written.items():
            for row, objective in enumerate(self.plan.objectives):
                for end, good, total in self.store.buckets(row, max(written, at - 25 * width), width):
                    if end <= at:
                        ended.append((width, LedgerCount(objective.id, end, good, total)))
            self._written[width] = at // width * width
        return ended

    def reopen(self, counts: Iterable[tuple[float, LedgerCount]]) -> None:
        """What ``closed`` handed out could not be written: hand it out again."""
        for width, count in counts:
            self._written[width] = min(self._written[width], count.end - width)

    def inherit(self, old: SloAccounting) -> frozenset[str]:
        """Keep the counts of objectives that both have, by identity; returns their ids. Only before the first look."""
        before = {objective.id: row for row, objective in enumerate(old.plan.objectives)}
        pairs = [
            (row, before[objective.id]) for row, objective in enumerate(self.plan.objectives) if objective.id in before
        ]
        self.store.adopt(old.store, pairs)
        for row, was in pairs:
            self._ever[row], self._moved[row] = old._ever[was], old._moved[was]
            self._upto[row] = max(old.at, old._upto[was])
        self._written, self.born = dict(old._written), old.born
        return frozenset(self.plan.objectives[row].id for row, _ in pairs)

    def disagreements(self, at: float) -> dict[ServiceRef, str]:
        """Services whose callers and pods count their calls differently, and how, in the last minutes."""
        callers, callees = self._viewed.window(at, MOVING)
        size = len(self.plan.objectives)
        both = (self._sides[size:, GOOD] > 0) & (self._sides[size:, BAD] > 0)
        return {
            service: why
            for i, service in enumerate(self.views)
            if both[i] and (why := disagreement(float(callers[i]), float(callees[i])))
        }

    def _note(self, at: float, growth: Growth) -> None:
        size = len(self.plan.objectives)
        self._sides, self._series = growth.seen, growth.seen[:size]
        self._ever |= self._series.sum(axis=1) > 0
        self._uncertain[[row for row in sorted(growth.uncertain) if row < size]] = at
        self._flickering[[row for row in sorted(growth.flickering) if row < size]] = at

    def _facts(self, row: int, around: Facts, at: float) -> Facts:
        disagreement = around.disagreement
        if at - self._flickering[row] <= MOVING:
            disagreement = "counters go back and forth: several metric servers answer in turn"
        since = float(self.store.since[row])
        return replace(
            around,
            series=int(self._series[row].sum()),
            parts_missing=self._missing(row, self._series[row]),
            ever=bool(self._ever[row]),
            since=since if np.isfinite(since) else None,
            moved=bool(at - self._moved[row] <= MOVING),
            disagreement=disagreement,
            uncertain=bool(at - self._uncertain[row] <= MOVING),
        )

    def _missing(self, row: int, series: FloatArray) -> str:
        """A part of the SLI without series while another has some: a bucket that does not exist, a wrong selector."""
        if not series.sum():
            return ""
        objective, parts = self.plan.objectives[row], Parts(int(self._parts[row]))
        for column, name in _NEEDED[parts]:
            if not series[column]:
                if objective.cut_ms and column == GOOD:
                    return f"no bucket of {objective.cut_ms:g} ms: the histogram has other bounds"
                return f"its {name} query matches no series"
        return ""
