"""
Two counter frames -> what happened between two scrapes of each pod.

Doubt becomes a *baseline*: the new values are remembered and nothing is counted. So does everything that is not a
pod's counters growing under the same name from one scrape to the next: first sight, return after an absence, a change
in the number or the labels of its targets (where these cannot be told, two scrapes after a label write of our own), a
decrease without a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, CounterFrame, FloatArray, IntArray
from observer.domain.ids import PodRef
from observer.engine.detect.comparison_groups import ComparisonGroups
from observer.engine.messages.wording import percent

UNKNOWN, COUNTED, ZERO = 0, 1, 2
"""What is known of a pod's counters: nothing; the values in ``last``; that there were none yet, so all count."""

QUIET: Final = 3
"""A target whose newest scrape is more than so many intervals old is silent."""
QUIET_SECONDS: Final = 10.0
_BACKWARD: Final = 0.1
"""When so large a part of the targets goes back in time, several servers answer behind one address."""
_FALLEN: Final = 3
"""The same when the counters of so many pods, and so large a part, fall at once: one may have lost them by itself."""
_REMEMBERED: Final = 3600.0
"""Seconds for which the counters of a pod that is gone may still be shown under its name."""
_SLACK: Final = 2.0
"""Seconds by which clocks of kubelet and metric source may differ."""
CLASSES: Final = 3
_UNSEEN: Final[Mapping[str, float]] = {
    "last": np.nan, "scraped": np.nan, "known": UNKNOWN, "targets": -1, "marks": -1, "starts": np.nan, "skip": 0,
    "written": 0.0, "interval": np.nan, "floor": -1.0,
}  # fmt: skip
"""What each array of ``CounterState`` holds for a pod that was not seen before."""


