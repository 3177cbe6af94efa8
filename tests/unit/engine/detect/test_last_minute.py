"""The last minute, as guards and people read it."""

from __future__ import annotations

import pytest

from observer.engine.detect import last_minute
from observer.engine.detect.comparison_groups import ComparisonGroups
from tests.support.builders import NOW, catalog, pod, service_ref
from tests.support.judging import GOOD, SICK, Feed, everybody, fed


def test_the_last_minute_of_a_service() -> None:
    pods = [*catalog(3), pod("catalog-9", ready=False)]
    feed = fed(Feed(pods), 14, everybody(pods, GOOD, catalog_2=(45.0, 5.0)))
    assert feed.judgement is not None
    health = feed.judgement.services[service_ref()]

    assert health.requests == pytest.approx(4 * 50 * 12, rel=0.1)
    assert health.errors == pytest.approx(5 * 12, rel=0.1)
    assert health.rates[pods[0].ref] == pytest.approx(10.0, rel=0.1)
    assert pods[3].ref not in health.healthy
    assert feed.judgement.tallies[pods[1].ref].errors == 5.0
    assert feed.judgement.tallies[pods[1].ref].requests == 50.0
    assert len(feed.judgement.services) == 1 and len(feed.judgement.tallies) == 4


def test_figures_for_people_are_those_of_the_judges() -> None:
    pods = catalog(3)
    state = fed(Feed(pods), 14, everybody(pods, GOOD, catalog_2=SICK)).state
    service = last_minute.by_service(state.comparison, state.minute, state.at)[service_ref()]
    workloads = last_minute.by_workload(state.comparison, state.minute, state.at)
    own, peers = last_minute.against_peers(state.comparison, state.minute, state.at, [pods[1].ref])[pods[1].ref]

    assert service.seconds == 60.0
    assert service.error_rate == pytest.approx(0.1)
    assert [recent.requests for recent in workloads.values()] == [service.requests]
    assert own.error_rate == pytest.approx(0.3) and peers.errors == 0.0
    assert own.requests + peers.requests == service.requests
    assert own.rate == pytest.approx(10.0)


def test_pods_that_are_not_judged_have_no_figures() -> None:
    pods = catalog(2)
    state = fed(Feed(pods), 3, everybody(pods, GOOD)).state

    assert last_minute.against_peers(state.comparison, state.minute, state.at, [pod("other-1").ref]) == {}
    assert last_minute.by_service(ComparisonGroups(), last_minute.Minute.empty(), NOW) == {}
    assert last_minute.by_workload(ComparisonGroups(), last_minute.Minute.empty(), NOW) == {}
