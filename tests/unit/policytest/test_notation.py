from __future__ import annotations

import numpy as np
import pytest

from observer.policytest.notation import STALE, samples, series_name

NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5", [5]),
        ("-2 0.5 1e3", [-2, 0.5, 1000]),
        ("0+5x3", [0, 5, 10, 15]),
        ("10-2.5x2", [10, 7.5, 5]),
        ("7x2", [7, 7, 7]),
        ("1+1x0", [1]),
        ("_ 1 _x3 stale 2", [NAN, 1, NAN, NAN, NAN, STALE, 2]),
        ("  1\n 2 ", [1, 2]),
    ],
)
def test_values_are_those_of_promtool(text: str, values: list[float]) -> None:
    np.testing.assert_array_equal(samples(text), values)


@pytest.mark.parametrize("text", ["", "x3", "1x", "1+2", "a", "_+1x3", "stalex3", "1++2x3", "nan", "1x-3"])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"sample|grows"):
        samples(text)


def test_a_series_names_metric_labels_and_perhaps_a_pattern_of_pods() -> None:
    assert series_name('a_total{b="c",pod="x-1"}') == ("a_total", {"b": "c", "pod": "x-1"}, "")
    assert series_name('a{pod=~"x-.+"}') == ("a", {}, "x-.+")
    assert series_name("a") == ("a", {}, "")


@pytest.mark.parametrize("text", ["a{b=~'c'}", "a[5m]", "a + b", "{b='c'}", "a offset 5m", "a{", "1"])
def test_what_is_no_series_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"series|metric|pattern"):
        series_name(text)
