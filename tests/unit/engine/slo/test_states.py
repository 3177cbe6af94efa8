from __future__ import annotations

from dataclasses import replace
from typing import Any

from observer.domain.cluster import ResourceKind
from observer.domain.ids import ServiceRef
from observer.engine.slo.states import Facts, Scene, newest_scrape, owners_of, surroundings
from tests.support.builders import NOW, catalog, cluster, pod, workload
from tests.support.slo import objective

CATALOG = ServiceRef("shop", "catalog")
ONE = objective(scope=CATALOG)
PODS = catalog(4)
FRESH = {one.ref.key: NOW - 10 for one in PODS}


def around(view: Any = None, scraped: Any = FRESH, owners: Any = None, **more: Any) -> Facts:
    scene = Scene(NOW, view if view is not None else cluster(PODS), scraped, owners or {})
    return surroundings(ONE, scene, newest=NOW - 10, **more)


def test_what_serves_is_known() -> None:
    found = around()

    assert (found.answered, found.scoped, found.rollout) == (True, True, False)
    assert (found.desired, found.ready, found.watched) == (4, 4, 4)
    assert found.scraped == NOW - 10


def test_a_ready_pod_that_is_not_scraped_is_missed_unless_it_has_just_begun() -> None:
    down = {**FRESH, PODS[0].ref.key: 0.0}
    young = cluster([replace(PODS[0], ready_since=NOW - 30), *PODS[1:]])

    assert around(scraped=down).watched == 3
    assert around(young, scraped=down).watched == 4


def test_pods_that_leave_are_not_missed() -> None:
    leaving = cluster([replace(PODS[0], deleting=True), replace(PODS[1], ready=False), *PODS[2:]])

    assert (around(leaving).ready, around(leaving).watched) == (2, 2)


def test_scaled_to_zero_is_known_by_the_workload_s_memory_or_name() -> None:
    empty = cluster([], [workload("catalog", desired=0), workload("odd", desired=0)])
    before = owners_of(cluster([pod("odd-1", app="odd", service=CATALOG)]))

    assert around(empty, scraped={}).desired == 0
    assert {ref.name for ref in before[CATALOG]} == {"odd"}
    wanting = cluster([], [workload("odd", desired=2)])
    assert around(wanting, scraped={}, owners=before).desired == 2


def test_a_rollout_is_told() -> None:
    rolling = workload("catalog", desired=4, updated=2, progressing_since=NOW - 20)

    assert around(cluster(PODS, [rolling])).rollout


def test_kubernetes_that_is_not_fresh_is_not_known() -> None:
    old = around(cluster(PODS, fresh={ResourceKind.PODS: NOW, ResourceKind.DEPLOYMENTS: NOW - 61}))

    assert old.scoped and old.desired is None


def test_failed_questions_and_unknown_targets_are_no_answer() -> None:
    assert not around(failed="HTTP 422").answered
    assert not around(scraped=None).answered
    assert newest_scrape(None) is None and newest_scrape({}) == 0.0 and newest_scrape(FRESH) == NOW - 10


def test_an_objective_of_no_service_asks_nothing_of_kubernetes() -> None:
    scene = Scene(NOW, cluster(fresh={}), FRESH, {})
    found = surroundings(objective(scope=None), scene, newest=NOW)

    assert (found.scoped, found.desired, found.answered) == (False, None, True)
