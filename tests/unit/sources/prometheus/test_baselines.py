"""Baselines from increments, and the grid they are asked on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.config.settings.sources import Profile
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.history import Span, baselines_of, batches, span_for
from observer.sources.prometheus.history_client import Series
from observer.sources.prometheus.profiles import profile_for

ISTIO = profile_for(Profile.ISTIO, {})
CART = ServiceRef("shop", "cart")
SPAN = Span(1000, 1540, 60)


def counted(code: str, *increments: float, flags: str = "-") -> Series:
    labels = {"response_code": code, "response_flags": flags}
    return labels, [(SPAN.start + SPAN.window * i, value) for i, value in enumerate(increments)]


def peaks(*increments: float) -> Series:
    return {}, [(SPAN.start + SPAN.window * i, value) for i, value in enumerate(increments)]


def test_sums_requests_and_errors_without_what_is_excluded() -> None:
    series = [counted("200", 60, 60), counted("503", 0, 6), counted("0", 9, 9, flags="DC")]

    found = baselines_of(series, [peaks(30, 30)], SPAN, service=lambda _: CART, profile=ISTIO)

    assert found[CART].requests == 126
    assert found[CART].errors == 6
    assert found[CART].since == SPAN.start - SPAN.window
    assert found[CART].until == SPAN.end


def test_the_peak_is_the_highest_healthy_rate_of_one_pod() -> None:
    series = [counted("200", 600, 900, 100, 600), counted("500", 0, 0, 800, 2)]

    found = baselines_of(series, [peaks(300, 450, 800, 320)], SPAN, service=lambda _: CART, profile=ISTIO)

    assert found[CART].peak_rate == pytest.approx(450 / 60)


def test_a_service_that_always_has_errors_has_a_peak_all_the_same() -> None:
    series = [counted("200", 90, 90, 90, 10), counted("500", 10, 10, 10, 90)]

    found = baselines_of(series, [peaks(50, 51, 52, 99)], SPAN, service=lambda _: CART, profile=ISTIO)

    assert found[CART].peak_rate == pytest.approx(52 / 60)


def test_the_99th_percentile_holds_the_disturbed_windows() -> None:
    series = [counted("200", *[100.0] * 9, 50.0), counted("500", *[0.0] * 9, 50.0)]

    found = baselines_of(series, [], SPAN, service=lambda _: CART, profile=ISTIO)

    assert 0.4 < found[CART].q99_error_rate <= 0.5
    assert found[CART].peak_rate == 0.0


def test_an_idle_service_and_a_stranger_have_no_baseline() -> None:
    assert baselines_of([counted("200", 0, 0)], [], SPAN, service=lambda _: CART, profile=ISTIO) == {}
    assert baselines_of([counted("200", 5, 5)], [], SPAN, service=lambda _: None, profile=ISTIO) == {}


def test_points_off_the_grid_and_odd_numbers_are_left_out() -> None:
    odd = [(SPAN.start - 600.0, 5.0), (float(SPAN.start), float("nan")), (SPAN.start + 60.0, -3.0), (9e9, 1.0)]

    assert SPAN.rows(odd).tolist() == [0.0] * SPAN.size


@given(
    st.floats(1e9, 2e9),
    st.floats(30, 40 * 86_400),
    st.sampled_from([15, 30, 60, 120, 300, 600]),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=50),
)
def test_a_span_never_asks_for_too_much(until: float, depth: float, window: int, weights: list[int]) -> None:
    span = span_for(until, depth, window, weights)

    assert 1 <= span.size <= 1440
    assert span.window >= window
    assert span.size * max(weights) * 3 <= 150_000 or span.size <= 60
    assert span.size * sum(weights) * 3 <= 1_000_000 or span.size <= 60
    assert span.start > until - depth - 1 - window
    assert span.end <= until


@pytest.mark.parametrize(("depth", "window", "expected"), [(600, 15, 15), (86_400, 15, 60), (86_400, 120, 120)])
def test_the_step_follows_the_look_back(depth: float, window: int, expected: int) -> None:
    assert span_for(1e9, depth, window, [10]).window == expected


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 5000)), st.integers(1, 1440))
def test_every_namespace_is_asked_once(keys: dict[str, int], points: int) -> None:
    groups = batches(keys, points)

    assert sorted(name for group in groups for name in group) == sorted(keys)
    assert all(len(group) == 1 or sum(keys[name] for name in group) * points * 3 <= 150_000 for group in groups)
