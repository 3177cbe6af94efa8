"""What Observer may do to the cluster. Each action names one incarnation and the incident it belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from observer.domain.ids import PodRef, Target


class ActionKind(StrEnum):
    """
    Ids of actions, mildest first. What each is stands in ``observer.actions``.

    RESTORE gives a drained pod its traffic back and is never blocked by a guard. Another id becomes known by
    ``register``; a word that nobody registered is none.
    """

    ANNOTATE = "annotate"
    DRAIN = "drain"
    RESTORE = "restore"
    EVICT = "evict"

    @classmethod
    def register(cls, word: str) -> ActionKind:
        """The id of an action that does not stand above; the same word gives the same id."""
        if word in cls.__members__.values():
            return cls(word)
        if word not in _EVER:
            member = str.__new__(cls, word)
            member._name_, member._value_ = word.upper(), word
            _EVER[word] = member
        return _REGISTERED.setdefault(word, _EVER[word])

    @classmethod
    def forget(cls, kind: ActionKind) -> None:
        """A registered id is none any more, until it is registered again."""
        _REGISTERED.pop(kind.value, None)

    @classmethod
    def _missing_(cls, value: object) -> ActionKind | None:
        return _REGISTERED.get(value) if isinstance(value, str) else None


_REGISTERED: Final[dict[str, ActionKind]] = {}
_EVER: Final[dict[str, ActionKind]] = {}
"""All that were ever registered: an id that comes back is the same object."""


def selectable() -> tuple[ActionKind, ...]:
    """The actions that may be listed in an escalation, mildest first, those that were registered last."""
    return (ActionKind.ANNOTATE, ActionKind.DRAIN, ActionKind.EVICT, *_REGISTERED.values())


def approvable() -> tuple[ActionKind, ...]:
    """The actions that a policy may want a person to approve."""
    return (ActionKind.DRAIN, ActionKind.EVICT, *_REGISTERED.values())


class Mode(StrEnum):
    """SHADOW decides and writes nothing; DRY_RUN sends every write with ``dryRun=All``; ENFORCE acts."""

    SHADOW = "shadow"
    DRY_RUN = "dry-run"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Action:
    """
    One write.

    Attributes:
        incident: id of the incident.
        attempt: how often this action was tried in this incident before (a second drain after a readmission is another
            one and needs another id).
        target: what is acted upon, one incarnation of it.
        resource_version: of the target as judged; the write carries it where the API allows.
        expires: for DRAIN, when ``observer restore --expired`` may give the pod back, Unix seconds.
        term: fencing number of the Lease under which it was decided.
        dry_run: ask the API server to check and not to persist.
        approval: hash of the plan that a person approved; empty where the policy wants nobody's word.
    """

    action_kind: ActionKind
    incident: str
    target: Target
    attempt: int = 0
    resource_version: str = ""
    expires: float = 0.0
    term: int = 0
    dry_run: bool = False
    reason: str = ""
    approval: str = ""

    @property
    def id(self) -> str:
        """Stable id of the intent: incident, target uid, action and attempt, hashed."""
        text = f"{self.incident}|{self.target.uid}|{self.action_kind.value}|{self.attempt}|{int(self.dry_run)}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def pod(self) -> PodRef:
        """The target of an action on pods. Raises: ValueError when it is something else."""
        if (pod := self.target.pod) is None:
            raise ValueError(f"{self.action_kind.value} of {self.target.subject} is not about a pod")
        return pod
