"""A tick's bins, weighed: whose requests are compared, and whose are not."""

from __future__ import annotations

import pytest

from observer.domain.action import Action, ActionKind
from observer.domain.ids import Target
from observer.domain.settings import EngineSettings
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState, OpenActions
from tests.bench.world import REGIMES, Fault, World
from tests.support.builders import NOW, catalog, pod, service_ref
from tests.support.judging import GOOD, SICK, Feed, everybody, fed, suspect_of


def test_a_drained_pod_keeps_its_usual_share() -> None:
    world = World(REGIMES[0], 1, size=5, seed=6, latency=False, fault=Fault(60, 0.2))
    culprit = world.refs[0]
    state, found, settings = DetectorState.empty(), None, EngineSettings()
    for snapshot in world.stream(600):
        open_actions = OpenActions(drained=frozenset({culprit} if 120 <= world.seconds < 420 else ()))
        state, found = judge(state, snapshot, settings, open_actions)
        world.asked = found.recheck
        if world.seconds in (120, 420):
            world.obey(
                Action(ActionKind.DRAIN if world.seconds == 120 else ActionKind.RESTORE, "i", Target.of(culprit))
            )

    assert found is not None
    assert [one.culprit.pod for one in found.suspects] == [culprit]
    assert found.suspects[0].evidence.share == pytest.approx(0.2, abs=0.02)


def test_a_fault_that_ends_by_itself_leaves_no_suspicion() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 2, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None and feed.judgement.suspects

    fed(feed, 4, everybody(pods, GOOD))

    assert feed.judgement.suspects == ()


def test_young_pods_are_not_judged_by_latency() -> None:
    pods = [*catalog(3), pod("catalog-9", created=NOW - 10.0)]
    feed = Feed(pods)
    fed(feed, 2, everybody(pods, GOOD))
    for _ in range(8):
        judgement = feed.tick(everybody(pods, GOOD, catalog_9=(50.0, 0.0, 45.0)))
        if feed.at < NOW + 50.0:
            assert not judgement.suspects


def test_evidence_of_a_drained_pod_is_frozen_and_silence_is_no_health() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None
    before = suspect_of(feed.judgement, "catalog-2")
    feed.open_actions = OpenActions(drained=frozenset({pods[1].ref}), label_writes={pods[1].ref: feed.at})

    fed(feed, 40, everybody(pods, GOOD, catalog_2=(0.0, 0.0)))

    after = suspect_of(feed.judgement, "catalog-2")
    assert after.evidence.score == pytest.approx(before.evidence.score)
    assert service_ref() in feed.judgement.watch
