"""
What the attributes of a span mean: who reported it, whom it called, how it ended.

Two vocabularies are read: that of Envoy and Istio (``node_id``, ``upstream_cluster``, ``response_flags`` ...) and
OpenTelemetry's semantic conventions, old (``http.status_code``) and new (``http.response.status_code``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from observer.domain.classify import request_class
from observer.domain.counts import RequestClass
from observer.domain.errors import SourceProtocolError
from observer.domain.traces import Span, SpanSide

_DIGITS: Final = 20
_NO_PARENT: Final = frozenset({"", "0", "0" * 16})


@dataclass(frozen=True, slots=True)
class RawSpan:
    """
    Attributes:
        kind: ``client``, ``server`` or empty.
        failed: the reporter marked it as failed, for whatever reason.
        service: the reporter's service name. attributes: of the reporter and of the span, as texts.
        start: Unix seconds. seconds: its length, below zero when the clocks disagree.
    """

    trace: str
    span: str
    parent: str
    kind: str
    operation: str
    service: str
    start: float
    seconds: float
    failed: bool
    attributes: Mapping[str, str]


def parent_of(span: str) -> str:
    """A parent's id; roots name none, or one of zeros."""
    return "" if span in _NO_PARENT else span


def attributes_of(reporter: Mapping[str, str], span: Mapping[str, str]) -> dict[str, str]:
    """
    What both say. The reporter outweighs the span: a controller writes the pod that it works on into its spans, and
    that one did not report them.
    """
    return {**span, **reporter}


def as_text(value: object) -> str:
    """An attribute's value; lists, maps and what is absent are of no use here and read as empty."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float() | str():
            return str(value)
        case _:
            return ""


def count(value: str | int | None) -> int:
    """A count of nano- or microseconds; absent is 0. Raises ``SourceProtocolError`` for what is no count."""
    if value is None or value == "":
        return 0
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= _DIGITS):
        raise SourceProtocolError(f"a time of {value[:40]!r}")
    number = int(value)
    if not 0 <= number < 10**_DIGITS:
        raise SourceProtocolError("a time beyond all times")
    return number


# --- What the attributes of a span mean: who reported it, whom it called, how it ended


_RANDOM: Final = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}$")
_TEMPLATE: Final = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{6,16}$")
_ORDINAL: Final = re.compile(r"-[0-9]+$")
_GRPC: Final = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_CALLED: Final = ("peer.service", "server.address", "net.peer.name", "network.peer.address", "net.peer.ip")
_RUNS_AS: Final = ("k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.job.name")

_LONGEST: Final = 253
"""Characters of a name that are kept: no name of a cluster is longer."""


@dataclass(frozen=True, slots=True)
class Node:
    """A proxy's id ``TYPE~IP~POD.NAMESPACE~DOMAIN``; type is ``sidecar``, ``router`` or ``waypoint``."""

    pod: str
    namespace: str


def node_of(node_id: str) -> Node | None:
    """The pod that a proxy's id names, None when this is none. Names of pods may hold dots, namespaces never do."""
    parts = node_id.split("~")
    if len(parts) != 4:
        return None
    pod, _, namespace = parts[2].rpartition(".")
    return Node(pod, namespace) if pod and namespace else None


def workload_of(pod: str) -> str:
    """The workload that a pod's name was made from; empty when the name was not made by a controller."""
    owner = _RANDOM.sub("", pod)
    if owner != pod:
        return _TEMPLATE.sub("", owner)
    return _ORDINAL.sub("", pod) if _ORDINAL.search(pod) else ""


def cluster_of(record: RawSpan) -> str:
    """
    The mesh's name for the cluster that its reporter runs in, empty when it does not say.

    Applications may know their cluster by another name; that would make two of one.
    """
    return record.attributes.get("istio.cluster_id", "")


def span_of(record: RawSpan, cluster: str = "") -> Span:
    """
    The span in the words of the domain. A span that ends before it begins (clocks differ) has no length.

    Where ``cluster`` names ours, whoever reports from another one keeps its name with ``@CLUSTER`` behind it, and no
    pod: names of pods, services and nodes are unique in one cluster only.
    """
    span, theirs = _span(record), cluster_of(record)
    if not cluster or theirs in ("", cluster):
        return span
    return replace(span, service=f"{span.service}@{_plain(theirs)}", pod="", workload="", node="")


