"""
The detectors' one entry: what a tick saw -> who is suspected, how strongly, what is suppressed, and what to ask next.

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
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Gap, Snapshot
from observer.domain.suspect import CallerTally, Culprit, Judgement, Suspect, Symptom, Tier
from observer.engine.detect import callers, history
from observer.engine.detect.candidates import Candidates, restrained
from observer.engine.detect.comparison_groups import ComparisonGroups, comparison_of, pods_of
from observer.engine.detect.counters import Increments, increments
from observer.engine.detect.last_minute import Services, Tallies
from observer.engine.detect.state import DetectorState, OpenActions
from observer.engine.detect.suppress import FailingServices, correlated, suppressions, victims
from observer.engine.detect.tiers import PRE_ANNOTATE, strength, tier_scores
from observer.engine.detect.unreached import followed, lonely, silent_pods, unreached
from observer.engine.detect.weigh import weighed
from observer.engine.messages.wording import percent

_BLIND_TICKS: Final = 10
"""A pause of more ticks than this makes every next scrape a baseline."""
_SETTLED: Final = 30.0
"""Seconds after its creation from which a Ready pod is expected to be scraped."""
_DISAGREED: Final = 60.0
"""Seconds for which servers that contradicted each other are not believed."""
_FRESH_SHARE: Final = 0.9


def judge(
    state: DetectorState, snapshot: Snapshot, settings: EngineSettings, open_actions: OpenActions | None = None
) -> tuple[DetectorState, Judgement]:
    """
    Weigh one tick.

    Returns the next state and the judgement. Without counters or without a picture of the cluster nothing is weighed,
    nothing is forgotten and the judgement is not complete.
    """
    open_actions = open_actions if open_actions is not None else OpenActions()
    frame, cluster = snapshot.counters, snapshot.cluster
    if frame is None or cluster is None:
        return state, _blind(state, snapshot, open_actions)
    state, gaps = _timed(state.shaped(frame, settings), frame, settings)
    state, new = _counted(state, snapshot, frame, cluster, settings, open_actions)
    if new.disagreement:
        state = replace(state, disagreed=(frame.at, new.disagreement))
    if 0.0 <= frame.at - state.disagreed[0] < _DISAGREED:
        # Every other answer looks well: what one of them said is not forgotten with the next.
        gaps.append(Gap("prometheus", "replicas_disagree", state.disagreed[1]))
    state = weighed(state, new, settings, open_actions)
    state, tallies, caller_tallies = _observed(state, snapshot, cluster, new)
    fresh = _fresh_share(state.comparison, new, frame.at)
    if fresh < _FRESH_SHARE:
        gaps.append(Gap("prometheus", "stale", f"{percent(fresh)} of the sidecars were scraped lately"))
    if not gaps:
        state = replace(state, last_complete=frame.at)
    state, judgement = _concluded(state, snapshot, cluster, settings, open_actions, new)
    return state, replace(judgement, complete=not gaps, gaps=tuple(gaps), tallies=tallies, callers=caller_tallies)


def _counted(
    state: DetectorState, snapshot: Snapshot, frame: CounterFrame, cluster: ClusterView, settings: EngineSettings,
    open_actions: OpenActions,
) -> tuple[DetectorState, Increments]:  # fmt: skip
    """The state in today's order, with what the frame adds to what was known."""
    state = state.seated(comparison_of(cluster, frame, state.comparison), frame.at)
    counted, new = increments(state.counters, state.comparison, frame, open_actions.label_writes)
    null = history.null_rates(state.comparison.services, snapshot.baselines, 0.5 * settings.impact.error_rate)
    return replace(state, counters=counted, at=frame.at, last_at=state.at, null=null), new


