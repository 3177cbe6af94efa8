"""What may be asked of the reading API: query parameters with their bounds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from observer.domain.decision import Verdict
from observer.ports.stores import Mark
from observer.web.models.rows import State

PRINTABLE: Final = "^[^\\x00-\\x1f\\x7f]*$"
CURSOR: Final = "^([0-9]{1,11}([.][0-9]{1,9})?~[0-9A-Za-z_.:-]{1,90})?$"
"""As ``cursor_of`` writes them."""
Word = Annotated[str, Meta(max_length=300, pattern=PRINTABLE)]
Offset = Annotated[int, Meta(ge=0, le=100_000, description="Rows to leave out, from the first on.")]
Cursor = Annotated[
    str, Meta(max_length=120, pattern=CURSOR, description="The `next` of the page before; empty = the first page.")
]
Ref = Annotated[
    str, Meta(max_length=330, pattern="^([^/\\x00-\\x20]+/[^/\\x00-\\x20]+)?$", description="NAMESPACE/NAME.")
]


class BadCursor(ValueError):
    """A cursor that no page has given."""


class NoParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """No query parameter."""


class OverviewQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which workloads, worst first."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many workloads.")] = 100
    offset: Offset = 0
    namespace: Annotated[Word, Meta(description="Only this namespace.")] = ""
    state: Annotated[State | None, Meta(description="Only workloads in this state.")] = None
    q: Annotated[Word, Meta(description="Only workloads whose namespace/name holds this text.")] = ""


class DecisionsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which decisions, newest first."""

    limit: Annotated[int, Meta(ge=1, le=500, description="At most so many.")] = 50
    before: Cursor = ""
    namespace: Annotated[Word, Meta(description="Only subjects in this namespace.")] = ""
    subject: Annotated[Word, Meta(description="The whole subject, for example `pod shop/cart-1`.")] = ""
    incident: Annotated[Word, Meta(description="Only of this incident.")] = ""
    kind: Annotated[Word, Meta(description="Only this kind, for example `blocked`.")] = ""
    verdict: Annotated[Verdict | None, Meta(description="Only with this verdict.")] = None
    q: Annotated[Word, Meta(description="A text anywhere in what was recorded; looks through the newest 20 000.")] = ""


class Which(StrEnum):
    """Open incidents, closed ones, or both."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class IncidentsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which incidents, the one opened last first."""

    limit: Annotated[int, Meta(ge=1, le=200, description="At most so many.")] = 50
    before: Cursor = ""
    which: Which = Which.ALL


class GraphQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the call graph."""

    around: Ref = ""
    depth: Annotated[int, Meta(ge=1, le=4, description="Calls away from `around`, in both directions.")] = 1
    namespace: Annotated[Word, Meta(description="Only calls from or to services of this namespace.")] = ""
    limit: Annotated[int, Meta(ge=1, le=2000, description="At most so many calls, those with most errors first.")] = 500


class PoliciesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which workloads' policies."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many workloads.")] = 100
    offset: Offset = 0
    workload: Ref = ""


def mark_of(cursor: str) -> Mark | None:
    """The place that a cursor stands for, None for the first page. Raises: BadCursor."""
    if not cursor:
        return None
    at, divider, key = cursor.partition("~")
    try:
        mark = Mark(float(at), key)
    except ValueError as exc:
        raise BadCursor("before: take the `next` of the page before") from exc
    if not divider or not abs(mark.at) < 1e12:
        raise BadCursor("before: take the `next` of the page before")
    return mark


def cursor_of(at: float, key: str) -> str:
    """The cursor after a row."""
    return f"{at!r}~{key}"
