"""The numbers a person may turn, with the defaults of the design. Times in seconds, evidence in nats."""

from __future__ import annotations

from dataclasses import dataclass, field

from observer.domain.action import ActionKind, Mode


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How evidence is gathered. Tiers follow from the allowed false acts (see ``engine.detect.tiers``)."""

    tests: int = 1000
    """Number of pods and groups judged at once that the tiers are computed for."""
    false_annotate_per_day: float = 2130.0
    """A note on a pod, which costs nobody anything: about one for each pod in 11 hours at the very most."""
    false_drain_per_month: float = 60.0
    false_evict_per_month: float = 1.0
    false_node_per_month: float = 0.02
    effect_sizes: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
    acting_effect_size: float = 4.0
    bin_cap: float = 6.0
    caller_cap: float = 3.0
    min_bins: int = 3
    reported_share: float = 0.9
    warm_up_seconds: float = 60.0
    warm_up_requests: float = 100.0
    overdispersion_cap: float = 20.0
    group_margin: float = 3.0
    bad_share: float = 1.0 / 3.0
    young_revision: float = 1800.0
    fade_seconds: float = 120.0
    """A suspicion without new evidence for so long has ended by itself."""


@dataclass(frozen=True, slots=True)
class ImpactSettings:
    """The impact gate without an objective: both must hold for errors, both for latency."""

    error_rate: float = 0.01
    error_ratio: float = 4.0
    latency_ratio: float = 2.0
    latency_excess_ms: float = 100.0


@dataclass(frozen=True, slots=True)
class EscalationSettings:
    """Which actions are allowed and how the drain experiment is timed."""

    actions: tuple[ActionKind, ...] = (ActionKind.ANNOTATE, ActionKind.DRAIN, ActionKind.EVICT)
    effective_share: float = 0.05
    effective_within: float = 15.0
    experiment_odds: float = 20.0
    experiment_seconds: float = 60.0
    experiment_requests: float = 200.0
    drain_seconds: float = 300.0
    """Expiry of a drain: after it anybody may give the pod back."""
    readmit_seconds: float = 60.0
    verify_requests: float = 30.0
    verify_odds: float = 20.0
    verify_seconds: float = 300.0
    start_factor: float = 3.0
    default_start: float = 60.0
    cleared_seconds: float = 1800.0
    hold_for_human: bool = False


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """The brakes. Every cap is finite by default."""

    in_flight_per_workload: int = 1
    serving_share: float = 0.5
    serving_min: int = 1
    namespace_actions: int = 5
    namespace_window: float = 600.0
    cluster_actions: int = 10
    cluster_window: float = 600.0
    cluster_share: float = 0.10
    breaker_bad_share: float = 0.20
    breaker_bad_min: int = 3
    breaker_useless_share: float = 0.30
    breaker_last: int = 10
    backoff_seconds: float = 300.0
    backoff_max: float = 3600.0
    same_symptom_seconds: float = 1800.0
    freeze_after: int = 3
    freeze_window: float = 14400.0
    autoscaler_quiet: float = 300.0
    person_quiet: float = 1800.0
    kubernetes_stale: float = 30.0
    """Older than this, what Kubernetes told is no longer a basis to act on."""
    blocked_max: float = 900.0
    """A hold that lasts longer pages a person."""
    refused_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease", "istio-system")
    own_namespace: str = "observer"
    allow_singletons: bool = False
    allow_statefulsets: bool = False
    allow_local_volumes: bool = False


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """All that ``engine.decide`` is tuned by. ``identity`` is a hash that every decision carries."""

    mode: Mode = Mode.SHADOW
    tick: float = 5.0
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    impact: ImpactSettings = field(default_factory=ImpactSettings)
    escalation: EscalationSettings = field(default_factory=EscalationSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    identity: str = ""
