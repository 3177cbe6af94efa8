"""Answers questions of page and API from the board and the journal; nothing here can change anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from observer.config.reload import Rules
from observer.domain.errors import JournalUnavailable
from observer.domain.incident import Incident
from observer.ports.sources import Clock
from observer.ports.stores import Archive, DecisionSearch
from observer.web.board import ViewCache
from observer.web.views.asked import (
    DecisionsQuery,
    GraphQuery,
    IncidentsQuery,
    OverviewQuery,
    PoliciesQuery,
    Which,
    cursor_of,
    mark_of,
)
from observer.web.views.decisions import DecisionList, decision_list, search_of
from observer.web.views.graph import GraphView, graph_view
from observer.web.views.incident import MOST_STEPS, IncidentList, IncidentView, incident_view
from observer.web.views.links import LinksOf, no_links
from observer.web.views.overview import Overview, overview
from observer.web.views.picture import ViewState
from observer.web.views.policies import (
    FindingView,
    InterventionCounts,
    PoliciesView,
    deeds_of,
    findings_of,
    policies_view,
)
from observer.web.views.rows import incident_row
from observer.web.views.sources import Listeners, SourcesView, sources_view
from observer.web.views.workload import WorkloadView, workload_view

WEEK = 7 * 86_400.0
MOST_COUNTED = 5000
"""Decisions of a week that are counted; a quiet fleet has far fewer."""
COUNTED_FOR = 60.0
"""Seconds for which a count of the week is shown again."""


class NotThere(LookupError):
    """What was asked for does not exist; the text says so for people."""


class NotYet(RuntimeError):
    """No tick has ended since the start."""


class Queries:
    """
    The questions that may be asked. ``plots`` = the scripts for plots are part of this build.

    Every method raises ``NotYet`` before the first tick; those that ask the journal raise ``JournalUnavailable``.
    """

    def __init__(
        self,
        board: ViewCache,
        archive: Archive,
        clock: Clock,
        *,
        links_of: LinksOf = no_links,
        plots: bool = False,
        listeners: Callable[[], Listeners] = Listeners,
    ) -> None:
        self.board, self._archive, self._clock = board, archive, clock
        self._links_of, self.plots = links_of, plots
        self._listeners = listeners
        self._deeds: tuple[float, InterventionCounts] | None = None
        self._findings: tuple[Rules | None, tuple[FindingView, ...]] | None = None

    @property
    def picture(self) -> ViewState:
        """The last tick's. Raises: NotYet."""
        if self.board.picture is None:
            raise NotYet("no tick has ended yet; ask again in a few seconds")
        return self.board.picture

    async def overview(self, query: OverviewQuery) -> Overview:
        """What is wrong, what was done, what is wanted."""
        return overview(self.picture, query)

    async def workload(self, namespace: str, name: str) -> WorkloadView:
        """One workload. Raises: NotThere."""
        found = workload_view(self.picture, namespace, name)
        if found is None:
            raise NotThere(f"the cluster has no workload {namespace}/{name}")
        return found

    async def incidents(self, query: IncidentsQuery) -> IncidentList:
        """One page of incidents; the open ones as they are now. Raises: BadCursor."""
        live, before = self.picture.seen.memory.incidents, mark_of(query.before)
        closed = {Which.OPEN: False, Which.CLOSED: True}.get(query.which)
        found = await self._archive.incidents(closed=closed, before=before, limit=query.limit + 1)
        shown = found[: query.limit]
        more = len(found) > query.limit
        return IncidentList(
            incidents=tuple(incident_row(live.get(one.id, one)) for one in shown),
            next=cursor_of(shown[-1].opened, shown[-1].id) if more else "",
        )

    async def incident(self, key: str) -> IncidentView:
        """One incident in full. Raises: NotThere."""
        picture = self.picture
        one = picture.seen.memory.incidents.get(key) or await self._archive.incident(key)
        if one is None:
            raise NotThere(f"there is no incident {key}; those that ended long ago are forgotten")
        return await self._whole(one, picture)

    async def _whole(self, one: Incident, picture: ViewState) -> IncidentView:
        found = await self._archive.decisions(DecisionSearch(incident=one.id, limit=MOST_STEPS))
        return incident_view(one, picture, tuple(reversed(found)), self.board.trail.of(one.id), self._links_of)

    async def graph(self, query: GraphQuery) -> GraphView:
        """Who calls whom."""
        return graph_view(self.picture, query)

    async def decisions(self, query: DecisionsQuery) -> DecisionList:
        """One page of decisions. Raises: BadCursor."""
        return decision_list(await self._archive.decisions(search_of(query)), query.limit)

    async def policies(self, query: PoliciesQuery) -> PoliciesView:
        """What holds where, and what came of it. Raises: NotThere."""
        picture = self.picture
        view = policies_view(picture, query, await self._week(), await self._lint(picture))
        if query.workload and not view.total:
            raise NotThere(f"the cluster has no workload {query.workload}")
        return view

    async def sources(self) -> SourcesView:
        """What is seen and what is not."""
        journal = ""
        try:
            await self._archive.incidents(limit=1)
        except JournalUnavailable as exc:
            journal = str(exc)
        return sources_view(self.picture, stream=self._listeners(), plots=self.plots, journal=journal)

    async def _week(self) -> InterventionCounts:
        now = self._clock.now()
        if self._deeds is not None and 0.0 <= now - self._deeds[0] < COUNTED_FOR:
            return self._deeds[1]
        search = DecisionSearch(since=now - WEEK, limit=MOST_COUNTED)
        found = await self._archive.decisions(search)
        verified = await self._archive.decisions(replace(search, kind="verified"))
        acts = [one for one in found if one.kind != "verified"]
        deeds = deeds_of([*acts, *verified], now - WEEK, whole=len(found) < MOST_COUNTED)
        self._deeds = now, deeds
        return deeds

    async def _lint(self, picture: ViewState) -> tuple[FindingView, ...]:
        rules = picture.seen.rules
        if self._findings is None or self._findings[0] is not rules:
            self._findings = rules, await asyncio.to_thread(findings_of, rules, picture.at)
        return self._findings[1]
