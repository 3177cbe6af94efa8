"""What the API server's answers mean for an action. Pure, so that a table can test it."""

from __future__ import annotations

from observer.domain.action import Action
from observer.domain.errors import ActuatorUnavailable
from observer.domain.outcome import Outcome, Result
from observer.kube.errors import (
    Conflict,
    Forbidden,
    KubeError,
    LimitKind,
    NotFound,
    ServerError,
    StatusError,
    TooManyRequests,
    Unauthorized,
)
from observer.kube.target import LivePod

_LATER = 1.0
_BUDGETS = "more than one PodDisruptionBudget"


def standing(action: Action, target: LivePod | None) -> LivePod | Outcome:
    """The incarnation that was judged, or SUPERSEDED when it is not there to be acted upon."""
    if target is None:
        return Outcome(action.id, Result.SUPERSEDED, "gone", "no pod has that name any more")
    if target.ref.uid != action.pod.uid:
        return Outcome(action.id, Result.SUPERSEDED, "uid_changed", f"the name belongs to {target.ref.uid} now")
    if target.deleting:
        return Outcome(action.id, Result.SUPERSEDED, "terminating", "it is being deleted already")
    return target


def not_read(action: Action, error: KubeError) -> Outcome:
    """The look before the write failed: nothing was written, and that is known."""
    if isinstance(error, Forbidden | Unauthorized):
        return Outcome(action.id, Result.REFUSED, "forbidden", str(error))
    asked = error.retry_after if isinstance(error, StatusError) else 0.0
    return Outcome(action.id, Result.DEFERRED, "unreadable", str(error), max(asked, _LATER))


def not_written(action: Action, error: KubeError) -> Outcome:
    """
    The write was answered with an error.

    Raises ``ActuatorUnavailable`` when the answer leaves open whether it happened: no complete answer, or a server
    error other than the one by which the Eviction API says that several budgets select the pod.
    """
    match error:
        case TooManyRequests(kind=LimitKind.PDB):
            return Outcome(action.id, Result.DEFERRED, "pdb", error.message, error.retry_after)
        case TooManyRequests():
            return Outcome(action.id, Result.DEFERRED, "api_priority", error.message, max(error.retry_after, _LATER))
        case NotFound():
            return Outcome(action.id, Result.SUPERSEDED, "gone", error.message)
        case Conflict():
            return Outcome(action.id, Result.DEFERRED, "lost_race", error.message, _LATER)
        case Forbidden():
            return Outcome(action.id, Result.REFUSED, "forbidden", error.message)
        case Unauthorized():
            return Outcome(action.id, Result.REFUSED, "unauthorized", error.message)
        case ServerError(code=500) if _BUDGETS in error.message:
            return Outcome(action.id, Result.REFUSED, "several_budgets", error.message)
        case ServerError():
            raise ActuatorUnavailable(f"{action.action_kind.value} {action.pod}: {error}") from error
        case StatusError():
            return Outcome(action.id, Result.REFUSED, "rejected", str(error))
    raise ActuatorUnavailable(f"{action.action_kind.value} {action.pod}: {error}") from error


def not_applied(action: Action, detail: str) -> Outcome:
    """Looked up: the write did not happen, so it may be asked for again."""
    return Outcome(action.id, Result.DEFERRED, "not_applied", detail)
