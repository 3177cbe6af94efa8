"""
Increments -> common bins.

Targets are scraped at different moments. What was counted between two scrapes is spread over bins that are the same
for all peers, in whole requests and without losing any, so that what hits all of them at once falls into one bin
and cancels. A bin is judged when enough peers have reported it; what comes later is dropped and counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.engine.detect.comparison_groups import ComparisonGroups
from observer.engine.detect.counters import QUIET, Increments, taken

RING: Final = 8
"""Bins kept open at once."""
_SPAN: Final = RING - 3
"""An increment over more bins than this is spread over the last ones only."""
_STEADY: Final = 60.0
"""Seconds for which a service keeps its bin width after a change."""


@dataclass(frozen=True, slots=True, eq=False)
class BinState:
    """
    Attributes:
        open: shape (N, RING, C), whole requests of the bins that are not judged yet; bin k lies in place k mod RING.
        covered: shape (N,), Unix seconds up to which the pod's requests are known, -inf = never.
        width: shape (S,), seconds; changed: shape (S,), when it last changed.
        next: shape (S,), number of the next bin to be judged (bin k is ``[k * width, (k + 1) * width)``), -1 = none.
        late: requests that came too late so far.
    """

    open: FloatArray
    covered: FloatArray
    width: FloatArray
    changed: FloatArray
    next: IntArray
    late: float

    @classmethod
    def empty(cls, columns: int) -> BinState:
        return cls(np.zeros((0, RING, columns)), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64), 0.0)

    def carried(self, take: IntArray, services: IntArray) -> BinState:
        """In a new order of pods."""
        return BinState(
            taken(self.open, take, 0),
            taken(self.covered, take, -np.inf),
            taken(self.width, services, 0.0),
            taken(self.changed, services, -np.inf),
            taken(self.next, services, -1),
            self.late,
        )

    def forgotten(self) -> BinState:
        """Nothing is open and nobody has reported."""
        return BinState(
            np.zeros_like(self.open), np.full_like(self.covered, -np.inf), self.width, self.changed,
            np.full_like(self.next, -1), self.late,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Bin:
    """
    One judged bin of each service in ``due``; arrays in the order of the comparison groups, zero for other services
    and for late pods.

    Attributes:
        counts: shape (N, C). due: shape (S,). reported: shape (N,), pods whose counts hold the whole bin.
        start, end: shape (S,), Unix seconds.
    """

    counts: FloatArray
    due: BoolArray
    reported: BoolArray
    start: FloatArray
    end: FloatArray


def widths(
    state: BinState, comparison: ComparisonGroups, interval: FloatArray, tick: float, least: float, at: float
) -> BinState:
    """
    Set each service's bin width: a whole number of ticks, as long as the scrape interval of its slowest pods and as
    ``least`` (seconds).

    A service whose width changes loses its open bins.
    """
    measured = np.maximum(np.rint(np.nan_to_num(interval, nan=0.0) / tick), math.ceil(least / tick)) * tick
    wanted = np.maximum.reduceat(measured, comparison.first[:-1]) if len(measured) else measured
    unset = state.width <= 0.0
    change = (wanted != state.width) & (unset | (at - state.changed >= _STEADY))
    if not change.any():
        return state
    opened, fresh = state.open, state.next
    gone = change & ~unset
    if gone.any():
        opened, fresh = opened.copy(), np.where(gone, -1, fresh)
        opened[gone[comparison.service_of]] = 0
    # The first width is a guess until two scrapes were seen, so it may be corrected at once.
    measured_once = np.maximum.reduceat(~np.isnan(interval), comparison.first[:-1])
    changed = np.where(change & measured_once, at, state.changed)
    return BinState(opened, state.covered, np.where(change, wanted, state.width), changed, fresh, state.late)


def fill(state: BinState, comparison: ComparisonGroups, new: Increments, columns: slice) -> BinState:
    """Add the increments of this tick, of the given columns of their counts, to the open bins."""
    # A baseline reports nothing, yet from then on its pod is waited for like the others.
    covered = np.where(new.up, np.fmax(state.covered, new.scraped), state.covered)
    state = replace(state, covered=covered)
    # Until two scrapes of a service were seen its bins have no width: what is told before that is a baseline.
    sized = state.width[comparison.service_of] > 0.0
    reporting = np.flatnonzero(new.reported & sized & (new.until > new.since))
    if not len(reporting):
        return state
    service = comparison.service_of[reporting]
    width, until = state.width[service], new.until[reporting]
    since = np.maximum(new.since[reporting], until - _SPAN * width)
    first_bin, last_bin = np.floor(since / width), np.floor(until / width)
    nexts = _nexts(state.next, service, first_bin, last_bin, len(comparison.services))
    opened = state.open
    moved_on = (nexts != state.next) & (state.next >= 0)
    opened = opened.copy()
    if moved_on.any():
        opened[moved_on[comparison.service_of]] = 0
    late = 0.0
    for number, part in _spread(new.counts[reporting, columns], since, until, width):
        timely = number >= nexts[service]
        late += float(part[~timely].sum())
        # Each pod appears once, so plain indexed addition loses nothing.
        opened[reporting[timely], number[timely] % RING] += part[timely]
    return replace(state, open=opened, next=nexts, late=state.late + late)


def _spread(
    counts: FloatArray, since: FloatArray, until: FloatArray, width: FloatArray
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Numbers of bins with the whole requests that fall into them, first to last; nothing is lost or added."""
    first, before = np.floor(since / width), np.zeros(counts.shape)
    for step in range(_SPAN + 2):
        share = np.clip(((first + step + 1.0) * width - since) / (until - since), 0.0, 1.0)
        upto = np.floor(counts * share[:, None] + 0.5)
        yield (first + step).astype(np.int64), upto - before
        before = upto
        if (share >= 1.0).all():
            return


