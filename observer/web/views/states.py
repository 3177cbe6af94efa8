"""In what state something is, for people: one word each, the worst first."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from observer.domain.incident import Phase
from observer.domain.suspect import Symptom


class State(StrEnum):
    """A workload's state. The order is that of urgency; UNKNOWN is never shown as healthy."""

    FAILING = "failing"
    """Users are hurt and no single pod is to blame, or an objective pages."""
    HELD = "blocked"
    """A pod is suspected and a brake keeps Observer from acting."""
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

PHASES: Final = {
    Phase.SUSPECTED: "is suspected",
    Phase.DRAINING: "is being drained",
    Phase.EXPERIMENT: "is drained; its callers are watched",
    Phase.DRAINED: "is drained and waits",
    Phase.READMITTED: "was given back for a look",
    Phase.EVICTING: "is being replaced",
    Phase.VERIFYING: "was replaced; the replacement is checked",
    Phase.CLOSED: "is closed",
}

SYMPTOMS: Final = {Symptom.ERRORS: ("fails", "failed"), Symptom.LATENCY: ("is slow for", "was slow for")}
"""What a pod does while its incident is open, and what it did."""

STANDING: Final = frozenset({"suppressed", "unreached", "frozen"})
"""Kinds of decisions that hold until they are taken back."""
QUIET: Final = frozenset({"few_reported", "warming_up"})
"""Reasons of a suppression that are no trouble."""
