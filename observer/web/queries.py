"""
What page and API read: the view state of the newest tick, made beside the event loop, and the queries answered from
it and from the journal. Nothing here can change anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from observer.config.reload import Rules
from observer.domain.errors import JournalUnavailable
from observer.domain.incident import Incident
from observer.ports.sources import Clock
from observer.ports.stores import Archive, DecisionSearch
from observer.runtime.status import TickResult
from observer.web.models import answers, parameters
from observer.web.models.incident import GraphView, IncidentView
from observer.web.models.parameters import Which, cursor_of, mark_of
from observer.web.views.graph import graph_view
from observer.web.views.history import EvidenceHistory
from observer.web.views.incident import MOST_STEPS, LinksOf, incident_view, no_links
from observer.web.views.overview import overview, workload_view
from observer.web.views.policies import findings_of, intervention_counts, policies_view
from observer.web.views.rows import decision_row, incident_row
from observer.web.views.sources import sources_view
from observer.web.views.view_state import ViewState, view_state_of

WEEK: Final = 7 * 86_400.0
MOST_COUNTED: Final = 5000
"""Decisions of a week that are counted; a quiet fleet has far fewer."""
COUNTED_FOR: Final = 60.0
"""Seconds for which a count of the week is shown again."""


class TickPublisher(Protocol):
    """The loop's status, as far as it tells of ticks."""

    @property
    def result(self) -> TickResult | None: ...

    def subscribe(self, changed: Callable[[], None]) -> None: ...


class ViewCache:
    """
    ``state`` is the last tick's, None before the first. ``took`` is the seconds that making it cost.

    ``subscribers`` are called with every new state, on the event loop, and must return at once.
    """

    def __init__(self, ticks: TickPublisher, clock: Clock) -> None:
        self._ticks, self._clock = ticks, clock
        self._changed = asyncio.Event()
        self.state: ViewState | None = None
        self.history = EvidenceHistory()
        self.took = 0.0
        self.subscribers: list[Callable[[ViewState], None]] = []
        ticks.subscribe(self._changed.set)

    async def run(self) -> None:
        """Until cancelled; of ticks that end meanwhile the newest counts."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.refresh()

    async def refresh(self) -> None:
        """Make the newest tick's state now."""
        tick = self._ticks.result
        if tick is None or (self.state is not None and self.state.tick is tick):
            return
        began = self._clock.monotonic()
        state = await asyncio.to_thread(view_state_of, tick)
        self.history.record(tick, state.open)
        self.state, self.took = state, self._clock.monotonic() - began
        for publish in self.subscribers:
            publish(state)


class NotFound(LookupError):
    """What was asked for does not exist; the text says so for people."""


class NotReady(RuntimeError):
    """No tick has ended since the start."""


class Queries:
    """
    What may be asked. ``plots`` = the scripts for plots are part of this build.

    Every method raises ``NotReady`` before the first tick; those that ask the journal raise ``JournalUnavailable``.
    """

    def __init__(
        self,
        cache: ViewCache,
        archive: Archive,
        clock: Clock,
        *,
        links_of: LinksOf = no_links,
        plots: bool = False,
        listeners: Callable[[], answers.StreamListeners] = answers.StreamListeners,
    ) -> None:
        self.cache, self._archive, self._clock = cache, archive, clock
        self._links_of, self.plots = links_of, plots
        self._listeners = listeners
        self._interventions: tuple[float, answers.InterventionCounts] | None = None
        self._findings: tuple[Rules | None, tuple[answers.FindingView, ...]] | None = None

    @property
    def state(self) -> ViewState:
        """The last tick's. Raises: NotReady."""
        if self.cache.state is None:
            raise NotReady("no tick has ended yet; ask again in a few seconds")
        return self.cache.state

    async def overview(self, query: parameters.OverviewQuery) -> answers.Overview:
        """What is wrong, what was done, what a person has to do."""
        return overview(self.state, query)

    async def workload(self, namespace: str, name: str) -> answers.WorkloadView:
        """One workload. Raises: NotFound."""
        view = workload_view(self.state, namespace, name)
        if view is None:
            raise NotFound(f"the cluster has no workload {namespace}/{name}")
        return view

    async def incidents(self, query: parameters.IncidentsQuery) -> answers.IncidentList:
        """One page of incidents; the open ones as they are now. Raises: BadCursor."""
        live, before = self.state.tick.memory.incidents, mark_of(query.before)
        closed = {Which.OPEN: False, Which.CLOSED: True}.get(query.which)
        matching = await self._archive.incidents(closed=closed, before=before, limit=query.limit + 1)
        page = matching[: query.limit]
        return answers.IncidentList(
            incidents=tuple(incident_row(live.get(incident.id, incident)) for incident in page),
            next=cursor_of(page[-1].opened, page[-1].id) if len(matching) > query.limit else "",
        )

    async def incident(self, key: str) -> IncidentView:
        """One incident in full. Raises: NotFound."""
        incident: Incident | None = self.state.tick.memory.incidents.get(key) or await self._archive.incident(key)
        if incident is None:
            raise NotFound(f"there is no incident {key}; those that ended long ago are forgotten")
        decisions = await self._archive.decisions(DecisionSearch(incident=key, limit=MOST_STEPS))
        points = self.cache.history.of(key)
        return incident_view(incident, self.state, tuple(reversed(decisions)), points, self._links_of)

    async def graph(self, query: parameters.GraphQuery) -> GraphView:
        """Who calls whom."""
        return graph_view(self.state, query)

    async def decisions(self, query: parameters.DecisionsQuery) -> answers.DecisionList:
        """One page of decisions. Raises: BadCursor."""
        matching = await self._archive.decisions(_search_of(query))
        page = matching[: query.limit]
        return answers.DecisionList(
            decisions=tuple(decision_row(decision) for decision in page),
            next=cursor_of(page[-1].at, page[-1].id) if len(matching) > query.limit else "",
        )

    async def policies(self, query: parameters.PoliciesQuery) -> answers.PoliciesView:
        """What holds where, and what came of it. Raises: NotFound."""
        state = self.state
        view = policies_view(state, query, await self._week(), await self._lint(state))
        if query.workload and not view.total:
            raise NotFound(f"the cluster has no workload {query.workload}")
        return view

    async def sources(self) -> answers.SourcesView:
        """What is seen and what is not."""
        journal = ""
        try:
            await self._archive.incidents(limit=1)
        except JournalUnavailable as exc:
            journal = str(exc)
        return sources_view(self.state, stream=self._listeners(), plots=self.plots, journal=journal)

    async def _week(self) -> answers.InterventionCounts:
        now = self._clock.now()
        if self._interventions is not None and 0.0 <= now - self._interventions[0] < COUNTED_FOR:
            return self._interventions[1]
        search = DecisionSearch(since=now - WEEK, limit=MOST_COUNTED)
        decisions = await self._archive.decisions(search)
        verified = await self._archive.decisions(replace(search, kind="verified"))
        others = [decision for decision in decisions if decision.kind != "verified"]
        counts = intervention_counts([*others, *verified], now - WEEK, whole=len(decisions) < MOST_COUNTED)
        self._interventions = now, counts
        return counts

    async def _lint(self, state: ViewState) -> tuple[answers.FindingView, ...]:
        rules = state.tick.rules
        if self._findings is None or self._findings[0] is not rules:
            self._findings = rules, await asyncio.to_thread(findings_of, rules, state.at)
        return self._findings[1]


def _search_of(query: parameters.DecisionsQuery) -> DecisionSearch:
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
