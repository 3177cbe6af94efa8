"""
The numbers a person may turn, with the defaults of the design.

Each setting is declared once, on its field: default, bounds, unit and meaning. What reads files, describes them to
editors, writes the shipped file and the reference asks these declarations. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Annotated, Final, get_type_hints

from observer.domain.action import ActionKind, Mode, selectable

SECONDS: Final = "seconds"
"""Written with units: ``500ms``, ``1m30s``, ``24h``."""
BYTES: Final = "bytes"
"""Written plain or with a unit: ``64KiB``."""
KUBERNETES_NAME: Final = "kubernetes-name"
"""A name of one label: ``a-z``, ``0-9`` and ``-``."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Setting:
    """
    What a person may write into a field of a settings class, and what it means.

    Attributes:
        about: one sentence for people. Empty on the items of a list, which their list explains.
        ge, gt, le: bounds of a number; of ``unit`` seconds and bytes, too.
        unit: ``seconds`` and ``bytes`` have a notation of their own; any other is a word for people.
        among: answers the members of an enum that may be written; None = all of them.
        format: what a text must look like, ``kubernetes-name`` or empty.
        path: key in a health policy, where it is not the field's name (``detectors.errors``).
        cluster_wide: it is for all of the cluster, so that no health policy sets it.
        namespace_wide: it is for a whole namespace, so that no policy for single workloads sets it.
    """

    about: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    unit: str = ""
    among: Callable[[], tuple[StrEnum, ...]] | None = None
    format: str = ""
    path: str = ""
    cluster_wide: bool = False
    namespace_wide: bool = False


def seconds(
    about: str, low: float, high: float, *, cluster_wide: bool = False, namespace_wide: bool = False
) -> Setting:
    """A duration inside ``[low, high]``."""
    return Setting(about, ge=low, le=high, unit=SECONDS, cluster_wide=cluster_wide, namespace_wide=namespace_wide)


@dataclass(frozen=True, slots=True)
class Declared:
    """One field that a person may write: its name, its type with all that stands beside it, and its ``Setting``."""

    name: str
    hint: object
    setting: Setting


@cache
def declared(kind: type) -> tuple[Declared, ...]:
    """The settings of a dataclass in their order; fields without a ``Setting`` follow from others and are left out."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for item in fields(kind):
        beside = getattr(hints[item.name], "__metadata__", ())
        setting = next((one for one in beside if isinstance(one, Setting)), None)
        if setting is not None:
            found.append(Declared(item.name, hints[item.name], setting))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How evidence is gathered. Tiers follow from the allowed false acts (see ``engine.detect.tiers``)."""

    tests: Annotated[
        int,
        Setting("Number of pods and groups judged at once that the thresholds are computed for.", ge=1, le=10_000_000),
    ] = 1000
    false_annotate_per_day: Annotated[
        float,
        Setting(
            "False notes on pods that are allowed a day over all tests; a note costs nobody anything, so the default "
            "is about one for each pod in 11 hours at the very most.",
            gt=0,
            le=1e6,
        ),
    ] = 2130.0
    false_drain_per_month: Annotated[
        float, Setting("False drains that are allowed in 30 days over all tests.", gt=0, le=1e5)
    ] = 60.0
    false_evict_per_month: Annotated[
        float, Setting("False evictions that are allowed in 30 days over all tests.", gt=0, le=1e4)
    ] = 1.0
    false_node_per_month: Annotated[
        float, Setting("False suspicions of a whole node that are allowed in 30 days over all tests.", gt=0, le=1e3)
    ] = 0.02
    effect_sizes: Annotated[
        tuple[Annotated[float, Setting(gt=1, le=65_536)], ...],
        Setting("How many times worse than its replica peers a culprit may be: the effect sizes that are tested."),
    ] = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
    acting_effect_size: Annotated[
        float, Setting("Smallest effect size that a drain or anything above it may rest on.", gt=1, le=1024)
    ] = 4.0
    bin_cap: Annotated[
        float, Setting("Most evidence that one tick may add, so that no burst decides alone.", gt=0, le=100)
    ] = 6.0
    caller_cap: Annotated[
        float, Setting("Most evidence of one tick that may come from one caller pod.", gt=0, le=100)
    ] = 3.0
    min_bins: Annotated[
        int, Setting("Ticks with evidence that are needed before anything but a note.", ge=1, le=100, unit="ticks")
    ] = 3
    reported_share: Annotated[
        float, Setting("Share of the replicas that must have reported before a tick is judged.", gt=0, le=1)
    ] = 0.9
    warm_up_seconds: Annotated[float, seconds("How long a new pod is not judged.", 0, _HOUR)] = 60.0
    warm_up_requests: Annotated[
        float, Setting("Requests that a new pod must have served before it is judged.", ge=0, le=1e9, unit="requests")
    ] = 100.0
    overdispersion_cap: Annotated[
        float,
        Setting("Most overdispersion that is allowed for: how much burstier than chance errors may be.", ge=1, le=1000),
    ] = 20.0
    group_margin: Annotated[
        float,
        Setting("Evidence by which a revision, node or zone must lead its worst member to be the cause.", ge=0, le=100),
    ] = 3.0
    bad_share: Annotated[
        float,
        Setting(
            "With more suspected replicas of a service than this share the cause is common: no pod is removed.",
            gt=0,
            le=1,
        ),
    ] = 1.0 / 3.0
    young_revision: Annotated[
        float, seconds("A revision younger than this is a likelier cause than one of its pods.", 0, _DAY)
    ] = 1800.0
    fade_seconds: Annotated[
        float, seconds("A suspicion without new evidence for so long has ended by itself.", 1, _HOUR)
    ] = 120.0


