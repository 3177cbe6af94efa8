"""
The reading API as a table: everything that documents, tests and the server need to know of a route.

Each answer carries an ``ETag``; the same with ``If-None-Match`` is a 304 without a body.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from observer.domain.errors import JournalUnavailable
from observer.web.reading import NotThere, NotYet, Queries
from observer.web.refusals import ApiProblem
from observer.web.views.asked import (
    BadCursor,
    DecisionsQuery,
    GraphQuery,
    IncidentsQuery,
    NothingAsked,
    OverviewQuery,
    PoliciesQuery,
)
from observer.web.views.decisions import DecisionList
from observer.web.views.graph import GraphView
from observer.web.views.incident import IncidentList, IncidentView
from observer.web.views.overview import Overview
from observer.web.views.policies import PoliciesView
from observer.web.views.sources import SourcesView
from observer.web.views.workload import WorkloadView

T = TypeVar("T")
Handler = Callable[[Queries, Any, Mapping[str, str]], Awaitable[Struct]]
"""Answers with the reading, the query as its model, and the parts of the path by name."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``path`` has its variable parts in braces; ``errors`` are the statuses besides 200 and 304."""

    method: str
    path: str
    query: type[Struct]
    answer: type[Struct]
    handler: Handler
    summary: str
    errors: tuple[int, ...] = (400, 503)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the path's variable parts."""
        return tuple(re.findall(r"{(\w+)}", self.path))


async def _overview(reading: Queries, query: OverviewQuery, _: Mapping[str, str]) -> Struct:
    return await reading.overview(query)


async def _workload(reading: Queries, _: NothingAsked, path: Mapping[str, str]) -> Struct:
    return await reading.workload(path["namespace"], path["name"])


async def _incidents(reading: Queries, query: IncidentsQuery, _: Mapping[str, str]) -> Struct:
    return await reading.incidents(query)


async def _incident(reading: Queries, _: NothingAsked, path: Mapping[str, str]) -> Struct:
    return await reading.incident(path["id"])


async def _graph(reading: Queries, query: GraphQuery, _: Mapping[str, str]) -> Struct:
    return await reading.graph(query)


async def _decisions(reading: Queries, query: DecisionsQuery, _: Mapping[str, str]) -> Struct:
    return await reading.decisions(query)


async def _policies(reading: Queries, query: PoliciesQuery, _: Mapping[str, str]) -> Struct:
    return await reading.policies(query)


async def _sources(reading: Queries, _query: NothingAsked, _path: Mapping[str, str]) -> Struct:
    return await reading.sources()


_ONE: Final = (400, 404, 503)
ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/api/v1/overview", OverviewQuery, Overview, _overview, "The whole at one glance."),
    Route("GET", "/api/v1/workloads/{namespace}/{name}", NothingAsked, WorkloadView, _workload, "One workload.", _ONE),
    Route("GET", "/api/v1/incidents", IncidentsQuery, IncidentList, _incidents, "Incidents, newest first."),
    Route("GET", "/api/v1/incidents/{id}", NothingAsked, IncidentView, _incident, "One incident in full.", _ONE),
    Route("GET", "/api/v1/graph", GraphQuery, GraphView, _graph, "Who calls whom."),
    Route("GET", "/api/v1/decisions", DecisionsQuery, DecisionList, _decisions, "Decisions, newest first."),
    Route("GET", "/api/v1/policies", PoliciesQuery, PoliciesView, _policies, "What holds where.", _ONE),
    Route("GET", "/api/v1/sources", NothingAsked, SourcesView, _sources, "What is seen, and what is not."),
)


def add_reading(app: web.Application, reading: Queries) -> None:
    """Serve every route of the table."""
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _served(route, reading))


def query_of(request: web.Request, model: type[Struct], *, form: bool = False) -> Any:
    """
    The query as its model; a ``form`` sends its empty fields, too. Raises: ValueError with what to mend.
    """
    given = request.query
    twice = sorted({name for name in given if len(given.getall(name)) > 1})
    if twice:
        raise ValueError(f"{twice[0]}: given more than once")
    try:
        chosen = {key: value for key, value in given.items() if value or not form}
        return msgspec.convert(chosen, model, strict=False)
    except msgspec.ValidationError as exc:
        raise ValueError(f"query: {exc}") from exc


def _served(route: Route, reading: Queries) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        query = asked(request, route.query)
        answer = await answered(lambda: route.handler(reading, query, request.match_info))
        return tagged(request, msgspec.json.encode(answer), "application/json")

    return serve


def asked(request: web.Request, model: type[Struct], *, form: bool = False) -> Any:
    """See ``query_of``. Raises: Refused 400."""
    try:
        return query_of(request, model, form=form)
    except ValueError as exc:
        raise ApiProblem(400, "bad_query", str(exc)) from exc


async def answered(question: Callable[[], Awaitable[T]]) -> T:
    """The answer. Raises: Refused 400, 404, 503."""
    try:
        return await question()
    except BadCursor as exc:
        raise ApiProblem(400, "bad_query", str(exc)) from exc
    except NotThere as exc:
        raise ApiProblem(404, "not_found", str(exc)) from exc
    except (NotYet, JournalUnavailable) as exc:
        raise ApiProblem(503, "not_ready", str(exc), {"Retry-After": "5"}) from exc


def tagged(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """The body with its tag, or 304 when the caller has it already."""
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if any(one.value in (tag, "*") for one in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
