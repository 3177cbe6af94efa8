"""
The edges at which other objective tools page for nothing or stay green: one test for each, with the labelled state.

Each story is told in counters, minute by minute, as the daemon sees them; what Kubernetes knows goes beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from observer.domain.events import BAD, GOOD, TOTAL, Parts, Series
from observer.domain.slo import DataState, NoData, Objective, ObjectiveStatus, Preset
from observer.engine.slo.accounting import SloAccounting
from observer.engine.slo.states import Facts
from tests.support.slo import objective, readings

START = 1_790_000_400.0
Page = Mapping[Series, float]
SERVING = Facts(desired=3, ready=3, watched=3, scoped=True)
POD = ("shop", "cart-1")
ALL = Series(0, TOTAL, POD, "200")
ERRORS = Series(0, BAD, POD, "503")


@dataclass
class Story:
    """Books that are shown one page a minute."""

    one: Objective = field(default_factory=objective)
    parts: Parts = Parts.BAD_OF_TOTAL
    around: Facts = SERVING
    started: dict[tuple[str, str], float] = field(default_factory=lambda: {POD: START - 86_400})
    minute: int = 0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.books = SloAccounting([self.one], [self.parts])
        self.at = START

    def show(self, page: Page, **around: Any) -> ObjectiveStatus:
        self.at = START + 60.0 * self.minute
        self.minute += 1
        self.books.count(readings(self.at, page), self.started)
        seen = replace(self.around, **{"scraped": self.at, **around})
        found = self.books.statuses(self.at, [seen])[0]
        self.told.append(found.alert)
        return found

    def run(self, minutes: int, page: Callable[[int], Page], **around: Any) -> ObjectiveStatus:
        found = [self.show(page(i), **around) for i in range(minutes)]
        return found[-1]


def healthy(rpm: float = 60.0, base: float = 0.0) -> Callable[[int], Page]:
    return lambda i: {ALL: base + rpm * i}


def test_01_no_series_ever_is_absent_not_green_and_not_a_page() -> None:
    found = Story().run(30, lambda _: {})

    assert (found.state, found.alert) == (DataState.ABSENT, "")
    assert "there never was a series" in found.detail
    assert found.budget.spent == 0.0


def test_02_flat_series_are_idle_and_no_figure_is_undefined() -> None:
    found = Story().run(30, lambda _: {ALL: 500.0})

    assert (found.state, found.alert) == (DataState.IDLE, "")
    assert found.budget.spent == 0.0 and all(t.long == t.short == 0.0 for t in found.tiers)


def test_03_ten_idle_minutes_leave_no_mark_on_the_budget() -> None:
    story = Story()
    story.run(10, lambda _: {ALL: 0.0})
    assert story.show({ALL: 0.0}).state is DataState.IDLE

    found = story.run(900, lambda i: {ALL: 60.0 * i, ERRORS: 0.06 * i})

    assert found.state is DataState.OK
    assert found.budget.total == pytest.approx(60 * 899)
    assert found.budget.spent == pytest.approx(1.0, rel=1e-6)


def test_04_one_single_error_at_one_request_a_minute_pages_nobody_and_says_why() -> None:
    story = Story()
    story.run(60, lambda i: {ALL: float(i), ERRORS: 0.0})
    found = story.run(30, lambda i: {ALL: 60.0 + i, ERRORS: 1.0})

    assert set(story.told) == {""}
    assert all(tier.withheld == "1 of 89 bad; 5 needed" for tier in found.tiers if tier.over)
    assert any(tier.over for tier in found.tiers)
    assert found.state is DataState.OK


def test_05_one_error_of_a_young_quiet_service_pages_nobody() -> None:
    story = Story()
    story.run(62, lambda i: {ALL: 2.0 * i, ERRORS: 0.0})
    found = story.show({ALL: 124.0, ERRORS: 1.0})

    assert set(story.told) == {""}
    assert found.tiers[1].over and found.tiers[1].withheld == "1 of 124 bad; 5 needed"


def test_06_fifty_errors_born_at_once_are_seen() -> None:
    story = Story()
    story.run(11, healthy())
    found = story.show({ALL: 650.0, ERRORS: 50.0})

    assert found.budget.total - found.budget.good == 50.0
    assert (found.state, found.alert) == (DataState.OK, "page")


def test_07_and_so_are_fifty_on_a_series_that_was_there_before() -> None:
    story = Story()
    story.run(11, lambda i: {ALL: 60.0 * i, ERRORS: 0.0})
    found = story.show({ALL: 650.0, ERRORS: 50.0})

    assert found.budget.total - found.budget.good == 50.0
    assert found.alert == "page"


def test_08_six_crash_looping_pods_are_two_hundred_and_forty_errors() -> None:
    story, good = Story(parts=Parts.GOOD_AND_BAD), Series(0, GOOD, POD, "200")
    story.run(10, lambda i: {good: 60.0 * i})
    for i in range(6):
        pod = ("shop", f"crash-{i}")
        story.started[pod] = START + 60.0 * story.minute - 30
        found = story.show({good: 60.0 * (10 + i), Series(0, BAD, pod, "503"): 40.0})

    assert found.budget.total - found.budget.good == 240.0
    assert (found.state, found.alert) == (DataState.OK, "page")


def test_09_a_healthy_rollout_without_traffic_is_silent() -> None:
    story = Story()
    story.run(30, healthy())
    during = story.run(5, lambda _: {}, rollout=True, ready=2, watched=2)
    after = story.run(10, lambda _: {}, rollout=True)

    assert (during.state, after.state) == (DataState.IDLE, DataState.IDLE)
    assert "have not been called since the rollout" in after.detail
    assert set(story.told) == {""}


def test_09b_a_rollout_that_leaves_nobody_serving_is_not_idle() -> None:
    story = Story()
    story.run(30, healthy())
    found = story.run(5, lambda _: {}, rollout=True, ready=0, watched=0)

    assert found.state is DataState.ABSENT
    assert "none of 3 pods is Ready; a rollout is in progress" in found.detail


def test_10_calls_that_reach_no_pod_are_counted_by_the_caller() -> None:
    """Half of the calls fail in the client's proxy (UH): the pods themselves never saw them."""
    client = ("shop", "web-1")
    story = Story(parts=Parts.GOOD_AND_BAD, started={client: START - 86_400})
    good, failed = Series(0, GOOD, client, "200"), Series(0, BAD, client, "503 UH")
    found = story.run(30, lambda i: {good: 30.0 * i, failed: 30.0 * i})

    assert found.budget.spent == pytest.approx(500.0)
    assert (found.state, found.alert) == (DataState.OK, "page")


