"""How the API server says no: Status objects, as the real one writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from observer.domain.errors import ObserverError
from observer.simulator.kubernetes.kinds import Obj

REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Refused(ObserverError):
    """
    The simulated API server refuses a request; carries what its Status object says.

    ``reason`` is the code's own by default; an empty one is left out, as in errors that the server did not foresee.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        name: str = "",
        kind: str = "",
        group: str = "",
        causes: list[Obj] | None = None,
        retry_after: int = 0,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = REASONS.get(code, "") if reason is None else reason
        details: Obj = {"name": name, "group": group, "kind": kind, "causes": causes}
        if retry_after:
            details["retryAfterSeconds"] = retry_after
        self.details = {key: value for key, value in details.items() if value}
        self.retry_after = retry_after
        self.continue_token = continue_token

    def status(self) -> Obj:
        """The Status object of the answer's body."""
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body


def not_found(resource: str, name: str) -> Refused:
    """404 for one object; ``resource`` is ``pods`` or ``deployments.apps``."""
    plural, _, group = resource.partition(".")
    return Refused(404, f'{resource} "{name}" not found', name=name, kind=plural, group=group)


def conflict(resource: str, name: str, why: str) -> Refused:
    """409: a precondition or the resourceVersion did not hold."""
    plural, _, group = resource.partition(".")
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Refused(409, message, name=name, kind=plural, group=group)


def stale_version(resource: str, name: str) -> Refused:
    """409 for an update with an old resourceVersion."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def check_preconditions(kind: str, obj: Obj, wanted: Mapping[str, object]) -> None:
    """Refuses with 409 when the ``uid`` or ``resourceVersion`` in ``wanted`` is not the object's; None asks nothing."""
    meta = obj["metadata"]
    rows = (("uid", "UID", "deleted and then recreated"), ("resourceVersion", "ResourceVersion", "modified"))
    for field, spelt, perhaps in rows:
        asked = wanted.get(field)
        if asked is not None and str(asked) != meta[field]:
            why = (
                f"the {spelt} in the precondition ({asked}) does not match the {spelt} in record ({meta[field]}). "
                f"The object might have been {perhaps}"
            )
            message = f'Operation cannot be fulfilled on {kind} "{meta["name"]}": {why}'
            raise Refused(409, message, name=meta["name"], kind=kind)


def invalid(kind: str, group: str, name: str, faults: list[tuple[str, str, str]]) -> Refused:
    """422; ``faults`` are ``(field, cause reason, message)``, all of them at once as the real server tells."""
    causes = [{"reason": reason, "message": message, "field": field} for field, reason, message in faults]
    listed = ", ".join(f"{field}: {message}" for field, _, message in faults)
    if len(faults) > 1:
        listed = f"[{listed}]"
    full = f"{kind}.{group}" if group else kind
    return Refused(422, f'{full} "{name}" is invalid: {listed}', name=name, kind=kind, group=group, causes=causes)


def expired(message: str, continue_token: str = "") -> Refused:
    """410: the version asked for is no longer kept."""
    return Refused(410, message, continue_token=continue_token)


def too_large_version(asked: int, current: int) -> Refused:
    """504: the version asked for is ahead of what this server has seen."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return Refused(504, message, causes=[cause], retry_after=1)
