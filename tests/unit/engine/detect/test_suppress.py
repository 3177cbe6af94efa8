"""When nobody may be removed: the fault is not the pod's."""

from __future__ import annotations

from collections.abc import Mapping

from observer.domain.ids import PodRef, ServiceRef
from observer.domain.suspect import Culprit, CulpritKind
from observer.engine.detect.callers import CallerState, Calls
from observer.engine.detect.suppress import FailingServices, inherited
from tests.support.builders import catalog, service_ref
from tests.support.judging import GOOD, SICK, Feed, acting, everybody, fed, suspect_of

STORE, CATALOG, FRONT = service_ref("store"), service_ref("catalog"), service_ref("front")


def _failing_services(
    failing: set[ServiceRef], edges: Mapping[tuple[ServiceRef, ServiceRef], float], sick: object = None
) -> FailingServices:
    own: dict[ServiceRef, float] = dict.fromkeys(failing, 100.0)
    calls = {edge: Calls(1000.0, errors) for edge, errors in edges.items()}
    known = {STORE: sick} if isinstance(sick, Culprit) else {}
    return FailingServices(frozenset(failing), known, CallerState(edges=calls, own=own))


def test_the_deepest_failing_service_is_blamed() -> None:
    found = inherited(_failing_services({FRONT, CATALOG, STORE}, {(FRONT, CATALOG): 90.0, (CATALOG, STORE): 95.0}))
    assert {service.name: culprit.name for service, culprit in found.items()} == {"front": "store", "catalog": "store"}


def test_calls_that_explain_too_little_explain_nothing() -> None:
    assert inherited(_failing_services({FRONT, STORE}, {(FRONT, STORE): 20.0})) == {}


def test_services_that_blame_each_other_are_not_believed() -> None:
    assert inherited(_failing_services({CATALOG, STORE}, {(CATALOG, STORE): 90.0, (STORE, CATALOG): 90.0})) == {}


def test_a_sick_pod_downstream_is_named_rather_than_its_service() -> None:
    sick = Culprit(CulpritKind.POD, "shop", "store-1", STORE, PodRef("shop", "store-1", "uid"))
    assert inherited(_failing_services({FRONT}, {(FRONT, STORE): 90.0}, sick)) == {FRONT: sick}


def test_all_failing_alike_is_nobodys_fault_and_is_told() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 20, everybody(pods, GOOD)), 8, everybody(pods, SICK))
    assert feed.judgement is not None

    assert feed.judgement.suspects == ()
    assert [(one.service, one.reason) for one in feed.judgement.suppressions] == [(service_ref(), "workload_failing")]


def test_half_of_the_siblings_failing_is_a_correlated_failure() -> None:
    pods = catalog(6)
    did = everybody(pods, GOOD, catalog_1=SICK, catalog_2=SICK, catalog_3=SICK)
    feed = fed(fed(Feed(pods), 20, everybody(pods, GOOD)), 30, did)
    assert feed.judgement is not None

    assert acting(feed.judgement) == set()
    assert {one.reason for one in feed.judgement.suppressions} & {"correlated_failure", "workload_failing"}


def test_errors_inherited_from_a_dependency_blame_the_deepest_failing_service() -> None:
    store, middle, front = catalog(3, app="store"), catalog(3, app="catalog"), catalog(3, app="front")
    pods = [*store, *middle, *front]
    feed = fed(Feed(pods), 20, everybody(pods, GOOD))
    for _ in range(20):
        feed.called({(one.ref.name, "store"): (35.0, 15.0, 0.0) for one in middle})
        feed.called({(one.ref.name, "catalog"): (35.0, 15.0, 0.0) for one in front})
        feed.tick(everybody(pods, SICK))
    assert feed.judgement is not None

    found = {one.service.name: (one.reason, one.cause.name if one.cause else "") for one in feed.judgement.suppressions}
    assert found == {
        "front": ("inherited", "store"),
        "catalog": ("inherited", "store"),
        "store": ("workload_failing", "store"),
    }
    assert feed.judgement.suspects == ()


def test_a_pod_that_only_passes_on_a_failing_neighbours_answers_is_a_victim() -> None:
    store, front = catalog(4, app="store"), catalog(4, app="front")
    pods = [*store, *front]
    feed = fed(Feed(pods), 5, everybody(pods, GOOD))
    for _ in range(12):
        # Calls stick: front-1 talks to store-1 only.
        feed.called({(one.ref.name, "store"): (50.0, 0.0, 0.0) for one in front[1:]})
        feed.called({("front-1", "store"): (35.0, 15.0, 0.0)})
        feed.tick(everybody(pods, GOOD, store_1=SICK, front_1=SICK))
    assert feed.judgement is not None

    assert acting(feed.judgement) == {"store-1"}
    victim = suspect_of(feed.judgement, "front-1")
    assert victim.ceiling_reason == "inherited"
    assert victim.also[0].name == "store-1"


def test_calls_that_reached_nobody_stay_the_callers_own_fault() -> None:
    store, front = catalog(4, app="store"), catalog(4, app="front")
    pods = [*store, *front]
    feed = fed(Feed(pods), 5, everybody(pods, GOOD))
    for _ in range(12):
        feed.called({(one.ref.name, "store"): (50.0, 0.0, 0.0) for one in front[1:]})
        feed.called({("front-1", "store"): (35.0, 15.0, 15.0)})
        feed.tick(everybody(pods, GOOD, store_1=SICK, front_1=SICK))
    assert feed.judgement is not None

    assert acting(feed.judgement) == {"store-1", "front-1"}
