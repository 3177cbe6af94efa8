"""
How much evidence each tier needs, from the false acts that a person allows.

An e-detector's mean time between false alarms is at least its threshold, counted in bins. With ``tests`` of them
running at once, one bin a tick, ``tests * bins / A`` false alarms are the most to expect, so
``ln A = ln(tests * horizon / (bin * allowed))``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from observer.domain.settings import EngineSettings
from observer.domain.suspect import Tier

DAY: Final = 86_400.0
MONTH: Final = 30.0 * DAY

PRE_ANNOTATE: Final = 5.0
"""Nats from which more is asked about a service, so that the answers are there when the first tier is reached."""


def tier_scores(settings: EngineSettings) -> Mapping[Tier, float]:
    """Nats of acting evidence that each tier needs; NONE needs none. Never decreasing from tier to tier."""
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
