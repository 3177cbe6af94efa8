"""A person's approval of one action: what is shown, what it is bound to, and how long it counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from observer.domain.action import Action, ActionKind
from observer.domain.ids import Target
from observer.domain.policy import APPROVAL_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One action as it would be written now, as a person is shown it.

    ``diff`` are the changes of the cluster, one a line: ``~`` what is edited, ``+`` and ``-`` what comes and goes.
    """

    incident: str
    target: Target
    action_kind: ActionKind
    attempt: int
    dry_run: bool
    diff: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Binds incident, target, action, attempt and diff: another plan has another hash. 24 hex digits."""
        action = Action(self.action_kind, self.incident, self.target, self.attempt, dry_run=self.dry_run).id
        text = "\n".join((action, self.incident, self.target.uid, self.action_kind.value, *self.diff))
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
    target: Target
    action_kind: ActionKind
    who: str
    by: str
    given: float

    @property
    def id(self) -> str:
        """One row for each approval given: the same person may give it again later."""
        return hashlib.sha256(f"{self.plan}|{self.who}|{self.given!r}".encode()).hexdigest()[:24]

    @property
    def until(self) -> float:
        """The instant from which it counts no more, Unix seconds."""
        return self.given + APPROVAL_SECONDS
