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
from observer.engine.detect import history, peer_test
from observer.engine.detect.bins import Bin, due_bins, fill, widths
from observer.engine.detect.comparison_groups import ComparisonGroups, explained
from observer.engine.detect.counters import CLASSES, CounterState, Increments
from observer.engine.detect.state import DetectorState, OpenActions, Track
from observer.engine.detect.tiers import tier_scores

_FADE: Final = 0.6
"""Part of the older latency shares that is kept from bin to bin: the medians look back over two or three bins."""
_LEAST_BIN: Final = 5.0
"""Seconds. Envoy adds to its histograms only every five seconds, each proxy at its own moment: shorter bins would hold
one pod at a time."""
_RESIDUAL: Final = 0.05
"""A drained pod with less than this part of an equal share is out of the comparison."""


def weighed(
    state: DetectorState, new: Increments, settings: EngineSettings, open_actions: OpenActions
) -> DetectorState:
    """Bins that became ready, one after the other."""
    comparison = state.comparison
    if not comparison.refs:
        return state
    drained = np.zeros(len(comparison.refs), dtype=np.bool_)
    drained[[comparison.position[pod] for pod in open_actions.drained if pod in comparison.position]] = True
    state = _errors(state, new, drained, settings)
    state = _latency(state, new, drained, settings)
    fade = settings.detection.fade_seconds
    return replace(
        state,
        errors=_faded(comparison, state.errors, drained, state.at, fade),
        latency=_faded(comparison, state.latency, drained, state.at, fade),
    )


def _errors(state: DetectorState, new: Increments, drained: BoolArray, settings: EngineSettings) -> DetectorState:
    """The errors' bins: the peer test and, for pairs, the history test."""
    comparison, detection, interval = state.comparison, settings.detection, state.counters.interval
    track, past = state.errors, state.past
    open_ = fill(widths(track.bins, comparison, interval, settings.tick, 0.0, state.at), comparison, new, slice(0, 2))
    for after, ready in due_bins(open_, comparison, state.at, detection.reported_share):
        bad, total = ready.counts[:, 1:2], ready.counts.sum(axis=1, keepdims=True)
        out = _residual_traffic(comparison, total, drained)
        bad, total = np.where(out, 0.0, bad), np.where(out, 0.0, total)
        track = _weigh(replace(track, bins=after), comparison, ready, bad, total, out, settings)
        overdispersion = track.overdispersion(comparison, detection.overdispersion_cap)[: len(comparison.refs), 0]
        past = history.update(past, comparison, bad[:, 0], total[:, 0], state.null, overdispersion, detection)
        open_ = after
    return replace(state, errors=replace(track, bins=open_), past=past)


def _latency(state: DetectorState, new: Increments, drained: BoolArray, settings: EngineSettings) -> DetectorState:
    """The latency bins: the peer test at each cut."""
    comparison, detection, interval = state.comparison, settings.detection, state.counters.interval
    track, shares = state.latency, state.shares
    if not state.cuts:
        return state
    wide = widths(track.bins, comparison, interval, settings.tick, _LEAST_BIN, state.at)
    open_ = fill(wide, comparison, new, slice(CLASSES, None))
    warm = _warm_pods(comparison, state.counters, state.at, detection)
    for after, ready in due_bins(open_, comparison, state.at, detection.reported_share):
        slow, timed = _slower(ready.counts, warm)
        tested = list(state.tested)
        bad, total = slow[:, tested], timed[:, tested]
        out = _residual_traffic(comparison, total, drained)
        bad, total = np.where(out, 0.0, bad), np.where(out, 0.0, total)
        track = _weigh(replace(track, bins=after), comparison, ready, bad, total, out, settings)
        fading = np.where(ready.due, _FADE, 1.0)[comparison.service_of][:, None]
        shares = shares * fading + ready.counts
        open_ = after
    return replace(state, latency=replace(track, bins=open_), shares=shares)


def _weigh(
    track: Track, comparison: ComparisonGroups, ready: Bin, bad: FloatArray, total: FloatArray, out: BoolArray,
    settings: EngineSettings,
) -> Track:  # fmt: skip
    start, end = np.where(ready.due, ready.start, np.nan), np.where(ready.due, ready.end, np.nan)
    bin_ = peer_test.sample(comparison, bad, total, start, end, out)
    evidence = peer_test.update(track.evidence, track.dispersion, comparison, bin_, settings.detection)
    suspected = track.evidence.level()[: len(comparison.refs)] >= math.exp(tier_scores(settings)[Tier.ANNOTATE])
    learned = track.dispersion.added(comparison, bad, total, suspected, ready.due[comparison.service_of])
    return replace(track, evidence=evidence, dispersion=learned)


def _residual_traffic(comparison: ComparisonGroups, total: FloatArray, drained: BoolArray) -> BoolArray:
    """
    Shape of ``total``: drained pods that have hardly any requests left.

    Residual traffic is not what peers get, and what peers get meanwhile says nothing about the pod's usual share.
    """
    if not drained.any():
        return np.zeros(total.shape, dtype=np.bool_)
    equal = np.add.reduceat(total, comparison.first[:-1], axis=0) / np.diff(comparison.first)[:, None]
    result: BoolArray = drained[:, None] & (total < _RESIDUAL * equal[comparison.service_of])
    return result


def _faded(comparison: ComparisonGroups, track: Track, drained: BoolArray, at: float, fade: float) -> Track:
    """Without suspicions that ended by themselves; drained pods cannot speak for themselves."""
    ended = peer_test.ended(track.evidence, at, fade)
    ended[: len(drained)] &= ~drained[:, None]
    ended |= explained(comparison, track.evidence.own_bad, ended[: len(drained)])
    return replace(track, evidence=track.evidence.cleared(ended))


def _slower(buckets: FloatArray, warm: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Requests slower than each cut and requests in all, shape (N, cuts) each, from a bin's cumulative buckets."""
    timed = np.where(warm[:, None], buckets[:, -1:], 0.0)
    slow = np.where(warm[:, None], np.maximum(buckets[:, -1:] - buckets[:, :-1], 0.0), 0.0)
    return slow, np.broadcast_to(timed, slow.shape)


def _warm_pods(
    comparison: ComparisonGroups, counters: CounterState, at: float, settings: DetectionSettings
) -> BoolArray:
    """Shape (N,): old enough, and with enough requests in their life, to be compared by latency."""
    lived: BoolArray = np.nan_to_num(counters.last[:, -1]) >= settings.warm_up_requests
    old: BoolArray = at - comparison.created >= settings.warm_up_seconds
    return lived & old
