"""One incident: a culprit on its way up the ladder. It is what survives a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from observer.domain.action import ActionKind
from observer.domain.attribution import Attribution
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.domain.outcome import DrainVerdict, Verification
from observer.domain.reasons import Reason
from observer.domain.suspect import Culprit, Symptom, Tier


class Phase(StrEnum):
    """Where the incident stands. CLOSED incidents are kept for ``why`` and the back-off."""

    SUSPECTED = "suspected"
    """Told; waiting for evidence, impact or a guard."""
    DRAINING = "draining"
    """Label written; waiting until the pod's requests fell below 5 % of its share."""
    EXPERIMENT = "experiment"
    """Traffic has left; comparing the callers' bad requests with the predicted drop."""
    DRAINED = "drained"
    """Experiment has a verdict and the pod is still drained: waits for a guard, a person or the expiry."""
    READMITTED = "readmitted"
    """Given back for a bounded time to see whether the symptom returns."""
    EVICTING = "evicting"
    """Eviction asked for; waiting until the incarnation is gone and a replacement is Ready."""
    VERIFYING = "verifying"
    """The replacement serves; comparing its SLI with the culprit's."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Experiment:
    """
    The running drain experiment.

    Attributes:
        started: when the label was written, Unix seconds. effective: when the traffic had left (0 = not yet).
        share: the culprit's share before. p1, p0: bad rates of culprit and siblings that the suspicion claims.
        cut: latency cut index that "bad" means, -1 for errors.
        requests, bad: callers' counts since ``effective``.
        own_requests, own_expected: the pod's own requests since ``started`` in the newest window against its share.
        log_odds: ln of (dropped : not dropped).
    """

    started: float
    share: float
    p1: float
    p0: float
    cut: int = -1
    effective: float = 0.0
    requests: float = 0.0
    bad: float = 0.0
    log_odds: float = 0.0
    verdict: DrainVerdict = DrainVerdict.PENDING
    dispersion: float = 1.0
    """Overdispersion of the evidence, at least 1; it divides the log odds."""


@dataclass(frozen=True, slots=True)
class Check:
    """
    The running verification of a replacement.

    ``deadline`` is when a replacement that is not Ready counts as worse, Unix seconds; ``requests`` and ``bad`` are
    the replacement's own since it was Ready; ``log_odds`` is ln of (as good as siblings : as bad as before).
    """

    evicted: float
    deadline: float
    replacement: PodRef | None = None
    ready: float = 0.0
    requests: float = 0.0
    bad: float = 0.0
    log_odds: float = 0.0
    verdict: Verification = Verification.PENDING


@dataclass(frozen=True, slots=True)
class Incident:
    """
    One suspicion and all that was done about it.

    Attributes:
        id: stable: hash of culprit and opening instant.
        nats: strongest acting evidence so far; kept while the pod is drained and silent.
        attempts: how often each action was tried (part of the intent's id).
        held: the standing hold reasons with the instant each began.
        closing: why it was closed (``fixed``, ``ended_by_itself``, ``cleared``, ``person_took_it`` ...).
        evidence_at: where the evidence kept before an eviction lies.
        p1, p0, share, cut, requests, bad: the figures the suspicion stood on, kept for experiment and verification.
    """

    id: str
    opened: float
    culprit: Culprit
    symptom: Symptom
    phase: Phase
    phase_since: float
    workload: WorkloadRef | None = None
    service: ServiceRef | None = None
    node: str = ""
    revision: str = ""
    evidence_score: float = 0.0
    onset: float = 0.0
    share: float = 0.0
    p1: float = 0.0
    p0: float = 0.0
    cut: int = -1
    requests: float = 0.0
    bad: float = 0.0
    attempts: dict[ActionKind, int] = field(default_factory=dict)
    blocked: dict[Reason, float] = field(default_factory=dict)
    experiment: Experiment | None = None
    check: Check | None = None
    drain_expires: float = 0.0
    readmit_until: float = 0.0
    last_evidence: float = 0.0
    closing: str = ""
    closed: float = 0.0
    evidence_at: str = ""
    tier: Tier = Tier.NONE
    """Highest tier that the evidence reached while the culprit had traffic."""
    ceiling: Tier = Tier.EVICT
    ceiling_reason: Reason = Reason.NONE
    restoring: str = ""
    """Why the pod is being given back, from that decision until the label is off; empty otherwise."""
    known_pods: tuple[str, ...] = ()
    """Uids of the workload's pods when the eviction was decided: none of them is the replacement."""
    attribution: Attribution | None = None
    """Who is to blame, as of the last tick in which the culprit had traffic; None while nobody was asked."""
