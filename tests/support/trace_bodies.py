"""Answers of Jaeger as its two APIs spell them, built from one description of a span."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

TRACE = "0af7651916cd43dd8448eb211c80319c"
BEGIN = 1_767_225_600.0
SIDECAR = {
    "node_id": "sidecar~10.2.0.7~cart-v2-5d8f7c9b6d-x2x4q.shop~shop.svc.cluster.local",
    "component": "proxy",
    "istio.canonical_service": "cart",
    "istio.namespace": "shop",
}
KINDS = {"server": 2, "client": 3, "": 0}


def v3(
    attributes: Mapping[str, Any],
    *,
    kind: str = "server",
    service: str = "cart.shop",
    failed: bool = False,
    resource: Mapping[str, Any] | None = None,
    **changes: Any,
) -> bytes:
    """A search that found one span; ``changes`` are put over its fields."""
    span = {
        "traceId": TRACE,
        "spanId": "b7ad6b7169203331",
        "parentSpanId": "00f067aa0ba902b7",
        "name": "GET /",
        "kind": KINDS[kind],
        "startTimeUnixNano": str(round(BEGIN * 1e9)),
        "endTimeUnixNano": str(round(BEGIN * 1e9) + 4_210_000),
        "attributes": _pairs(attributes),
        "status": {"code": 2} if failed else {},
        **changes,
    }
    own = {"attributes": _pairs({"service.name": service, **(resource or {})})}
    return json.dumps(
        {"result": {"resourceSpans": [{"resource": own, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}}
    ).encode()


def v1(
    attributes: Mapping[str, Any],
    *,
    kind: str = "server",
    service: str = "cart.shop",
    failed: bool = False,
    resource: Mapping[str, Any] | None = None,
    **changes: Any,
) -> bytes:
    """The same over the old API."""
    tags = [_tag(key, value) for key, value in attributes.items()]
    tags += [_tag("span.kind", kind)] if kind else []
    tags += [_tag("error", True)] if failed else []
    span = {
        "traceID": TRACE,
        "spanID": "b7ad6b7169203331",
        "operationName": "GET /",
        "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": "00f067aa0ba902b7"}],
        "startTime": round(BEGIN * 1e6),
        "duration": 4210,
        "processID": "p1",
        "tags": tags,
        **changes,
    }
    process = {"serviceName": service, "tags": [_tag(key, value) for key, value in (resource or {}).items()]}
    trace = {"traceID": TRACE, "spans": [span], "processes": {"p1": process}, "warnings": None}
    return json.dumps({"data": [trace], "errors": None}).encode()


def _pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(one) for one in value]}}
        case _:
            return {"stringValue": value}


def _tag(key: str, value: Any) -> dict[str, Any]:
    kinds = {bool: "bool", int: "int64", float: "float64", str: "string"}
    return {"key": key, "type": kinds.get(type(value), "string"), "value": value}
