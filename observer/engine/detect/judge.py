"""
The judges' one entry: what a tick saw -> who is suspected, how strongly, and why nobody may be.

Pure: the instant comes with the snapshot, the memory with the state.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from observer.domain.cluster import ClusterView
from observer.domain.counts import BoolArray, CounterFrame, FloatArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Gap, Snapshot
from observer.domain.suspect import CallerTally, Judgement, Tier
from observer.engine.detect import callers, history, peer_test
from observer.engine.detect.bins import Bin, due_bins, fill, widths
from observer.engine.detect.counters import CLASSES, Increments, increments
from observer.engine.detect.groups import explained
from observer.engine.detect.health import Services, Tallies
from observer.engine.detect.held import OpenActions
from observer.engine.detect.latency import FADE, LEAST_BIN, slower, warm_pods
from observer.engine.detect.roster import ComparisonGroups, comparison_of
from observer.engine.detect.state import DetectorState, Track
from observer.engine.detect.tiers import tier_scores
from observer.engine.detect.verdict import verdict

_BLIND_TICKS: Final = 10
"""A pause of more ticks than this makes every next scrape a baseline."""
_SETTLED: Final = 30.0
"""Seconds after its creation from which a Ready pod is expected to be scraped."""
_DISAGREED: Final = 60.0
"""Seconds for which servers that contradicted each other are not believed."""
_FRESH_SHARE: Final = 0.9
_RESIDUAL: Final = 0.05
"""A drained pod with less than this part of an equal share is out of the comparison."""


def judge(
    state: DetectorState, snapshot: Snapshot, settings: EngineSettings, held: OpenActions | None = None
) -> tuple[DetectorState, Judgement]:
    """
    Weigh one tick.

    Returns the next state and the judgement. Without counters or without a picture of the cluster nothing is weighed,
    nothing is forgotten and the judgement is not complete.
    """
    held = held if held is not None else OpenActions()
    frame, cluster = snapshot.counters, snapshot.cluster
    if frame is None or cluster is None:
        return state, _blind(state, snapshot, held)
    state, gaps = _timed(state.shaped(frame, settings), frame, settings)
    state, new = _counted(state, snapshot, frame, cluster, settings, held)
    if new.disagreement:
        state = replace(state, disagreed=(frame.at, new.disagreement))
    if 0.0 <= frame.at - state.disagreed[0] < _DISAGREED:
        # Every other answer looks well: what one of them said is not forgotten with the next.
        gaps.append(Gap("prometheus", "replicas_disagree", state.disagreed[1]))
    state = _weighed(state, new, settings, held)
    state, tallies, seen = _observed(state, snapshot, cluster, new)
    fresh = _fresh_share(state.comparison, new, frame.at)
    if fresh < _FRESH_SHARE:
        gaps.append(Gap("prometheus", "stale", f"{fresh:.0%} of the sidecars were scraped lately"))
    complete = not gaps
    found = verdict(state, snapshot, cluster, settings, held, new)
    state = replace(
        state,
        last_complete=frame.at if complete else state.last_complete,
        usual=found.usual,
        since={(one.service, one.reason): one.since for one in found.suppressed},
        silent=found.silent,
        losses=found.losses,
        watched=found.watched,
    )
    return state, Judgement(
        at=snapshot.at,
        complete=complete,
        suspects=found.suspects,
        suppressions=found.suppressed,
        services=Services(state.comparison, state.minute, found.doubted, state.at),
        tallies=tallies,
        callers=seen,
        watch=frozenset(found.watched),
        recheck=found.recheck,
        cuts=state.cuts,
        gaps=tuple(gaps),
    )


def _counted(
    state: DetectorState, snapshot: Snapshot, frame: CounterFrame, cluster: ClusterView, settings: EngineSettings,
    held: OpenActions,
) -> tuple[DetectorState, Increments]:  # fmt: skip
    """The state in today's order, with what the frame adds to what was known."""
    state = state.seated(comparison_of(cluster, frame, state.comparison), frame.at)
    counted, new = increments(state.counters, state.comparison, frame, held.label_writes)
    null = history.null_rates(state.comparison.services, snapshot.baselines, 0.5 * settings.impact.error_rate)
    return replace(state, counters=counted, at=frame.at, last_at=state.at, null=null), new


