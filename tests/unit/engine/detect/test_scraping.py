"""Odd scraping: slow targets, missed scrapes, offsets, late reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.settings import EngineSettings
from observer.domain.suspect import Judgement, Tier
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState
from tests.bench.world import REGIMES, Fault, World
from tests.support.judging import acting


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
