"""How Kiali sees the mesh: rates of the Prometheus that scrapes it, as a workload graph and as health."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.prometheus.promql import Evaluator, QueryError, Vector, parse
from observer.simulator.prometheus.tsdb import TimeSeriesMemory

CLUSTER: Final = "Kubernetes"
_SIDES: Final = (
    "source_workload_namespace, source_workload, source_canonical_service, source_canonical_revision, "
    "destination_service_namespace, destination_service_name, destination_workload_namespace, "
    "destination_workload, destination_canonical_service, destination_canonical_revision"
)
_REQUESTS: Final = (
    "sum by (" + _SIDES + ', response_code, response_flags) (rate(istio_requests_total{{reporter="{}"}}[{}s]))'
)
_BUCKETS: Final = (
    "sum by (" + _SIDES + ', le) (rate(istio_request_duration_milliseconds_bucket{{reporter="source"}}[{}s]))'
)
_DEGRADED: Final = 0.0
_FAILURE: Final = 10.0
"""Per cent of 5xx from which on a workload is called degraded, or failed."""
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A workload, a service that no workload answered for, or the unknown outside."""

    namespace: str
    workload: str
    app: str
    version: str
    service: str = ""

    @property
    def id(self) -> str:
        """Opaque, as long as the real ones."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(slots=True)
class _Edge:
    by_outcome: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    buckets: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    host: str = ""


class MeshRates:
    """What was counted in ``seconds`` before ``at`` (Unix seconds), by edge and by workload."""

    def __init__(self, memory: TimeSeriesMemory, at: float, seconds: int) -> None:
        self._evaluator = Evaluator(memory, np.array([round(at * 1000)], dtype=np.int64))
        self._seconds = seconds

    def graph(self, namespaces: frozenset[str]) -> Obj:
        """The ``elements`` of the workload graph, with p95 response times."""
        edges = self._edges(namespaces)
        nodes = sorted({node for ends in edges for node in ends})
        out: dict[Node, float] = defaultdict(float)
        into: dict[Node, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
        for (caller, callee), edge in edges.items():
            out[caller] += sum(edge.by_outcome.values())
            for outcome, rate in edge.by_outcome.items():
                into[callee][outcome] += rate
        return {
            "nodes": [{"data": _node_data(node, into[node], out[node])} for node in nodes],
            "edges": [
                {"data": _edge_data(ends, edge, out[ends[0]])}
                for ends, edge in sorted(edges.items())
                if edge.by_outcome
            ],
        }

    def health(self, namespaces: frozenset[str]) -> dict[str, Obj]:
        """By namespace and workload: rates of requests by code, as the workload's own side counted them."""
        inbound: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for labels, rate in self._rates(_REQUESTS.format("destination", self._seconds)):
            own = labels["destination_workload_namespace"], labels["destination_workload"]
            if own[0] in namespaces and rate:
                inbound[own][labels["response_code"]] += rate
        by_namespace: dict[str, Obj] = {namespace: {} for namespace in sorted(namespaces)}
        for (namespace, workload), by_code in sorted(inbound.items()):
            by_namespace[namespace][workload] = _health(workload, dict(by_code))
        return by_namespace

    def _edges(self, namespaces: frozenset[str]) -> dict[tuple[Node, Node], _Edge]:
        edges: dict[tuple[Node, Node], _Edge] = defaultdict(_Edge)
        for labels, rate in self._rates(_REQUESTS.format("source", self._seconds)):
            ends = _ends(labels)
            if rate and not namespaces.isdisjoint({end.namespace for end in ends}):
                edges[ends].by_outcome[labels["response_code"], labels["response_flags"]] += rate
                edges[
                    ends
                ].host = "{destination_service_name}.{destination_service_namespace}.svc.cluster.local".format(**labels)
        for labels, rate in self._rates(_BUCKETS.format(self._seconds)):
            if (ends := _ends(labels)) in edges:
                edges[ends].buckets[float(labels["le"])] += rate
        return dict(edges)

    def _rates(self, query: str) -> Iterator[tuple[Labels, float]]:
        vector = self._evaluator.evaluate(parse(query))
        if not isinstance(vector, Vector):
            raise QueryError("execution", "a vector was expected")
        for row in np.flatnonzero(vector.present[:, 0]).tolist():
            yield vector.series.labels[row], float(vector.values[row, 0])


