"""How much evidence each tier needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from observer.domain.settings import DetectionSettings, EngineSettings
from observer.domain.suspect import Tier
from observer.engine.detect.tiers import allowed_per_month, mixed, tier_of, tier_scores


def test_the_defaults_give_the_designs_tiers() -> None:
    needs = tier_scores(EngineSettings())
    assert [round(needs[tier]) for tier in (Tier.ANNOTATE, Tier.DRAIN, Tier.EVICT, Tier.NODE)] == [9, 16, 20, 24]


def test_more_tests_and_shorter_ticks_need_more() -> None:
    few, many = EngineSettings(), EngineSettings(detection=DetectionSettings(tests=10_000))
    short = replace(few, tick=1.0)
    assert tier_scores(many)[Tier.EVICT] - tier_scores(few)[Tier.EVICT] == pytest.approx(2.302585, abs=1e-5)
    assert tier_scores(short)[Tier.EVICT] > tier_scores(few)[Tier.EVICT]


def test_a_higher_tier_never_needs_less() -> None:
    odd = EngineSettings(detection=DetectionSettings(false_evict_per_month=100.0, false_drain_per_month=1.0))
    needs = tier_scores(odd)
    assert needs[Tier.DRAIN] <= needs[Tier.EVICT] <= needs[Tier.NODE]


def test_allowed_acts_are_those_of_the_settings() -> None:
    allowed = allowed_per_month(EngineSettings())
    assert allowed[Tier.EVICT] == 1.0
    assert allowed[Tier.ANNOTATE] == pytest.approx(30 * 2130.0)


def test_the_tier_of_some_evidence() -> None:
    needs = tier_scores(EngineSettings())
    assert [tier_of(score, needs) for score in (-5.0, 9.5, 16.5, 21.0, 60.0)] == list(Tier)


def test_mixing_cuts_is_a_mean_not_a_maximum() -> None:
    assert mixed(np.array([[10.0, -np.inf]]))[0] == pytest.approx(10.0 - np.log(2.0))
    assert mixed(np.full((1, 3), -np.inf))[0] == -np.inf
    assert mixed(np.zeros((2, 0))).tolist() == [-np.inf, -np.inf]
