"""Who calls whom: edges between services with what was counted on them. Counts are events, never rates alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from observer.domain.ids import ServiceRef


class EdgeSource(StrEnum):
    """Where an edge is known from."""

    KIALI = "kiali"
    METRICS = "metrics"
    TRACES = "traces"


@dataclass(frozen=True, slots=True)
class Edge:
    """
    Calls from one node of the graph to another over one window.

    Attributes:
        caller, callee: canonical services; an empty namespace with name ``unknown`` is the outside world.
        caller_workload, callee_workload: workload names where the source tells, else empty.
        requests, errors: events in the window as the CALLER saw them; ``errors_by_flag`` splits them by response flag
            (``""`` = the callee answered with a failure, ``UF``, ``UC`` ... = it was not reached).
        seen_by_callee, callee_errors: the same calls as the callee counted them; None when it did not tell.
        p95_seconds: as the caller saw it; None when unknown.
    """

    caller: ServiceRef
    callee: ServiceRef
    requests: float
    errors: float
    errors_by_flag: Mapping[str, float] = field(default_factory=dict)
    seen_by_callee: float | None = None
    callee_errors: float | None = None
    caller_workload: str = ""
    callee_workload: str = ""
    p95_seconds: float | None = None
    sources: frozenset[EdgeSource] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkloadHealth:
    """
    What a mesh console says of one workload over one window.

    Attributes:
        requests, errors: events as the workload's own side counted them; None when nothing was counted, which is
            neither zero nor healthy.
        desired, available: replicas; None when it does not tell.
        word: the console's own verdict (``Healthy``, ``Degraded``, ``Failure`` ...), empty when it gives none.
    """

    namespace: str
    workload: str
    requests: float | None = None
    errors: float | None = None
    desired: int | None = None
    available: int | None = None
    word: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Calls towards one service as all its callers saw them.

    ``calls`` are all of them; ``lost`` those that never got an answer of it: not reached, given up by the caller, or
    refused on the way.
    """

    calls: float
    lost: float


@dataclass(frozen=True, slots=True)
class CallGraph:
    """
    Edges over the window that ends at ``at`` (Unix seconds) and lasts ``seconds``.

    ``reached`` tells of whom callers lost calls, those that are no errors of anybody included; a service that is absent
    is unknown. Only the callers' own counters tell it.
    """

    at: float
    seconds: float
    edges: tuple[Edge, ...]
    reached: Mapping[ServiceRef, Reach] = field(default_factory=dict)
