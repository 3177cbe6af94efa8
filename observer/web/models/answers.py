"""What each reading route answers; the routes of incidents and of the graph are in ``incident``."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from observer.domain.action import Mode
from observer.web.models.rows import (
    ActionRequired,
    Control,
    DecisionRow,
    GapView,
    IncidentRow,
    NamespaceRow,
    ObjectiveView,
    WorkloadRow,
)


class PoliciesStatus(Struct, frozen=True):
    """Which policies are in force: workloads by mode, and why policies of a workload contradict each other."""

    identity: str
    workloads: dict[str, int]
    conflicting: dict[str, str]


class ReloadStatus(Struct, frozen=True):
    """The last try to take edited files into force; ``needs_restart`` names settings that a running daemon keeps."""

    ok: bool
    at: float
    detail: str
    needs_restart: tuple[str, ...]


class CircuitStatus(Struct, frozen=True):
    """One source that is left alone for a while when it fails; ``since`` 0 = it was not asked yet."""

    source: str
    state: str
    since: float
    reason: str
    detail: str
    failures: int
    last_success: float
    retry_at: float


class OverdrawnObjective(Struct, frozen=True):
    """An objective whose budget is overdrawn; ``budget_left`` is negative."""

    service: str
    objective: str
    budget_left: float


class Status(Struct, frozen=True):
    """
    What the loop is doing. ``last_tick`` 0 = no tick has ended yet.

    ``complete`` = the last tick saw enough to act on; ``incidents`` are the open ones; ``overdrawn`` has the worst
    first.
    """

    mode: Mode
    config: str
    ticks: int
    complete_ticks: int
    complete: bool
    last_tick: float
    paused: bool
    paused_reason: str
    leader: bool
    term: int
    halted: str
    policies: PoliciesStatus
    reload: ReloadStatus
    gaps: tuple[GapView, ...]
    circuits: tuple[CircuitStatus, ...]
    overdrawn: tuple[OverdrawnObjective, ...]
    incidents: tuple[IncidentRow, ...]


class Overview(Struct, frozen=True):
    """
    The whole at one glance. ``complete`` false = the tick saw too little to act on, and nothing here counts as healthy.

    ``tick`` counts ticks since the start, ``tick_seconds`` is how often they come; ``incidents`` holds at most 50 of
    ``incidents_open``; ``interventions`` are the latest actions and their results, newest first; ``workloads`` is the
    wanted part of the ``matching`` ones, most urgent first.
    """

    at: float
    tick: int
    tick_seconds: float
    complete: bool
    control: Control
    states: dict[str, int]
    action_required: tuple[ActionRequired, ...]
    incidents_open: int
    incidents: tuple[IncidentRow, ...]
    interventions: tuple[DecisionRow, ...]
    namespaces: tuple[NamespaceRow, ...]
    matching: int
    offset: int
    workloads: tuple[WorkloadRow, ...]


class TickEvent(Struct, frozen=True):
    """One tick in a few figures, for the stream: workloads by state, open incidents."""

    at: float
    tick: int
    complete: bool
    paused: bool
    states: dict[str, int]
    incidents_open: int


class PodView(Struct, frozen=True):
    """One pod; ``requests`` a second and ``error_rate`` over the last minute, null where it is not judged."""

    name: str
    uid: str
    service: str
    revision: str
    node: str
    ready: bool
    drained: bool
    sidecar: bool
    restarts: int
    waiting: str
    created: float
    requests: float | None
    error_rate: float | None
    incident: str


class WorkloadView(Struct, frozen=True):
    """One workload. ``pods`` holds at most 500 of ``pods_total``; ``policies`` names the documents that reach it."""

    at: float
    workload: WorkloadRow
    policies: tuple[str, ...]
    services: tuple[str, ...]
    objectives: tuple[ObjectiveView, ...]
    pods_total: int
    pods: tuple[PodView, ...]
    incidents: tuple[IncidentRow, ...]
    decisions: tuple[DecisionRow, ...]


class DecisionList(Struct, frozen=True):
    """Decisions, newest first; ``next`` is the cursor of the following page, empty at the end."""

    decisions: tuple[DecisionRow, ...]
    next: str


class IncidentList(Struct, frozen=True):
    """Incidents, the one opened last first; ``next`` is the cursor of the following page, empty at the end."""

    incidents: tuple[IncidentRow, ...]
    next: str


class PolicyRow(Struct, frozen=True):
    """
    What holds for one workload, in short; ``approvals`` are actions that need a person, ``blocked_by`` what its own
    policies block it with now, ``conflict`` why policies tie.
    """

    namespace: str
    kind: str
    name: str
    mode: Mode
    enabled: bool
    policies: tuple[str, ...]
    actions: tuple[str, ...]
    approvals: tuple[str, ...]
    objectives: tuple[str, ...]
    blocked_by: tuple[str, ...]
    conflict: str


class ValueView(Struct, frozen=True):
    """One effective value with the file and line it came from; ``policy`` is empty for a built-in default."""

    path: str
    value: str
    file: str
    line: int
    policy: str


class EffectiveView(Struct, frozen=True):
    """Everything that holds for one workload."""

    workload: str
    policies: tuple[str, ...]
    values: tuple[ValueView, ...]
    blocked_by: tuple[ValueView, ...]


class FindingView(Struct, frozen=True):
    """What one check says about one place."""

    check: str
    severity: str
    file: str
    line: int
    message: str


class InterventionCounts(Struct, frozen=True):
    """
    What came of the policies since ``since``: actions that were carried out, that would have been (shadow), that were
    refused or deferred; how many incidents a guard blocked, and the reasons; verifications by verdict.

    ``whole`` false = there were more decisions than were counted.
    """

    since: float
    whole: bool
    acted: dict[str, int]
    would: dict[str, int]
    failed: dict[str, int]
    blocked: int
    reasons: dict[str, int]
    verified: dict[str, int]


class PoliciesView(Struct, frozen=True):
    """
    ``modes`` counts workloads by mode; ``rows`` is the wanted part of ``total``; ``effective`` is null unless one
    workload was asked for; ``findings`` is what the offline checks say about the files in force.
    """

    at: float
    identity: str
    mode: Mode
    documents: tuple[str, ...]
    modes: dict[str, int]
    reload_ok: bool
    reload_detail: str
    total: int
    offset: int
    rows: tuple[PolicyRow, ...]
    effective: EffectiveView | None
    interventions: InterventionCounts
    findings: tuple[FindingView, ...]


class SourceState(StrEnum):
    """OK: answers. LATE: its last answer is old. GAP: it fails now. OFF: not configured, or not asked yet."""

    OK = "ok"
    LATE = "late"
    GAP = "gap"
    OFF = "off"


class SourceView(Struct, frozen=True):
    """
    One source. ``at`` is the instant of what it told last, null = nothing yet; ``required`` = without it nothing is
    judged and no action is taken; ``detail`` says what is wrong, or what it told.
    """

    name: str
    state: SourceState
    at: float | None
    required: bool
    detail: str


class StreamListeners(Struct, frozen=True):
    """Who listens to the stream now, and how many were sent away because they were too slow, since the start."""

    clients: int = 0
    dropped: int = 0


class SourcesView(Struct, frozen=True):
    """
    Everything Observer looks at. ``objectives`` counts them by data state; ``plots`` = the plots' scripts are part of
    this build; ``journal`` is empty when it can be read, else what is wrong.
    """

    at: float
    complete: bool
    last_complete: float | None
    ticks: int
    complete_ticks: int
    took: float
    sources: tuple[SourceView, ...]
    gaps: tuple[GapView, ...]
    objectives: dict[str, int]
    stream: StreamListeners
    plots: bool
    journal: str
