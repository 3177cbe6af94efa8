"""From the evidence of a tick to its judgement: suspects, suppressions, and what to ask next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.cluster import ClusterView
from observer.domain.counts import BoolArray, FloatArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Culprit, Suppression, Suspect, Symptom, Tier
from observer.engine.detect import history
from observer.engine.detect.counters import Increments
from observer.engine.detect.groups import pods_of
from observer.engine.detect.held import OpenActions
from observer.engine.detect.losses import Losses, followed
from observer.engine.detect.state import DetectorState
from observer.engine.detect.suppress import FailingServices, correlated, suppressions, victims
from observer.engine.detect.suspects import Candidates, restrained, strength
from observer.engine.detect.tiers import PRE_ANNOTATE, tier_scores
from observer.engine.detect.unreached import lonely, silent_pods, unreached

_QUIET_MEMORY: Final = 600.0
"""Seconds in which what was usual fades to a third."""
_WATCH: Final = 60.0
"""Seconds for which a service stays watched after its last reason."""
_MOST_AGAIN: Final = 2000
"""So many pods at most are asked about again in one tick."""
_RISING: Final = 4.0
"""Nats of a service's error rate above what is usual from which its callers are asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """
    Attributes:
        doubted: shape (N,), pods at the annotate tier: not healthy.
        silent: Ready pods whose sidecar is silent, since when. losses: calls that got lost around the silence of those
            that are the only one of their service. watched: services to watch, until when.
        usual: shape (S, 2), what is usual, with this tick's quiet services.
    """

    suspects: tuple[Suspect, ...]
    suppressed: tuple[Suppression, ...]
    doubted: BoolArray
    silent: Mapping[PodRef, float]
    losses: Mapping[PodRef, Losses]
    watched: Mapping[ServiceRef, float]
    recheck: frozenset[ServiceRef]
    usual: FloatArray


def verdict(
    state: DetectorState, snapshot: Snapshot, cluster: ClusterView, settings: EngineSettings, held: OpenActions,
    new: Increments,
) -> Verdict:  # fmt: skip
    """Judge the evidence as it stands; ``state`` holds this tick's counts already, ``new`` are its increments."""
    comparison, needs, at = state.comparison, tier_scores(settings), state.at
    force = strength(state, settings)
    pods = len(comparison.refs)
    hinted = force.doubted(PRE_ANNOTATE)
    doubted = force.doubted(needs[Tier.ANNOTATE])[:pods]
    suspects = Candidates(state, snapshot, cluster, settings, needs, force).suspects()
    whole = _Whole(state, settings, _spared(state, force.errors >= PRE_ANNOTATE, settings))
    picture = FailingServices(
        failing=frozenset(comparison.services[i] for i in np.flatnonzero(whole.failing).tolist()),
        sick=_sick(suspects),
        edges=state.callers.edges,
        own=state.callers.own,
        pod_edges=state.callers.pod_edges,
        pod_own=state.callers.pod_own,
    )
    silent = silent_pods(comparison, new, (state.counters.targets > 0) & comparison.ready, state.silent, at)
    lone = lonely(comparison, silent, new.up)
    # Another sibling that falls silent for a moment is no reason to forget what was before.
    alone = {pod: service for service, pod in lone.items()}
    alone |= {pod: comparison.pods[comparison.position[pod]].service for pod in state.losses if pod in silent}
    losses = followed(state.losses, silent, alone, snapshot, state.callers.new, max(at - state.last_at, 0.0))
    crowded = correlated(comparison, _named_bad(suspects, doubted, state), settings.detection)
    suppressed = (
        *suppressions(picture, crowded, at, state.since),
        *unreached(lone, losses, silent, state.since, state.effect_sizes, at),
    )
    passing_on = victims(picture, [one.culprit for one in suspects if one.evidence.symptom is Symptom.ERRORS])
    asked = _asked(state, hinted, whole.rising, held) | lone.keys()
    return Verdict(
        suspects=restrained(suspects, suppressed, passing_on, held.cleared, at),
        suppressed=suppressed,
        doubted=doubted,
        silent=silent,
        losses=losses,
        watched={one: until for one, until in state.watched.items() if until > at} | dict.fromkeys(asked, at + _WATCH),
        recheck=_rechecked(state, np.maximum(force.errors, force.latency)),
        usual=_usual(state, whole.rising, hinted),
    )


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


def _asked(state: DetectorState, hinted: BoolArray, rising: BoolArray, held: OpenActions) -> set[ServiceRef]:
    comparison = state.comparison
    pods = np.flatnonzero(_with_groups(state, hinted))
    asked = {comparison.services[i] for i in np.unique(comparison.service_of[pods]).tolist()}
    asked |= {comparison.services[i] for i in np.flatnonzero(rising).tolist()} | held.services
    return asked | {
        comparison.pods[comparison.position[pod]].service for pod in held.drained if pod in comparison.position
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
