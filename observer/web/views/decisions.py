"""``/decisions``: every decision, to act and not to, with what it stood on."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from observer.domain.decision import Decision
from observer.ports.stores import DecisionSearch
from observer.web.views.asked import DecisionsQuery, cursor_of, mark_of
from observer.web.views.models import DecisionRow
from observer.web.views.rows import decision_row


class DecisionList(Struct, frozen=True):
    """Decisions, newest first; ``next`` is the cursor of the following page, empty at the end."""

    decisions: tuple[DecisionRow, ...]
    next: str


def search_of(query: DecisionsQuery) -> DecisionSearch:
    """The journal's question, for one row more than is shown. Raises: BadCursor."""
    return DecisionSearch(
        subject=query.subject,
        incident=query.incident,
        kind=query.kind,
        verdict=query.verdict.value if query.verdict is not None else "",
        namespace=query.namespace,
        text=query.q,
        before=mark_of(query.before),
        limit=query.limit + 1,
    )


def decision_list(found: Sequence[Decision], limit: int) -> DecisionList:
    """One page of what was found."""
    shown = found[:limit]
    more = len(found) > limit
    return DecisionList(
        decisions=tuple(decision_row(one) for one in shown),
        next=cursor_of(shown[-1].at, shown[-1].id) if more else "",
    )
