"""Two frames -> increments: what counts, and above all what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from observer.domain.cluster import Pod
from observer.domain.counts import CounterFrame
from observer.engine.detect.comparison_groups import ComparisonGroups, carried, comparison_of
from observer.engine.detect.counters import CounterState, Increments, increments
from tests.support.builders import CUTS, NOW, cluster, pod

COLUMNS = 3 + len(CUTS) + 1


class Bed:
    """Frames of one or two pods at five-second scrapes."""

    def __init__(self, *pods: Pod) -> None:
        self.pods = list(pods or (pod("catalog-1"),))
        self.comparison, self.state = ComparisonGroups(), CounterState.empty(COLUMNS)
        self.at, self.last_complete = NOW, 0.0
        self.writes: dict[Any, float] = {}

    def see(self, *rows: tuple[float, float] | None, moved: bool = True, **changes: Any) -> Increments:
        """One frame; a row is ``(ok, errors)`` so far, None = no series."""
        self.at += 5.0
        table = np.array([(np.nan, np.nan, np.nan) if row is None else (*row, 0.0) for row in rows])
        every = table[:, :2].sum(axis=1)
        frame = CounterFrame(
            at=self.at,
            pods=tuple(one.ref.key for one in self.pods),
            requests=table,
            cuts=CUTS,
            buckets=np.repeat(every[:, None], len(CUTS) + 1, axis=1),
            scraped=np.full(len(rows), self.at if moved else self.at - 5.0),
            targets=np.ones(len(rows), np.int64),
        )
        frame = replace(frame, **changes)
        comparison = comparison_of(cluster(self.pods), frame, self.comparison)
        take = carried(comparison, self.comparison)[: len(comparison.refs)]
        if comparison.position is not self.comparison.position:
            self.state = self.state.carried(take, comparison, self.comparison, self.at, self.last_complete)
        self.comparison, self.last_complete = comparison, self.at
        self.state, new = increments(self.state, comparison, frame, self.writes)
        return new

    def counted(self, *rows: tuple[float, float] | None, **changes: Any) -> tuple[float, float] | None:
        """``(ok, errors)`` that the first pod's newest frame adds, None = nothing is told."""
        new = self.see(*rows, **changes)
        if not new.reported[0]:
            assert not new.counts[0].any()
            return None
        return float(new.counts[0, 0]), float(new.counts[0, 1])


def test_first_sight_is_a_baseline_and_then_growth_counts() -> None:
    bed = Bed()
    assert bed.counted((1000.0, 50.0)) is None
    assert bed.counted((1010.0, 52.0)) == (10.0, 2.0)


def test_a_target_whose_scrape_time_did_not_move_adds_nothing() -> None:
    bed = Bed()
    bed.see((1000.0, 0.0))
    assert bed.counted((1000.0, 0.0), moved=False) is None
    assert bed.counted((1030.0, 0.0)) == (30.0, 0.0)


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_what_no_counter_can_be_is_a_gap_and_the_next_a_baseline(value: float) -> None:
    bed = Bed()
    bed.see((1000.0, 0.0))
    assert bed.counted((value, 0.0)) is None
    assert bed.counted((1020.0, 0.0)) is None
    assert bed.counted((1025.0, 1.0)) == (5.0, 1.0)


def test_a_decrease_without_a_restart_is_a_gap() -> None:
    bed = Bed()
    bed.see((1000.0, 40.0))
    new = bed.see((900.0, 39.0))
    assert not new.reported[0] and new.gaps == 1 and new.fallen == 1
    assert bed.counted((1000.0, 40.0)) is None, "it may rise as it fell: a server that remembers more"
    assert bed.counted((1010.0, 41.0)) == (10.0, 1.0)


def test_a_decrease_with_a_restart_is_a_reset_and_counts_from_zero() -> None:
    bed = Bed()
    bed.see((1000.0, 40.0))
    bed.pods = [replace(bed.pods[0], restarts=1, started=bed.at + 2.0)]
    new = bed.see((7.0, 1.0))
    assert new.reported[0]
    assert new.counts[0, :2].tolist() == [7.0, 1.0]
    assert new.since[0] == bed.at - 3.0


def test_a_pod_born_after_the_last_complete_tick_counts_from_zero() -> None:
    bed = Bed(pod("catalog-1"))
    bed.see((1000.0, 0.0))
    bed.pods.append(pod("catalog-2", created=bed.at + 1.0, started=bed.at + 2.0))
    bed.see((1000.0, 0.0), None)
    new = bed.see((1000.0, 0.0), (12.0, 3.0))
    assert new.reported[1]
    assert new.counts[1, :2].tolist() == [12.0, 3.0]


