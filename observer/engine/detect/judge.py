"""
The judges' one entry: what a tick saw -> who is suspected, how strongly, and why nobody may be.

Pure: the instant comes with the snapshot, the memory with the state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from observer.domain.cluster import ClusterView
from observer.domain.counts import CounterFrame, FloatArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Gap, Snapshot
from observer.domain.suspect import CallerTally, Judgement
from observer.engine.detect import callers, history
from observer.engine.detect.comparison_groups import Roster, roster_of
from observer.engine.detect.counters import Increments, increments
from observer.engine.detect.last_minute import Services, Tallies
from observer.engine.detect.state import DetectorState, Held
from observer.engine.detect.verdict import verdict
from observer.engine.detect.weigh import weighed

_BLIND_TICKS: Final = 10
"""A pause of more ticks than this makes every next scrape a baseline."""
_SETTLED: Final = 30.0
"""Seconds after its creation from which a Ready pod is expected to be scraped."""
_DISAGREED: Final = 60.0
"""Seconds for which servers that contradicted each other are not believed."""
_FRESH_SHARE: Final = 0.9


def judge(
    state: DetectorState, snapshot: Snapshot, settings: EngineSettings, held: Held | None = None
) -> tuple[DetectorState, Judgement]:
    """
    Weigh one tick.

    Returns the next state and the judgement. Without counters or without a picture of the cluster nothing is weighed,
    nothing is forgotten and the judgement is not complete.
    """
    held = held if held is not None else Held()
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
    state = weighed(state, new, settings, held)
    state, tallies, caller_tallies = _observed(state, snapshot, cluster, new)
    fresh = _fresh_share(state.roster, new, frame.at)
    if fresh < _FRESH_SHARE:
        gaps.append(Gap("prometheus", "stale", f"{fresh:.0%} of the sidecars were scraped lately"))
    complete = not gaps
    findings = verdict(state, snapshot, cluster, settings, held, new)
    state = replace(
        state,
        last_complete=frame.at if complete else state.last_complete,
        usual=findings.usual,
        since={(suppression.service, suppression.reason): suppression.since for suppression in findings.suppressed},
        silent=findings.silent,
        losses=findings.losses,
        watched=findings.watched,
    )
    return state, Judgement(
        at=snapshot.at,
        complete=complete,
        suspects=findings.suspects,
        suppressions=findings.suppressed,
        services=Services(state.roster, state.minute, findings.doubted, state.at),
        tallies=tallies,
        callers=caller_tallies,
        watch=frozenset(findings.watched),
        recheck=findings.recheck,
        cuts=state.cuts,
        gaps=tuple(gaps),
    )


def _counted(
    state: DetectorState, snapshot: Snapshot, frame: CounterFrame, cluster: ClusterView, settings: EngineSettings,
    held: Held,
) -> tuple[DetectorState, Increments]:  # fmt: skip
    """The state in today's order, with what the frame adds to what was known."""
    state = state.seated(roster_of(cluster, frame, state.roster), frame.at)
    counted, new = increments(state.counters, state.roster, frame, held.label_writes)
    null = history.null_rates(state.roster.services, snapshot.baselines, 0.5 * settings.impact.error_rate)
    return replace(state, counters=counted, at=frame.at, last_at=state.at, null=null), new


def _blind(state: DetectorState, snapshot: Snapshot, held: Held) -> Judgement:
    nobody = np.zeros(len(state.roster.refs), dtype=np.bool_)
    return Judgement(
        at=snapshot.at,
        complete=False,
        suspects=(),
        suppressions=(),
        services=Services(state.roster, state.minute, nobody, snapshot.at),
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


def _observed(
    state: DetectorState, snapshot: Snapshot, cluster: ClusterView, new: Increments
) -> tuple[DetectorState, Tallies, dict[ServiceRef, CallerTally]]:
    """The last minute and what callers saw."""
    roster = state.roster
    requests, errors = new.counts[:, 0] + new.counts[:, 1], new.counts[:, 1]
    left = np.stack([_by_service(roster, values) for values in state.minute.leaving(state.at)], axis=1)
    minute = state.minute.added(requests, errors, state.at)

    def own(pod: PodRef) -> float:
        position = roster.position.get(pod)
        return float(errors[position]) if position is not None else 0.0

    calls, caller_tallies = callers.advance(state.callers, snapshot.callers, cluster, own, state.at)
    return (
        replace(state, minute=minute, left=left, callers=calls),
        Tallies(roster, new.counts, new.told),
        caller_tallies,
    )


def _by_service(roster: Roster, values: FloatArray) -> FloatArray:
    return np.bincount(roster.service_of, values, len(roster.services)).astype(np.float64)


def _fresh_share(roster: Roster, new: Increments, at: float) -> float:
    expected = roster.ready & (roster.created < at - _SETTLED)
    return float(new.up[expected].mean()) if expected.any() else 1.0