def _span(record: RawSpan) -> Span:
    attributes = record.attributes
    node = node_of(attributes.get("node_id", ""))
    proxied = node is not None or attributes.get("component") == "proxy"
    pod = node.pod if node is not None else attributes.get("k8s.pod.name", "")
    service, namespace = _service(record, node, proxied)
    side = _side(record)
    flags = attributes.get("response_flags", "")
    http, grpc = _http(attributes), _grpc(attributes)
    return Span(
        trace=record.trace,
        span=record.span,
        parent=record.parent,
        side=side,
        namespace=namespace,
        service=_plain(service),
        pod=_plain(pod),
        workload=_first(attributes, _RUNS_AS) or workload_of(pod),
        node=attributes.get("k8s.node.name", ""),
        peer=_plain(_peer(attributes, proxied)) if side is SpanSide.CLIENT else "",
        operation=_plain(record.operation),
        start=record.start,
        seconds=max(record.seconds, 0.0),
        error=_is_error(record, http, flags, grpc, proxied=proxied),
        code=http if grpc in ("", "OK") and http else grpc,
        flags="" if flags == "-" else flags,
        request=attributes.get("guid:x-request-id", ""),
        resends=_count(_first(attributes, ("retry.count", "http.request.resend_count", "http.resend_count"))),
    )


def _plain(name: str) -> str:
    """Whoever sends spans chooses these and people read them on terminals: bounded, nothing that cannot be seen."""
    name = name[:_LONGEST]
    return name if name.isprintable() else "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def _first(attributes: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((value for key in keys if (value := attributes.get(key))), "")


def _side(record: RawSpan) -> SpanSide:
    if record.kind:
        return SpanSide(record.kind)
    cluster = _cluster(record.attributes)
    if cluster.startswith("inbound"):
        return SpanSide.SERVER
    return SpanSide.CLIENT if cluster.startswith("outbound") else SpanSide.INTERNAL


def _cluster(attributes: Mapping[str, str]) -> str:
    return (attributes.get("upstream_cluster") or attributes.get("upstream_cluster.name", "")).rstrip(";")


def _service(record: RawSpan, node: Node | None, proxied: bool) -> tuple[str, str]:
    """
    ``(service, namespace)`` of the reporter.

    A proxy's service name is ``NAME.NAMESPACE`` unless the mesh was told otherwise, so its own attributes come first;
    a name that an application chose may hold dots that mean nothing.
    """
    attributes = record.attributes
    canonical = attributes.get("istio.canonical_service", "")
    namespace = (node.namespace if node is not None else "") or _first(
        attributes, ("istio.namespace", "k8s.namespace.name", "service.namespace")
    )
    name, dot, last = record.service.rpartition(".")
    if proxied and dot and last == (namespace or last):
        return canonical or name, namespace or last
    return canonical or record.service, namespace


def _peer(attributes: Mapping[str, str], proxied: bool) -> str:
    """Envoy's own ``peer.address`` is whoever called it, which for an outgoing call is the application beside it."""
    destination = attributes.get("istio.destination_canonical_service", "")
    if destination and (namespace := attributes.get("istio.destination_namespace", "")):
        return f"{destination}.{namespace}"
    parts = _cluster(attributes).split("|")
    if len(parts) == 4 and parts[3]:
        return parts[3]
    if not proxied and (peer := _first(attributes, (*_CALLED, "peer.address"))):
        return peer
    return _host(_first(attributes, ("url.full", "http.url")))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _http(attributes: Mapping[str, str]) -> str:
    code = _first(attributes, ("http.status_code", "http.response.status_code"))
    return "" if code == "0" else code


def _grpc(attributes: Mapping[str, str]) -> str:
    """The gRPC status in words."""
    status = _first(attributes, ("grpc.status_code", "rpc.grpc.status_code", "rpc.response.status_code")).upper()
    number = _count(status) if status.isdigit() else -1
    return _GRPC[number] if 0 <= number < len(_GRPC) else status


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _is_error(record: RawSpan, http: str, flags: str, grpc: str, *, proxied: bool) -> bool:
    """
    A failure of the server's side.

    How a call ended is judged by codes and flags alone, as everywhere: a proxy marks clients that hung up as failed
    too, and an application the 404 that it was right to answer. Only an application's span without any of them is
    taken at its word, unless it says that somebody else gave it up.
    """
    if proxied or http or grpc:
        return request_class(http, flags, "0" if grpc == "OK" else grpc) is RequestClass.ERROR
    kind = record.attributes.get("error.type", "").lower()
    return record.failed and "cancel" not in kind and "abort" not in kind
