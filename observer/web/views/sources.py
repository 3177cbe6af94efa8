"""``/sources``: where facts come from, how fresh they are, and what cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import numpy as np
from msgspec import Struct

from observer.domain.circuit import CircuitState
from observer.domain.cluster import ResourceKind
from observer.domain.slo import DataState
from observer.domain.snapshot import Snapshot
from observer.engine.context import REQUIRED_SOURCES
from observer.web.views.picture import ViewState

LATE: Final = 3.0
"""Refreshes after which an answer is late."""


class SourceState(StrEnum):
    """OK: answers. LATE: its last answer is old. GAP: it fails now. OFF: not configured, or not asked yet."""

    OK = "ok"
    LATE = "late"
    GAP = "gap"
    OFF = "off"


class SourceView(Struct, frozen=True):
    """
    One source. ``at`` is the instant of what it told last, null = nothing yet; ``blinding`` = without it nothing is
    judged and nobody is touched; ``detail`` says what is wrong, or what it told.
    """

    name: str
    sight: SourceState
    at: float | None
    blinding: bool
    detail: str


class GapView(Struct, frozen=True):
    """What one source did not tell in the last tick."""

    source: str
    reason: str
    detail: str


class Listeners(Struct, frozen=True):
    """Who listens to the stream now, and how many were sent away because they were too slow, since the start."""

    clients: int = 0
    dropped: int = 0


class SourcesView(Struct, frozen=True):
    """
    Everything Observer looks at. ``objectives`` counts them by data state; ``plots`` = the plots' scripts are part of
    this build; ``journal`` is empty when it can be read, else what is wrong.
    """

    at: float
    sighted: bool
    last_complete: float | None
    ticks: int
    complete_ticks: int
    took: float
    sources: tuple[SourceView, ...]
    gaps: tuple[GapView, ...]
    objectives: dict[str, int]
    stream: Listeners
    plots: bool
    journal: str


def sources_view(picture: ViewState, *, stream: Listeners, plots: bool, journal: str) -> SourcesView:
    """What is seen, and what is not."""
    seen, snapshot = picture.seen, picture.seen.snapshot
    statuses = [one for ones in snapshot.objectives.values() for one in ones]
    states = {state.value: sum(one.state is state for one in statuses) for state in DataState}
    return SourcesView(
        at=picture.at,
        sighted=picture.sighted,
        last_complete=seen.memory.last_complete or None,
        ticks=seen.number,
        complete_ticks=seen.complete,
        took=seen.took,
        sources=tuple(_sources(picture)),
        gaps=tuple(GapView(gap.source, gap.reason, gap.detail) for gap in snapshot.gaps),
        objectives={state: count for state, count in states.items() if count},
        stream=stream,
        plots=plots,
        journal=journal,
    )


def _sources(picture: ViewState) -> Iterator[SourceView]:
    snapshot = picture.seen.snapshot
    gaps = {gap.source: f"{gap.reason}: {gap.detail}" if gap.detail else gap.reason for gap in snapshot.gaps}
    yield _prometheus(snapshot, gaps)
    yield from _kinds(picture, gaps)
    yield _told("control", gaps, snapshot.at, "the kill switch was read")
    yield _told("history", gaps, snapshot.at if snapshot.baselines else None, f"{len(snapshot.baselines)} baselines")
    looked = [one.at for ones in snapshot.objectives.values() for one in ones]
    yield _told("objectives", gaps, max(looked, default=None), f"{len(looked)} objectives")
    if snapshot.rechecks or "recheck" in gaps:
        yield _told("recheck", gaps, snapshot.at, f"{len(snapshot.rechecks)} services asked again")
    yield from _circuits(picture, gaps)


def _told(name: str, gaps: dict[str, str], at: float | None, detail: str) -> SourceView:
    sight = SourceState.GAP if name in gaps else SourceState.OK if at is not None else SourceState.OFF
    return SourceView(
        name, sight, at, name in REQUIRED_SOURCES, gaps.get(name, detail if at is not None else "nothing yet")
    )


def _prometheus(snapshot: Snapshot, gaps: dict[str, str]) -> SourceView:
    frame = snapshot.counters
    if frame is None:
        return SourceView(
            "prometheus", SourceState.GAP, None, blinding=True, detail=gaps.get("prometheus", "no answer")
        )
    known = frame.scraped[np.isfinite(frame.scraped)]
    newest = float(known.max()) if len(known) else None
    detail = gaps.get("prometheus", f"{len(frame.pods)} pods, {len(known)} with a scrape time")
    sight = SourceState.GAP if "prometheus" in gaps else SourceState.OK if newest is not None else SourceState.OFF
    return SourceView("prometheus", sight, newest, blinding=True, detail=detail)


def _kinds(picture: ViewState, gaps: dict[str, str]) -> Iterator[SourceView]:
    view, stale = picture.seen.snapshot.cluster, picture.seen.settings.guards.kubernetes_stale
    if "kubernetes" in gaps or view is None:
        detail = gaps.get("kubernetes", "no picture of the cluster yet")
        yield SourceView("kubernetes", SourceState.GAP, None, blinding=True, detail=detail)
    for kind in ResourceKind:
        at = view.fresh.get(kind) if view is not None else None
        late = at is not None and picture.at - at > stale
        sight = SourceState.OFF if at is None else SourceState.LATE if late else SourceState.OK
        detail = "never listed" if at is None else f"older than {stale:g} s" if late else ""
        yield SourceView(f"kubernetes/{kind.value}", sight, at, blinding=False, detail=detail)


def _circuits(picture: ViewState, gaps: dict[str, str]) -> Iterator[SourceView]:
    for name in ("jaeger", "kiali"):
        one = picture.seen.circuits.get(name)
        if one is None:
            yield SourceView(name, SourceState.OFF, None, blinding=False, detail=f"not configured: {name}.url")
            continue
        closed = one.state is CircuitState.CLOSED
        failed = not closed or name in gaps
        sight = SourceState.GAP if failed else SourceState.OK if one.last_success else SourceState.OFF
        why = f"{one.reason}: {one.detail}" if one.reason else ""
        detail = (
            gaps.get(name, why) if failed or why else "asked while somebody is suspected" if name == "jaeger" else ""
        )
        yield SourceView(name, sight, one.last_success or None, blinding=False, detail=detail)