@dataclass(frozen=True, slots=True, eq=False)
class CounterState:
    """
    What the last scrape of each pod told; arrays in the order of the comparison groups, C = 3 classes + cuts + 1
    buckets.

    Attributes:
        last: shape (N, C), cumulative; NaN = no such series.
        scraped: shape (N,), time of the scrape that ``last`` comes from, NaN = none yet.
        known: shape (N, 2), for requests and for buckets: UNKNOWN, COUNTED or ZERO.
        targets, marks: shape (N,), number and labels of the pod's targets as last seen, -1 = not told.
        starts: shape (N, 2), its restarts and newest container start as last seen.
        skip: shape (N,), scrapes that are still a baseline. written: shape (N,), the label write that caused it.
        interval: shape (N,), smoothed seconds between two scrapes that we saw, NaN = unknown.
        floor: shape (N,), requests of the former pod of the same name: while a pod that began at zero shows as many,
            they are its predecessor's; -1 = nobody had the name.
        gone: pods that left lately by name, with their requests and when they left.
    """

    last: FloatArray
    scraped: FloatArray
    known: IntArray
    targets: IntArray
    marks: IntArray
    starts: FloatArray
    skip: IntArray
    written: FloatArray
    interval: FloatArray
    floor: FloatArray
    gone: Mapping[tuple[str, str], tuple[float, float]]

    @classmethod
    def empty(cls, columns: int) -> CounterState:
        """Nobody is known."""
        return cls(
            np.zeros((0, columns)), np.zeros(0), np.zeros((0, 2), np.int64), np.zeros(0, np.int64),
            np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0), {},
        )  # fmt: skip

    def carried(
        self, take: IntArray, comparison: ComparisonGroups, old: ComparisonGroups, at: float, last_complete: float
    ) -> CounterState:
        """In a new order of pods; ``take`` names each pod's old row or -1. New pods begin unknown or at zero."""
        born = (take < 0) & (comparison.created > last_complete - _SLACK) & (last_complete > 0.0)
        gone = {key: retained for key, retained in self.gone.items() if retained[1] > at - _REMEMBERED}
        for position in np.setdiff1d(np.arange(len(old.refs)), take).tolist():
            gone[old.refs[position].key] = (float(np.nansum(self.last[position, :CLASSES])), at)
        rows = {name: taken(getattr(self, name), take, fill) for name, fill in _UNSEEN.items()}
        rows["known"][born] = ZERO
        rows["scraped"][born] = comparison.created[born]
        for position in np.flatnonzero(born).tolist() if gone else ():
            rows["floor"][position] = gone.get(comparison.refs[position].key, (-1.0, 0.0))[0]
        return CounterState(**rows, gone=gone)

    def forgotten(self) -> CounterState:
        """After a blind stretch or a jump of the clock: every pod's next scrape is a baseline."""
        return replace(self, known=np.zeros_like(self.known), scraped=np.full_like(self.scraped, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Increments:
    """
    What was counted between two scrapes of each pod, in the order of the comparison groups.

    Attributes:
        counts: shape (N, C), like ``CounterState.last``; 0 where nothing counts.
        since, until: shape (N,), the two scrapes, Unix seconds; equal where nothing counts.
        scraped: shape (N,), newest scrape, NaN = none yet. up: shape (N,), the target answered lately.
        reported: shape (N,), pods whose increments are known, even if 0.
        gaps: how many pods went through a baseline in this tick by doubt (decrease, targets, absence).
        backward: part of the targets whose scrape time went back, 0..1.
        fallen: pods whose counters fell although nothing restarted; scrapes: targets that were scraped at all.
    """

    counts: FloatArray
    since: FloatArray
    until: FloatArray
    scraped: FloatArray
    up: BoolArray
    reported: BoolArray
    gaps: int
    backward: float
    fallen: int = 0
    scrapes: int = 0

    @property
    def disagreement(self) -> str:
        """Why several servers with different memories seem to answer behind one address; empty when they do not."""
        if self.backward >= _BACKWARD:
            return f"{percent(self.backward)} of the scrape times went back"
        if self.fallen >= max(_FALLEN, _BACKWARD * self.scrapes):
            return f"the counters of {self.fallen} pods fell although nothing restarted"
        return ""


def increments(
    state: CounterState, comparison: ComparisonGroups, frame: CounterFrame, label_writes: Mapping[PodRef, float]
) -> tuple[CounterState, Increments]:
    """Compare the frame with what was known. ``state`` must be in the order of ``comparison``."""
    now, scraped, targets = _rows(comparison, frame)
    starts = comparison.starts
    usable = scraped > 0.0
    moved = usable & ~(scraped <= state.scraped)
    back = usable & (scraped < state.scraped)
    skip, written = _label_skips(state, comparison, label_writes)
    restarted = (starts != state.starts).any(axis=1) & ~np.isnan(state.starts).any(axis=1)
    marks, marked = _marks(comparison, frame), state.marks >= 0
    changed = ((targets != state.targets) & (state.targets >= 0)) | ((marks != state.marks) & marked & (marks >= 0))
    # Targets that are called as before have their series as before, whatever we wrote to the pod.
    skipping = moved & (skip > 0) & (scraped > written) & ~(marked & (marks >= 0))
    total = np.nan_to_num(now[:, :CLASSES]).sum(axis=1)
    predecessors = (state.known[:, 0] == ZERO) & (state.floor > 0.0) & (total >= state.floor)
    counts, reported, knowledge, doubts, fallen = _advance_all(
        state, now, moved, restarted, changed | skipping | predecessors
    )
    # What was shown was another pod's: to come down from it is no fall.
    knowledge[predecessors] = UNKNOWN
    # A target that is down or gone is absent: whatever it says when it comes back is a baseline.
    knowledge[~usable & ~np.isnan(state.scraped) & (knowledge != ZERO).any(axis=1)] = UNKNOWN
    began = np.where(restarted & moved, np.fmax(state.scraped, starts[:, 1]), state.scraped)
    since = np.where(reported, np.minimum(began, scraped), frame.at)
    interval = _interval(state, scraped, moved)
    after_state = CounterState(
        last=np.where(moved[:, None], now, state.last),
        scraped=np.where(moved, scraped, state.scraped),
        known=knowledge,
        targets=np.where(moved, targets, state.targets),
        marks=np.where(moved, marks, state.marks),
        starts=np.where(moved[:, None] | np.isnan(state.starts), starts, state.starts),
        skip=np.where(skipping, skip - 1, skip),
        written=written,
        interval=interval,
        floor=np.where(knowledge[:, 0] == ZERO, state.floor, -1.0),
        gone=state.gone,
    )
    up = usable & (frame.at - scraped <= np.maximum(QUIET_SECONDS, QUIET * np.nan_to_num(interval)))
    part_back = float(back.sum()) / max(1, int(usable.sum()))
    until = np.where(reported, scraped, frame.at)
    return after_state, Increments(
        counts, since, until, after_state.scraped, up, reported, doubts, part_back, fallen, int(usable.sum())
    )


def _advance_all(
    state: CounterState, now: FloatArray, moved: BoolArray, restarted: BoolArray, barred: BoolArray
) -> tuple[FloatArray, BoolArray, IntArray, int, int]:
    """Both kinds of series: increments and what is known; who told some, doubts and falls are of the first kind."""
    counts, knowledge = np.zeros_like(now), state.known.copy()
    reported, doubts, fallen = np.zeros(len(now), dtype=np.bool_), 0, 0
    for part, columns in enumerate((slice(0, CLASSES), slice(CLASSES, now.shape[1]))):
        counts[:, columns], part_reported, knowledge[:, part], doubt, fell = _advance(
            state.last[:, columns], now[:, columns], knowledge[:, part], moved, restarted, barred
        )
        if part == 0:
            reported, doubts, fallen = part_reported, int(doubt.sum()), int(fell.sum())
    return counts, reported, knowledge, doubts, fallen


def _advance(
    last: FloatArray, now: FloatArray, knowledge: IntArray, moved: BoolArray, restarted: BoolArray, barred: BoolArray
) -> tuple[FloatArray, BoolArray, IntArray, BoolArray, BoolArray]:
    """
    One kind of series: its increments, who told some, what is known afterwards, where we are in doubt, and where the
    doubt is a fall.
    """
    absent = np.isnan(now).all(axis=1)
    broken = ~absent & ~(np.isfinite(now) & (now >= 0.0)).all(axis=1)
    base = np.where((knowledge == ZERO)[:, None], 0.0, last)
    fell = (now < base).any(axis=1) & ~absent
    reset = fell & restarted
    grown = np.where(reset[:, None], now, now - base)
    good = moved & ~absent & ~broken & ~barred & (knowledge != UNKNOWN) & ~(fell & ~reset)
    counts = np.where(good[:, None], grown, 0.0)
    # A target that answers and has no such series yet counts from zero when it gets one; one that lost it does not.
    after = np.where(moved & ~absent & ~broken, COUNTED, knowledge)
    after = np.where(
        moved & absent & ((knowledge == ZERO) | (knowledge == UNKNOWN)), np.where(barred, UNKNOWN, ZERO), after
    )
    # Counters that fell for no reason may rise again as they fell: neither way is growth.
    lost = moved & fell & ~reset & ~barred & (knowledge == COUNTED)
    after = np.where((moved & absent & (knowledge == COUNTED)) | (moved & broken) | lost, UNKNOWN, after)
    doubt = moved & ~absent & (knowledge != UNKNOWN) & ~good
    silently_reported = moved & absent & (knowledge == ZERO) & ~barred
    return counts, good | silently_reported, after, doubt, lost


def _interval(state: CounterState, scraped: FloatArray, moved: BoolArray) -> FloatArray:
    """Smoothed seconds between scrapes, with those that are newer than what was known."""
    old, new = state.interval, scraped - state.scraped
    usable = moved & ~np.isnan(new) & (state.known[:, 0] == COUNTED)
    result: FloatArray = np.where(usable, np.where(np.isnan(old), new, 0.8 * old + 0.2 * new), old)
    return result


def _rows(comparison: ComparisonGroups, frame: CounterFrame) -> tuple[FloatArray, FloatArray, IntArray]:
    """Requests and buckets side by side, scrape times and numbers of targets, in the order of the comparison groups."""
    row = comparison.frame_row
    there = row >= 0
    columns = frame.requests.shape[1] + frame.buckets.shape[1]
    now = np.full((len(row), columns), np.nan)
    now[there] = np.concatenate([frame.requests, frame.buckets], axis=1)[row[there]]
    if frame.outward.any():
        # What a pod that is no gateway calls says nothing of what it answers.
        foreign = there & ~np.fromiter((pod.gateway for pod in comparison.pods), np.bool_, len(row))
        now[foreign & frame.outward[row]] = np.nan
    scraped = np.zeros(len(row))
    scraped[there] = np.nan_to_num(frame.scraped[row[there]])
    targets = np.zeros(len(row), np.int64)
    targets[there] = frame.targets[row[there]]
    # A scrape in the future is a lying clock; nothing can be counted by it.
    scraped[scraped > frame.at + _SLACK] = 0.0
    return now, scraped, targets


def _marks(comparison: ComparisonGroups, frame: CounterFrame) -> IntArray:
    """What the targets of each pod are called, -1 where the source cannot tell or has no target."""
    row = comparison.frame_row
    if not len(frame.marks):
        return np.full(len(row), -1, np.int64)
    marks: IntArray = np.where((row >= 0) & (frame.marks[row] > 0), frame.marks[row], -1)
    return marks


def _label_skips(
    state: CounterState, comparison: ComparisonGroups, label_writes: Mapping[PodRef, float]
) -> tuple[IntArray, FloatArray]:
    skip, written = state.skip.copy(), state.written.copy()
    for ref, when in label_writes.items():
        position = comparison.position.get(ref)
        if position is not None and when > written[position]:
            skip[position], written[position] = 2, when
    return skip, written


def taken(values: np.ndarray, take: IntArray, fill: float) -> np.ndarray:
    """``values[take]`` with ``fill`` where ``take`` is -1."""
    result = np.full((len(take), *values.shape[1:]), fill, dtype=values.dtype)
    retained = take >= 0
    result[retained] = values[take[retained]]
    return result