def test_an_old_pod_seen_for_the_first_time_is_a_baseline() -> None:
    bed = Bed(pod("catalog-1"))
    bed.see((1000.0, 0.0))
    bed.pods.append(pod("catalog-2"))
    assert not bed.see((1000.0, 0.0), (5000.0, 800.0)).reported[1]
    assert bed.see((1000.0, 0.0), (5005.0, 801.0)).counts[1, :2].tolist() == [5.0, 1.0]


def test_a_new_series_of_a_target_that_was_up_counts_from_zero() -> None:
    bed = Bed()
    bed.see(None)
    assert bed.counted((4.0, 2.0)) == (4.0, 2.0)


def test_a_name_reused_never_inherits_its_predecessors_counters() -> None:
    bed = Bed(pod("web-0"))
    bed.see((1000.0, 300.0))
    replacement = replace(
        bed.pods[0], ref=replace(bed.pods[0].ref, uid="heir"), created=bed.at + 1.0, started=bed.at + 1.0
    )
    bed.pods = [replacement]
    assert bed.counted((1000.0, 300.0)) is None
    assert bed.counted((3.0, 0.0)) is None
    assert bed.counted((8.0, 1.0)) == (5.0, 1.0)


def test_a_name_reused_after_a_pause_is_a_birth() -> None:
    bed = Bed(pod("web-0"))
    bed.see((1000.0, 300.0))
    bed.pods = [replace(bed.pods[0], ref=replace(bed.pods[0].ref, uid="heir"), created=bed.at + 1.0)]
    bed.see(None)
    assert bed.counted((9.0, 1.0)) == (9.0, 1.0)


def test_return_after_absence_is_a_baseline() -> None:
    bed = Bed()
    bed.see((1000.0, 0.0))
    bed.see((1000.0, 0.0), scraped=np.array([0.0]))
    assert bed.counted((2000.0, 500.0)) is None
    assert bed.counted((2001.0, 500.0)) == (1.0, 0.0)


def test_targets_that_are_called_as_before_are_counted_on_after_a_label_write() -> None:
    bed = Bed()
    named: dict[str, Any] = {"marks": np.array([7])}
    bed.see((1000.0, 0.0), **named)
    bed.writes = {bed.pods[0].ref: bed.at + 1.0}
    assert bed.counted((1010.0, 3.0), **named) == (10.0, 3.0)
    assert bed.counted((1020.0, 5.0), **named) == (10.0, 2.0)


def test_a_target_that_is_called_otherwise_is_a_baseline_whoever_wrote_its_labels() -> None:
    bed = Bed()
    bed.see((1000.0, 0.0), marks=np.array([7]))
    assert bed.counted((2000.0, 300.0), marks=np.array([8])) is None
    assert bed.counted((2010.0, 301.0), marks=np.array([8])) == (10.0, 1.0)


@pytest.mark.parametrize("marks", [[], [0]])
def test_where_nobody_tells_what_targets_are_called_a_label_write_is_a_baseline(marks: list[int]) -> None:
    bed = Bed()
    unnamed: dict[str, Any] = {"marks": np.array(marks, dtype=np.int64)}
    bed.see((1000.0, 0.0), **unnamed)
    bed.writes = {bed.pods[0].ref: bed.at + 1.0}
    assert bed.counted((1010.0, 3.0), **unnamed) is None


def test_two_scrapes_after_a_label_write_are_a_baseline() -> None:
    bed = Bed()
    bed.see((1000.0, 40.0))
    bed.writes = {bed.pods[0].ref: bed.at + 1.0}
    assert bed.counted((2000.0, 80.0)) is None
    assert bed.counted((2010.0, 81.0)) is None
    assert bed.counted((2015.0, 82.0)) == (5.0, 1.0)


def test_a_change_in_the_number_of_targets_is_a_baseline() -> None:
    bed = Bed()
    bed.see((1000.0, 40.0))
    assert bed.counted((2010.0, 81.0), targets=np.array([2])) is None
    assert bed.counted((2020.0, 82.0), targets=np.array([2])) == (10.0, 1.0)
    assert bed.counted((1030.0, 43.0), targets=np.array([1])) is None
    assert bed.counted((1035.0, 44.0)) == (5.0, 1.0)


def test_scrape_times_that_go_back_are_told_and_count_nothing() -> None:
    bed = Bed()
    bed.see((1000.0, 0.0))
    bed.see((1010.0, 0.0))
    new = bed.see((1004.0, 0.0), scraped=np.array([bed.at - 4.0]))
    assert not new.reported[0] and new.disagreement
    assert bed.counted((1020.0, 0.0)) == (10.0, 0.0)


def test_a_scrape_in_the_future_counts_nothing() -> None:
    bed = Bed()
    bed.see((1000.0, 0.0))
    assert bed.counted((1500.0, 400.0), scraped=np.array([NOW + 1e6])) is None
