"""The time-series memory: columns, retention, selections."""

from __future__ import annotations

import math

import numpy as np
import pytest

from observer.simulator.prometheus.tsdb import Block, Match, Matcher, SeriesSet, Table, TimeSeriesMemory


def filled(count: int, retention: float = 3600.0) -> tuple[TimeSeriesMemory, Block]:
    memory = TimeSeriesMemory(retention)
    block = memory.open({"pod": "a"})
    block.table("x").add([{"__name__": "x", "pod": "a"}])
    for second in range(count):
        block.append(second * 1000, {"x": np.array([float(second)])})
    memory.touched()
    return memory, block


def test_columns_grow_within_the_retention() -> None:
    _, block = filled(100)
    assert block.times.tolist() == [second * 1000 for second in range(100)]
    assert block.table("x").values[0, :100].tolist() == [float(second) for second in range(100)]


def test_old_columns_are_dropped_and_the_rest_stays_in_place() -> None:
    memory, block = filled(1000, retention=20.0)
    assert block.times.size < 64
    assert block.times[-1] == 999_000
    values, present, times = memory.select("x", ()).instant(np.array([990_500], dtype=np.int64))
    assert (values[0, 0], bool(present[0, 0]), times[0, 0]) == (990.0, True, 990.0)


def test_a_sample_out_of_order_is_dropped() -> None:
    _, block = filled(3)
    block.append(1500, {"x": np.array([99.0])})
    block.append(2000, {"x": np.array([99.0])})
    assert block.times.tolist() == [0, 1000, 2000]
    assert block.table("x").values[0, 2] == 2.0


def test_rows_added_late_are_absent_before() -> None:
    memory, block = filled(3)
    block.table("x").add([{"__name__": "x", "pod": "late"}])
    memory.touched()
    block.append(3000, {"x": np.array([3.0, 7.0])})
    values, present, _ = memory.select("x", ()).instant(np.array([2500, 3500], dtype=np.int64))
    assert present.tolist() == [[True, True], [False, True]]
    assert values[1, 1] == 7.0


@pytest.mark.parametrize("instants", [[-5], [-5, -4]])
def test_before_the_first_scrape_there_is_nothing(instants: list[int]) -> None:
    memory, _ = filled(3)
    _, present, _ = memory.select("x", ()).instant(np.array(instants, dtype=np.int64))
    assert not present.any()


def test_one_instant_is_answered_as_many_are() -> None:
    memory, block = filled(10)
    block.append(10_000, {"x": np.array([math.nan])})
    selection = memory.select("x", ())
    instants = [0, 500, 9_999, 10_000, 10_500, 309_999, 310_000]
    together = selection.instant(np.array(instants, dtype=np.int64))
    for column, at in enumerate(instants):
        alone = selection.instant(np.array([at], dtype=np.int64))
        assert bool(alone[1][0, 0]) == bool(together[1][0, column])
        if alone[1][0, 0]:
            assert (alone[0][0, 0], alone[2][0, 0]) == (together[0][0, column], together[2][0, column])


def test_an_ended_target_is_forgotten_after_the_retention() -> None:
    memory, block = filled(3, retention=10.0)
    block.ended = True
    memory.forget(11_000)
    assert list(memory.blocks()) == [block]
    memory.forget(12_001)
    assert list(memory.blocks()) == []
    assert len(memory.select("x", ()).series) == 0


def test_each_series_is_matched_once() -> None:
    table = Table(4)
    table.add([{"pod": "a"}, {"pod": "b"}])
    only_b = (Matcher("pod", Match.EQUAL, "b"),)
    assert table.rows(only_b) == [1]
    table.add([{"pod": "b"}, {"pod": "c"}])
    assert table.rows(only_b) == [1, 2]


def test_groups_leave_out_labels_that_a_series_does_not_have() -> None:
    series = SeriesSet(
        [{"__name__": "x", "a": "1"}, {"__name__": "x", "a": "1", "b": "2"}, {"__name__": "x", "b": "2"}]
    )
    numbers, groups = series.grouped(True, ("a",))
    assert numbers.tolist() == [0, 0, 1]
    assert groups.labels == [{"a": "1"}, {}]
    numbers, groups = series.grouped(False, ("b",))
    assert numbers.tolist() == [0, 0, 1]
    assert groups.labels == [{"a": "1"}, {}]
