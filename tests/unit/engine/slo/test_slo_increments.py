from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from observer.domain.events import BAD, GOOD, TOTAL, Parts, Series
from observer.engine.slo.increments import Counters, Growth, good_and_total
from tests.support.slo import readings

POD = ("shop", "cart-1")
OK_SERIES = Series(0, GOOD, POD, "200")
ERROR = Series(0, BAD, POD, "503")
ANYBODY = Series(0, TOTAL, ("", ""), "x")


def looks(
    counters: Counters,
    pages: Sequence[Mapping[Series, float]],
    started: Mapping[tuple[str, str], float] | None = None,
    *,
    every: float = 30.0,
    start: float = 1000.0,
) -> list[Growth]:
    return [
        counters.advance(readings(start + every * i, page), {} if started is None else started)
        for i, page in enumerate(pages)
    ]


def events(growths: Sequence[Growth], column: int) -> list[float]:
    return [float(one.events[0, column]) for one in growths]


def test_growth_is_counted_and_the_first_look_is_a_baseline() -> None:
    found = looks(Counters(1), [{OK_SERIES: 1e6}, {OK_SERIES: 1e6 + 7}, {OK_SERIES: 1e6 + 7}])

    assert events(found, GOOD) == [0.0, 7.0, 0.0]
    assert [one.first for one in found] == [True, False, False]
    assert found[1].seen[0].tolist() == [1.0, 0.0, 0.0]


def test_the_first_error_of_a_living_pod_counts_from_zero() -> None:
    found = looks(Counters(1), [{OK_SERIES: 600.0}, {OK_SERIES: 600.0, ERROR: 50.0}], {POD: 10.0})

    assert events(found, BAD) == [0.0, 50.0]
    assert found[1].born == 50.0


def test_pods_that_crash_in_a_loop_are_counted_whole() -> None:
    """Six pods answer 40 errors each and die; no series of theirs ever grows."""
    counters, started, total = Counters(1), {}, 0.0
    counters.advance(readings(1000.0, {OK_SERIES: 1.0}), {})
    for i in range(6):
        pod, at = ("shop", f"crash-{i}"), 1030.0 + 30 * i
        started[pod] = at - 20
        total += counters.advance(readings(at, {Series(0, BAD, pod, "503"): 40.0}), started).events[0, BAD]

    assert total == 240.0


def test_a_container_that_restarts_in_its_pod_counts_from_zero_again() -> None:
    counters, started = Counters(1), {POD: 900.0}
    found = [counters.advance(readings(1000.0, {ERROR: 40.0}), started)]
    started[POD] = 1015.0
    found.append(counters.advance(readings(1030.0, {ERROR: 35.0}), started))

    assert events(found, BAD) == [0.0, 35.0]


def test_nothing_is_counted_twice_after_a_restart_of_ours_or_of_the_metric_source() -> None:
    page = {OK_SERIES: 600.0, ERROR: 40.0}
    ours = looks(Counters(1), [page], {POD: 995.0})
    theirs = looks(Counters(1), [page, {}, {}, page, {**page, ERROR: 41.0}], {POD: 10.0})

    assert events(ours, BAD) == [0.0]
    assert events(theirs, BAD) == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_a_series_that_comes_back_while_its_pod_was_seen_all_along_is_a_baseline() -> None:
    found = looks(Counters(1), [{OK_SERIES: 1.0, ERROR: 40.0}, {OK_SERIES: 1.0}, {OK_SERIES: 1.0, ERROR: 44.0}])

    assert events(found, BAD) == [0.0, 0.0, 0.0]


def test_a_pod_first_seen_long_after_its_start_is_a_baseline() -> None:
    found = looks(Counters(1), [{OK_SERIES: 1.0}, {ERROR: 999.0}], {POD: 10.0})
    other = Series(0, BAD, ("shop", "late"), "503")
    late = looks(Counters(1), [{OK_SERIES: 1.0}, {other: 999.0}], {other.pod: 900.0})

    assert events(found, BAD) == [0.0, 999.0]  # its target was seen at both instants
    assert events(late, BAD) == [0.0, 0.0]


def test_a_fall_without_a_restart_says_nothing() -> None:
    found = looks(Counters(1), [{ERROR: 100.0}, {ERROR: 60.0}, {ERROR: 65.0}, {ERROR: 101.0}], {POD: 10.0})

    assert events(found, BAD) == [0.0, 0.0, 5.0, 0.0]
    assert [sorted(one.uncertain) for one in found] == [[], [0], [], []]
    assert [sorted(one.flickering) for one in found] == [[], [], [], [0]]


def test_two_servers_that_answer_in_turn_are_told_and_add_nothing() -> None:
    found = looks(Counters(1), [{ANYBODY: v} for v in (1000.0, 400.0, 1001.0, 401.0, 1002.0, 402.0)])

    assert sum(events(found, TOTAL)) == 0.0
    assert sum(bool(one.flickering) for one in found) >= 3


def test_a_reset_that_nobody_can_vouch_for_counts_once_it_did_not_come_back() -> None:
    pages = [{ANYBODY: 1000.0}, *({ANYBODY: 20.0 + i} for i in range(13))]
    found = looks(Counters(1), pages)

    assert events(found, TOTAL)[1:11] == [0.0, *[1.0] * 9]
    assert sum(events(found, TOTAL)) == 32.0


def test_without_births_it_counts_as_prometheus_does() -> None:
    found = looks(Counters(1, births=False), [{OK_SERIES: 9.0}, {OK_SERIES: 9.0, ERROR: 50.0}, {ERROR: 51.0}])
    reset = looks(Counters(1, births=False), [{ANYBODY: 1000.0}, {ANYBODY: 20.0}])

    assert events(found, BAD) == [0.0, 0.0, 1.0]
    assert events(reset, TOTAL) == [0.0, 20.0]


def test_a_look_that_is_not_later_tells_nothing() -> None:
    counters = Counters(1)
    looks(counters, [{ERROR: 1.0}, {ERROR: 2.0}])

    assert counters.advance(readings(1030.0, {ERROR: 9.0}), {}).first
    assert counters.advance(readings(1060.0, {ERROR: 3.0}), {}).events[0, BAD] == 1.0


@pytest.mark.parametrize(
    ("parts", "counted", "good", "total"),
    [
        (Parts.GOOD_AND_BAD, (3.0, 1.0, 0.0), 3.0, 4.0),
        (Parts.BAD_OF_TOTAL, (0.0, 1.0, 4.0), 3.0, 4.0),
        (Parts.BAD_OF_TOTAL, (0.0, 0.0, 4.0), 4.0, 4.0),
        (Parts.BAD_OF_TOTAL, (0.0, 6.0, 4.0), 0.0, 4.0),
        (Parts.GOOD_OF_TOTAL, (0.0, 0.0, 4.0), 0.0, 4.0),
        (Parts.GOOD_OF_TOTAL, (5.0, 0.0, 4.0), 4.0, 4.0),
    ],
)
def test_good_and_total_from_whatever_two_were_counted(
    parts: Parts, counted: tuple[float, ...], good: float, total: float
) -> None:
    found = good_and_total(np.array([counted]), np.array([int(parts)]))

    assert (found[0][0], found[1][0]) == (good, total)
