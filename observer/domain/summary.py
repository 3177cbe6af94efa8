"""What happened in a span of time, for people who were asleep: harm, budgets, deeds, restraint, wishes, blindness."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Impact:
    """
    One incident that touched the span. Rates are shares 0..1, instants Unix seconds.

    Attributes:
        closed: None = it is still open. outcome: how it ended, or the phase it stands in; a fixed word.
        bad, requests: of the culprit, as the evidence counted them.
    """

    incident: str
    subject: str
    service: str
    symptom: str
    opened: float
    closed: float | None
    bad_rate: float
    peer_bad_rate: float
    bad: float
    requests: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A service that was in trouble while nobody could be removed for it; ``at`` is when that was told last."""

    subject: str
    reason: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """
    What an objective lost.

    Attributes:
        bad, total: events in the span.
        spent: share of the whole window's budget that went in the span, 0 and up; None where the target is not known.
        remaining: share of the budget that is left at the end, negative when overdrawn; None likewise.
    """

    objective: str
    name: str
    target: float | None
    bad: float
    total: float
    spent: float | None
    remaining: float | None

    @property
    def overdrawn(self) -> bool:
        """More failed in the window than the target allows; false while that is not known."""
        return self.remaining is not None and self.remaining < 0.0


@dataclass(frozen=True, slots=True)
class Intervention:
    """
    What was done, or would have been done in another mode, in one incident.

    Attributes:
        steps: actions with the API server's answer where it was not simply accepted, oldest first.
        would: nothing was written: shadow mode.
        helped: None = not known, or nothing was removed.
        result: how it came out, in words.
    """

    incident: str
    subject: str
    at: float
    steps: tuple[str, ...]
    would: bool
    helped: bool | None
    result: str


@dataclass(frozen=True, slots=True)
class BlockedAction:
    """Why something was not done: a brake's reason, in how many incidents, an example; ``standing`` = holds still."""

    reason: str
    incidents: int
    subject: str
    detail: str
    standing: bool


@dataclass(frozen=True, slots=True)
class RequestToPeople:
    """Something a person has to do or decide; ``subject`` as in a decision."""

    kind: str
    subject: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Blindness:
    """How long Observer judged nothing for one cause; ``lasting`` = it does not see now."""

    cause: str
    seconds: float
    times: int
    lasting: bool


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """
    Everything of ``since`` to ``until`` (Unix seconds).

    ``modes`` are those that decisions were made in; ``decisions`` is how many were read; ``notes`` tell what is not
    known: an empty span is no proof that all was well.
    """

    since: float
    until: float
    modes: tuple[str, ...]
    decisions: int
    action_required: tuple[RequestToPeople, ...] = ()
    impacts: tuple[Impact, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    budgets: tuple[BudgetUse, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    blocked: tuple[BlockedAction, ...] = ()
    blindness: tuple[Blindness, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)
