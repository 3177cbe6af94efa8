"""
The workload graph -> edges.

Kiali tells rates a second over its window (two decimals) and splits each edge's requests by response code and flag in
percent (one decimal). Events are the rate times the window, errors the shares of those codes and flags that are a
failure of the server's side; what clients, policies or experiments did is in neither. Numbers come as texts. Fields
that are unknown are passed over, those that may be absent (``cluster`` before 1.48) read as unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from observer.domain.classify import flags_of, request_class
from observer.domain.counts import RequestClass
from observer.domain.errors import SourceProtocolError
from observer.domain.graph import Edge, EdgeSource, WorkloadHealth
from observer.domain.ids import ServiceRef
from observer.http_client.client import decoded

OUTSIDE: Final = ServiceRef("", "unknown")
_UNKNOWN: Final = frozenset({"", "unknown"})
_ROUNDED: Final = 0.05
"""Per cent by which one share may be off: they are told with one decimal."""


class _Destination(msgspec.Struct):
    name: str = ""


class _Node(msgspec.Struct, rename="camel"):
    id: str
    node_type: str = ""
    cluster: str = ""
    namespace: str = ""
    workload: str = ""
    app: str = ""
    service: str = ""
    dest_services: list[_Destination] | None = None


class _Traffic(msgspec.Struct):
    protocol: str = ""
    rates: dict[str, str | float] | None = None
    responses: dict[str, dict[str, object]] | None = None


class _Edge(msgspec.Struct, rename="camel"):
    source: str
    target: str
    response_time: str | float | None = None
    traffic: _Traffic | None = None


class _NodeData(msgspec.Struct):
    data: _Node


class _EdgeData(msgspec.Struct):
    data: _Edge


class _Elements(msgspec.Struct):
    nodes: list[_NodeData] | None = None
    edges: list[_EdgeData] | None = None


class _Graph(msgspec.Struct):
    elements: _Elements
    timestamp: float = 0.0
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class ParsedGraph:
    """``at`` (0 = it does not say) and ``seconds`` are the window's end and length; ``clusters`` are those it names."""

    at: float
    seconds: float
    edges: tuple[Edge, ...]
    clusters: frozenset[str]


@dataclass(slots=True)
class _Sums:
    """One edge while its protocols are added up."""

    requests: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)
    p95: float | None = None


_Ends = tuple[ServiceRef, ServiceRef, str, str]
_GRAPH = msgspec.json.Decoder(_Graph)


def parse_graph(body: bytes, seconds: float, cluster: str = "") -> ParsedGraph:
    """
    The edges that carry requests, in the order of their names.

    ``seconds`` is the window that was asked for, where the answer does not tell its own. With ``cluster`` only edges
    between nodes of that cluster (or of none that is named) are kept. Raises ``SourceProtocolError``.
    """
    graph = decoded(_GRAPH.decode, body, "graph")
    window = graph.duration if graph.duration > 0 else seconds
    nodes = {node.data.id: node.data for node in graph.elements.nodes or ()}
    sums: dict[_Ends, _Sums] = {}
    for edge in graph.elements.edges or ():
        _add(sums, edge.data, nodes, window, cluster)
    edges = (
        Edge(
            caller=caller,
            callee=callee,
            requests=total.requests,
            errors=math.fsum(total.errors.values()),
            errors_by_flag=total.errors,
            caller_workload=caller_workload,
            callee_workload=callee_workload,
            p95_seconds=total.p95,
            sources=frozenset({EdgeSource.KIALI}),
        )
        for (caller, callee, caller_workload, callee_workload), total in sorted(sums.items())
    )
    clusters = frozenset(node.cluster for node in nodes.values()) - _UNKNOWN
    return ParsedGraph(graph.timestamp, window, tuple(edges), clusters)


def _add(sums: dict[_Ends, _Sums], edge: _Edge, nodes: Mapping[str, _Node], window: float, cluster: str) -> None:
    try:
        source, target = nodes[edge.source], nodes[edge.target]
    except KeyError as exc:
        raise SourceProtocolError(f"an edge of a node that is not there: {exc}") from exc
    if cluster and not {source.cluster, target.cluster} <= {cluster, *_UNKNOWN}:
        return
    counted = _counted(edge.traffic, window) if edge.traffic is not None else None
    if counted is None:
        return
    requests, errors = counted
    total = sums.setdefault((_service(source), _service(target), _workload(source), _workload(target)), _Sums())
    total.requests += requests
    for flag, count in errors.items():
        total.errors[flag] = total.errors.get(flag, 0.0) + count
    if (p95 := _milliseconds(edge.response_time)) is not None:
        total.p95 = max(total.p95 or 0.0, p95 / 1000.0)


def _counted(traffic: _Traffic, window: float) -> tuple[float, dict[str, float]] | None:
    """
    Requests and errors by flag; None for an edge that carries none (TCP) or whose failures cannot be told.

    Without a split by code HTTP still tells its 5xx, gRPC only everything that was not OK.
    """
    rates = traffic.rates or {}
    if traffic.protocol not in ("http", "grpc") or (rate := rates.get(traffic.protocol)) is None:
        return None
    total = _events(rate, window)
    split = _split(traffic.responses or {})
    if not split:
        failed = _events(rates.get("http5xx", 0.0), window)
        return None if traffic.protocol == "grpc" else (total, {"": failed} if failed else {})
    errors: dict[str, float] = {}
    excluded = 0.0
    for code, flags, percent in split:
        status = ("", flags, code) if traffic.protocol == "grpc" else ("" if code == "-" else code, flags, "")
        kind = request_class(*status)
        if kind is RequestClass.EXCLUDED:
            excluded += percent
        elif kind is RequestClass.ERROR and percent:
            flag = ",".join(sorted(flags_of(flags)))
            errors[flag] = errors.get(flag, 0.0) + total * percent / 100.0
    return max(total * (1.0 - excluded / 100.0), sum(errors.values())), errors


