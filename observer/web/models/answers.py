"""What each reading route answers."""

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
    Link,
    NamespaceRow,
    ObjectiveView,
    State,
    TargetView,
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


class Node(Struct, frozen=True):
    """
    One service. ``known`` false = only its name is known, from a call; ``workloads`` are those behind it.

    ``requests`` a second and ``error_rate`` are its own last minute, null when not seen.
    """

    id: str
    namespace: str
    name: str
    state: State
    known: bool
    workloads: tuple[str, ...]
    requests: float | None
    error_rate: float | None
    incidents: tuple[str, ...]


class Call(Struct, frozen=True):
    """
    Calls from ``caller`` to ``callee`` (ids of nodes) over ``GraphView.seconds``, as the caller counted them, with the
    states of both.

    ``requests`` is a second; ``unreached`` is the share that never got an answer of the callee.
    """

    caller: str
    callee: str
    caller_state: State
    callee_state: State
    requests: float
    error_rate: float | None
    unreached: float | None
    p95_seconds: float | None


class GraphView(Struct, frozen=True):
    """
    Part of the call graph. ``at`` is when the calls were counted; null = no graph is known, and ``missing`` says why.

    ``calls_total`` is how many calls fit; ``calls`` holds those with the most errors, then the most requests.
    """

    at: float | None
    seconds: float
    missing: str
    calls_total: int
    nodes: tuple[Node, ...]
    calls: tuple[Call, ...]


class Point(Struct, frozen=True):
    """
    One instant of an incident: the evidence score, bad rates of the pod (``own``) and of the other replicas, requests
    a second of the pod and of the mean replica beside it. Null = not known then.
    """

    at: float
    evidence_score: float | None = None
    own: float | None = None
    peers: float | None = None
    own_requests: float | None = None
    peer_requests: float | None = None


class GuardView(Struct, frozen=True):
    """One guard and what it answered when the action was last weighed; the other fields only when it blocked."""

    guard: str
    allowed: bool
    reason: str = ""
    detail: str = ""
    explained: str = ""


class GuardReview(Struct, frozen=True):
    """All guards as they answered about one action, at one instant."""

    at: float
    action: str
    guards: tuple[GuardView, ...]


class ExperimentView(Struct, frozen=True):
    """The drain as an experiment: what the callers saw without the pod. ``log_odds`` = ln (dropped : not dropped)."""

    started: float
    effective: float | None
    requests: float
    bad: float
    log_odds: float
    verdict: str


class VerificationView(Struct, frozen=True):
    """The replacement against the same figures. ``log_odds`` = ln (as good as its peers : as bad as before)."""

    evicted: float
    replacement: str
    ready: float | None
    requests: float
    bad: float
    log_odds: float
    verdict: str


class CauseEvidence(Struct, frozen=True):
    """One line of evidence for a cause, or against it where the score is negative."""

    word: str
    score: float
    text: str


class CauseView(Struct, frozen=True):
    """
    One possible cause with its probability. ``inherited`` is the part of its service's trouble that comes from what it
    calls; ``culprit`` whether it is the one that this incident is about.
    """

    kind: str
    cause: str
    probability: float
    inherited: float
    culprit: bool
    lines: tuple[CauseEvidence, ...]


class AttributionView(Struct, frozen=True):
    """The causes as of ``at``, likeliest first; ``unknown`` also means nobody. ``gaps`` say what was not seen."""

    at: float
    ranked: tuple[CauseView, ...]
    unknown: float
    gaps: tuple[str, ...]


class PendingApproval(Struct, frozen=True):
    """
    The action that waits for approval. ``plan`` is its hash: an approval is for this action and no other. ``diff`` are
    the changes of the cluster, a line each.
    """

    action: str
    target: TargetView
    plan: str
    diff: tuple[str, ...]


class IncidentView(Struct, frozen=True):
    """
    One incident in full.

    ``needed`` are the evidence scores of each tier. ``points`` is the evidence from tick to tick since this process
    began, oldest first. ``timeline`` holds every decision of the incident, oldest first, at most 500. ``guard_review``
    is null until an action was weighed, ``attribution`` until causes were ranked. ``approval`` is the action that waits
    for a person, ``drained`` whether the pod can be restored.
    """

    incident: IncidentRow
    action_required: tuple[ActionRequired, ...]
    mode: Mode
    onset: float | None
    share: float
    requests: float
    bad: float
    node: str
    revision: str
    ceiling: str
    ceiling_reason: str
    needed: dict[str, float]
    drained: bool
    drain_expires: float | None
    experiment: ExperimentView | None
    verification: VerificationView | None
    attribution: AttributionView | None
    guard_review: GuardReview | None
    approval: PendingApproval | None
    timeline: tuple[DecisionRow, ...]
    points: tuple[Point, ...]
    graph: GraphView
    links: tuple[Link, ...]


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
