"""The callers' series as a graph of services."""

from __future__ import annotations

import json
from typing import Any

import pytest

from observer.config.settings.sources import Profile, PrometheusSettings
from observer.domain.graph import CallGraph, Edge, EdgeSource, Reach
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.call_graph import OUTSIDE, PrometheusCallGraph, call_graph
from observer.sources.prometheus.parse import vector
from observer.sources.prometheus.profiles import profile_for
from observer.sources.prometheus.queries import Queries

AT = 1_790_000_000.0
ISTIO = profile_for(Profile.ISTIO, {})
FRONT, CART, STORE = (ServiceRef("shop", name) for name in ("front", "cart", "store"))


def row(value: float, caller: str = "front", callee: str = "cart", **labels: str) -> dict[str, Any]:
    metric = {
        "source_workload": f"{caller}-v1",
        "source_workload_namespace": "shop",
        "source_canonical_service": caller,
        "destination_canonical_service": callee,
        "destination_workload_namespace": "shop",
        "destination_service_name": callee,
        "destination_service_namespace": "shop",
        "response_code": "200",
        "response_flags": "-",
    }
    return {"metric": metric | labels, "value": [AT, str(value)]}


def graph(*rows: dict[str, Any]) -> CallGraph:
    body = {"status": "success", "data": {"resultType": "vector", "result": rows}}
    return call_graph(AT, 60.0, vector(json.dumps(body).encode()), ISTIO)


def edges(*rows: dict[str, Any]) -> tuple[Edge, ...]:
    return graph(*rows).edges


def test_requests_and_errors_are_summed_by_caller_and_callee() -> None:
    found = edges(
        row(90.0),
        row(6.0, response_code="503"),
        row(3.0, response_code="200", grpc_response_status="13"),
        row(2.0, callee="store"),
    )
    first, second = found
    assert (first.caller, first.callee, first.caller_workload) == (FRONT, CART, "front-v1")
    assert (first.requests, first.errors, first.errors_by_flag) == (99.0, 9.0, {"": 9.0})
    assert first.sources == frozenset({EdgeSource.METRICS})
    assert (second.callee, second.requests, second.errors, second.errors_by_flag) == (STORE, 2.0, 0.0, {})


def test_calls_that_reached_nobody_count_for_the_service_that_was_meant() -> None:
    lost = {"destination_canonical_service": "unknown", "destination_workload_namespace": "unknown"}
    (found,) = edges(row(10.0), row(4.0, response_code="503", response_flags="UF,URX", **lost))
    assert (found.callee, found.requests, found.errors) == (CART, 14.0, 4.0)
    assert found.errors_by_flag == {"UF,URX": 4.0}


def test_what_a_client_or_a_policy_did_counts_for_nobody() -> None:
    (found,) = edges(row(10.0), row(5.0, response_code="0", response_flags="DC"), row(5.0, response_flags="FI"))
    assert (found.requests, found.errors) == (10.0, 0.0)


def test_lost_calls_are_those_without_an_answer_whoever_called() -> None:
    lost = {"destination_canonical_service": "unknown", "destination_workload_namespace": "unknown"}
    outside = {"source_workload": "unknown", "source_canonical_service": "unknown", "source_workload_namespace": ""}
    found = graph(
        row(100.0),
        row(9.0, response_code="503"),
        row(4.0, response_code="503", response_flags="UF,URX", **lost),
        row(2.0, response_code="0", response_flags="DC", **outside),
        row(1.0, callee="store", response_code="429", response_flags="RL"),
    )
    assert found.reached == {CART: Reach(115.0, 6.0), STORE: Reach(1.0, 1.0)}
    assert {one.callee for one in found.edges} == {CART}


def test_callers_outside_the_mesh_and_without_a_canonical_name() -> None:
    outside = {"source_workload": "unknown", "source_canonical_service": "unknown", "source_workload_namespace": ""}
    found = edges(row(1.0, **outside), row(2.0, source_canonical_service="unknown"))
    assert [one.caller for one in found] == [OUTSIDE, ServiceRef("shop", "front-v1")]


def test_nothing_and_nan_are_no_calls() -> None:
    assert edges(row(0.0), row(float("nan"))) == ()


@pytest.mark.parametrize("profile", [Profile.ISTIO, Profile.MIXER, Profile.WAYPOINT])
def test_one_question_that_tells_caller_callee_and_class(profile: Profile) -> None:
    asked = Queries(profile_for(profile, {}), selector='cluster="a"').calls(59.5)
    assert asked.startswith("sum by (source_workload_namespace, source_workload, source_")
    assert "[60s])" in asked and 'cluster="a"' in asked and "response_code" in asked


async def test_a_profile_without_callers_has_no_graph() -> None:
    source = PrometheusCallGraph(PrometheusSettings(url="http://127.0.0.1:1", profile=Profile.ENVOY))
    assert (await source.calls(AT, 60.0)).edges == ()
    await source.close()