def _split(responses: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str, float]]:
    """
    ``(code, flags, percent)``, empty unless every code tells its flags.

    They stand below ``flags`` since 1.24, before that right below the code.
    """
    split = []
    for code, detail in responses.items():
        flags = detail.get("flags", None if "hosts" in detail else detail)
        if not isinstance(flags, dict):
            return []
        split += [(code, flag, _number(percent)) for flag, percent in flags.items()]
    whole = math.fsum(percent for _, _, percent in split)
    if whole > 100.0 + max(1.0, _ROUNDED * len(split)):
        raise SourceProtocolError(f"codes and flags that add up to {whole:.1f} per cent")
    return split


def _events(rate: object, window: float) -> float:
    """Events of the window from a rate a second."""
    return _number(_number(rate) * window)


def _milliseconds(text: object) -> float | None:
    """A response time; none where it is not told, or is the ``NaN`` of a window without answers."""
    return None if text in (None, "", "NaN") else _number(text)


def _number(value: object) -> float:
    """A count, a rate or a percentage: finite and not below zero."""
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < 0.0:
        raise SourceProtocolError(f"{str(value)[:40]!r} where a number belongs")
    return number


def _service(node: _Node) -> ServiceRef:
    """The canonical service, else the one service that sends requests there, else the workload's own name."""
    if node.node_type == "unknown" or node.namespace in _UNKNOWN:
        return OUTSIDE
    behind = [destination.name for destination in node.dest_services or () if destination.name not in _UNKNOWN]
    for name in (node.app, node.service, behind[0] if len(behind) == 1 else "", node.workload):
        if name not in _UNKNOWN:
            return ServiceRef(node.namespace, name)
    return OUTSIDE


def _workload(node: _Node) -> str:
    return "" if node.workload in _UNKNOWN else node.workload


# --- Health of workloads, in the shapes of 1.0 to 2.x. An empty map is a cache that was not filled: no data


Rates = Mapping[str, Mapping[str, float]]


class _Requests(msgspec.Struct):
    inbound: dict[str, dict[str, float]] | None = None


class _Replicas(msgspec.Struct, rename="camel"):
    desired_replicas: int | None = None
    replicas: int | None = None
    """What 1.0 calls the desired ones."""
    available_replicas: int | None = None


class _Verdict(msgspec.Struct):
    status: str = ""


class _Workload(msgspec.Struct, rename="camel"):
    requests: _Requests | None = None
    workload_status: _Replicas | None = None
    status: _Verdict | None = None


class _Clusters(msgspec.Struct):
    by_namespace: dict[str, dict[str, _Workload] | None] | None = msgspec.field(name="namespaceWorkloadHealth")


_ALL = msgspec.json.Decoder(_Clusters)
_ONE = msgspec.json.Decoder(dict[str, _Workload])
Health = dict[tuple[str, str], WorkloadHealth]


def parse_clusters(body: bytes, seconds: float) -> Health:
    """``/api/clusters/health``, since 1.82; ``seconds`` is the window that was asked for."""
    by_namespace = decoded(_ALL.decode, body, "health").by_namespace or {}
    return {
        (namespace, name): _health(namespace, name, workload, seconds)
        for namespace, workloads in by_namespace.items()
        for name, workload in (workloads or {}).items()
    }


def parse_namespace(body: bytes, namespace: str, seconds: float) -> Health:
    """``/api/namespaces/NAMESPACE/health``, up to 1.81."""
    workloads = decoded(_ONE.decode, body, "health")
    return {(namespace, name): _health(namespace, name, workload, seconds) for name, workload in workloads.items()}


def _health(namespace: str, name: str, workload: _Workload, seconds: float) -> WorkloadHealth:
    inbound = workload.requests.inbound if workload.requests is not None else None
    requests, errors = _requests_of(inbound, seconds) if inbound else (None, None)
    replicas = workload.workload_status or _Replicas()
    return WorkloadHealth(
        namespace=namespace,
        workload=name,
        requests=requests,
        errors=errors,
        desired=replicas.desired_replicas if replicas.desired_replicas is not None else replicas.replicas,
        available=replicas.available_replicas,
        word=workload.status.status if workload.status is not None else "",
    )


def _requests_of(inbound: Rates, seconds: float) -> tuple[float, float]:
    """Requests and errors of the window: rates a second by protocol and code."""
    sums = dict.fromkeys(RequestClass, 0.0)
    for protocol, by_code in inbound.items():
        for code, rate in by_code.items():
            if not 0.0 <= rate < float("inf"):
                raise SourceProtocolError(f"a rate of {rate!r}")
            kind = request_class("", "", code) if protocol == "grpc" else request_class("" if code == "-" else code)
            sums[kind] += rate * seconds
    return sums[RequestClass.OK] + sums[RequestClass.ERROR], sums[RequestClass.ERROR]
