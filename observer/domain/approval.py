"""A person's word for one act: what is shown, what it is bound to, and how long it counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.ids import PodRef
from observer.domain.policy import APPROVAL_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One act as it would be written now, as a person is shown it.

    ``diff`` are the changes of the cluster, one a line: ``~`` what is edited, ``+`` and ``-`` what comes and goes.
    """

    incident: str
    pod: PodRef
    action_kind: ActionKind
    attempt: int
    dry_run: bool
    diff: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Binds incident, incarnation, rung, attempt and diff: another plan has another hash. 24 hex digits."""
        act = Action(self.action_kind, self.incident, self.pod, self.attempt, dry_run=self.dry_run).id
        text = "\n".join((act, self.incident, self.pod.uid, self.action_kind.value, *self.diff))
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Approval:
    """
    What a person approved.

    Attributes:
        plan: hash of the plan that was shown.
        who: the person's name; ``by``: how it was proven (``oidc``, ``TokenReview`` ...).
        given: Unix seconds.
    """

    plan: str
    incident: str
    pod: PodRef
    action_kind: ActionKind
    who: str
    by: str
    given: float

    @property
    def id(self) -> str:
        """One row for each word given: the same person may say it again later."""
        return hashlib.sha256(f"{self.plan}|{self.who}|{self.given!r}".encode()).hexdigest()[:24]

    @property
    def until(self) -> float:
        """The instant from which it counts no more, Unix seconds."""
        return self.given + APPROVAL_SECONDS


def plan_of(action: Action, *, seconds: float) -> Plan:
    """The plan of an act; ``seconds`` is how long a drain may last under the policy in force."""
    return Plan(
        action.incident, action.pod, action.action_kind, action.attempt, action.dry_run, tuple(_diff(action, seconds))
    )


def _diff(action: Action, seconds: float) -> list[str]:
    where = f"Pod {action.pod} (uid {action.pod.uid})"
    label, note = f'metadata.labels["{names.DRAIN_LABEL}"]', f'metadata.annotations["{names.DRAIN_ANNOTATION}"]'
    match action.action_kind:
        case ActionKind.DRAIN:
            lasts = f"incident {action.incident}, given back after {seconds:g} s at the latest"
            lines = [f"~ {where}", f'+ {label}: "{names.DRAIN_VALUE}"', f"+ {note}: {lasts}"]
        case ActionKind.RESTORE:
            lines = [f"~ {where}", f"- {label}", f"- {note}: incident {action.incident}"]
        case ActionKind.EVICT:
            lines = [f"- {where}, through the Eviction API; its owner makes another"]
        case ActionKind.ANNOTATE:
            lines = [f"~ {where}", "+ an Event that names it"]
    return [*lines, "dryRun=All: the API server checks it and keeps nothing"] if action.dry_run else lines
