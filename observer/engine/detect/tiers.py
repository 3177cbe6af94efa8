"""
How much evidence each tier needs, from the false acts that a person allows.

An e-detector's mean time between false alarms is at least its threshold, counted in bins. With ``tests`` of them
running at once, one bin a tick, ``tests * bins / A`` false alarms are the most to expect, so
``ln A = ln(tests * horizon / (bin * allowed))``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.settings import EngineSettings
from observer.domain.suspect import Symptom, Tier
from observer.engine.detect.state import DetectorState, Track

DAY: Final = 86_400.0
MONTH: Final = 30.0 * DAY

PRE_ANNOTATE: Final = 5.0
"""Score from which more is asked about a service, so that the answers are there when the first tier is reached."""


def tier_scores(settings: EngineSettings) -> Mapping[Tier, float]:
    """Score of acting evidence that each tier needs; NONE needs none. Never decreasing from tier to tier."""
    bins = settings.detection.tests * MONTH / settings.tick
    needs, floor = {Tier.NONE: 0.0}, 0.0
    for tier, allowed in allowed_per_month(settings).items():
        floor = max(floor, math.log(max(bins / allowed, 1.0)))
        needs[tier] = floor
    return needs


def allowed_per_month(settings: EngineSettings) -> Mapping[Tier, float]:
    """The most false crossings of each tier to expect in 30 days over all tests together."""
    detection = settings.detection
    return {
        Tier.ANNOTATE: detection.false_annotate_per_day * MONTH / DAY,
        Tier.DRAIN: detection.false_drain_per_month,
        Tier.EVICT: detection.false_evict_per_month,
        Tier.NODE: detection.false_node_per_month,
    }


def tier_of(score: float, needs: Mapping[Tier, float]) -> Tier:
    """The highest tier that ``score`` reaches."""
    return max(tier for tier, need in needs.items() if score >= need or tier is Tier.NONE)


@dataclass(frozen=True, slots=True, eq=False)
class Strength:
    """
    Evidence score by row, shape (R,) each: all effect sizes and acting effect sizes, for errors and for latency;
    ``cut``: the cut that speaks loudest.
    """

    errors: FloatArray
    errors_acting: FloatArray
    latency: FloatArray
    latency_acting: FloatArray
    cut: IntArray

    def of(self, symptom: Symptom) -> tuple[FloatArray, FloatArray]:
        if symptom is Symptom.LATENCY:
            return self.latency, self.latency_acting
        return self.errors, self.errors_acting

    def doubted(self, need: float) -> BoolArray:
        """Shape (R,): rows with a score of at least ``need`` for either symptom."""
        return (self.errors >= need) | (self.latency >= need)


def strength(state: DetectorState, settings: EngineSettings) -> Strength:
    """Sum the processes up; the acting figures count only from ``min_bins`` bins."""
    effect_sizes, detection = np.array(state.effect_sizes), settings.detection

    def both(track: Track) -> tuple[FloatArray, FloatArray]:
        acting = track.evidence.score(effect_sizes, detection.acting_effect_size)
        enough = track.evidence.bins >= detection.min_bins
        return track.evidence.score(effect_sizes), np.where(enough, acting, -np.inf)

    (errors, errors_acting), (slow, slow_acting) = both(state.errors), both(state.latency)
    cut = np.argmax(slow, axis=1) if slow.shape[1] else np.zeros(len(slow), np.int64)
    return Strength(errors[:, 0], errors_acting[:, 0], mixed(slow), mixed(slow_acting), cut)


def mixed(score: FloatArray) -> FloatArray:
    """Shape (R,): ln of the mean over the cuts of evidence scores, shape (R, cuts)."""
    if not score.shape[1]:
        return np.full(len(score), -np.inf)
    best = score.max(axis=1)
    safe = np.where(np.isfinite(best), best, 0.0)
    with np.errstate(divide="ignore"):
        result: FloatArray = safe + np.log(np.exp(score - safe[:, None]).mean(axis=1))
    return result