def _blind(state: DetectorState, snapshot: Snapshot, held: OpenActions) -> Judgement:
    nobody = np.zeros(len(state.comparison.refs), dtype=np.bool_)
    return Judgement(
        at=snapshot.at,
        complete=False,
        suspects=(),
        suppressions=(),
        services=Services(state.comparison, state.minute, nobody, snapshot.at),
        tallies={},
        callers={},
        watch=frozenset(state.watched) | held.services,
        recheck=frozenset(),
        cuts=state.cuts,
    )


def _timed(state: DetectorState, frame: CounterFrame, settings: EngineSettings) -> tuple[DetectorState, list[Gap]]:
    """A clock that goes back makes everything new, a long pause makes every scrape a baseline."""
    if not state.at:
        return state, []
    pause = frame.at - state.at
    if pause < 0.0:
        fresh = replace(DetectorState(), last_complete=0.0).shaped(frame, settings)
        return fresh, [Gap("prometheus", "clock", f"the clock went back by {-pause:.0f} s")]
    if pause > max(_BLIND_TICKS * settings.tick, settings.detection.fade_seconds):
        fresh = replace(DetectorState(), last_complete=0.0).shaped(frame, settings)
        return fresh, []
    return (state.blinded(), []) if pause > _BLIND_TICKS * settings.tick else (state, [])


def _weighed(state: DetectorState, new: Increments, settings: EngineSettings, held: OpenActions) -> DetectorState:
    """Bins that became ready, one after the other."""
    comparison = state.comparison
    if not comparison.refs:
        return state
    drained = np.zeros(len(comparison.refs), dtype=np.bool_)
    drained[[comparison.position[pod] for pod in held.drained if pod in comparison.position]] = True
    state = _errors(state, new, drained, settings)
    state = _latency(state, new, drained, settings)
    fade = settings.detection.fade_seconds
    return replace(
        state,
        errors=_faded(comparison, state.errors, drained, state.at, fade),
        latency=_faded(comparison, state.latency, drained, state.at, fade),
    )


def _errors(state: DetectorState, new: Increments, drained: BoolArray, settings: EngineSettings) -> DetectorState:
    """The errors' bins: the sibling test and, for pairs, the history test."""
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
    """The latency bins: the sibling test at each cut."""
    comparison, detection, interval = state.comparison, settings.detection, state.counters.interval
    track, shares = state.latency, state.shares
    if not state.cuts:
        return state
    wide = widths(track.bins, comparison, interval, settings.tick, LEAST_BIN, state.at)
    open_ = fill(wide, comparison, new, slice(CLASSES, None))
    warm = warm_pods(comparison, state.counters, state.at, detection)
    for after, ready in due_bins(open_, comparison, state.at, detection.reported_share):
        slow, timed = slower(ready.counts, warm)
        tested = list(state.tested)
        bad, total = slow[:, tested], timed[:, tested]
        out = _residual_traffic(comparison, total, drained)
        bad, total = np.where(out, 0.0, bad), np.where(out, 0.0, total)
        track = _weigh(replace(track, bins=after), comparison, ready, bad, total, out, settings)
        fading = np.where(ready.due, FADE, 1.0)[comparison.service_of][:, None]
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

    What trickles in is not what siblings get, and what siblings get meanwhile says nothing about the pod's usual share.
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


def _observed(
    state: DetectorState, snapshot: Snapshot, cluster: ClusterView, new: Increments
) -> tuple[DetectorState, Tallies, dict[ServiceRef, CallerTally]]:
    """The last minute and what callers saw."""
    comparison = state.comparison
    requests, errors = new.counts[:, 0] + new.counts[:, 1], new.counts[:, 1]
    left = np.stack([_by_service(comparison, values) for values in state.minute.leaving(state.at)], axis=1)
    minute = state.minute.added(requests, errors, state.at)

    def own(pod: PodRef) -> float:
        position = comparison.position.get(pod)
        return float(errors[position]) if position is not None else 0.0

    calls, seen = callers.advance(state.callers, snapshot.callers, cluster, own, state.at)
    return replace(state, minute=minute, left=left, callers=calls), Tallies(comparison, new.counts, new.told), seen


def _by_service(comparison: ComparisonGroups, values: FloatArray) -> FloatArray:
    return np.bincount(comparison.service_of, values, len(comparison.services)).astype(np.float64)


def _fresh_share(comparison: ComparisonGroups, new: Increments, at: float) -> float:
    expected = comparison.ready & (comparison.created < at - _SETTLED)
    return float(new.up[expected].mean()) if expected.any() else 1.0
