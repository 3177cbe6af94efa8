"""What of the daemon's overview is shown; what else it says is left to others."""

from __future__ import annotations

from msgspec import Struct


class Control(Struct, frozen=True):
    """May anything be written."""

    mode: str
    paused: bool
    reason: str
    leader: bool
    term: int
    halted: str


class ActionRequired(Struct, frozen=True):
    """Something that Observer wants of a person."""

    kind: str
    text: str
    incident: str
    since: float | None


class StandingBlock(Struct, frozen=True):
    """A standing hold."""

    reason: str


class IncidentRow(Struct, frozen=True):
    """One open incident; rates 0..1."""

    id: str
    subject: str
    phase: str
    opened: float
    bad_rate: float
    peer_bad_rate: float
    evidence_score: float
    blocked: tuple[StandingBlock, ...]


class DecisionRow(Struct, frozen=True):
    """One decision."""

    at: float
    kind: str
    verdict: str
    text: str


class WorkloadRow(Struct, frozen=True):
    """One workload; null is not known, which is not zero."""

    namespace: str
    kind: str
    name: str
    state: str
    headline: str
    mode: str
    enabled: bool
    ready: int
    pods: int
    desired: int | None
    requests: float | None
    error_rate: float | None
    budget_left: float | None
    burn: float | None


class Overview(Struct, frozen=True):
    """``GET /api/v1/overview``."""

    at: float
    tick: int
    tick_seconds: float
    sighted: bool
    control: Control
    states: dict[str, int]
    asks: tuple[ActionRequired, ...]
    incidents_open: int
    incidents: tuple[IncidentRow, ...]
    did: tuple[DecisionRow, ...]
    matching: int
    workloads: tuple[WorkloadRow, ...]
