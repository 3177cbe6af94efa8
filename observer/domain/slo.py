"""
Objectives as the engine knows them: what counts as good, how much may fail, and when people are told.

Counts are events (good, total), never ratios. Times in seconds, rates in 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

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

    def met(self, value: float, limit: float) -> bool:
        """``value`` compared with ``limit``."""
        match self:
            case Comparison.LTE:
                return value <= limit
            case Comparison.GTE:
                return value >= limit
            case Comparison.LT:
                return value < limit
            case Comparison.GT:
                return value > limit


class NoData(StrEnum):
    """What an objective without data means to its people. No destructive act ever follows from it."""

    HOLD = "hold"
    BAD = "bad"
    GOOD = "good"
    PAGE = "page"


class DataState(StrEnum):
    """What is known about an objective just now; it comes before any burn rate. Only OK and NEW carry a drain."""

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

    @property
    def known(self) -> bool:
        """Figures mean something: nothing is known to be missing."""
        return self in (DataState.OK, DataState.NEW, DataState.IDLE)


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


MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
RULE_BUCKET: Final = 5 * MINUTE
"""Width of the buckets that written rules count events in, and interval of their groups."""

BURN_PRESETS: Final[Mapping[str, tuple[BurnTier, ...]]] = {
    "sre-30d": (
        BurnTier("1h", "page", 14.4, HOUR, 5 * MINUTE),
        BurnTier("6h", "page", 6.0, 6 * HOUR, 30 * MINUTE),
        BurnTier("1d", "ticket", 3.0, DAY, 2 * HOUR),
        BurnTier("3d", "ticket", 1.0, 3 * DAY, 6 * HOUR),
    ),
    "28d": (
        BurnTier("1h", "page", 14.0, HOUR, 5 * MINUTE),
        BurnTier("6h", "page", 7.0, 6 * HOUR, 30 * MINUTE),
        BurnTier("1d", "ticket", 2.0, DAY, 2 * HOUR),
        BurnTier("4d", "ticket", 1.0, 4 * DAY, 6 * HOUR),
    ),
    "7d": (
        BurnTier("1h", "page", 13.44, HOUR, 5 * MINUTE),
        BurnTier("6h", "page", 3.5, 6 * HOUR, 30 * MINUTE),
        BurnTier("1d", "ticket", 1.4, DAY, 2 * HOUR),
        BurnTier("3d", "ticket", 0.98, 3 * DAY, 6 * HOUR),
    ),
}
"""
Ready sets of tiers (annotation ``observer.dev/burn``). A factor is the share of the budget that may be gone when
people are told, times the period over the long window: 2, 5, 10, 10 % of 30 days; 2.1, 6.3, 7.1, 14.3 % of 28 days;
8, 12.5, 20, 42 % of 7 days.
"""


@dataclass(frozen=True, slots=True)
class TierStatus:
    """
    One tier at one instant.

    Attributes:
        long, short: burn rates over the two windows; 0 where there was no event.
        bad, total: events of the long window.
        over: both burn rates are above the factor.
        held: why nobody is told although it is over (``1 of 60 bad; 5 needed``); empty otherwise.
    """

    tier: BurnTier
    long: float
    short: float
    bad: float
    total: float
    over: bool
    withheld: str = ""

    @property
    def firing(self) -> bool:
        """People are told."""
        return self.over and not self.withheld


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """
    The error budget by events, never undefined.

    Attributes:
        since: start of the window or period, Unix seconds.
        good, total: events since then.
        spent: share of the budget that is gone, 0 and up; 0 without an event.
        exhausted_in: seconds until it is gone at the burn of the longest window; None when it does not shrink.
    """

    since: float
    good: float
    total: float
    spent: float
    exhausted_in: float | None = None

    @property
    def remaining(self) -> float:
        """Share of the budget that is left; negative when overdrawn."""
        return 1.0 - self.spent


@dataclass(frozen=True, slots=True)
class ObjectiveStatus:
    """
    One objective (or composite) at one instant.

    Attributes:
        at: the instant of the counts, Unix seconds.
        state: what the data is worth; every figure below is to be read with it. ``detail`` says why.
        rate: events a second over the budget window, 0 without one.
        told: highest severity that people are told: ``page``, ``ticket`` or empty; ``text`` the sentence for it.
    """

    objective: Objective
    at: float
    state: DataState
    detail: str
    budget: BudgetStatus
    tiers: tuple[TierStatus, ...] = ()
    rate: float = 0.0
    alert: str = ""
    text: str = ""

    @property
    def overdrawn(self) -> bool:
        """More failed in the window than the target allows; false while that is not known."""
        return self.state.known and self.budget.remaining < 0.0


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """
    Events of one objective in one bucket as the journal keeps them; labels, texts and targets may change meanwhile.

    ``end`` is the bucket's last instant, Unix seconds, a multiple of its width.
    """

    objective: str
    end: float
    good: float
    total: float
