"""What came of an action, of a drain experiment and of a verification."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """
    APPLIED: the API server accepted it. DEFERRED: not now (disruption budget, API priority, lost race): ask again.
    SUPERSEDED: the incarnation is gone or another object has its name. REFUSED: a person must look (permission,
    schema, several budgets). UNKNOWN: nobody knows whether it happened; look it up before anything else.
    """

    APPLIED = "applied"
    DEFERRED = "deferred"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one action. ``reason`` is a fixed word, ``retry_after`` seconds (DEFERRED only)."""

    action_id: str
    result: Result
    reason: str
    detail: str = ""
    retry_after: float = 0.0


class DrainVerdict(StrEnum):
    """The four answers of the drain experiment, and PENDING before one is reached."""

    PENDING = "pending"
    DROPPED = "dropped"
    NOT_DROPPED = "not dropped"
    NOT_EFFECTIVE = "not effective"
    CANNOT_TELL = "cannot tell"


class Verification(StrEnum):
    """Did the replacement help, by the same SLI."""

    PENDING = "pending"
    FIXED = "fixed"
    NO_CHANGE = "no_change"
    WORSE = "worse"
    UNKNOWN = "unknown"
