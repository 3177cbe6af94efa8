"""
What the Kubernetes API server, or the way to it, may say no with.

    KubeError
    ├── Unavailable          no complete answer: nobody knows whether a write happened
    ├── BadAnswer            an answer that the API does not allow (too large, not JSON, a line without an object)
    └── StatusError          the server said no
        ├── Unauthorized 401 · Forbidden 403 · NotFound 404 · Conflict 409 · Gone 410 · Invalid 422
        ├── TooManyRequests 429, of two kinds
        └── ServerError 5xx
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from observer.domain.errors import ObserverError, SourceProtocolError, SourceUnavailable

_SHOWN = 400


class KubeError(ObserverError):
    """Root of what the door raises; the library's own error, if any, is the cause."""


class Unavailable(KubeError):
    """No complete answer in time: connection refused, cut or silent. A write may or may not have happened."""


class BadAnswer(KubeError):
    """The server answered something that its API does not allow."""


class Cause(msgspec.Struct, gc=False, rename="camel"):
    """One entry of ``details.causes`` of a Status."""

    reason: str = ""
    message: str = ""


class Details(msgspec.Struct, gc=False, rename="camel"):
    """``details`` of a Status."""

    causes: list[Cause] | None = None
    retry_after_seconds: float = 0.0


class ListMeta(msgspec.Struct, gc=False, rename="camel"):
    """``metadata`` of a Status or of a list."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Status(msgspec.Struct, gc=False, rename="camel"):
    """A Kubernetes ``Status`` object, or what could be read of it."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None
    metadata: ListMeta | None = None


class StatusError(KubeError):
    """
    The server answered with an error status.

    Attributes:
        code: HTTP status, or the code of an error that arrived inside a watch.
        reason: the Status' reason word, empty for a plain-text answer.
        message: what it said, cut to a length fit for logs.
        causes: the reasons of ``details.causes``.
        retry_after: seconds the server asked to wait, 0 when it did not say.
    """

    def __init__(self, status: Status, *, retry_after: float = 0.0) -> None:
        super().__init__(f"{status.code} {status.reason or 'no reason'}: {status.message[:_SHOWN]}")
        self.code = status.code
        self.reason = status.reason
        self.message = status.message[:_SHOWN]
        details = status.details or Details()
        self.causes = tuple(cause.reason for cause in details.causes or ())
        self.retry_after = retry_after or details.retry_after_seconds


class Unauthorized(StatusError):
    """401: the credentials are not accepted."""


class Forbidden(StatusError):
    """403: no permission, an admission rule, or a namespace that is being deleted."""


class NotFound(StatusError):
    """404: no such object, or this API is not served here."""


class Conflict(StatusError):
    """409: a precondition on uid or resourceVersion failed, or the object exists already."""


class Gone(StatusError):
    """410: the resourceVersion or continue token is too old: list again."""


class Invalid(StatusError):
    """422: the object is not valid, or a ``test`` of a JSON Patch failed."""


class ServerError(StatusError):
    """5xx: the server failed; a write may or may not have happened."""


class LimitKind(StrEnum):
    """Who said 429: a disruption budget, or the API server's priority and fairness."""

    PDB = "pdb"
    PRIORITY = "priority"


class TooManyRequests(StatusError):
    """429: not now. ``kind`` tells the two very different senders apart."""

    def __init__(self, status: Status, *, retry_after: float = 0.0) -> None:
        super().__init__(status, retry_after=retry_after)
        self.kind = LimitKind.PDB if "DisruptionBudget" in self.causes else LimitKind.PRIORITY


_BY_CODE: Mapping[int, type[StatusError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}
_STATUS = msgspec.json.Decoder(Status)


def status_error(code: int, body: bytes, headers: Mapping[str, str]) -> StatusError:
    """The typed error for an answer with an error status; the body may be a Status or any text."""
    try:
        status = _STATUS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = Status(message=body[:_SHOWN].decode("utf-8", "replace").strip())
    status.code = code
    return typed(status, retry_after=_seconds(headers.get("Retry-After", "")))


def typed(status: Status, *, retry_after: float = 0.0) -> StatusError:
    """The error class that fits ``status.code``."""
    kind = _BY_CODE.get(status.code) or (ServerError if status.code >= 500 else StatusError)
    return kind(status, retry_after=retry_after)


def as_source_error(what: str, error: KubeError) -> SourceUnavailable | SourceProtocolError:
    """The same failure in the words of ``ports.sources``; raise it ``from`` the original."""
    if isinstance(error, BadAnswer):
        return SourceProtocolError(f"kubernetes: {what}: {error}")
    reason = "denied" if isinstance(error, Unauthorized | Forbidden) else "unreachable"
    return SourceUnavailable(f"kubernetes: {what}: {error}", reason=reason)


def _seconds(text: str) -> float:
    """``Retry-After`` as seconds; its date form and nonsense count as "did not say"."""
    return float(text) if text.isascii() and text.isdigit() else 0.0
