"""What Observer may do to the cluster. Each action names one incarnation and the incident it belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from observer.domain.ids import PodRef


class ActionKind(StrEnum):
    """The ladder, mildest first. RESTORE gives a drained pod back and is never held by a guard."""

    ANNOTATE = "annotate"
    DRAIN = "drain"
    RESTORE = "restore"
    EVICT = "evict"


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
        attempt: how often this rung was tried in this incident before (a second drain after a readmission is another
            act and needs another id).
        resource_version: of the pod as judged; the write carries it where the API allows.
        expires: for DRAIN, when ``observer restore --expired`` may give the pod back, Unix seconds.
        term: fencing number of the Lease under which it was decided.
        dry_run: ask the API server to check and not to persist.
        approval: hash of the plan that a person approved; empty where the policy wants nobody's word.
    """

    action_kind: ActionKind
    incident: str
    pod: PodRef
    attempt: int = 0
    resource_version: str = ""
    expires: float = 0.0
    term: int = 0
    dry_run: bool = False
    reason: str = ""
    approval: str = ""

    @property
    def id(self) -> str:
        """Stable id of the intent: incident, target uid, rung and attempt, hashed."""
        text = f"{self.incident}|{self.pod.uid}|{self.action_kind.value}|{self.attempt}|{int(self.dry_run)}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]
