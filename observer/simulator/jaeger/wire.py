"""How Jaeger writes spans of Istio's sidecars: v3 as OTLP JSON, v1 as traces with processes and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.mesh.spans import MeshSpan

PROXY: Final = "0123456789abcdef0123456789abcdef01234567/1.40.0/Clean/RELEASE/BoringSSL"
AGENT: Final = "Python/3.11 aiohttp/3.8.4"
_SDK: Final = {
    "telemetry.sdk.language": "cpp",
    "telemetry.sdk.name": "envoy",
    "telemetry.sdk.version": PROXY,
}


def service_of(span: MeshSpan) -> str:
    """The name under which the reporter's spans are found."""
    return f"{span.pod.identity.service}.{span.pod.identity.namespace}" if span.pod is not None else ""


def failed(span: MeshSpan) -> bool:
    """What a sidecar marks as an error: no answer at all, clients that hung up included, and 5xx."""
    return span.outcome.code == 0 or span.outcome.code >= 500


def attributes(span: MeshSpan) -> dict[str, str]:
    """The attributes that a sidecar sets, in its order."""
    if span.pod is None:
        return {}
    own = span.pod.identity
    cluster = "inbound|8080||" if span.server else f"outbound|80||{span.called}.{span.home}.svc.cluster.local"
    own_attributes = {
        "node_id": f"sidecar~{span.pod.ip}~{span.pod.name}.{own.namespace}~{own.namespace}.svc.cluster.local",
        "zone": "",
        "guid:x-request-id": span.request,
        "http.url": f"http://{span.called}/",
        "http.method": "GET",
        "downstream_cluster": "-",
        "user_agent": AGENT,
        "http.protocol": "HTTP/1.1",
        "peer.address": span.peer_ip,
        "request_size": "0",
        "response_size": "25",
        "component": "proxy",
        "upstream_cluster": cluster,
        "upstream_cluster.name": f"{cluster};",
        "http.status_code": str(span.outcome.code),
        "response_flags": span.outcome.flags,
    }
    if span.resends:
        own_attributes["retry.count"] = str(span.resends)
    if failed(span):
        own_attributes["error"] = "true"
    return own_attributes | {
        "istio.canonical_revision": own.version,
        "istio.canonical_service": own.service,
        "istio.cluster_id": "Kubernetes",
        "istio.namespace": own.namespace,
        "istio.mesh_id": "cluster.local",
        "internal.span.format": "otlp",
    }


def name_of(span: MeshSpan) -> str:
    """Operation: the host that was asked for."""
    return f"{span.called}.{span.home}.svc.cluster.local:80/*"


def otlp(traces: Sequence[Sequence[MeshSpan]]) -> Obj:
    """The body of a v3 search."""
    blocks = []
    for trace in traces:
        for service in dict.fromkeys(service_of(span) for span in trace):
            resource = [_pair("service.name", service), *(_pair(key, value) for key, value in _SDK.items())]
            spans = [_otlp(span) for span in trace if service_of(span) == service]
            scope = {"name": "envoy", "version": PROXY}
            blocks.append({"resource": {"attributes": resource}, "scopeSpans": [{"scope": scope, "spans": spans}]})
    return {"result": {"resourceSpans": blocks}}


def _otlp(span: MeshSpan) -> Obj:
    body: Obj = {"traceId": span.trace, "spanId": span.span}
    if span.parent:
        body["parentSpanId"] = span.parent
    return body | {
        "name": name_of(span),
        "kind": 2 if span.server else 3,
        "startTimeUnixNano": str(_micros(span.start) * 1000),
        "endTimeUnixNano": str(_micros(span.end) * 1000),
        "attributes": [_pair(key, value) for key, value in attributes(span).items()],
        "status": {"code": 2} if failed(span) else {},
    }


def legacy(traces: Sequence[Sequence[MeshSpan]]) -> list[Obj]:
    """The ``data`` of a v1 search."""
    bodies = []
    for trace in traces:
        numbers = {service: f"p{i}" for i, service in enumerate(dict.fromkeys(map(service_of, trace)), 1)}
        tags = [_tag(key, value) for key, value in _SDK.items()]
        bodies.append(
            {
                "traceID": trace[0].trace,
                "spans": [_legacy(span, numbers[service_of(span)]) for span in trace],
                "processes": {number: {"serviceName": service, "tags": tags} for service, number in numbers.items()},
                "warnings": None,
            }
        )
    return bodies


def _legacy(span: MeshSpan, process: str) -> Obj:
    tags = [
        *(_tag(key, value) for key, value in attributes(span).items()),
        _tag("span.kind", "server" if span.server else "client"),
        _tag("otel.scope.name", "envoy"),
        _tag("otel.scope.version", PROXY),
    ]
    if failed(span):
        tags += [{"key": "error", "type": "bool", "value": True}, _tag("otel.status_code", "ERROR")]
    above = {"refType": "CHILD_OF", "traceID": span.trace, "spanID": span.parent}
    return {
        "traceID": span.trace,
        "spanID": span.span,
        "operationName": name_of(span),
        "references": [above] if span.parent else [],
        "startTime": _micros(span.start),
        "duration": _micros(span.end) - _micros(span.start),
        "tags": sorted(tags, key=lambda tag: str(tag["key"])),
        "logs": [],
        "processID": process,
        "warnings": None,
    }


def _micros(at: float) -> int:
    return round(at * 1e6)


def _pair(key: str, value: str) -> Obj:
    return {"key": key, "value": {"stringValue": value}}


def _tag(key: str, value: str) -> Obj:
    return {"key": key, "type": "string", "value": value}
