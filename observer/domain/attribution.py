"""Who is to blame: what is known about an incident, and the posterior over its possible causes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from observer.domain.counts import FloatArray
from observer.domain.graph import CallGraph
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.suspect import Judgement
from observer.domain.traces import TraceSet


class CauseKind(StrEnum):
    """
    What can be at fault. CALLER is a service whose requests alone fail at one that answers everybody else; EXTERNAL is
    a callee that nobody observes from inside; UNKNOWN also means nobody.
    """

    POD = "pod"
    REVISION = "revision"
    NODE = "node"
    ZONE = "zone"
    WORKLOAD = "workload"
    EDGE = "edge"
    CALLER = "caller"
    EXTERNAL = "external"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """
    One possible cause.

    ``service`` is empty for nodes, zones and UNKNOWN; ``pod`` is set for POD only and has an empty uid when only its
    name is known; ``callee`` is set for EDGE and CALLER, whose ``service`` is the caller.
    """

    kind: CauseKind
    namespace: str = ""
    name: str = ""
    service: ServiceRef | None = None
    pod: PodRef | None = None
    callee: ServiceRef | None = None

    def __str__(self) -> str:
        if self.kind is CauseKind.UNKNOWN:
            return self.kind.value
        if self.kind is CauseKind.EDGE:
            return f"edge {self.service} -> {self.callee}"
        if self.kind is CauseKind.CALLER:
            return f"caller {self.service} of {self.callee}"
        return f"{self.kind.value} {self.namespace}/{self.name}" if self.namespace else f"{self.kind.value} {self.name}"

    @property
    def suspected_service(self) -> ServiceRef | None:
        """The service where one would look first: the callee of an edge, else its own."""
        return self.callee or self.service if self.kind is CauseKind.EDGE else self.service


UNKNOWN: Final = Cause(CauseKind.UNKNOWN)


def workload_cause(service: ServiceRef) -> Cause:
    """All pods of a service alike, or what they share."""
    return Cause(CauseKind.WORKLOAD, service.namespace, service.name, service)


def edge_cause(caller: ServiceRef, callee: ServiceRef) -> Cause:
    """The way between two services, or what they have agreed on."""
    return Cause(CauseKind.EDGE, callee.namespace, f"{caller.name}->{callee.name}", caller, None, callee)


class Measure(StrEnum):
    """
    What a reading counts.

    LATENCY: seconds. ERROR_RATE: 0..1. REQUESTS: events an interval. SATURATION: use of a resource, any unit, where
    more is worse.
    """

    LATENCY = "latency"
    ERROR_RATE = "error_rate"
    REQUESTS = "requests"
    SATURATION = "saturation"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """
    One series, before and during the incident.

    Attributes:
        service: whose it is. pod: its pod's name, empty for the service as a whole.
        measure: what it counts. what: a word for people (``p95``, ``cpu``), by which series of one measure differ.
        reference: shape (R,), values in time order from when all was well; NaN = no sample.
        times, values: shape (T,), Unix seconds and values of the time in question.
        adjacent: the reference ends where ``times`` begin. If not, what differs from the first sample on may be as old
            as the gap between, and only what rises above that sample belongs to the incident.
    """

    service: ServiceRef
    measure: Measure
    reference: FloatArray
    times: FloatArray
    values: FloatArray
    pod: str = ""
    what: str = ""
    adjacent: bool = True


class ChangeKind(StrEnum):
    """What somebody or something changed before the incident."""

    ROLLOUT = "rollout"
    NODE_CONDITION = "node_condition"
    RESTART = "restart"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed at ``at`` (Unix seconds), and what it would make guilty."""

    kind: ChangeKind
    at: float
    cause: Cause
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """
    Where a pod runs and what it is made from; empty strings are unknown. ``since``: it did not exist before (Unix
    seconds), so that what is older is of another pod of the same name.
    """

    ref: PodRef
    service: ServiceRef
    revision: str = ""
    node: str = ""
    zone: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class AffectedService:
    """The service whose users are affected, and by what."""

    service: ServiceRef
    measure: Measure


@dataclass(frozen=True, slots=True, eq=False)
class AttributionInputs:
    """
    All that is known. Everything may be missing; what is missing makes the answer less certain, never wrong.

    Attributes:
        at: the instant of the question, Unix seconds.
        since: when the incident is believed to have begun; None = unknown.
        target: None when it is only known that something is wrong.
        graph, usual_graph: calls during the incident, and before it.
        traces, usual_traces: the same for traces.
        readings: series of services and pods. judgement: what the detectors said in this tick.
        seats: where pods run, keyed by ``(namespace, pod)``.
        external: callees that are known only by name: nobody observes them from inside.
        gaps: sources that did not answer, in words.
    """

    at: float
    since: float | None = None
    target: AffectedService | None = None
    graph: CallGraph | None = None
    usual_graph: CallGraph | None = None
    traces: TraceSet | None = None
    usual_traces: TraceSet | None = None
    readings: tuple[Reading, ...] = ()
    judgement: Judgement | None = None
    changes: tuple[Change, ...] = ()
    placements: Mapping[tuple[str, str], Placement] = field(default_factory=dict)
    external: frozenset[ServiceRef] = frozenset()
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """
    One reason. ``word`` is fixed (``errors``, ``latency``, ``failures``, ``time``, ``lost_calls``, ``saturation``,
    ``peers``, ``silence``, ``slow``, ``change``, ``drain``, ``doubt``); ``score`` may be negative; ``text`` is for
    people.
    """

    word: str
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class RankedCause:
    """
    One cause with its posterior.

    ``inherited`` is the part of its service's trouble, 0..1, that its callees account for; ``score`` is its score
    before
    normalisation, comparable within one answer only.
    """

    cause: Cause
    probability: float
    score: float
    inherited: float = 0.0
    lines: tuple[EvidenceLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribution:
    """
    The answer: ``ranked`` holds every named cause and UNKNOWN, most probable first; probabilities sum to 1.

    ``onset`` is the estimated beginning of the incident, None when nothing showed it. ``gaps`` says what was missing.
    """

    at: float
    onset: float | None
    ranked: tuple[RankedCause, ...]
    gaps: tuple[str, ...] = ()

    @property
    def unknown(self) -> float:
        """Probability that none of the named causes is to blame."""
        return next(one.probability for one in self.ranked if one.cause.kind is CauseKind.UNKNOWN)

    @property
    def culprits(self) -> tuple[RankedCause, ...]:
        """Named causes, most probable first; empty when nobody is more probable than UNKNOWN."""
        if not self.ranked or self.ranked[0].cause.kind is CauseKind.UNKNOWN:
            return ()
        return tuple(one for one in self.ranked if one.cause.kind is not CauseKind.UNKNOWN)
