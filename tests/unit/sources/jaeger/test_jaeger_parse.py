"""Spans as both APIs and both vocabularies tell them, in one language."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide
from observer.sources.jaeger import legacy, otlp
from observer.sources.jaeger.semantics import node_of, span_of, workload_of
from observer.sources.jaeger.source import SPANS, in_order, known_as
from tests.support import trace_bodies
from tests.support.trace_bodies import BEGIN, SIDECAR, TRACE

Teller = Callable[..., Span]


@pytest.fixture(params=["v3", "v1"])
def told(request: pytest.FixtureRequest) -> Teller:
    """One span through either API."""
    build, parse = (
        (trace_bodies.v3, otlp.parse_traces) if request.param == "v3" else (trace_bodies.v1, legacy.parse_traces)
    )

    def tell(attributes: dict[str, Any], **more: Any) -> Span:
        (record,) = parse(build(attributes, **more))
        return span_of(record)

    return tell


def test_a_sidecar_tells_who_it_is_and_how_the_call_ended(told: Teller) -> None:
    ended = {"http.status_code": "503", "response_flags": "UC", "guid:x-request-id": "r-1"}
    span = told({**SIDECAR, **ended, "upstream_cluster": "inbound|8080||"}, failed=True)
    assert span == Span(
        trace=TRACE,
        span="b7ad6b7169203331",
        parent="00f067aa0ba902b7",
        side=SpanSide.SERVER,
        namespace="shop",
        service="cart",
        pod="cart-v2-5d8f7c9b6d-x2x4q",
        workload="cart-v2",
        node="",
        peer="",
        operation="GET /",
        start=BEGIN,
        seconds=0.00421,
        error=True,
        code="503",
        flags="UC",
        request="r-1",
    )


def test_a_call_names_whom_it_called_and_how_often(told: Teller) -> None:
    cluster = "outbound|9080|v1|store.shop.svc.cluster.local"
    found = {"upstream_cluster.name": f"{cluster};", "peer.address": "10.2.0.7", "retry.count": "2"}
    span = told({**SIDECAR, **found, "http.status_code": "200"}, kind="client")
    assert (span.side, span.peer, span.resends) == (SpanSide.CLIENT, "store.shop.svc.cluster.local", 2)


@pytest.mark.parametrize("cluster", ["PassthroughCluster", "BlackHoleCluster"])
def test_a_call_that_left_the_mesh_is_named_by_its_address(told: Teller, cluster: str) -> None:
    found = {"upstream_cluster": cluster, "http.url": "http://api.example.com:8443/v1?q=1", "peer.address": "10.2.0.7"}
    assert told({**SIDECAR, **found}, kind="client").peer == "api.example.com"


def test_without_a_kind_the_direction_tells_the_side(told: Teller) -> None:
    assert told({**SIDECAR, "upstream_cluster": "inbound|8080||"}, kind="").side is SpanSide.SERVER
    assert told({**SIDECAR, "upstream_cluster": "outbound|80||store.shop.svc"}, kind="").side is SpanSide.CLIENT
    assert told({}, kind="").side is SpanSide.INTERNAL


@pytest.mark.parametrize(
    ("code", "flags", "error"),
    [
        ("200", "-", False),
        ("404", "-", False),
        ("500", "-", True),
        ("503", "URX,UF", True),
        ("504", "UT", True),
        ("0", "DC", False),
        ("499", "DC", False),
        ("503", "UO", False),
        ("503", "FI", False),
        ("429", "RL", False),
        ("0", "UF", True),
        ("0", "-", False),
        ("", "", False),
    ],
)
def test_what_a_sidecar_marks_as_failed_is_judged_by_code_and_flags(
    told: Teller, code: str, flags: str, error: bool
) -> None:
    span = told({**SIDECAR, "http.status_code": code, "response_flags": flags}, failed=True)
    assert span.error is error
    assert span.code == ("" if code == "0" else code)
    assert span.flags == ("" if flags == "-" else flags)


@pytest.mark.parametrize(
    ("status", "error", "word"),
    [
        ("0", False, "200"),
        ("14", True, "UNAVAILABLE"),
        ("1", False, "CANCELLED"),
        ("5", False, "NOT_FOUND"),
        ("DEADLINE_EXCEEDED", True, "DEADLINE_EXCEEDED"),
        ("99", False, "99"),
    ],
)
@pytest.mark.parametrize("key", ["grpc.status_code", "rpc.grpc.status_code", "rpc.response.status_code"])
def test_grpc_tells_more_than_the_http_code_around_it(
    told: Teller, key: str, status: str, error: bool, word: str
) -> None:
    span = told({**SIDECAR, "http.status_code": "200", "response_flags": "-", key: status}, failed=True)
    assert (span.error, span.code) == (error, word)


def test_an_application_speaks_opentelemetry_new_and_old(told: Teller) -> None:
    runs = {
        "k8s.pod.name": "web-0",
        "k8s.namespace.name": "store",
        "k8s.node.name": "n1",
        "k8s.statefulset.name": "web",
    }
    new = told(
        {"http.response.status_code": 503, "server.address": "db", "http.request.resend_count": 1},
        kind="client",
        service="web.front",
        failed=True,
        resource=runs,
    )
    old = told(
        {"http.status_code": 503, "net.peer.name": "db", "http.resend_count": 1},
        kind="client",
        service="web.front",
        failed=True,
        resource=runs,
    )
    assert new == old
    assert (new.namespace, new.service, new.pod, new.workload, new.node) == ("store", "web.front", "web-0", "web", "n1")
    assert (new.peer, new.code, new.error, new.resends) == ("db", "503", True, 1)


def test_an_application_that_was_right_to_answer_404_did_not_fail(told: Teller) -> None:
    assert not told({"http.response.status_code": 404}, kind="client", failed=True).error


@pytest.mark.parametrize(("kind", "error"), [("ECONNREFUSED", True), ("", True), ("context_canceled", False)])
def test_an_application_without_a_code_is_taken_at_its_word(told: Teller, kind: str, error: bool) -> None:
    assert told({"error.type": kind}, kind="client", failed=True).error is error
    assert not told({"error.type": kind}, kind="client").error


def test_a_waypoint_names_both_ends(told: Teller) -> None:
    found = {
        "node_id": "waypoint~10.2.0.9~waypoint-6d9f7b5c4d-k2lzx.shop~shop.svc.cluster.local",
        "istio.destination_canonical_service": "store",
        "istio.destination_namespace": "back",
        "upstream_cluster": "inbound-vip|80|http|store.back.svc.cluster.local",
    }
    span = told(found, kind="client", service="waypoint.shop")
    assert (span.service, span.pod, span.peer) == ("waypoint", "waypoint-6d9f7b5c4d-k2lzx", "store.back")


def test_a_controller_that_writes_down_whom_it_works_on_reports_as_itself(told: Teller) -> None:
    """Else whoever may send spans names the pod that is blamed for them."""
    about = {"k8s.pod.name": "cart-1", "k8s.namespace.name": "shop", "k8s.node.name": "n9", "service.name": "cart"}
    own = {"k8s.pod.name": "operator-0", "k8s.namespace.name": "tools", "k8s.node.name": "n1"}
    span = told(about, resource=own, service="operator", failed=True)

    assert (span.pod, span.namespace, span.node, span.service) == ("operator-0", "tools", "n1", "operator")


@pytest.mark.parametrize(
    ("ours", "service", "pod"),
    [
        ("east", "cart@west", ""),
        ("west", "cart", "cart-v2-5d8f7c9b6d-x2x4q"),
        ("", "cart", "cart-v2-5d8f7c9b6d-x2x4q"),
    ],
)
def test_another_clusters_service_of_the_same_name_is_another_one(ours: str, service: str, pod: str) -> None:
    (record,) = otlp.parse_traces(trace_bodies.v3({**SIDECAR, "istio.cluster_id": "west"}))
    span = span_of(record, ours)

    assert (span.service, span.pod, bool(span.workload)) == (service, pod, bool(pod))


def test_who_does_not_tell_its_cluster_is_ours(told: Teller) -> None:
    (record,) = otlp.parse_traces(trace_bodies.v3({**SIDECAR, "k8s.cluster.name": "another word for it"}))

    assert span_of(record, "east") == told(SIDECAR)


def test_names_that_strangers_chose_are_bounded_and_can_be_seen(told: Teller) -> None:
    odd = "\x1b[2J\u202e\n" + "x" * 5000
    span = told(
        {"url.full": f"http://{'y' * 4000}/", "server.address": odd}, kind="client", name=odd, operationName=odd
    )

    for text in (span.operation, span.peer):
        assert text.isprintable() and 0 < len(text) <= 253


def test_a_bare_service_name_is_completed_by_the_reporter(told: Teller) -> None:
    only = {"node_id": SIDECAR["node_id"]}
    assert (told(only, service="cart.shop").service, told(only, service="cart.shop").namespace) == ("cart", "shop")
    assert (told(only, service="cart").service, told(only, service="cart").namespace) == ("cart", "shop")
    assert told(only, service="cart.v2").service == "cart.v2"
    assert (told({"component": "proxy"}, service="cart.shop").namespace) == "shop"


def test_ids_of_proxies() -> None:
    assert node_of("sidecar~1.2.3.4~a.b-c.shop~shop.svc.cluster.local") is not None
    node = node_of("sidecar~1.2.3.4~a.b-c.shop~shop.svc.cluster.local")
    assert node is not None and (node.pod, node.namespace) == ("a.b-c", "shop")
    assert [node_of(text) for text in ("", "sidecar~1~pod~x", "a~b~c", "sidecar~1~.shop~x")] == [None] * 4


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("catalog-v1-74b948665f-lwdqx", "catalog-v1"),
        ("load-846fcc99fb-q6hxr", "load"),
        ("agent-x2x4q", "agent"),
        ("db-0", "db"),
        ("db-12", "db"),
        ("single", ""),
        ("", ""),
    ],
)
def test_a_pods_name_tells_its_workload(pod: str, workload: str) -> None:
    assert workload_of(pod) == workload


def test_clocks_that_disagree_are_borne() -> None:
    (late,) = otlp.parse_traces(trace_bodies.v3({}, endTimeUnixNano="1"))
    assert span_of(late).seconds == 0.0 and span_of(late).start == BEGIN
    (without,) = otlp.parse_traces(trace_bodies.v3({}, startTimeUnixNano=None, endTimeUnixNano=None))
    assert (span_of(without).start, span_of(without).seconds) == (0.0, 0.0)


def test_references_of_other_traces_are_no_parents() -> None:
    other = {"refType": "FOLLOWS_FROM", "traceID": "ffff", "spanID": "1111"}
    own = {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": "2222"}
    for references, parent in (([other], ""), ([other, own], "2222"), ([], ""), (None, "")):
        (record,) = legacy.parse_traces(trace_bodies.v1({}, references=references))
        assert record.parent == parent
    (record,) = legacy.parse_traces(trace_bodies.v1({}, references=[], parentSpanID="3333"))
    assert record.parent == "3333"
    (record,) = otlp.parse_traces(trace_bodies.v3({}, parentSpanId="0000000000000000"))
    assert record.parent == ""


def test_numbers_and_names_of_enums_are_the_same() -> None:
    (record,) = otlp.parse_traces(
        trace_bodies.v3({}, kind="", status={"code": "STATUS_CODE_ERROR"}).replace(
            b'"kind": 0', b'"kind": "SPAN_KIND_CLIENT"'
        )
    )
    assert (record.kind, record.failed) == ("client", True)


def test_a_stream_of_several_objects_is_read() -> None:
    body = trace_bodies.v3({}) + b"\n" + trace_bodies.v3({}, spanId="cccccccccccccccc")
    assert [record.span for record in otlp.parse_traces(body)] == ["b7ad6b7169203331", "cccccccccccccccc"]


def test_an_error_on_the_way_is_a_partial_answer() -> None:
    with pytest.raises(SourceUnavailable, match="storage") as caught:
        list(otlp.parse_traces(trace_bodies.v3({}) + b'\n{"error":{"httpCode":500,"message":"storage"}}'))
    assert caught.value.reason == "partial"
    body = json.loads(trace_bodies.v1({}))
    body["errors"] = [{"code": 500, "msg": "storage"}]
    with pytest.raises(SourceUnavailable, match="storage") as caught:
        list(legacy.parse_traces(json.dumps(body).encode()))
    assert caught.value.reason == "partial"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"<html>",
        b'{"result": 3}',
        trace_bodies.v3({}, traceId=""),
        trace_bodies.v3({}, startTimeUnixNano="soon"),
        trace_bodies.v3({}, startTimeUnixNano="9" * 5000),
        trace_bodies.v3({}, startTimeUnixNano=-5),
    ],
)
def test_what_is_no_answer_of_v3_is_refused(body: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        list(otlp.parse_traces(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": 3}',
        trace_bodies.v1({}, spanID=""),
        trace_bodies.v1({}, startTime=-1),
        trace_bodies.v1({}, duration="1e3"),
    ],
)
def test_what_is_no_answer_of_v1_is_refused(body: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        list(legacy.parse_traces(body))


def test_services_of_both() -> None:
    assert otlp.parse_services(b'{"services":["a","b"]}') == legacy.parse_services(b'{"data":["a","b"]}') == {"a", "b"}
    assert otlp.parse_services(b"{}") == legacy.parse_services(b'{"data":null}') == frozenset()
    for parse in (otlp.parse_services, legacy.parse_services):
        with pytest.raises(SourceProtocolError):
            parse(b"[1]")
    with pytest.raises(SourceUnavailable):
        legacy.parse_services(b'{"data":[],"errors":[{"code":500,"msg":"x"}]}')


def test_services_are_known_by_full_or_bare_name() -> None:
    cart = ServiceRef("shop", "cart")
    assert known_as(cart, frozenset({"cart.shop", "cart"})) == "cart.shop"
    assert known_as(cart, frozenset({"cart"})) == "cart"
    assert known_as(cart, frozenset({"cart.other"})) == ""


@pytest.mark.parametrize("code", [404, 400, 0])
def test_only_a_404_of_its_own_means_that_nothing_was_found(code: int) -> None:
    body = json.dumps({"error": {"httpCode": code, "message": "no such route"}}).encode()

    assert otlp.says_nothing_found(body) is (code == 404)


def test_one_trace_that_is_too_large_keeps_the_others() -> None:
    """Else whoever sends one huge trace blinds us to all."""
    one = span_of(next(iter(otlp.parse_traces(trace_bodies.v3(SIDECAR)))))
    huge = [replace(one, trace="huge", span=str(number), start=BEGIN + 9.0) for number in range(SPANS + 1)]
    spans, cut = in_order([*huge, replace(one, trace="a"), replace(one, trace="b", start=BEGIN + 1.0)])

    assert ([span.trace for span in spans], cut) == (["a", "b"], True)


def test_each_span_is_kept_once_and_the_oldest_traces_go_first() -> None:
    (record,) = otlp.parse_traces(trace_bodies.v3({}))
    one = span_of(record)
    seen = [
        replace(one, trace="b", span="1", start=5.0),
        replace(one, trace="a", span="2", start=2.0),
        replace(one, trace="b", span="1", start=5.0),
        replace(one, trace="b", span="1", start=4.0, side=SpanSide.CLIENT),
    ]
    retained, cut = in_order(seen)
    assert [(span.trace, span.start) for span in retained] == [("a", 2.0), ("b", 4.0), ("b", 5.0)]
    assert not cut

    many = [replace(one, trace=f"t{i % 3}", span=str(i), start=10.0 + i) for i in range(SPANS)]
    retained, cut = in_order([*many, seen[1]])
    assert cut and len(retained) == SPANS and "a" not in {span.trace for span in retained}