@dataclass(frozen=True, slots=True)
class ImpactSettings:
    """The impact gate without an objective: both must hold for errors, both for latency."""

    error_rate: Annotated[
        float, Setting("Least share of the pod's requests that must fail before it is removed.", gt=0, le=1)
    ] = 0.01
    error_ratio: Annotated[
        float, Setting("And it must fail at least so many times as often as its replica peers.", ge=1, le=1000)
    ] = 4.0
    latency_ratio: Annotated[
        float, Setting("Or it must be at least so many times slower than its replica peers.", ge=1, le=1000)
    ] = 2.0
    latency_excess_ms: Annotated[
        float, Setting("And at least so much slower.", ge=0, le=600_000, unit="milliseconds")
    ] = 100.0


@dataclass(frozen=True, slots=True)
class EscalationSettings:
    """Which actions are allowed and how the drain experiment is timed."""

    actions: Annotated[
        tuple[Annotated[ActionKind, Setting(among=selectable)], ...],
        Setting("Actions that may be taken on a pod, mildest first; [annotate] only notes."),
    ] = (ActionKind.ANNOTATE, ActionKind.DRAIN, ActionKind.EVICT)
    effective_share: Annotated[
        float,
        Setting("A drain has taken effect when the pod's requests fell below this share of what it had.", gt=0, le=0.5),
    ] = 0.05
    effective_within: Annotated[
        float, seconds("A drain that has not taken effect within this time is undone.", 1, 10 * _MINUTE)
    ] = 15.0
    experiment_odds: Annotated[
        float, Setting("Odds, either way, at which the drain experiment has its answer.", gt=1, le=1e6)
    ] = 20.0
    experiment_seconds: Annotated[
        float, seconds("How long the drain experiment looks for its answer at least.", 1, _HOUR)
    ] = 60.0
    experiment_requests: Annotated[
        float,
        Setting("Requests of callers that the experiment looks at before it gives up.", gt=0, le=1e9, unit="requests"),
    ] = 200.0
    drain_seconds: Annotated[float, seconds("Expiry of a drain: after it anybody may restore the pod.", 10, _DAY)] = (
        300.0
    )
    readmit_seconds: Annotated[
        float, seconds("How long a pod gets traffic again to see whether its errors return.", 1, _HOUR)
    ] = 60.0
    verify_requests: Annotated[
        float, Setting("Requests of a replacement that its verification needs.", gt=0, le=1e9, unit="requests")
    ] = 30.0
    verify_odds: Annotated[
        float, Setting("Odds at which a replacement counts as better, or as no better.", gt=1, le=1e6)
    ] = 20.0
    verify_seconds: Annotated[float, seconds("Longest time that a verification may take.", 1, _DAY)] = 300.0
    start_factor: Annotated[
        float, Setting("A replacement that needs so many times the usual start counts as worse.", ge=1, le=100)
    ] = 3.0
    default_start: Annotated[float, seconds("Usual start of a pod where none was seen.", 1, _HOUR)] = 60.0
    cleared_seconds: Annotated[float, seconds("How long a pod that an experiment cleared is left alone.", 1, _DAY)] = (
        1800.0
    )
    hold_for_human: Annotated[
        bool, Setting("Keep a drained pod until a person has looked at it, instead of evicting it.")
    ] = False


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What the guards allow. Every cap is finite by default."""

    in_flight_per_workload: Annotated[
        int, Setting("Pods of one workload that may be drained or on their way to a replacement at once.", ge=1, le=100)
    ] = 1
    serving_share: Annotated[
        float, Setting("Share of a workload's desired replicas that must stay healthy and in service.", gt=0, le=1)
    ] = 0.5
    serving_min: Annotated[int, Setting("And at least so many of them.", ge=1, le=10_000, unit="pods")] = 1
    namespace_actions: Annotated[
        int,
        Setting(
            "Actions in one namespace within namespace_window.", ge=1, le=10_000, unit="actions", namespace_wide=True
        ),
    ] = 5
    namespace_window: Annotated[
        float, seconds("Time over which namespace_actions are counted.", 1, 7 * _DAY, namespace_wide=True)
    ] = 600.0
    cluster_actions: Annotated[
        int,
        Setting(
            "Actions in the whole cluster within cluster_window.", ge=1, le=100_000, unit="actions", cluster_wide=True
        ),
    ] = 10
    cluster_window: Annotated[
        float, seconds("Time over which cluster_actions and cluster_share are counted.", 1, 7 * _DAY, cluster_wide=True)
    ] = 600.0
    cluster_share: Annotated[
        float,
        Setting(
            "Share of all desired replicas that may be acted on within cluster_window.", gt=0, le=1, cluster_wide=True
        ),
    ] = 0.10
    breaker_bad_share: Annotated[
        float,
        Setting(
            "With more than this share of a node, zone, namespace or cluster bad, nothing harmful is done there.",
            gt=0,
            le=1,
            cluster_wide=True,
        ),
    ] = 0.20
    breaker_bad_min: Annotated[
        int,
        Setting(
            "Fewer bad pods or useless actions than this never trip the breaker.", ge=1, le=10_000, cluster_wide=True
        ),
    ] = 3
    breaker_useless_share: Annotated[
        float,
        Setting(
            "With more than this share of the last breaker_last actions useless, nothing harmful is done.",
            gt=0,
            le=1,
            cluster_wide=True,
        ),
    ] = 0.30
    breaker_last: Annotated[
        int, Setting("Actions that the breaker looks back at.", ge=1, le=1000, unit="actions", cluster_wide=True)
    ] = 10
    backoff_seconds: Annotated[
        float, seconds("Wait after a useless action of the same kind; it doubles with each further one.", 1, _DAY)
    ] = 300.0
    backoff_max: Annotated[float, seconds("Longest wait that the doubling may reach.", 1, 7 * _DAY)] = 3600.0
    same_symptom_seconds: Annotated[
        float,
        seconds(
            "The same symptom on another replica within this time makes an eviction useless: it was the traffic.",
            0,
            7 * _DAY,
        ),
    ] = 1800.0
    freeze_after: Annotated[
        int,
        Setting(
            "Useless actions on a workload within freeze_window that freeze it and page a person.",
            ge=1,
            le=1000,
            unit="actions",
        ),
    ] = 3
    freeze_window: Annotated[float, seconds("Time over which freeze_after is counted.", 1, 30 * _DAY)] = 14400.0
    autoscaler_quiet: Annotated[float, seconds("Wait after an autoscaler removed pods of the workload.", 0, _DAY)] = (
        300.0
    )
    person_quiet: Annotated[float, seconds("Wait after a person changed the workload.", 0, 7 * _DAY)] = 1800.0
    kubernetes_stale: Annotated[
        float,
        seconds(
            "What Kubernetes last said is no basis for an action when it is older than this.",
            1,
            10 * _MINUTE,
            cluster_wide=True,
        ),
    ] = 30.0
    blocked_max: Annotated[float, seconds("A guard that blocks for longer than this pages a person.", 1, 7 * _DAY)] = (
        900.0
    )
    refused_namespaces: Annotated[
        tuple[Annotated[str, Setting(format=KUBERNETES_NAME)], ...],
        Setting("Namespaces in which Observer never acts, beside its own.", cluster_wide=True),
    ] = ("kube-system", "kube-public", "kube-node-lease", "istio-system")
    own_namespace: str = "observer"
    allow_singletons: Annotated[bool, Setting("Act on the only pod of a workload, too.")] = False
    allow_statefulsets: Annotated[bool, Setting("Act on pods of StatefulSets, too.")] = False
    allow_local_volumes: Annotated[bool, Setting("Act on pods that lose data on their node, too.")] = False


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """All that ``engine.decide`` is tuned by. ``identity`` is a hash that every decision carries."""

    mode: Annotated[
        Mode,
        Setting(
            "shadow decides and reports, and writes nothing; dry-run sends every write with dryRun=All; enforce acts, "
            "and only in namespaces that carry the label observer.dev/enabled=true."
        ),
    ] = Mode.SHADOW
    tick: Annotated[
        float,
        seconds(
            "How often to look; `observer doctor` compares it with the scrape interval that it measures.",
            0.2,
            5 * _MINUTE,
        ),
    ] = 5.0
    detection: Annotated[
        DetectionSettings, Setting("How much evidence each action needs follows from how many false ones you allow.")
    ] = field(default_factory=DetectionSettings)
    impact: Annotated[
        ImpactSettings,
        Setting("A pod may be certain to be bad while no user notices: then it is reported, not replaced."),
    ] = field(default_factory=ImpactSettings)
    escalation: Annotated[
        EscalationSettings,
        Setting("The escalation, mildest first; the next action follows when the one before was proven right."),
    ] = field(default_factory=EscalationSettings)
    guards: Annotated[GuardSettings, Setting("What limits Observer's actions; every cap is finite.")] = field(
        default_factory=GuardSettings
    )
    identity: str = ""
