"""How numbers, times and results are written and read."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.simulator.prometheus.promql import QueryError, Vector
from observer.simulator.prometheus.tsdb import SeriesSet
from observer.simulator.prometheus.wire import instant_text, number, read_step, read_time, steps, vector_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (552.0, "552"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1e15, "1000000000000000"),
        (1e21, "1000000000000000000000"),
        (1.5e-7, "0.00000015"),
        (1795415972.28, "1795415972.28"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers_are_spelled_as_prometheus_spells_them(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    text = number(value)
    assert float(text) == value
    assert "e" not in text


@pytest.mark.parametrize(("at", "text"), [(1000, "1"), (1500, "1.5"), (1795415837280, "1795415837.28"), (7, "0.007")])
def test_instants(at: int, text: str) -> None:
    assert instant_text(at) == text
    assert read_time("time", text) == at


def test_times_and_steps_are_read_in_both_spellings() -> None:
    assert read_time("time", "1970-01-01T00:00:01.5Z") == 1500
    assert read_time("time", "1970-01-01T01:00:00+01:00") == 0
    assert (read_step("0.5"), read_step("500ms"), read_step("1m30s")) == (500, 500, 90_000)


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf"])
def test_a_bad_time_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="valid timestamp"):
        read_time("time", text)


@pytest.mark.parametrize("text", ["0", "-1", "0.0"])
def test_a_step_must_be_positive(text: str) -> None:
    with pytest.raises(QueryError, match="zero or negative"):
        read_step(text)


def test_the_end_of_a_range_is_included() -> None:
    assert steps(0, 2000, 1000).tolist() == [0, 1000, 2000]
    assert steps(0, 1999, 1000).tolist() == [0, 1000]
    assert steps(0, 11_000, 1).size == 11_001
    with pytest.raises(QueryError, match="11,000"):
        steps(0, 11_001, 1)


def test_absent_series_are_left_out_and_labels_are_escaped() -> None:
    series = SeriesSet([{"pod": 'a"\\\n'}, {"pod": "b"}])
    vector = Vector(series, np.array([[1.0], [2.0]]), np.array([[True], [False]]))
    assert json.loads(vector_json(vector, 1500))["result"] == [{"metric": {"pod": 'a"\\\n'}, "value": [1.5, "1"]}]
