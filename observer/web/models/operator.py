"""What a person sends to act, and what the routes that write answer."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from observer.domain.words import SCHEMA
from observer.web.models.rows import TargetView

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{24}$", description="Hash of the plan that was shown.")]
Key = Annotated[str, Meta(pattern="^[0-9a-f]{1,64}$", description="Id of an incident.")]
Reason = Annotated[str, Meta(extra_json_schema=SCHEMA, description="Why; everybody sees it.")]


class PlanConfirmation(Struct, frozen=True, forbid_unknown_fields=True):
    """A person has seen the plan with this hash and wants it."""

    plan: Hash


class PauseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The same for a pause, with a reason."""

    plan: Hash
    reason: Reason = ""


class PlanView(Struct, frozen=True):
    """One action as it would be written now; ``diff`` are its changes of the cluster, a line each."""

    plan: Hash
    incident: str
    target: TargetView
    action: str
    dry_run: bool
    diff: tuple[str, ...]


class ApprovalView(Struct, frozen=True):
    """An approval that counts until ``until`` (Unix seconds)."""

    plan: Hash
    incident: str
    who: str
    by: str
    given: float
    until: float


class PlansView(Struct, frozen=True):
    """What a person can do about one incident; null = there is nothing of the kind now."""

    approve: PlanView | None
    undo: PlanView | None
    approvals: tuple[ApprovalView, ...]


class WaitingView(Struct, frozen=True):
    """Everything that waits for approval, oldest incident first."""

    plans: tuple[PlanView, ...]


class SwitchView(Struct, frozen=True):
    """The kill switch, and the hashes that pause and resume must repeat."""

    paused: bool
    reason: str
    pause_plan: Hash
    resume_plan: Hash


class ResultView(Struct, frozen=True):
    """What came of it, in a fixed word."""

    result: str
    reason: str


class PersonView(Struct, frozen=True):
    """Who asks. ``csrf`` is what a browser's session repeats with each unsafe request, empty for programs."""

    name: str
    by: str
    roles: tuple[str, ...]
    csrf: str
    session: bool


class Accepted(Struct, frozen=True):
    """How many alerts are now on disk."""

    accepted: int