def test_11_the_pods_own_view_alone_would_be_green_and_the_difference_is_told() -> None:
    found = Story().run(30, healthy(), disagreement="callers count 1800 calls that arrived, the pods themselves 900")

    assert (found.state, found.alert) == (DataState.CONFLICT, "")
    assert "callers count 1800" in found.text


def test_12_a_latency_bound_that_is_no_bucket_is_absent_and_says_so() -> None:
    story = Story(objective(preset=Preset.ISTIO_LATENCY, cut_ms=300.0, target=0.99), parts=Parts.GOOD_OF_TOTAL)
    found = story.run(30, lambda i: {Series(0, TOTAL, POD, "+Inf"): 60.0 * i})

    assert (found.state, found.alert) == (DataState.ABSENT, "")
    assert found.detail == "no bucket of 300 ms: the histogram has other bounds"


def test_13_the_same_calls_against_a_bound_that_exists_page() -> None:
    story = Story(objective(preset=Preset.ISTIO_LATENCY, cut_ms=250.0, target=0.99), parts=Parts.GOOD_OF_TOTAL)
    found = story.run(30, lambda i: {Series(0, TOTAL, POD, "+Inf"): 60.0 * i, Series(0, GOOD, POD, "250"): 0.0})

    assert (found.state, found.alert) == (DataState.OK, "page")


def test_14_a_young_service_that_burns_exactly_its_budget_pages_nobody() -> None:
    """Where a correction for low traffic divides by the service's age, this pages all day."""
    story = Story()
    found = story.run(300, lambda i: {ALL: 6000.0 * i, ERRORS: 6.0 * i})

    assert set(story.told) == {""}
    assert found.tiers[0].long == pytest.approx(1.0)
    assert found.budget.spent == pytest.approx(1.0)


def test_15_the_budget_counts_events_not_minutes() -> None:
    """Six quiet hours at 50 % errors and eighteen busy ones: 0.0156 % of the events failed, not 12.4 %."""
    story = Story()
    story.run(360, lambda i: {ALL: 2.0 * i, ERRORS: 1.0 * i})
    found = story.run(1081, lambda i: {ALL: 720.0 + 6000.0 * i, ERRORS: 360.0 + 0.6 * i})

    rate = 1.0 - found.budget.good / found.budget.total
    assert rate == pytest.approx((360 + 648) / (720 + 6_480_000), rel=0.01)
    assert found.budget.spent == pytest.approx(rate / 0.001)


def test_16_scaled_to_zero_is_idle_and_an_outage_of_the_metric_source_is_stale() -> None:
    story = Story()
    story.run(30, healthy())
    nobody = story.run(10, lambda _: {}, desired=0, ready=0, watched=0)
    assert (nobody.state, nobody.detail) == (DataState.IDLE, "scaled to zero")

    again = Story()
    again.run(30, healthy())
    frozen = again.run(5, lambda _: {ALL: 1740.0}, scraped=START)
    silent = again.show({ALL: 1740.0}, answered=False)

    assert (frozen.state, silent.state) == (DataState.STALE, DataState.STALE)
    assert set(again.told) == {""}


def test_pods_that_are_not_seen_make_it_partial_and_unknown_kubernetes_too() -> None:
    story = Story()
    story.run(30, healthy())

    assert story.show({ALL: 1800.0}, watched=2).detail == "1 of 3 serving pods are not scraped"
    unknown = story.show({ALL: 1860.0}, desired=None, ready=None, watched=None)
    assert unknown.state is DataState.PARTIAL


def test_younger_than_its_shortest_window_is_new() -> None:
    story = Story()
    states = [story.show({ALL: 60.0 * i}).state for i in range(9)]

    assert states[:6] == [DataState.NEW] * 6
    assert states[-1] is DataState.OK


def test_servers_that_answer_in_turn_are_a_conflict() -> None:
    story = Story(around=Facts(), started={})
    one = Series(0, TOTAL, ("", ""), "x")
    story.run(10, lambda i: {one: 1000.0 + i})
    found = story.run(3, lambda i: {one: 500.0 if i % 2 == 0 else 1020.0})

    assert found.state is DataState.CONFLICT
    assert "several metric servers" in found.detail


@pytest.mark.parametrize(("policy", "told"), [("hold", ""), ("good", ""), ("bad", "ticket"), ("page", "page")])
def test_what_silence_means_is_the_objective_s_own_choice(policy: str, told: str) -> None:
    found = Story(objective(no_data=NoData(policy))).run(10, lambda _: {})

    assert (found.state, found.alert) == (DataState.ABSENT, told)
