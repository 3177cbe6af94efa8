"""A rise against what was usual: by how much, since when, and what is no rise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from observer.domain.attribution import Measure
from observer.engine.attribution.evidence import MOST, contrast, mean_over
from tests.support.builders import NOW
from tests.support.incidents import series


def test_a_doubled_latency_is_certain_and_measured() -> None:
    found = contrast(series("cart", Measure.LATENCY, 0.02, 0.04))

    assert found is not None
    assert found.score == MOST
    assert found.excess == pytest.approx(0.02, rel=0.1)
    assert found.onset == NOW


def test_the_same_level_is_no_rise() -> None:
    found = contrast(series("cart", Measure.LATENCY, 0.02, 0.02))

    assert found is not None
    assert (found.score, found.excess, found.onset) == (0.0, 0.0, None)


def test_a_fall_is_no_rise() -> None:
    found = contrast(series("cart", Measure.LATENCY, 0.04, 0.02))

    assert found is not None
    assert found.score == 0.0


def test_what_the_reference_did_too_proves_nothing() -> None:
    reading = series("cart", Measure.LATENCY, 0.02, 0.04)
    spiky = reading.reference.copy()
    spiky[20::20] = 0.09
    spiky[21::20] = 0.09

    found = contrast(replace(reading, reference=spiky))

    assert found is not None
    assert found.score == 0.0


def test_the_onset_is_where_the_level_changed() -> None:
    reading = series("cart", Measure.ERROR_RATE, 0.001, 0.001, points=20)
    values = reading.values.copy()
    values[12:] = 0.2

    found = contrast(replace(reading, values=values))

    assert found is not None
    assert found.onset == NOW + 12 * 60.0
    assert (found.first, found.last) == (12, 19)
    assert found.excess == pytest.approx(0.199, abs=0.01)


def test_a_blip_in_a_long_time_weighs_little() -> None:
    reading = series("cart", Measure.ERROR_RATE, 0.001, 0.001, points=200)
    values = reading.values.copy()
    values[50:52] = 0.3

    found = contrast(replace(reading, values=values))

    assert found is not None
    assert 0.0 < found.score <= 0.1 * MOST


def test_what_differed_from_the_first_sample_on_is_older_than_the_incident_when_days_lie_between() -> None:
    near = contrast(series("cart", Measure.LATENCY, 0.02, 0.04))
    far = contrast(series("cart", Measure.LATENCY, 0.02, 0.04, adjacent=False))

    assert near is not None
    assert far is not None
    assert near.score > 0.0
    assert far.score == 0.0


def test_what_was_high_before_the_target_was_hurt_is_not_its_cause() -> None:
    reading = series("cart", Measure.LATENCY, 0.02, 0.04, points=10)

    found = contrast(reading, before=NOW + 120.0)

    assert found is not None
    assert found.score == 0.0


@pytest.mark.parametrize("usual", [np.array([0.01] * 7), np.full(50, np.nan)])
def test_too_little_reference_is_unknown(usual: np.ndarray) -> None:
    assert contrast(replace(series("cart", Measure.LATENCY, 0.02, 0.9), reference=usual)) is None


def test_no_samples_now_is_unknown() -> None:
    reading = series("cart", Measure.LATENCY, 0.02, 0.9)

    assert contrast(replace(reading, values=np.full(5, np.nan))) is None


def test_missing_samples_are_left_out() -> None:
    reading = series("cart", Measure.LATENCY, 0.02, 0.04)
    values = reading.values.copy()
    values[2] = np.nan

    found = contrast(replace(reading, values=values))

    assert found is not None
    assert found.score == MOST
    assert mean_over(values, 1, 3) == pytest.approx(0.04, rel=0.1)
    assert mean_over(np.full(3, np.nan), 0, 2) == 0.0
