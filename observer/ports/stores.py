"""Memory that outlives the process, what people read of it, and the right to act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from observer.domain.action import Action
from observer.domain.alert import Alert
from observer.domain.approval import Approval
from observer.domain.decision import Decision, LedgerEntry
from observer.domain.incident import Incident
from observer.domain.outcome import Outcome
from observer.domain.slo import LedgerCount


class Journal(Protocol):
    """Every method raises ``JournalUnavailable`` when it cannot promise that the write is durable."""

    async def save(self, incident: Incident) -> None:
        """Insert or replace by id."""
        ...

    async def incidents(self, *, open_only: bool = False, since: float = 0.0) -> Sequence[Incident]: ...

    async def intend(self, action: Action, entry: LedgerEntry) -> None:
        """Write the intent and its ledger entry in one transaction; raises ``DuplicateIntent`` for a known id."""
        ...

    async def record_outcome(self, action_id: str, outcome: Outcome, at: float) -> None: ...

    async def open_intents(self) -> Sequence[Action]:
        """Intents without a settled outcome, oldest first."""
        ...

    async def grade(self, incident_id: str, *, useful: bool, verdict: str) -> None:
        """Say of an incident's acts whether they helped."""
        ...

    async def ledger(self, since: float) -> Sequence[LedgerEntry]: ...

    async def record(self, decision: Decision) -> None: ...

    async def decisions(
        self, *, subject: str = "", incident: str = "", since: float = 0.0, limit: int = 200
    ) -> Sequence[Decision]: ...

    async def prune(self, before: float) -> int:
        """Drop what ended before ``before`` (Unix seconds), a bounded number of rows; returns how many."""
        ...

    async def close(self) -> None: ...


class AlertInbox(Protocol):
    """Alerts that were accepted; every method raises ``JournalUnavailable``."""

    async def accept(self, alerts: Sequence[Alert]) -> int:
        """Keep these for good, in one transaction; returns how many were news. The same news again changes nothing."""
        ...

    async def pending(self) -> Sequence[Alert]:
        """Firing, unanswered, and not resolved since (in whatever order the two arrived); oldest first."""
        ...

    async def answer(self, alert_id: str, answer: str, at: float) -> None:
        """Nothing more is to be done about it: ``answer`` says why, in a fixed word."""
        ...

    async def prune(self, before: float) -> int:
        """Drop what was received before (Unix seconds), a bounded number; returns how many."""
        ...


class ApprovalStore(Protocol):
    """Words that people gave; every method raises ``JournalUnavailable``."""

    async def give(self, approval: Approval) -> None:
        """Keep it for good; the same word again changes nothing."""
        ...

    async def standing(self, now: float) -> Sequence[Approval]:
        """Neither over nor withdrawn at ``now`` (Unix seconds), oldest first."""
        ...

    async def withdraw(self, plan: str, who: str, at: float) -> bool:
        """Take back what stands for this plan; returns whether anything did."""
        ...

    async def prune(self, before: float) -> int:
        """Drop what was over before (Unix seconds), a bounded number; returns how many."""
        ...


class CountLedger(Protocol):
    """Counts of objectives that outlive the metric server; every method raises ``JournalUnavailable``."""

    async def add(self, counts: Sequence[tuple[float, LedgerCount]]) -> None:
        """Keep ``(width in seconds, count)`` of ended buckets; of two counts of one bucket the larger total stays."""
        ...

    async def counts(self, since: float, now: float) -> Sequence[LedgerCount]:
        """Buckets that ended after ``since`` (Unix seconds), oldest first; no event is in two of them."""
        ...

    async def prune(self, now: float) -> int:
        """Drop what is too old, a bounded number of rows; returns how many."""
        ...


class Lease(Protocol):
    """Leadership by compare-and-swap on a Lease object."""

    @property
    def term(self) -> int:
        """Fencing number: the Lease's transitions; 0 while not held."""
        ...

    def held(self) -> bool:
        """True only while our own monotonic clock proves that nobody else may hold it."""
        ...

    async def run(self) -> None:
        """Acquire, renew and, when cancelled, release."""
        ...


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What the Lease object says. ``version`` is opaque and makes the swap; times are the writer's, never compared."""

    holder: str
    transitions: int
    duration: float
    renewed: str
    version: str


class LeaseStore(Protocol):
    """Where the Lease lives; every call is bounded in time and raises ``SourceUnavailable`` when it fails."""

    async def read(self) -> LeaseRecord | None: ...

    async def swap(self, record: LeaseRecord) -> LeaseRecord | None:
        """Create (empty version) or replace; None when somebody else was faster."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where a page ends: instant (Unix seconds) and id of its last row; what follows is older."""

    at: float
    id: str


@dataclass(frozen=True, slots=True)
class DecisionSearch:
    """
    Which decisions; empty fields match all.

    ``subject``, ``incident``, ``kind`` and ``verdict`` match whole; ``namespace`` matches subjects in it; ``text`` is
    looked for in everything that was recorded. ``since`` is Unix seconds; at most the newest ``depth`` rows are
    searched for ``text``.
    """

    subject: str = ""
    incident: str = ""
    kind: str = ""
    verdict: str = ""
    namespace: str = ""
    text: str = ""
    since: float = 0.0
    before: Mark | None = None
    limit: int = 100
    depth: int = 20_000


class Archive(Protocol):
    """Newest first everywhere; every method raises ``JournalUnavailable``."""

    async def decisions(self, search: DecisionSearch) -> Sequence[Decision]: ...

    async def incidents(
        self, *, closed: bool | None = None, before: Mark | None = None, limit: int = 50
    ) -> Sequence[Incident]:
        """By the instant they were opened; ``closed`` None = open and closed ones."""
        ...

    async def incident(self, key: str) -> Incident | None: ...