def _blind(state: DetectorState, snapshot: Snapshot, open_actions: OpenActions) -> Judgement:
    nobody = np.zeros(len(state.comparison.refs), dtype=np.bool_)
    return Judgement(
        at=snapshot.at,
        complete=False,
        suspects=(),
        suppressions=(),
        services=Services(state.comparison, state.minute, nobody, snapshot.at),
        tallies={},
        callers={},
        watch=frozenset(state.watched) | open_actions.services,
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
    comparison = state.comparison
    requests, errors = new.counts[:, 0] + new.counts[:, 1], new.counts[:, 1]
    left = np.stack([_by_service(comparison, values) for values in state.minute.leaving(state.at)], axis=1)
    minute = state.minute.added(requests, errors, state.at)

    def own(pod: PodRef) -> float:
        position = comparison.position.get(pod)
        return float(errors[position]) if position is not None else 0.0

    calls, caller_tallies = callers.advance(state.callers, snapshot.callers, cluster, own, state.at)
    return (
        replace(state, minute=minute, left=left, callers=calls),
        Tallies(comparison, new.counts, new.reported),
        caller_tallies,
    )


def _by_service(comparison: ComparisonGroups, values: FloatArray) -> FloatArray:
    return np.bincount(comparison.service_of, values, len(comparison.services)).astype(np.float64)


def _fresh_share(comparison: ComparisonGroups, new: Increments, at: float) -> float:
    expected = comparison.ready & (comparison.created < at - _SETTLED)
    return float(new.up[expected].mean()) if expected.any() else 1.0


_QUIET_MEMORY: Final = 600.0
"""Seconds in which what was usual fades to a third."""
_WATCH: Final = 60.0
"""Seconds for which a service stays watched after its last reason."""
_MOST_AGAIN: Final = 2000
"""So many pods at most are asked about again in one tick."""
_RISING: Final = 4.0
"""Score of a service's error rate above what is usual from which its callers are asked."""


def _concluded(
    state: DetectorState, snapshot: Snapshot, cluster: ClusterView, settings: EngineSettings, open_actions: OpenActions,
    new: Increments,
) -> tuple[DetectorState, Judgement]:  # fmt: skip
    """Judge the evidence as it stands; ``state`` holds this tick's counts already, ``new`` are its increments."""
    comparison, at = state.comparison, state.at
    force = strength(state, settings)
    hinted = force.doubted(PRE_ANNOTATE)
    suspects = Candidates(state, snapshot, cluster, settings, force).suspects()
    whole = _Whole(state, settings, _spared(state, force.errors >= PRE_ANNOTATE, settings))
    failing_services = FailingServices(
        frozenset(comparison.services[i] for i in np.flatnonzero(whole.failing).tolist()),
        _sick(suspects),
        state.callers,
    )
    state, lone = _silences(state, snapshot, new)
    # Not healthy: at the annotate tier.
    doubted = force.doubted(tier_scores(settings)[Tier.ANNOTATE])[: len(comparison.refs)]
    crowded = correlated(comparison, _named_bad(suspects, doubted, state), settings.detection)
    suppressed = (
        *suppressions(failing_services, crowded, at, state.since),
        *unreached(lone, state.losses, state.silent, state.since, state.effect_sizes, at),
    )
    failing = [suspect.culprit for suspect in suspects if suspect.evidence.symptom is Symptom.ERRORS]
    asked = _asked(state, hinted, whole.rising, open_actions) | lone.keys()
    watched = {service: until for service, until in state.watched.items() if until > at}
    watched |= dict.fromkeys(asked, at + _WATCH)
    since = {(suppression.service, suppression.reason): suppression.since for suppression in suppressed}
    usual = _usual(state, whole.rising, hinted)
    return replace(state, usual=usual, since=since, watched=watched), replace(
        _blind(state, snapshot, open_actions),
        suspects=restrained(suspects, suppressed, victims(failing_services, failing), open_actions.cleared, at),
        suppressions=suppressed,
        services=Services(comparison, state.minute, doubted, at),
        watch=frozenset(watched),
        recheck=_rechecked(state, np.maximum(force.errors, force.latency)),
    )


def _silences(
    state: DetectorState, snapshot: Snapshot, new: Increments
) -> tuple[DetectorState, dict[ServiceRef, PodRef]]:
    """Which sidecars are silent and what got lost since, and the services where it is a single one."""
    comparison = state.comparison
    silent = silent_pods(comparison, new, (state.counters.targets > 0) & comparison.ready, state.silent, state.at)
    lone = lonely(comparison, silent, new.up)
    # Another peer that falls silent for a moment is no reason to forget what was before.
    alone = {pod: service for service, pod in lone.items()}
    alone |= {pod: comparison.pods[comparison.position[pod]].service for pod in state.losses if pod in silent}
    seconds = max(state.at - state.last_at, 0.0)
    losses = followed(state.losses, silent, alone, snapshot, state.callers.new, seconds)
    return replace(state, silent=silent, losses=losses), lone


class _Whole:
    """Services as a whole over the last minute: which fail without their suspects, which rise at all."""

    def __init__(self, state: DetectorState, settings: EngineSettings, spared: BoolArray) -> None:
        comparison = state.comparison
        total, bad = state.minute.totals()
        reference = history.references(state.null, state.usual[:, 0], state.usual[:, 1], settings.impact.error_rate)
        count = len(comparison.services)

        def by_service(values: FloatArray) -> FloatArray:
            return np.bincount(comparison.service_of, values, count).astype(np.float64)

        need = np.full(count, tier_scores(settings)[Tier.ANNOTATE])
        # What is suppressed stays so until it is clearly better: half the evidence keeps it.
        standing = {service for service, reason in state.since if reason != Reason.UNREACHED}
        need[[i for i, service in enumerate(comparison.services) if service in standing]] *= 0.5
        rest_total, rest_bad = by_service(np.where(spared, 0.0, total)), by_service(np.where(spared, 0.0, bad))
        self.failing = history.failing(rest_bad, rest_total, reference, need)
        self.rising = self.failing | history.failing(
            by_service(bad), by_service(total), reference, np.full(count, _RISING)
        )


def _with_groups(state: DetectorState, hinted: BoolArray) -> BoolArray:
    """Shape (N,): pods that are hinted at, alone or within a group."""
    pods = len(state.comparison.refs)
    spared = hinted[:pods].copy()
    for row in np.flatnonzero(hinted[pods:]).tolist():
        spared[pods_of(state.comparison, row + pods)] = True
    return spared


def _spared(state: DetectorState, hinted: BoolArray, settings: EngineSettings) -> BoolArray:
    """
    Shape (N,): pods without whom a service is looked at as a whole.

    Where many single pods are hinted at, leaving them all out would hide that the service fails.
    """
    comparison = state.comparison
    single = hinted[: len(comparison.refs)]
    if not comparison.services:
        return single
    count = np.add.reduceat(single.astype(np.int64), comparison.first[:-1])
    crowd = (count >= 2) & (count > settings.detection.bad_share * np.diff(comparison.first))
    groups = hinted.copy()
    groups[: len(comparison.refs)] &= ~crowd[comparison.service_of]
    return _with_groups(state, groups)


def _sick(suspects: list[Suspect]) -> dict[ServiceRef, Culprit]:
    sick: dict[ServiceRef, Culprit] = {}
    for suspect in suspects:
        if suspect.culprit.service is not None and suspect.evidence.symptom is Symptom.ERRORS:
            sick.setdefault(suspect.culprit.service, suspect.culprit)
    return sick


def _named_bad(suspects: list[Suspect], doubted: BoolArray, state: DetectorState) -> BoolArray:
    """Doubted pods, less those that a named group explains: a bad revision is no correlated failure."""
    bad = doubted.copy()
    for suspect in suspects:
        if suspect.culprit.pod is None:
            for member in suspect.also:
                if member.pod is not None and member.pod in state.comparison.position:
                    bad[state.comparison.position[member.pod]] = False
    return bad


def _asked(state: DetectorState, hinted: BoolArray, rising: BoolArray, open_actions: OpenActions) -> set[ServiceRef]:
    comparison = state.comparison
    pods = np.flatnonzero(_with_groups(state, hinted))
    asked = {comparison.services[i] for i in np.unique(comparison.service_of[pods]).tolist()}
    asked |= {comparison.services[i] for i in np.flatnonzero(rising).tolist()} | open_actions.services
    return asked | {
        comparison.pods[comparison.position[pod]].service for pod in open_actions.drained if pod in comparison.position
    }


def _rechecked(state: DetectorState, score: FloatArray) -> frozenset[ServiceRef]:
    """
    Services of pods that are hinted at, the strongest hint first, as long as they hold ``_MOST_AGAIN`` pods or one.

    The answer holds every bucket of every pod and caller: what cannot be asked now is told only, until its turn comes.
    """
    comparison, chosen, pods = state.comparison, set[int](), 0
    hinted = np.flatnonzero(score[: len(comparison.refs)] >= PRE_ANNOTATE)
    for position in hinted[np.argsort(-score[hinted], kind="stable")].tolist():
        service = int(comparison.service_of[position])
        if service in chosen:
            continue
        pods += len(comparison.peers(service))
        if chosen and pods > _MOST_AGAIN:
            break
        chosen.add(service)
    return frozenset(comparison.services[i] for i in chosen)


def _usual(state: DetectorState, rising: BoolArray, hinted: BoolArray) -> FloatArray:
    """
    Fading sums of the requests and errors of quiet services: neither rising nor holding anybody who is hinted at.

    Only what is a minute old counts, so that a fault is seen before it looks usual.
    """
    comparison = state.comparison
    pods = np.flatnonzero(_with_groups(state, hinted))
    quiet = ~rising
    quiet[np.unique(comparison.service_of[pods])] = False
    part = math.exp(-(state.at - state.last_at) / _QUIET_MEMORY) if state.last_at else 1.0
    return np.where(quiet[:, None], state.usual * part + state.left, state.usual)
