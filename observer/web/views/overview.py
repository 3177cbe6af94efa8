"""``/`` and ``/api/v1/overview``: what is wrong, what Observer did, what it wants of people."""

from __future__ import annotations

from msgspec import Struct

from observer.domain.decision import Decision, Verdict
from observer.web.views.asked import OverviewQuery
from observer.web.views.asks import asks
from observer.web.views.models import ActionRequired, Control, DecisionRow, IncidentRow, NamespaceRow, WorkloadRow
from observer.web.views.picture import ViewState
from observer.web.views.rows import decision_row, incident_row

LATEST = 8
MOST_INCIDENTS = 50
PERSONS = frozenset({"approved", "withdrawn", "undone", "paused", "resumed"})
DEEDS = frozenset({"closed", "verified", "drain_verdict", "replaced"}) | PERSONS
"""Kinds of decisions that tell what came of an act, or what a person did."""


class Overview(Struct, frozen=True):
    """
    The whole at one glance. ``sighted`` false = the tick saw too little to act on, and nothing here counts as healthy.

    ``tick`` counts ticks since the start, ``tick_seconds`` is how often they come; ``incidents`` holds at most 50 of
    ``incidents_open``; ``did`` the latest acts and their results, newest first; ``workloads`` the wanted part of the
    ``matching`` ones, most urgent first.
    """

    at: float
    tick: int
    tick_seconds: float
    sighted: bool
    control: Control
    states: dict[str, int]
    asks: tuple[ActionRequired, ...]
    incidents_open: int
    incidents: tuple[IncidentRow, ...]
    did: tuple[DecisionRow, ...]
    namespaces: tuple[NamespaceRow, ...]
    matching: int
    offset: int
    workloads: tuple[WorkloadRow, ...]


def overview(picture: ViewState, query: OverviewQuery) -> Overview:
    """The answer for one question."""
    rows = matching(picture, query)
    return Overview(
        at=picture.at,
        tick=picture.seen.number,
        tick_seconds=picture.seen.settings.tick,
        sighted=picture.sighted,
        control=picture.control,
        states=dict(picture.states),
        asks=asks(picture),
        incidents_open=len(picture.open),
        incidents=tuple(incident_row(one) for one in picture.open[-MOST_INCIDENTS:]),
        did=deeds(picture.seen.recent),
        namespaces=picture.namespaces,
        matching=len(rows),
        offset=query.offset,
        workloads=tuple(rows[query.offset : query.offset + query.limit]),
    )


def matching(picture: ViewState, query: OverviewQuery) -> list[WorkloadRow]:
    """The workloads that a question means, most urgent first."""
    return [
        row
        for row in picture.rows
        if query.namespace in ("", row.namespace)
        and query.state in (None, row.state)
        and (not query.q or query.q in f"{row.namespace}/{row.name}")
    ]


def deeds(recent: tuple[Decision, ...]) -> tuple[DecisionRow, ...]:
    """The latest acts, would-be acts and results, newest first."""
    done = [one for one in recent if one.verdict in (Verdict.ACT, Verdict.WOULD) or one.kind in DEEDS]
    return tuple(decision_row(one) for one in reversed(done[-LATEST:]))
