"""The models that several answers share."""

from __future__ import annotations

from msgspec import Struct

from observer.domain.action import Mode
from observer.domain.decision import Verdict
from observer.domain.ids import Target
from observer.domain.incident import Phase
from observer.domain.slo import DataState
from observer.domain.suspect import Symptom
from observer.web.views.states import State

Figure = float | str | bool | None


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
    windows; both are null while ``state`` says that the data is worth nothing. ``told`` is what people are told.
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
    told: str
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
    """A standing hold by its fixed word, and since when."""

    reason: str
    since: float


class IncidentRow(Struct, frozen=True):
    """
    One incident in a line. ``bad_rate`` and ``peer_bad_rate`` are 0..1; ``evidence_score`` is the evidence;
    ``outcome`` is
    how it ended, empty while it is open; ``headline`` says all that in one sentence.
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
    outcome: str
    headline: str


class BlockedView(Struct, frozen=True):
    """One brake that said no."""

    guard: str
    reason: str
    detail: str
    refused: bool


class OutcomeView(Struct, frozen=True):
    """What the API server answered to an act."""

    result: str
    reason: str
    detail: str


class TargetView(Struct, frozen=True):
    """What an action is done to; ``namespace`` and ``uid`` are empty where there is none."""

    kind: str
    namespace: str
    name: str
    uid: str


def target_view(target: Target) -> TargetView:
    """A target under the API's names."""
    return TargetView(target.kind.value, target.namespace, target.name, target.uid)


class DecisionRow(Struct, frozen=True):
    """One decision, to act or not to, as it was recorded."""

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


class ActionRequired(Struct, frozen=True):
    """
    Something that Observer wants of a person.

    ``kind`` is a fixed word (``approve``, ``resume``, ``look``, ``repair``, ``see``); ``text`` says what and why;
    ``incident`` is the incident it belongs to, empty for the whole.
    """

    kind: str
    text: str
    incident: str
    since: float | None
