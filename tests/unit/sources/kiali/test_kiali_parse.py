"""Kiali's graph and health in the shapes of its versions, and what becomes of the odd ones."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from observer.domain.errors import SourceProtocolError
from observer.domain.graph import EdgeSource
from observer.domain.ids import ServiceRef
from observer.sources.kiali.graph import OUTSIDE, parse_clusters, parse_graph, parse_namespace
from observer.sources.kiali.session import parse_version
from tests.support.graph_bodies import AT, calls, graph, http, workload

LAB = Path(__file__).parents[3] / "data" / "lab"
FRONT, CART = workload("front-v1", "front"), workload("cart-v1", "cart")


def recorded(name: str) -> dict[str, Any]:
    """The last look at which Kiali answered in time."""
    looks: list[dict[str, Any]] = json.loads(lzma.decompress((LAB / name / "kiali.json.xz").read_bytes()))
    return [look for look in looks if "graph" in look][-1]


def ref(name: str) -> ServiceRef:
    return ServiceRef("shop", name)


def test_the_recorded_graph_shows_who_calls_whom_and_where_it_fails() -> None:
    look = recorded("gray-pod")
    picture = parse_graph(json.dumps(look["workload_graph"]).encode(), 10.0)

    assert (picture.at, picture.seconds, set(picture.clusters)) == (1795415972.0, 60.0, {"Kubernetes"})
    edges = {(edge.caller.name, edge.callee_workload): edge for edge in picture.edges}
    assert set(edges) == {
        ("load", "front-v1"),
        ("front", "catalog-v1"),
        ("front", "cart-v1"),
        ("front", "pay-v1"),
        ("front", "pay-v2"),
        ("catalog", "store-v1"),
        ("cart", "store-v1"),
    }
    gray = edges["front", "catalog-v1"]
    assert gray.requests == pytest.approx(60 * 12.03)
    assert gray.errors == pytest.approx(60 * 0.88, rel=0.01)
    assert gray.errors_by_flag == {"": gray.errors}
    assert (gray.p95_seconds, gray.seen_by_callee, set(gray.sources)) == (0.043, None, {EdgeSource.KIALI})
    assert {name for name, edge in edges.items() if edge.errors} == {("load", "front-v1"), ("front", "catalog-v1")}


@pytest.mark.parametrize("name", sorted(path.name for path in LAB.iterdir()))
def test_the_versioned_graph_and_the_workload_graph_tell_the_same(name: str) -> None:
    look = recorded(name)
    one, other = (parse_graph(json.dumps(look[key]).encode(), 60.0) for key in ("graph", "workload_graph"))
    assert one.edges == other.edges and len(one.edges) >= 7


def test_recorded_health_is_read_and_is_of_minutes_before() -> None:
    found = parse_clusters(json.dumps(recorded("bad-dependency")["health"]).encode(), 60.0)
    # The fault of the recording before this one: nothing may be judged by it.
    late = found["shop", "pay-v2"]
    assert (late.desired, late.available, late.word) == (2, 2, "Failure")
    assert late.requests is not None and late.errors is not None
    assert 0.1 < late.errors / late.requests < 0.5
    assert found["shop", "pay-v1"].errors == 0.0


def test_shares_of_failures_become_events_by_flag() -> None:
    split = {
        "200": {"-": "80.0"},
        "404": {"-": "5.0"},
        "500": {"-": "4.0"},
        "503": {"UF": "3.0", "URX,UF": "1.0", "UO": "2.0"},
        "-": {"DC": "5.0"},
    }
    (edge,) = parse_graph(graph([FRONT, CART], [calls(FRONT, CART, http("10.00", split))]), 60.0).edges
    # Of 600 requests those that were cut short (DC) or never sent (UO) say nothing of the callee.
    assert edge.requests == pytest.approx(600 * 0.93)
    assert edge.errors_by_flag == pytest.approx({"": 24.0, "UF": 18.0, "UF,URX": 6.0})
    assert edge.errors == pytest.approx(48.0)


def test_responses_of_the_first_versions_have_flags_right_below_the_code() -> None:
    traffic = {
        "protocol": "http",
        "rates": {"http": "1.00"},
        "responses": {"200": {"-": "50.0"}, "503": {"UF": "50.0"}},
    }
    front, cart = workload("front-v1", "front", cluster=""), workload("cart-v1", "cart", cluster="")
    picture = parse_graph(graph([front, cart], [calls(front, cart, traffic)]), 60.0)
    (edge,) = picture.edges
    assert (edge.requests, edge.errors_by_flag, picture.clusters) == (60.0, {"UF": 30.0}, frozenset())


@pytest.mark.parametrize("responses", [None, {}, {"503": {"hosts": {"h": "100.0"}}}])
def test_without_a_split_http_tells_its_5xx_and_grpc_too_little(responses: Any) -> None:
    traffic = {**http("1.00", http5xx="0.25"), "responses": responses}
    (edge,) = parse_graph(graph([FRONT, CART], [calls(FRONT, CART, traffic)]), 60.0).edges
    assert (edge.requests, edge.errors_by_flag) == (60.0, {"": 15.0})
    grpc = {"protocol": "grpc", "rates": {"grpc": "1.00", "grpcErr": "0.50"}, "responses": responses}
    assert parse_graph(graph([FRONT, CART], [calls(FRONT, CART, grpc)]), 60.0).edges == ()


def test_grpc_codes_are_statuses() -> None:
    split = {code: {"flags": {"-": "25.0"}} for code in ("0", "5", "14", "1")}
    traffic = {"protocol": "grpc", "rates": {"grpc": "2.00"}, "responses": split}
    (edge,) = parse_graph(graph([FRONT, CART], [calls(FRONT, CART, traffic)]), 60.0).edges
    assert (edge.requests, edge.errors) == (120.0, 30.0)


def test_protocols_between_the_same_two_are_added_and_bytes_are_no_requests() -> None:
    grpc = {"protocol": "grpc", "rates": {"grpc": "1.00"}, "responses": {"0": {"flags": {"-": "100.0"}}}}
    tcp = {"protocol": "tcp", "rates": {"tcp": "900.00"}, "responses": {"-": {"flags": {"-": "100.0"}}}}
    edges = [
        calls(FRONT, CART, http("1.00", {"200": {"-": "100.0"}}), responseTime="41"),
        calls(FRONT, CART, grpc, responseTime="12"),
        calls(FRONT, CART, tcp),
        {"data": {"id": "e", "source": FRONT["data"]["id"], "target": CART["data"]["id"]}},
    ]
    (edge,) = parse_graph(graph([FRONT, CART], edges), 60.0).edges
    assert (edge.requests, edge.p95_seconds) == (120.0, 0.041)


def test_nodes_are_named_by_what_they_tell() -> None:
    plain = workload("kiali-2412")
    behind = workload("db-7", destServices=[{"namespace": "shop", "name": "db"}])
    several = workload("way", destServices=[{"name": "one"}, {"name": "two"}])
    service = {"data": {"id": "s", "nodeType": "service", "cluster": "east", "namespace": "shop", "service": "gone"}}
    outside = workload("unknown", "unknown", namespace="unknown", cluster="unknown", nodeType="unknown")
    good = http("1.00", {"200": {"-": "100.0"}})
    nodes = [FRONT, plain, behind, several, service, outside]
    edges = [calls(outside, FRONT, good), *(calls(FRONT, node, good) for node in nodes)]
    picture = parse_graph(graph(nodes, edges), 60.0)

    called = {(edge.callee, edge.callee_workload) for edge in picture.edges if edge.caller == ref("front")}
    assert called == {
        (ref("front"), "front-v1"),
        (ref("kiali-2412"), "kiali-2412"),
        (ref("db"), "db-7"),
        (ref("way"), "way"),
        (ref("gone"), ""),
        (OUTSIDE, ""),
    }
    assert [edge.callee for edge in picture.edges if edge.caller == OUTSIDE] == [ref("front")]
    assert picture.clusters == {"east"}


def test_only_edges_within_the_named_cluster_are_kept() -> None:
    west = workload("cart-v1", "cart", cluster="west")
    old = workload("old-v1", "old", cluster="")
    good = http("1.00", {"200": {"-": "100.0"}})
    body = graph([FRONT, CART, west, old], [calls(FRONT, one, good) for one in (CART, west, old)])
    assert parse_graph(body, 60.0).clusters == {"east", "west"}
    assert [edge.callee for edge in parse_graph(body, 60.0, "east").edges] == [ref("cart"), ref("old")]
    assert parse_graph(body, 60.0, "west").edges == ()


def test_a_window_that_is_not_told_is_the_one_that_was_asked_for() -> None:
    body = graph([FRONT, CART], [calls(FRONT, CART, http("1.00", {"200": {"-": "100.0"}}))], duration=0)
    assert parse_graph(body, 30.0).edges[0].requests == 30.0
    assert parse_graph(body, 30.0).at == AT
    assert parse_graph(b'{"elements":{}}', 30.0).at == 0.0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"elements":{"nodes":[{"data":{}}]}}',
        graph([FRONT], [calls(FRONT, CART, http("1.00"))]),
        graph([FRONT, CART], [calls(FRONT, CART, http("many"))]),
        graph([FRONT, CART], [calls(FRONT, CART, http("NaN"))]),
        graph([FRONT, CART], [calls(FRONT, CART, http("-1.00"))]),
        graph([FRONT, CART], [calls(FRONT, CART, http("1.00", {"500": {"-": "lots"}}))]),
        graph([FRONT, CART], [calls(FRONT, CART, http("1.00"), responseTime="slow")]),
        graph([FRONT, CART], [calls(FRONT, CART, http("1.00", {"200": {"-": "90.0"}, "500": {"-": "20.0"}}))]),
        graph([FRONT, CART], [calls(FRONT, CART, http("1.00", {"500": {"-": "1000.0"}}))]),
        graph([FRONT, CART], [calls(FRONT, CART, http("1e300", {"200": {"-": "100.0"}}))], duration=1e300),
        graph([FRONT, CART], [calls(FRONT, CART, http("1e300"))], duration=1e300),
    ],
)
def test_what_is_no_graph_is_refused(body: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        parse_graph(body, 60.0)


def test_shares_may_be_rounded_and_a_response_time_unknown() -> None:
    """Twenty codes, each rounded up; and a window in which nothing answered."""
    split = {str(200 + number): {"-": "5.05"} for number in range(20)}
    body = graph([FRONT, CART], [calls(FRONT, CART, http("1.00", split), responseTime="NaN")])
    (edge,) = parse_graph(body, 60.0).edges

    assert (edge.requests, edge.errors, edge.p95_seconds) == (60.0, 0.0, None)


def test_health_of_old_and_new_versions() -> None:
    inbound = {"http": {"200": 1.8, "503": 0.1, "-": 0.1}, "grpc": {"0": 1.0, "14": 0.5}}
    new = {"requests": {"inbound": inbound}, "workloadStatus": {"desiredReplicas": 3, "availableReplicas": 2}}
    old = {
        "requests": {"inbound": inbound, "errorRatio": 0.1},
        "workloadStatus": {"replicas": 3, "availableReplicas": 2},
    }
    body = {"namespaceWorkloadHealth": {"shop": {"cart-v2": {**new, "status": {"status": "Degraded"}}}, "empty": None}}
    (newer,) = parse_clusters(json.dumps(body).encode(), 60.0).values()
    (older,) = parse_namespace(json.dumps({"cart-v2": old}).encode(), "shop", 60.0).values()

    for one in (newer, older):
        assert (one.namespace, one.workload, one.desired, one.available) == ("shop", "cart-v2", 3, 2)
        assert one.requests == pytest.approx(60 * 3.4) and one.errors == pytest.approx(60 * 0.6)
    assert (newer.word, older.word) == ("Degraded", "")


def test_who_counted_nothing_is_neither_healthy_nor_idle() -> None:
    found = parse_namespace(b'{"a":{"requests":{"inbound":{}}},"b":{},"c":{"requests":null}}', "shop", 60.0)
    assert {(one.requests, one.errors, one.desired) for one in found.values()} == {(None, None, None)}
    assert parse_clusters(b'{"namespaceWorkloadHealth":{}}', 60.0) == {}
    assert parse_clusters(b'{"namespaceWorkloadHealth":null}', 60.0) == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"namespaceWorkloadHealth":{"shop":{"a":[]}}}'])
def test_what_is_no_health_is_refused(body: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        parse_clusters(body, 60.0)


@pytest.mark.parametrize("rate", [b"-1", b'"1"', b"1e999"])
def test_rates_that_cannot_be_are_refused(rate: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        parse_namespace(b'{"a":{"requests":{"inbound":{"http":{"200":' + rate + b"}}}}}", "shop", 60.0)


def test_versions() -> None:
    assert parse_version(b'{"status":{"Kiali version":"v2.31.0"}}') == "v2.31.0"
    assert parse_version(b'{"status":{"Kiali core version":"v1.0.0"}}') == "v1.0.0"
    assert parse_version(b"{}") == parse_version(b'{"status":{}}') == ""
    with pytest.raises(SourceProtocolError):
        parse_version(b"[]")
