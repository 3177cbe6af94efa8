"""
One tick's bins, weighed: the peer test of errors and, once for each cut point, of slowness.

A slow-down moves requests over some of the cuts, whichever it is; the mixture over cuts finds it. Pods in their first
minute or hundred requests are neither judged by latency nor compared with: caches fill and compilers warm up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray
from observer.domain.settings import DetectionSettings, EngineSettings
from observer.domain.suspect import Tier
from observer.engine.detect import history, sibling
from observer.engine.detect.bins import Bin, due_bins, fill, widths
from observer.engine.detect.comparison_groups import Roster, explained
from observer.engine.detect.counters import CLASSES, CounterState, Increments
from observer.engine.detect.state import DetectorState, Held, Track
from observer.engine.detect.tiers import tier_nats

_FADE: Final = 0.6
"""Part of the older latency shares that is kept from bin to bin: the medians look back over two or three bins."""
_LEAST_BIN: Final = 5.0
"""Seconds. Envoy adds to its histograms only every five seconds, each proxy at its own moment: shorter bins would hold
one pod at a time."""
_TRICKLE: Final = 0.05
"""A drained pod with less than this part of an equal share is out of the comparison."""


def weighed(state: DetectorState, new: Increments, settings: EngineSettings, held: Held) -> DetectorState:
    """Bins that became ready, one after the other."""
    roster = state.roster
    if not roster.refs:
        return state
    drained = np.zeros(len(roster.refs), dtype=np.bool_)
    drained[[roster.position[pod] for pod in held.drained if pod in roster.position]] = True
    state = _errors(state, new, drained, settings)
    state = _latency(state, new, drained, settings)
    fade = settings.detection.fade_seconds
    return replace(
        state,
        errors=_faded(roster, state.errors, drained, state.at, fade),
        latency=_faded(roster, state.latency, drained, state.at, fade),
    )


def _errors(state: DetectorState, new: Increments, drained: BoolArray, settings: EngineSettings) -> DetectorState:
    """The errors' bins: the peer test and, for pairs, the history test."""
    roster, detection, interval = state.roster, settings.detection, state.counters.interval
    track, past = state.errors, state.past
    open_ = fill(widths(track.bins, roster, interval, settings.tick, 0.0, state.at), roster, new, slice(0, 2))
    for after, ready in due_bins(open_, roster, state.at, detection.reported_share):
        bad, total = ready.counts[:, 1:2], ready.counts.sum(axis=1, keepdims=True)
        out = _trickling(roster, total, drained)
        bad, total = np.where(out, 0.0, bad), np.where(out, 0.0, total)
        track = _weigh(replace(track, bins=after), roster, ready, bad, total, out, settings)
        clumped = track.clumped(roster, detection.dispersion_cap)[: len(roster.refs), 0]
        past = history.update(past, roster, bad[:, 0], total[:, 0], state.null, clumped, detection)
        open_ = after
    return replace(state, errors=replace(track, bins=open_), past=past)


def _latency(state: DetectorState, new: Increments, drained: BoolArray, settings: EngineSettings) -> DetectorState:
    """The latency bins: the peer test at each cut."""
    roster, detection, interval = state.roster, settings.detection, state.counters.interval
    track, shares = state.latency, state.shares
    if not state.cuts:
        return state
    wide = widths(track.bins, roster, interval, settings.tick, _LEAST_BIN, state.at)
    open_ = fill(wide, roster, new, slice(CLASSES, None))
    warm = _warm_pods(roster, state.counters, state.at, detection)
    for after, ready in due_bins(open_, roster, state.at, detection.reported_share):
        slow, timed = _slower(ready.counts, warm)
        tested = list(state.tested)
        bad, total = slow[:, tested], timed[:, tested]
        out = _trickling(roster, total, drained)
        bad, total = np.where(out, 0.0, bad), np.where(out, 0.0, total)
        track = _weigh(replace(track, bins=after), roster, ready, bad, total, out, settings)
        fading = np.where(ready.due, _FADE, 1.0)[roster.service_of][:, None]
        shares = shares * fading + ready.counts
        open_ = after
    return replace(state, latency=replace(track, bins=open_), shares=shares)


def _weigh(
    track: Track, roster: Roster, ready: Bin, bad: FloatArray, total: FloatArray, out: BoolArray,
    settings: EngineSettings,
) -> Track:  # fmt: skip
    start, end = np.where(ready.due, ready.start, np.nan), np.where(ready.due, ready.end, np.nan)
    bin_ = sibling.sample(roster, bad, total, start, end, out)
    evidence = sibling.update(track.evidence, track.dispersion, roster, bin_, settings.detection)
    suspected = track.evidence.level()[: len(roster.refs)] >= math.exp(tier_nats(settings)[Tier.ANNOTATE])
    learned = track.dispersion.added(roster, bad, total, suspected, ready.due[roster.service_of])
    return replace(track, evidence=evidence, dispersion=learned)


def _trickling(roster: Roster, total: FloatArray, drained: BoolArray) -> BoolArray:
    """
    Shape of ``total``: drained pods that have hardly any requests left.

    Residual traffic is not what peers get, and what peers get meanwhile says nothing about the pod's usual share.
    """
    if not drained.any():
        return np.zeros(total.shape, dtype=np.bool_)
    equal = np.add.reduceat(total, roster.first[:-1], axis=0) / np.diff(roster.first)[:, None]
    result: BoolArray = drained[:, None] & (total < _TRICKLE * equal[roster.service_of])
    return result


def _faded(roster: Roster, track: Track, drained: BoolArray, at: float, fade: float) -> Track:
    """Without suspicions that ended by themselves; drained pods cannot speak for themselves."""
    ended = sibling.ended(track.evidence, at, fade)
    ended[: len(drained)] &= ~drained[:, None]
    ended |= explained(roster, track.evidence.own_bad, ended[: len(drained)])
    return replace(track, evidence=track.evidence.cleared(ended))


def _slower(buckets: FloatArray, warm: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Requests slower than each cut and requests in all, shape (N, cuts) each, from a bin's cumulative buckets."""
    timed = np.where(warm[:, None], buckets[:, -1:], 0.0)
    slow = np.where(warm[:, None], np.maximum(buckets[:, -1:] - buckets[:, :-1], 0.0), 0.0)
    return slow, np.broadcast_to(timed, slow.shape)


def _warm_pods(roster: Roster, counters: CounterState, at: float, settings: DetectionSettings) -> BoolArray:
    """Shape (N,): old enough, and with enough requests in their life, to be compared by latency."""
    lived: BoolArray = np.nan_to_num(counters.last[:, -1]) >= settings.warm_up_requests
    old: BoolArray = at - roster.created >= settings.warm_up_seconds
    return lived & old
