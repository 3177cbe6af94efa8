"""What the routes of one incident and of the call graph answer."""

from __future__ import annotations

from msgspec import Struct

from observer.domain.action import Mode
from observer.web.models.rows import ActionRequired, DecisionRow, IncidentRow, Link, State, TargetView


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
