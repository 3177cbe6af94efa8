from __future__ import annotations

import numpy as np
import pytest

from observer.engine.slo.buckets import LEVELS, CountStore

T0 = 1_790_000_400.0  # a whole minute, not a whole five minutes or hour
ROW = np.array([0])


def count(store: CountStore, at: float, good: float, total: float, row: int = 0) -> None:
    store.add(at, np.array([row]), np.array([good]), np.array([total]))


@pytest.mark.parametrize("seconds", [300.0, 1800.0, 3600.0, 21_600.0, 86_400.0, 259_200.0, 2_592_000.0])
def test_a_window_holds_exactly_its_events(seconds: float) -> None:
    """Against a plain list of events, at the end of a bucket of every level."""
    rng = np.random.default_rng(int(seconds))
    store, end = CountStore(1), 1_790_000_000.0 // 86_400 * 86_400
    times = np.sort(rng.choice(np.arange(1, int(1.5 * seconds)), 400, replace=False)) + end - 1.5 * seconds
    bad = rng.integers(0, 5, 400)
    for at, failed in zip(times.tolist(), bad.tolist(), strict=True):
        count(store, at, 7.0 - failed, 7.0)
    count(store, end, 0.0, 0.0)

    good, total = store.window(end, seconds)

    inside = (times > end - seconds) & (times <= end)
    assert total[0] == 7 * inside.sum()
    assert good[0] == 7 * inside.sum() - bad[inside].sum()


def test_a_bucket_holds_its_last_instant_and_not_its_first() -> None:
    store = CountStore(1)
    for at in (T0, T0 + 0.5, T0 + 60, T0 + 61):
        count(store, at, 1.0, 1.0)

    assert [end for end, _, _ in store.buckets(0, 0.0)] == [T0, T0 + 60, T0 + 120]
    assert [total for _, _, total in store.buckets(0, 0.0)] == [1.0, 2.0, 1.0]


def test_silence_empties_windows() -> None:
    store = CountStore(1)
    count(store, T0, 5.0, 9.0)
    count(store, T0 + 3600, 0.0, 0.0)

    assert store.window(T0 + 3600, 300.0)[1][0] == 0.0
    assert store.window(T0 + 3600, 86_400.0)[1][0] == 9.0
    assert store.window(T0 + 40 * 86_400, 30 * 86_400.0)[1][0] == 0.0


def test_a_ring_that_went_round_forgets_only_what_is_too_old() -> None:
    store = CountStore(1)
    for minute in range(3 * LEVELS[0][1]):
        count(store, T0 + 60 * minute, 1.0, 1.0)
    now = T0 + 60 * (3 * LEVELS[0][1] - 1)

    assert store.window(now, 21_600.0)[1][0] == 360.0
    assert store.window(now, 2_592_000.0)[1][0] == 1200.0


def test_late_events_reach_their_own_bucket_and_lost_ones_do_not_spoil_another() -> None:
    store = CountStore(1)
    count(store, T0 + 3600, 1.0, 1.0)
    count(store, T0, 2.0, 2.0)
    count(store, T0 - 60 * LEVELS[0][1], 4.0, 4.0)

    assert store.window(T0 + 3600, 300.0)[1][0] == 1.0
    assert store.window(T0 + 3600, 3600.0 + 60.0)[1][0] == 3.0
    assert store.window(T0 + 3600, 4 * 86_400.0)[1][0] == 7.0


def test_rows_are_counted_apart_and_can_be_taken_over() -> None:
    store = CountStore(3)
    store.add(T0, np.array([0, 2]), np.array([1.0, 5.0]), np.array([2.0, 5.0]))
    again = CountStore(2)
    again.adopt(store, [(0, 2)])

    assert store.window(T0, 300.0)[1].tolist() == [2.0, 0.0, 5.0]
    assert again.window(T0, 300.0)[1].tolist() == [5.0, 0.0]
    assert again.since.tolist() == [T0, np.inf]
    assert again.window(T0 + 60, 60.0)[1].tolist() == [0.0, 0.0]


def test_a_thousand_objectives_of_a_month_fit_into_a_hundred_megabytes() -> None:
    assert CountStore(1000).nbytes < 100e6
