"""Health of workloads, in the shapes of 1.0 to 2.x. An empty map is a cache that was not filled: no data."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from observer.domain.classify import request_class
from observer.domain.counts import RequestClass
from observer.domain.errors import SourceProtocolError
from observer.domain.graph import WorkloadHealth
from observer.http_client.client import decoded

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
    requests, errors = _counted(inbound, seconds) if inbound else (None, None)
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


def _counted(inbound: Rates, seconds: float) -> tuple[float, float]:
    """Requests and errors of the window: rates a second by protocol and code."""
    sums = dict.fromkeys(RequestClass, 0.0)
    for protocol, by_code in inbound.items():
        for code, rate in by_code.items():
            if not 0.0 <= rate < float("inf"):
                raise SourceProtocolError(f"a rate of {rate!r}")
            kind = request_class("", "", code) if protocol == "grpc" else request_class("" if code == "-" else code)
            sums[kind] += rate * seconds
    return sums[RequestClass.OK] + sums[RequestClass.ERROR], sums[RequestClass.ERROR]
