"""A silent sidecar is told when calls began to get lost with its silence, and only then."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from observer.domain.graph import Reach
from observer.domain.settings import DetectionSettings
from observer.domain.suspect import Judgement, Suppression
from observer.engine.detect.state import DetectorState
from observer.engine.detect.unreached import FEWEST_TICKS, Losses, log_odds
from tests.support.builders import catalog
from tests.support.judging import Feed, acting, everybody

TILTS = DetectionSettings().effect_sizes
BOUND = math.log(20.0)
GOOD = (50.0, 0.0)
TICK = 5.0
WARM = 160
"""Ticks: the daemon's ten minutes that end two minutes ago, and some."""


@dataclass
class Mesh:
    """Four pods and their callers; one sidecar may fall silent, and calls may get lost on the way."""

    def __post_init__(self) -> None:
        self.pods = [*catalog(4), *catalog(12, app="front")]
        self.feed = Feed(self.pods)
        self.silent: dict[str, float] = {}

    def ticks(self, count: int, lost: float = 0.0) -> Judgement:
        judgement = None
        for _ in range(count):
            judgement = self.tick(lost)
        assert judgement is not None
        return judgement

    def tick(self, lost: float = 0.0) -> Judgement:
        feed = self.feed
        feed.called({("front-1", "catalog"): (100.0, 0.0, 0.0), ("front-2", "catalog"): (100.0 - lost, lost, lost)})
        feed.did(everybody(self.pods, GOOD))
        feed.at += TICK
        frame = feed.frame()
        scraped = frame.scraped.copy()
        scraped[[i for i, (_, name) in enumerate(frame.pods) if name in self.silent]] = 0.0
        return feed.look(replace(frame, scraped=scraped))

    def freeze(self, name: str = "catalog-3") -> None:
        self.silent[name] = self.feed.at

    def reported(self, ticks: int, lost: float = 0.0) -> tuple[float, Suppression] | None:
        """Seconds until it was told, within so many ticks."""
        began = self.feed.at
        for _ in range(ticks):
            judgement = self.tick(lost)
            found = [one for one in judgement.suppressions if one.reason == "unreached"]
            assert acting(judgement) == set()
            if found:
                return self.feed.at - began, found[0]
        return None


def test_losses_that_begin_with_the_silence_are_told_within_thirty_seconds() -> None:
    mesh = Mesh()
    mesh.ticks(WARM)
    mesh.freeze()
    found = mesh.reported(12, lost=5.0)
    assert found is not None
    after, reported = found
    assert after <= 30.0
    assert reported.cause is not None and reported.cause.name == "catalog-3"
    assert reported.since == mesh.silent["catalog-3"]
    assert "before" not in reported.detail


def test_a_call_or_two_are_enough_where_none_are_ever_lost() -> None:
    mesh = Mesh()
    mesh.ticks(WARM)
    mesh.freeze()
    found = mesh.reported(12, lost=1.0)
    assert found is not None and found[0] <= 30.0


@pytest.mark.parametrize("lost", [0.2, 2.0, 20.0])
def test_steady_losses_and_a_broken_scrape_tell_nothing(lost: float) -> None:
    mesh = Mesh()
    mesh.ticks(WARM, lost=lost)
    mesh.freeze()
    assert mesh.reported(240, lost=lost) is None


@pytest.mark.parametrize("minutes", [3, 5, 9])
def test_losses_that_began_well_before_the_silence_tell_nothing(minutes: int) -> None:
    mesh = Mesh()
    mesh.ticks(WARM)
    mesh.ticks(minutes * 12, lost=10.0)
    mesh.freeze()
    assert mesh.reported(120, lost=10.0) is None


def test_a_dead_pod_among_steady_losses_is_told_all_the_same() -> None:
    mesh = Mesh()
    mesh.ticks(WARM, lost=2.0)
    mesh.freeze()
    found = mesh.reported(12, lost=25.0)
    assert found is not None
    after, reported = found
    assert after <= 40.0
    assert "12 % of all, 1.0 % before" in reported.detail


