"""Spans of distributed traces, reduced to what localises a fault. Times are Unix seconds, lengths seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SpanSide(StrEnum):
    """Who reported the span: the caller's sidecar, the callee's, or neither (internal work)."""

    CLIENT = "client"
    SERVER = "server"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Span:
    """
    One span.

    Attributes:
        trace, span, parent: ids as the source has them; ``parent`` is empty for a root.
        namespace, service: canonical service of whoever reported it; empty when unknown.
        pod: name of the reporting pod, empty when unknown. workload: its workload, empty when unknown.
        node: name of its node where the span tells, else empty.
        peer: for CLIENT spans the address or name that was called, empty when unknown.
        start, seconds: begin and length.
        error: a server-side failure by the rules of ``domain.names`` (aborts by the client are none).
        code: HTTP status or gRPC status in words, empty when none. flags: Envoy response flags, comma separated.
        request: the mesh's request id (``x-request-id``), the same on every span of one request; empty when unknown.
        resends: how often the caller's sidecar sent the call again, 0 when it does not tell.
    """

    trace: str
    span: str
    parent: str
    side: SpanSide
    namespace: str
    service: str
    pod: str
    workload: str
    node: str
    peer: str
    operation: str
    start: float
    seconds: float
    error: bool
    code: str = ""
    flags: str = ""
    request: str = ""
    resends: int = 0


@dataclass(frozen=True, slots=True)
class TraceSet:
    """
    What the trace source answered for one question: complete traces, oldest first. ``truncated`` = there were more
    than the limit, so absence proves nothing. ``at`` is the end of the asked window.
    """

    at: float
    seconds: float
    spans: tuple[Span, ...]
    truncated: bool = False
