"""
Objectives as the engine knows them: what counts as good, how much may fail, and when people are told.

Counts are events (good, total), never ratios. Times in seconds, rates in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from observer.domain.ids import ServiceRef


class BudgetingMethod(StrEnum):
    """How OpenSLO counts the budget: by events, by good slices of time, or by the mean ratio of slices."""

    OCCURRENCES = "Occurrences"
    TIMESLICES = "Timeslices"
    RATIO_TIMESLICES = "RatioTimeslices"


class Comparison(StrEnum):
    """How a threshold metric is compared with ``value`` for a point to be good."""

    LTE = "lte"
    GTE = "gte"
    LT = "lt"
    GT = "gt"


class NoData(StrEnum):
    """What an objective without data means to its people. No destructive act ever follows from it."""

    HOLD = "hold"
    BAD = "bad"
    GOOD = "good"
    PAGE = "page"


class DataState(StrEnum):
    """What is known about an objective just now; it comes before any burn rate. Only OK may carry a drain."""

    OK = "ok"
    IDLE = "idle"
    """Nobody calls, and that is right: pods serve, targets are up, counters stand."""
    NEW = "new"
    """Younger than its shortest window."""
    ABSENT = "absent"
    """Never a series, or none any more, while Kubernetes wants pods."""
    STALE = "stale"
    """Series exist, but nothing was scraped lately."""
    PARTIAL = "partial"
    """Some of the pods that serve are not seen."""
    CONFLICT = "conflict"
    """Two views of the same calls disagree (callers and callees, or several replicas of the metric source)."""


class Preset(StrEnum):
    """SLIs that one grouped query answers for every service of the mesh (annotation ``observer.dev/preset``)."""

    ISTIO_AVAILABILITY = "istio-availability"
    ISTIO_LATENCY = "istio-latency"
    ISTIO_GRPC_AVAILABILITY = "istio-grpc-availability"
    ISTIO_GATEWAY_AVAILABILITY = "istio-gateway-availability"


@dataclass(frozen=True, slots=True)
class Query:
    """
    One PromQL expression of an SLI as its document has it.

    ``expr`` is a selector of counters where ``counter`` is true, else an expression whose value is taken as it is;
    ``source`` names the DataSource document, empty for the daemon's own Prometheus.
    """

    expr: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class RatioSli:
    """Exactly one of ``good`` and ``bad`` with ``total``, or ``raw`` (a ready ratio) with ``raw_is_success``."""

    counter: bool = True
    total: Query | None = None
    good: Query | None = None
    bad: Query | None = None
    raw: Query | None = None
    raw_is_success: bool = True


@dataclass(frozen=True, slots=True)
class ThresholdSli:
    """Each evaluated point is one event; it is good when ``metric op value`` holds."""

    metric: Query
    op: Comparison
    value: float


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """The last ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """
    Periods of ``count`` ``unit`` (``m h d w M Q Y``) since ``start``, a local time ``YYYY-MM-DD HH:MM:SS`` in the
    IANA zone ``zone``. ``bounds`` are the computed starts of the periods around the time of loading, Unix seconds,
    ascending: the engine has no calendar and no zone data.
    """

    count: int
    unit: str
    start: str
    zone: str
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class BurnTier:
    """
    One rung of a multi-window multi-burn-rate alert: told when the burn rate over ``long`` AND over ``short`` is above
    ``factor``. ``name`` is stable (label ``burn_tier``); ``severity`` is ``page`` or ``ticket``.
    """

    name: str
    severity: str
    factor: float
    long: float
    short: float


@dataclass(frozen=True, slots=True)
class LowTraffic:
    """Below this much evidence nobody is paged: ``1 of 60 requests; 5 needed``. ``confidence`` of the lower bound."""

    min_bad: float = 5.0
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Objective:
    """
    One objective of one SLO document, ready to be evaluated for one service or for none.

    Attributes:
        id: stable identity, ``NAMESPACE/SLO`` or ``NAMESPACE/SLO#OBJECTIVE``; labels, texts and targets are no part.
        version: hash of all that changes the arithmetic; a new version keeps the ledger's counts.
        slo, display: names for people. service: the OpenSLO service's name.
        scope: the mesh service the objective speaks of; None when it belongs to none.
        target: 0..1, exclusive of 1. window: what the budget is counted over.
        slice_target, slice_seconds: for the two timeslice methods; 0 otherwise.
        tiers: for people. no_data: what silence means to them. weight: in a composite.
        preset: one grouped query answers it; ``cut_ms`` is the latency preset's bound.
        composite: id of the SLO whose part it is, empty for a plain one.
    """

    id: str
    version: str
    slo: str
    service: str
    sli: RatioSli | ThresholdSli
    target: float
    window: RollingWindow | CalendarWindow
    method: BudgetingMethod = BudgetingMethod.OCCURRENCES
    display: str = ""
    scope: ServiceRef | None = None
    slice_target: float = 0.0
    slice_seconds: float = 0.0
    tiers: tuple[BurnTier, ...] = ()
    low_traffic: LowTraffic = LowTraffic()
    no_data: NoData = NoData.HOLD
    weight: float = 1.0
    composite: str = ""
    preset: Preset | None = None
    cut_ms: float = 0.0
    cluster: str = ""

    @property
    def allowed(self) -> float:
        """Share of events that may be bad, 0..1 and above 0."""
        return 1.0 - self.target