def _nexts(now: IntArray, service: IntArray, first_bin: FloatArray, last_bin: FloatArray, services: int) -> IntArray:
    """Where a service's judging begins, and where it must go on when the ring is too small for what came."""
    first = np.full(services, np.inf)
    np.minimum.at(first, service, first_bin)
    last = np.full(services, -np.inf)
    np.maximum.at(last, service, last_bin)
    fresh = (now < 0) & np.isfinite(first)
    begun = np.where(fresh, np.where(np.isfinite(first), first, 0.0), now)
    too_far = np.isfinite(last) & (last - begun >= RING)
    return np.where(too_far, np.where(np.isfinite(last), last, 0.0) - _SPAN, begun).astype(np.int64)


def due_bins(state: BinState, comparison: ComparisonGroups, at: float, share: float) -> Iterator[tuple[BinState, Bin]]:
    """
    Bins that are ready, at most one of each service at a time, oldest first, each with the state after it.

    Ready: ``share`` of the peers that report at all have reported it. A peer that said nothing for some bins is
    not waited for.
    """
    services = len(comparison.services)
    for _ in range(RING):
        if not services:
            return
        end = (state.next + 1) * state.width
        reported = state.covered >= end[comparison.service_of] - 1e-9
        waited = state.covered >= at - (QUIET + 1) * state.width[comparison.service_of]
        live = np.add.reduceat((waited | reported).astype(np.int64), comparison.first[:-1])
        done = np.add.reduceat(reported.astype(np.int64), comparison.first[:-1])
        due = (state.next >= 0) & (live > 0) & (done >= np.ceil(share * live - 1e-9))
        if not due.any():
            return
        chosen = due[comparison.service_of]
        place = (state.next % RING)[comparison.service_of]
        everyone = np.arange(len(place))
        counts = state.open[everyone, place]
        counts[~(chosen & reported)] = 0.0
        opened = state.open.copy()
        opened[everyone[chosen], place[chosen]] = 0
        start = end - state.width
        state = BinState(
            opened, state.covered, state.width, state.changed, np.where(due, state.next + 1, state.next), state.late
        )
        yield state, Bin(counts, due, chosen & reported, start, end)