def test_one_burst_where_calls_get_lost_anyway_tells_nothing() -> None:
    mesh = Mesh()
    for _ in range(WARM // 20):
        mesh.ticks(19)
        mesh.tick(lost=20.0)
    mesh.freeze()
    mesh.ticks(5)
    assert mesh.reported(1, lost=20.0) is None
    assert mesh.reported(12) is None


def test_nothing_is_told_without_a_past() -> None:
    mesh = Mesh()
    mesh.tick()
    mesh.freeze()
    assert mesh.reported(60, lost=20.0) is None


def test_a_restart_in_the_middle_of_the_silence_tells_nothing() -> None:
    mesh = Mesh()
    mesh.ticks(WARM)
    mesh.freeze()
    assert mesh.reported(12, lost=10.0) is not None
    mesh.feed.state, mesh.feed.judgement = DetectorState.empty(), None
    assert mesh.reported(60, lost=10.0) is None


def test_the_past_stays_known_while_another_sibling_is_silent_for_a_moment() -> None:
    mesh = Mesh()
    mesh.ticks(WARM)
    mesh.freeze()
    assert mesh.reported(12, lost=5.0) is not None
    mesh.freeze("catalog-1")
    assert mesh.reported(3, lost=5.0) is None  # two are silent: it may be either
    del mesh.silent["catalog-1"]
    found = mesh.reported(4, lost=5.0)
    assert found is not None and found[0] <= 4 * TICK


def test_what_was_told_stands_while_calls_go_on_to_get_lost_now_and_then() -> None:
    mesh = Mesh()
    mesh.ticks(WARM)
    mesh.freeze()
    assert mesh.reported(12, lost=2.0) is not None
    for number in range(24):
        assert mesh.reported(1, lost=1.0 if number % 3 == 2 else 0.0) is not None


def test_it_ends_when_no_calls_get_lost_any_more() -> None:
    mesh = Mesh()
    mesh.ticks(WARM)
    mesh.freeze()
    assert mesh.reported(12, lost=5.0) is not None
    mesh.ticks(30)
    assert mesh.reported(10) is None


@pytest.mark.parametrize(
    ("usual", "earlier"), [(None, None), (Reach(30_000.0, 0.0), None), (Reach(0.0, 0.0), Reach(0.0, 0.0))]
)
def test_an_unknown_past_is_no_evidence(usual: Reach | None, earlier: Reach | None) -> None:
    assert log_odds(Losses(usual, earlier, Reach(1000.0, 900.0), ticks=9), TILTS) <= BOUND


def test_a_short_past_needs_more_lost_calls_than_a_long_one() -> None:
    since = Reach(1000.0, 3.0)
    short = log_odds(Losses(None, Reach(3000.0, 0.0), since), TILTS)
    assert short < BOUND < log_odds(Losses(Reach(30_000.0, 0.0), Reach(3000.0, 0.0), since), TILTS)


def test_nothing_counted_since_says_nothing() -> None:
    assert log_odds(Losses(Reach(30_000.0, 0.0), Reach(3000.0, 0.0)), TILTS) == 0.0


def test_twice_as_many_as_usual_is_a_bad_hour() -> None:
    usual, earlier = Reach(30_000.0, 300.0), Reach(3000.0, 30.0)
    assert log_odds(Losses(usual, earlier, Reach(100_000.0, 2000.0), ticks=99), TILTS) < 0.0


def test_where_calls_get_lost_anyway_some_ticks_have_to_agree() -> None:
    usual, earlier = Reach(30_000.0, 300.0), Reach(3000.0, 30.0)
    assert Losses(usual, earlier, Reach(100.0, 50.0), ticks=FEWEST_TICKS - 1).bursts
    assert not Losses(usual, earlier, Reach(100.0, 50.0), ticks=FEWEST_TICKS).bursts
    assert not Losses(Reach(30_000.0, 0.0), None, Reach(100.0, 50.0), ticks=1).bursts


def test_a_false_word_is_rarer_than_the_odds_however_often_it_is_looked_at() -> None:
    """Seeded Monte Carlo: the same rate before and since, looked at in every tick for half an hour."""
    random = np.random.default_rng(4)
    reported = 0
    for _ in range(400):
        rate = float(random.choice([0.0005, 0.002, 0.01]))
        before = [Reach(float(calls), float(random.poisson(rate * calls))) for calls in (20_000, 2_000)]
        losses = Losses(before[0], before[1])
        for _ in range(360):
            losses = losses.plus(Reach(170.0, float(random.poisson(rate * 170.0))), TICK)
            if not losses.bursts and log_odds(losses, TILTS) > BOUND:
                reported += 1
                break
    assert reported <= 20
