"""The PromQL subset, by the rules of Prometheus 3."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from observer.simulator.prometheus.promql import Evaluator, QueryError, Samples, Scalar, Vector, parse
from observer.simulator.prometheus.tsdb import TimeSeriesMemory

GONE = math.nan
Rows = dict[tuple[tuple[str, str], ...], list[float | None]]


def memory(times: Sequence[float], series: Mapping[str, Sequence[float]]) -> TimeSeriesMemory:
    """One target scraped at ``times``; series written as ``name a=1 b=2``; NaN = not on the page."""
    store = TimeSeriesMemory()
    add_target(store, times, series)
    return store


def add_target(store: TimeSeriesMemory, times: Sequence[float], series: Mapping[str, Sequence[float]]) -> None:
    block = store.open({})
    rows: dict[str, list[Sequence[float]]] = {}
    for text, values in series.items():
        name, *pairs = text.split()
        labels = {"__name__": name, **dict(pair.split("=") for pair in pairs)}
        block.table(name).add([labels])
        rows.setdefault(name, []).append(values)
    for column, at in enumerate(times):
        block.append(round(at * 1000), {name: np.array([v[column] for v in all_]) for name, all_ in rows.items()})
    store.touched()


def ask(store: TimeSeriesMemory, query: str, *at: float) -> Rows:
    found = Evaluator(store, np.array([round(x * 1000) for x in at], dtype=np.int64)).evaluate(parse(query))
    assert isinstance(found, Vector)
    answer: Rows = {}
    for labels, values, present in zip(found.series.labels, found.values.tolist(), found.present, strict=True):
        if present.any():
            answer[tuple(sorted(labels.items()))] = [v if p else None for v, p in zip(values, present, strict=True)]
    return answer


def key(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def test_an_instant_is_the_newest_sample_at_or_before_it() -> None:
    store = memory([10, 20, 30], {"x pod=a": [1, 2, 3]})
    assert ask(store, "x", 9.9, 10, 19.999, 20, 35) == {key(__name__="x", pod="a"): [None, 1, 1, 2, 3]}


def test_the_look_back_is_left_open() -> None:
    store = memory([10], {"x": [1]})
    assert ask(store, "x", 309.999) == {key(__name__="x"): [1]}
    assert ask(store, "x", 310) == {}


def test_a_missing_value_ends_the_series_at_once() -> None:
    store = memory([10, 20, 30], {"x": [1, GONE, 5], "up": [1, 0, 1]})
    assert ask(store, "x", 15, 20, 29, 30) == {key(__name__="x"): [1, None, None, 5]}
    assert ask(store, "up", 25) == {key(__name__="up"): [0]}


@pytest.mark.parametrize(
    ("matcher", "pods"),
    [
        ('pod="a"', "a"),
        ('pod!="a"', "b c"),
        ('pod=~"a|b"', "a b"),
        ('pod=~"."', "a b c"),
        ('pod!~"a|c"', "b"),
        ('pod=~"a.*c"', ""),
        ('nothere=""', "a b c"),
        ('nothere!=""', ""),
        ('nothere=~"x?"', "a b c"),
        ('pod=~"[ab]",pod!="a"', "b"),
    ],
)
def test_matchers(matcher: str, pods: str) -> None:
    store = memory([10], {f"x pod={pod}": [1] for pod in "abc"})
    assert [dict(found)["pod"] for found in ask(store, f"x{{{matcher}}}", 10)] == pods.split()


def test_regular_expressions_are_anchored() -> None:
    store = memory([10], {"x le=5": [1], "x le=5.0": [2], "x le=50": [3], "x le=25.0": [4]})
    assert sorted(v[0] or 0 for v in ask(store, r'x{le=~"5(\\.0)?|25(\\.0)?"}', 10).values()) == [1, 2, 4]


def test_a_selector_by_name_label_only() -> None:
    store = memory([10], {"x": [1], "y": [2]})
    assert list(ask(store, '{__name__=~"x|y"}', 10)) == [key(__name__="x"), key(__name__="y")]
    assert list(ask(store, '{__name__="y"}', 10)) == [key(__name__="y")]


def test_offset_looks_back_and_forward() -> None:
    store = memory([10, 20, 30], {"x": [1, 2, 3]})
    assert ask(store, "x offset 10s", 30) == {key(__name__="x"): [2]}
    assert ask(store, "x offset -10s", 20) == {key(__name__="x"): [3]}


def test_timestamp_is_the_samples_time_not_the_questions() -> None:
    store = memory([10.25, 20.25], {"up pod=a": [1, 0]})
    assert ask(store, "timestamp(up)", 15, 25) == {key(pod="a"): [10.25, 20.25]}
    assert ask(store, "timestamp(up) * up", 15, 25) == {key(pod="a"): [10.25, 0]}
    assert ask(store, "timestamp(sum(up))", 15) == {(): [15.0]}


@pytest.mark.parametrize(("op", "a", "b"), [("sum", 4, 10), ("min", 1, 10), ("max", 3, 10), ("count", 2, 1)])
def test_aggregation_by(op: str, a: float, b: float) -> None:
    store = memory([10], {"x pod=a le=1": [1], "x pod=a le=2": [3], "x pod=b le=1": [10]})
    assert ask(store, f"{op} by (pod) (x)", 10) == {key(pod="a"): [a], key(pod="b"): [b]}


def test_aggregation_without_and_over_all() -> None:
    store = memory([10], {"x pod=a le=1": [1], "x pod=a le=2": [3], "x pod=b le=1": [10]})
    assert ask(store, "sum without (le) (x)", 10) == {key(pod="a"): [4], key(pod="b"): [10]}
    assert ask(store, "sum(x)", 10) == {(): [14]}
    assert ask(store, "sum by (nothere) (x)", 10) == {(): [14]}
    assert ask(store, "sum(nothere)", 10) == {}


def test_minimum_of_numbers_ignores_nan_but_of_nan_alone_is_nan() -> None:
    store = memory([10], {"x pod=a": [0], "x pod=b": [5]})
    assert ask(store, "min(x / x)", 10) == {(): [1]}
    only = ask(store, 'min(x{pod="a"} / x)', 10)[()][0]
    assert only is not None
    assert math.isnan(only)


def test_arithmetic_drops_the_name_and_comparison_keeps_it() -> None:
    store = memory([10], {"x pod=a": [8], "x pod=b": [2], "y pod=a": [4]})
    assert ask(store, "x - 1", 10) == {key(pod="a"): [7], key(pod="b"): [1]}
    assert ask(store, "10 / x", 10) == {key(pod="a"): [1.25], key(pod="b"): [5]}
    assert ask(store, "x / y", 10) == {key(pod="a"): [2]}
    assert ask(store, "x > 3", 10) == {key(__name__="x", pod="a"): [8]}
    assert ask(store, "3 < x", 10) == {key(__name__="x", pod="a"): [8]}
    assert ask(store, "x > y", 10) == {key(__name__="x", pod="a"): [8]}
    assert ask(store, "x > bool 3", 10) == {key(pod="a"): [1], key(pod="b"): [0]}


def test_division_by_zero_is_infinite() -> None:
    store = memory([10], {"x": [1], "z": [0]})
    assert ask(store, "x / z", 10) == {(): [math.inf]}


def test_parentheses_and_precedence() -> None:
    store = memory([10], {"x": [3]})
    assert ask(store, "(x + 1) * 2", 10) == {(): [8]}
    assert ask(store, "x + 1 * 2", 10) == {(): [5]}


def test_scalars() -> None:
    found = Evaluator(TimeSeriesMemory(), np.array([1000], dtype=np.int64)).evaluate(parse("1 + 2 * 3"))
    assert isinstance(found, Scalar)
    assert found.values.tolist() == [7.0]


def test_increase_reaches_to_the_windows_borders() -> None:
    store = memory(list(range(0, 70, 10)), {"x": [100, 110, 120, 130, 140, 150, 160]})
    # Window (5, 65]: samples 10 ... 60, 50 in 50 s, stretched by 5 s on both sides.
    assert ask(store, "increase(x[1m])", 65) == {(): [60.0]}
    assert ask(store, "rate(x[1m])", 65) == {(): [1.0]}


def test_a_range_is_left_open() -> None:
    store = memory([0, 10, 20], {"x": [5, 7, 9]})
    # (0, 20] holds the samples at 10 and 20 only; the gap to the left is wider than 1.1 intervals? no: it is 10 s.
    assert ask(store, "increase(x[20s])", 20) == {(): [4.0]}
    assert ask(store, "increase(x[10s])", 20) == {}


def test_increase_undoes_resets() -> None:
    store = memory([10, 20, 30, 40], {"x": [100, 110, 4, 8]})
    grown = ask(store, "increase(x[40s])", 40)[()][0]
    # 10, then from zero 4, then 4: 18 in 30 s; stretched by 10 s to the left (100 is far from zero).
    assert grown == pytest.approx(18 * 40 / 30)


def test_increase_does_not_stretch_before_the_counters_zero() -> None:
    store = memory([10, 20, 30], {"x": [1, 11, 21]})
    # The counter was at zero 1 s before its first sample: no more than that is added on the left.
    assert ask(store, "increase(x[30s])", 30)[()][0] == pytest.approx(20 * (20 + 1) / 20)


def test_increase_needs_two_samples_and_passes_over_gaps() -> None:
    store = memory([10, 20, 30, 40], {"x": [GONE, 5, GONE, 9], "y": [GONE, GONE, GONE, 3]})
    assert list(ask(store, "increase(x[40s])", 40)) == [()]
    assert ask(store, "increase(y[40s])", 40) == {}


def test_a_grid_of_instants_is_each_instant() -> None:
    store = memory([10, 20, 30, 40], {"x pod=a": [1, 2, GONE, 8], "x pod=b": [5, 5, 6, 7]})
    for query in ("x", "sum(x)", "count(x)", "increase(x[25s])", "x > 4", "sum by (pod) (x) / 2"):
        grid = ask(store, query, 12, 22, 32, 42)
        single = [ask(store, query, at) for at in (12, 22, 32, 42)]
        assert grid == {
            name: [one.get(name, [None])[0] for one in single] for name in {n for one in single for n in one}
        }


def test_new_series_are_found_by_a_question_asked_before() -> None:
    store = memory([10], {"x pod=a": [1]})
    assert len(ask(store, "sum by (pod) (x)", 10)) == 1
    add_target(store, [12], {"x pod=b": [1]})
    assert len(ask(store, "sum by (pod) (x)", 15)) == 2


def test_raw_samples_of_a_range() -> None:
    store = memory([10, 20, 30], {"x": [1, GONE, 3]})
    found = Evaluator(store, np.array([30_000], dtype=np.int64)).samples(parse("x[20s]"))  # type: ignore[arg-type]
    assert isinstance(found, Samples)
    assert [(times.tolist(), values.tolist()) for times, values in found.rows] == [([30_000], [3.0])]


def test_two_series_may_not_become_one() -> None:
    store = memory([10], {"x pod=a": [1], "y pod=a": [2]})
    with pytest.raises(QueryError, match="same labelset") as caught:
        ask(store, 'timestamp({__name__=~"x|y"})', 10)
    assert caught.value.kind == "execution"


def test_one_to_one_refuses_ambiguity() -> None:
    store = memory([10], {"x pod=a": [1], "y pod=a": [2], "z pod=a": [3]})
    with pytest.raises(QueryError, match="many-to-many"):
        ask(store, 'x * {__name__=~"y|z"}', 10)


def test_or_adds_what_has_no_match_on_the_left_instant_by_instant() -> None:
    store = memory([10, 20], {"x pod=a": [1, GONE], "x pod=b": [2, 2], "y pod=a": [3, 3], "y pod=c": [4, 4]})

    assert ask(store, "sum by (pod) (x) or sum by (pod) (y)", 10) == {
        key(pod="a"): [1],
        key(pod="b"): [2],
        key(pod="c"): [4],
    }
    assert ask(store, "sum by (pod) (x) or sum by (pod) (y)", 20)[key(pod="a")] == [3]
    with pytest.raises(QueryError, match="not allowed in binary scalar"):
        ask(store, "x or 1", 10)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("histogram_quantile(0.9, x)", "histogram_quantile"),
        ("avg(x)", "avg"),
        ("topk(3, x)", "topk"),
        ("x and y", "and"),
        ("x unless y", "unless"),
        ("x % 2", "%"),
        ("x ^ 2", "^"),
        ("x * on (pod) y", "on()"),
        ("x * ignoring (pod) y", "ignoring()"),
        ("x @ 5", "@"),
        ("rate(x[5m:1m])", "subquery"),
        ("-x", "unary"),
        ("irate(x[5m])", "irate"),
        ("label_replace(x, 'a', 'b', 'c', 'd')", "label_replace"),
        ('x{a="1" or b="2"}', "'or'"),
    ],
)
def test_anything_else_is_refused_by_name(query: str, named: str) -> None:
    with pytest.raises(QueryError, match="does not evaluate") as caught:
        ask(memory([10], {"x pod=a": [1], "y pod=a": [1]}), query, 10)
    assert caught.value.kind == "execution"
    assert named in str(caught.value)


@pytest.mark.parametrize("query", ["sum(", "", "x{", "rate(x)", "sum(x[5m])", 'x{a=~"("}', "1 == 1"])
def test_what_is_no_promql_is_bad_data(query: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(memory([10], {"x": [1]}), query, 10)
    assert caught.value.kind == "bad_data"
