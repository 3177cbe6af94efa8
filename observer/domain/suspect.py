"""What the judges say: who is suspected of what, how strongly, and why nobody may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.snapshot import Gap

FULL_SCORE = 59.0
"""Evidence from here on is as good as certain, and hardly counted any further."""


class Tier(IntEnum):
    """
    How much the evidence allows; the score that each tier needs follows from the false acts that the settings
    allow.
    """

    NONE = 0
    ANNOTATE = 1
    DRAIN = 2
    EVICT = 3
    NODE = 4


class CulpritKind(StrEnum):
    POD = "pod"
    REVISION = "revision"
    NODE = "node"
    ZONE = "zone"
    WORKLOAD = "workload"
    UNKNOWN = "unknown"


class Symptom(StrEnum):
    ERRORS = "errors"
    LATENCY = "latency"
    UNREACHED = "unreached"


@dataclass(frozen=True, slots=True, order=True)
class Culprit:
    """
    Whoever is blamed.

    ``name`` is the pod's name, the revision's (``pay-v2``: its Deployment), the node's, the zone's or the service's;
    ``pod`` is set for kind POD only; ``service`` is empty for a node or zone pooled over services.
    """

    kind: CulpritKind
    namespace: str
    name: str
    service: ServiceRef | None = None
    pod: PodRef | None = None

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace}/{self.name}" if self.namespace else f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    The figures behind a suspicion, for one symptom.

    Attributes:
        score: ln of the e-detector's statistic now, every effect size; tiers above annotate use ``acting_score``.
        acting_score: the same over effect sizes of 4 and more, at least three bins, caps applied.
        history_score: ln of the test against the service's own history; None without a history.
        requests, bad: of the culprit since the suspicion's onset (bad = errors, or slower than ``cut``).
        peer_requests, peer_bad: of all its peers over the same bins.
        share: the culprit's share of its service's requests, 0..1 (before any drain).
        bins: bins that carried evidence.
        onset: estimated start of the fault, Unix seconds. newest: end of the last bin that spoke against the culprit,
            Unix seconds; 0 = not told. A score is not counted beyond ``FULL_SCORE``: then only this tells that it
            goes on.
        dispersion: the overdispersion that divided the evidence, at least 1.
        cut: for LATENCY, the cut point that ``bad`` counts by, milliseconds; None for ERRORS.
        latency_ratio, latency_excess_ms: for LATENCY, culprit's median over its peers', and the difference.
        recheck_score: ``acting_score`` once more, from the last minutes asked again, with caps per caller; None while
            there is no such answer: then nothing above the annotate tier is confirmed.
        callers, flags: the culprit's errors in that answer by calling workload and by response flags, most first.
    """

    symptom: Symptom
    score: float
    acting_score: float
    history_score: float | None
    requests: float
    bad: float
    peer_requests: float
    peer_bad: float
    share: float
    bins: int
    onset: float
    dispersion: float
    cut: float | None = None
    latency_ratio: float = 1.0
    latency_excess_ms: float = 0.0
    newest: float = 0.0
    recheck_score: float | None = None
    callers: Mapping[str, float] = field(default_factory=dict)
    flags: Mapping[str, float] = field(default_factory=dict)

    @property
    def bad_rate(self) -> float:
        """Share of the culprit's requests that were bad, 0..1."""
        return self.bad / self.requests if self.requests > 0 else 0.0

    @property
    def peer_bad_rate(self) -> float:
        """The same for its peers."""
        return self.peer_bad / self.peer_requests if self.peer_requests > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Suspect:
    """
    One culprit that reached at least the annotate tier.

    Attributes:
        tier: what the evidence allows, before impact gate and guards.
        ceiling: the most that may ever be done (a tie with node or revision: DRAIN; a named revision, node, zone or
            workload: ANNOTATE until there are actions for them); ``ceiling_reason`` says why when it is below EVICT.
        impact: its own excess hurts users enough to act (the design's form without an objective).
        also: weaker explanations of the same evidence, strongest first (a group and its members, ties).
    """

    culprit: Culprit
    evidence: Evidence
    tier: Tier
    ceiling: Tier = Tier.EVICT
    ceiling_reason: Reason = Reason.NONE
    impact: bool = False
    impact_reason: str = ""
    also: tuple[Culprit, ...] = ()


@dataclass(frozen=True, slots=True)
class Suppression:
    """
    A service where nobody may be removed, and why.

    ``reason`` is a fixed word: ``correlated_failure`` (more than a third of the peers bad), ``workload_failing``
    (flat peer test under a rising absolute rate), ``inherited`` (the errors come from ``cause``),
    ``unreached`` (a peer's sidecar is silent and nobody could be named), ``few_reported``, ``warming_up``.
    """

    service: ServiceRef
    reason: Reason
    detail: str
    cause: Culprit | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """
    The last minute of one service, for guards, status and verification.

    ``healthy`` holds the pods that are SLI-healthy: Ready, traffic in the last 60 s, below the annotate tier.
    ``rates`` are requests a second of each pod over that minute.
    """

    service: ServiceRef
    requests: float
    errors: float
    healthy: frozenset[PodRef]
    rates: dict[PodRef, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PodTally:
    """
    What one pod did in the bins judged in this tick (for experiments and verification).

    ``bad_by_cut[i]`` counts requests slower than the frame's cut ``i``.
    """

    pod: PodRef
    requests: float
    errors: float
    bad_by_cut: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CallerTally:
    """What all callers of one watched service saw in this tick, from increments per caller pod (resets dropped)."""

    service: ServiceRef
    requests: float
    errors: float
    unreached: float
    bad_by_cut: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """
    The judges' answer for one tick.

    Attributes:
        complete: the tick had fresh counters from at least 90 % of the scraped pods; only then may anything act.
        suspects: strongest first; at most one pod a service is meant to be acted on.
        watch: services whose callers' view (and recheck) should be asked next tick.
        recheck: services whose last minutes should be asked again next tick.
        tallies, callers: this tick's increments by pod and by watched service.
        cuts: latency cut points of ``bad_by_cut``.
        gaps: what the judges found wrong with what they were given (``replicas_disagree``, ``clock``, ``stale``).
    """

    at: float
    complete: bool
    suspects: tuple[Suspect, ...]
    suppressions: tuple[Suppression, ...]
    services: Mapping[ServiceRef, ServiceHealth]
    tallies: Mapping[PodRef, PodTally]
    callers: Mapping[ServiceRef, CallerTally]
    watch: frozenset[ServiceRef]
    recheck: frozenset[ServiceRef]
    cuts: tuple[float, ...]
    gaps: tuple[Gap, ...] = ()
