"""Odd scraping: slow targets, missed scrapes, offsets, late reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from observer.domain.action import Action, ActionKind
from observer.domain.ids import Target
from observer.domain.settings import EngineSettings
from observer.domain.suspect import Judgement, Tier
from observer.engine.detect.held import OpenActions
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState
from tests.bench.world import REGIMES, Fault, World
from tests.support.builders import catalog
from tests.support.judging import Feed, acting, everybody


def watched(world: World, seconds: int, *, tick: float = 5.0) -> tuple[list[Judgement], DetectorState]:
    """Every judgement of a stretch of a made-up world."""
    state, out, settings = DetectorState.empty(), [], EngineSettings(tick=tick)
    for snapshot in world.stream(seconds):
        state, found = judge(state, snapshot, settings)
        world.asked = found.recheck
        out.append(found)
    return out, state


@pytest.mark.parametrize(("tick", "interval"), [(5, 5), (5, 15), (1, 1), (5, 1), (1, 5), (2, 7)])
def test_a_gray_pod_is_found_whatever_the_scrape_interval(tick: int, interval: int) -> None:
    world = World(REGIMES[0], 3, size=6, tick=tick, interval=interval, seed=4, fault=Fault(120, 0.2))
    judgements, state = watched(world, 300, tick=float(tick))

    assert {name.rsplit("-", 2)[1] for one in judgements for name in acting(one)} == {"00"}
    assert acting(judgements[-1], Tier.EVICT) == {"s0000-00-0", "s0001-00-0", "s0002-00-0"}
    assert state.errors.bins.late == 0.0
    assert (state.errors.bins.width >= max(tick, interval - 2)).all()


def test_offsets_do_not_turn_a_shared_storm_into_a_culprit() -> None:
    storm = replace(REGIMES[0], burst=60.0)
    judgements, _ = watched(World(storm, 8, size=6, seed=9, latency=False), 3600)

    assert [one for found in judgements for one in acting(found)] == []


def test_a_frozen_target_holds_its_siblings_up_for_a_while_only() -> None:
    pods = catalog(4)
    feed = Feed(pods)
    for _ in range(6):
        feed.tick(everybody(pods, (50.0, 0.0)))
    frozen = feed.at
    for _ in range(12):
        feed.did(everybody(pods, (50.0, 0.0), catalog_2=(35.0, 15.0)))
        feed.at += 5.0
        frame = feed.frame()
        stale = np.array([key[1] == "catalog-4" for key in frame.pods])
        feed.look(replace(frame, scraped=np.where(stale, frozen, frame.scraped)))

    # The other three go on being judged without the silent one.
    position = next(i for i, ref in enumerate(feed.state.comparison.refs) if ref.name == "catalog-2")
    assert feed.state.errors.evidence.bins[position, 0] >= 3
    assert feed.state.errors.bins.next[0] * 5.0 > frozen + 30.0


def test_a_missed_scrape_is_made_good_by_the_next_one() -> None:
    pods = catalog(4)
    feed = Feed(pods)
    for i in range(12):
        feed.did(everybody(pods, (50.0, 1.0)))
        feed.at += 5.0
        frame = feed.frame()
        missed = np.array([i == 6 and key[1] == "catalog-1" for key in frame.pods])
        feed.look(replace(frame, scraped=np.where(missed, feed.at - 5.0, frame.scraped)))

    kept = feed.state.errors.bins
    assert kept.late == 0.0
    assert (np.diff(kept.covered) == 0.0).all()


def test_a_drained_pod_keeps_its_usual_share() -> None:
    world = World(REGIMES[0], 1, size=5, seed=6, latency=False, fault=Fault(60, 0.2))
    culprit = world.refs[0]
    state, found, settings = DetectorState.empty(), None, EngineSettings()
    for snapshot in world.stream(600):
        held = OpenActions(drained=frozenset({culprit} if 120 <= world.seconds < 420 else ()))
        state, found = judge(state, snapshot, settings, held)
        world.asked = found.recheck
        if world.seconds in (120, 420):
            world.obey(
                Action(ActionKind.DRAIN if world.seconds == 120 else ActionKind.RESTORE, "i", Target.of(culprit))
            )

    assert found is not None
    assert [one.culprit.pod for one in found.suspects] == [culprit]
    assert found.suspects[0].evidence.share == pytest.approx(0.2, abs=0.02)
