"""The shapes that several answers share."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from observer.domain.action import Mode
from observer.domain.decision import Verdict
from observer.domain.incident import Phase
from observer.domain.slo import DataState
from observer.domain.suspect import Symptom

Figure = float | str | bool | None


class State(StrEnum):
    """A workload's state. The order is that of urgency; UNKNOWN is never shown as healthy."""

    FAILING = "failing"
    """Users are hurt and no single pod is the cause, or an objective pages."""
    BLOCKED = "blocked"
    """A pod is suspected and a guard keeps Observer from acting."""
    ACTING = "acting"
    """Something was done and is not finished."""
    SUSPECTED = "suspected"
    """A pod is suspected; evidence is still gathered."""
    DEGRADED = "degraded"
    """Fewer pods serve than wanted, or an objective burns its budget."""
    OVERDRAWN = "overdrawn"
    """More failed in an objective's window than it allows, however well things go just now."""
    UNKNOWN = "unknown"
    """It cannot be seen."""
    IDLE = "idle"
    """Nobody called in the last minute."""
    HEALTHY = "healthy"


URGENCY: Final = {state: rank for rank, state in enumerate(State)}


class Control(Struct, frozen=True):
    """
    May anything be written? ``mode`` is that of the settings; ``paused`` and ``reason`` are the kill switch.

    ``halted`` is the broken invariant after which nothing is done any more, empty when there is none.
    """

    mode: Mode
    paused: bool
    reason: str
    leader: bool
    term: int
    halted: str


class ObjectiveView(Struct, frozen=True):
    """
    One objective as it stood at ``at``.

    ``budget_left`` is 1 with nothing spent and negative when overdrawn; ``burn`` is the highest burn rate of its short
    windows; both are null while ``state`` says that the data is worth nothing. ``alert`` is what people are told.
    """

    id: str
    name: str
    service: str
    at: float
    target: float
    state: DataState
    detail: str
    budget_left: float | None
    burn: float | None
    exhausted_in: float | None
    alert: str
    text: str


class WorkloadRow(Struct, frozen=True):
    """
    One workload now. Null figures are not known, which is not zero.

    ``requests`` is a second over the last minute, ``error_rate`` 0..1 over the same; ``ready`` of ``pods`` pods are
    Ready and ``desired`` are wanted; ``enabled`` = Observer may act in the namespace.
    """

    namespace: str
    kind: str
    name: str
    state: State
    headline: str
    mode: Mode
    enabled: bool
    ready: int
    pods: int
    desired: int | None
    requests: float | None
    error_rate: float | None
    budget_left: float | None
    burn: float | None
    incidents: tuple[str, ...]


class NamespaceRow(Struct, frozen=True):
    """One namespace: how many of its workloads are in which state, the worst of them, and the least budget left."""

    namespace: str
    enabled: bool
    workloads: int
    states: dict[str, int]
    worst: State
    budget_left: float | None


class StandingBlock(Struct, frozen=True):
    """Why an incident is blocked, by its fixed word, and since when."""

    reason: str
    since: float


class IncidentRow(Struct, frozen=True):
    """
    One incident in a line.

    ``bad_rate`` is the pod's, ``peer_bad_rate`` that of the other replicas; ``outcome`` is how it ended, empty while it
    is open; ``drain_verdict`` and ``verification`` are null until there was a drain and a replacement; ``evidence_at``
    is where the evidence of a removed pod is kept; ``headline`` says all that in one sentence.
    """

    id: str
    subject: str
    namespace: str
    workload: str
    service: str
    symptom: Symptom
    phase: Phase
    tier: str
    opened: float
    closed: float | None
    bad_rate: float
    peer_bad_rate: float
    evidence_score: float
    blocked: tuple[StandingBlock, ...]
    drain_verdict: str | None
    verification: str | None
    evidence_at: str
    outcome: str
    headline: str


class BlockedView(Struct, frozen=True):
    """
    One guard that said no; ``refused`` = waiting will not change it. ``explained`` is where the reason is explained,
    below ``docs/reference``, empty if nowhere.
    """

    guard: str
    reason: str
    detail: str
    refused: bool
    explained: str = ""


class OutcomeView(Struct, frozen=True):
    """What the API server answered to an action."""

    result: str
    reason: str
    detail: str


class TargetView(Struct, frozen=True):
    """What an action is done to; ``namespace`` and ``uid`` are empty where there is none."""

    kind: str
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind} {'/'.join(part for part in (self.namespace, self.name) if part)}"


class DecisionRow(Struct, frozen=True):
    """One decision, to act or not to, as it was recorded; ``explained`` is where its reason is explained."""

    id: str
    at: float
    kind: str
    verdict: Verdict
    subject: str
    reason: str
    text: str
    severity: str
    mode: Mode
    incident: str
    action: str
    pod: str
    service: str
    workload: str
    action_id: str
    blocked_by: tuple[BlockedView, ...]
    outcome: OutcomeView | None
    figures: dict[str, Figure]
    config: str
    explained: str = ""


class ActionRequired(Struct, frozen=True):
    """
    Something that a person has to do.

    ``kind`` is a fixed word (``approve``, ``resume``, ``look``, ``repair``, ``see``); ``text`` says what and why;
    ``incident`` is the incident it belongs to, empty for the whole.
    """

    kind: str
    text: str
    incident: str
    since: float | None


class GapView(Struct, frozen=True):
    """What one source did not tell in the last tick."""

    source: str
    reason: str
    detail: str


class Link(Struct, frozen=True):
    """One link: where it goes (``jaeger``, ``kiali``, ``grafana``, ``runbook``) and the address."""

    to: str
    url: str


class Problem(Struct, frozen=True):
    """
    What went wrong (RFC 9457). ``title`` is the status in words, ``detail`` says what to do about it, ``reason`` is a
    fixed snake_case word for machines where there is one.
    """

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    reason: str = ""