def _ends(labels: Labels) -> tuple[Node, Node]:
    caller = Node(
        labels["source_workload_namespace"],
        labels["source_workload"],
        labels["source_canonical_service"],
        labels["source_canonical_revision"],
    )
    if labels["destination_workload"] == "unknown":
        service = labels["destination_service_name"]
        return caller, Node(labels["destination_service_namespace"], "", "", "", service)
    callee = Node(
        labels["destination_workload_namespace"],
        labels["destination_workload"],
        labels["destination_canonical_service"],
        labels["destination_canonical_revision"],
    )
    return caller, callee


def _node_data(node: Node, into: Mapping[tuple[str, str], float], out: float) -> Obj:
    data: Obj = {"id": node.id, "nodeType": "service" if node.service else "workload", "cluster": CLUSTER}
    data["namespace"] = node.namespace
    if node.service:
        data["service"] = node.service
    else:
        data |= {"workload": node.workload, "app": node.app, "version": node.version}
    rates = {}
    if into:
        data["destServices"] = [{"cluster": CLUSTER, "namespace": node.namespace, "name": node.service or node.app}]
        rates["httpIn"] = f"{sum(into.values()):.2f}"
        if failed := sum(rate for (code, _), rate in into.items() if code.startswith("5")):
            rates["httpIn5xx"] = f"{failed:.2f}"
    else:
        data["isRoot"] = True
    if out:
        rates["httpOut"] = f"{out:.2f}"
    return data | {"traffic": [{"protocol": "http", "rates": rates}], "healthData": None}


def _edge_data(ends: tuple[Node, Node], edge: _Edge, out: float) -> Obj:
    total = sum(edge.by_outcome.values())
    failed = sum(rate for (code, _), rate in edge.by_outcome.items() if code.startswith("5"))
    silent = sum(rate for (code, _), rate in edge.by_outcome.items() if code == "0")
    rates = {"http": f"{total:.2f}", "httpPercentReq": f"{100 * total / out:.1f}"}
    if failed:
        rates |= {"http5xx": f"{failed:.2f}"}
    if silent:
        rates |= {"httpNoResponse": f"{silent:.2f}"}
    if failed or silent:
        rates |= {"httpPercentErr": f"{100 * (failed + silent) / total:.1f}"}
    responses: Obj = {}
    for (code, flags), rate in sorted(edge.by_outcome.items()):
        percent = f"{100 * rate / total:.1f}"
        response = responses.setdefault("-" if code == "0" else code, {"flags": {}, "hosts": {edge.host: 0.0}})
        response["flags"][flags] = percent
        response["hosts"][edge.host] = f"{float(response['hosts'][edge.host]) + float(percent):.1f}"
    data: Obj = {
        "id": hashlib.sha256((ends[0].id + ends[1].id).encode()).hexdigest(),
        "source": ends[0].id,
        "target": ends[1].id,
    }
    if (late := _quantile(edge.buckets, 0.95)) is not None:
        data["responseTime"] = f"{late:.0f}"
    return data | {"traffic": {"protocol": "http", "rates": rates, "responses": responses}}


def _quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """As ``histogram_quantile``: within a bucket evenly spread, beyond the last bound the last bound."""
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank, below, count = share * buckets[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound == float("inf"):
                return below
            return below + (bound - below) * (rank - count) / (buckets[bound] - count)
        below, count = bound, buckets[bound]
    return below


def _health(workload: str, by_code: Mapping[str, float]) -> Obj:
    total = sum(by_code.values())
    ratio = 100 * sum(rate for code, rate in by_code.items() if code.startswith("5")) / total
    word = "Failure" if ratio >= _FAILURE else "Degraded" if ratio > _DEGRADED else "Healthy"
    status: Obj = {"status": word, "totalRequestRate": total}
    if ratio:
        status["errorRatio"] = ratio
    return {
        "requests": {"inbound": {"http": dict(by_code)}, "outbound": {}, "healthAnnotations": {}},
        "workloadStatus": {"name": workload, "syncedProxies": -1},
        "status": status,
    }
