"""
Every route of the API and the probes in one table: server, OpenAPI, sign-in and tests are made of it.

Reading answers carry an ``ETag``; the same with ``If-None-Match`` is a 304 without a body.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from observer.domain.errors import JournalUnavailable
from observer.domain.person import Role
from observer.runtime.operator_actions import OperatorActions
from observer.runtime.status import LoopStatus
from observer.web.alert_webhook import Webhook, WireNotification
from observer.web.models import answers, parameters
from observer.web.models import operator as acts
from observer.web.models.incident import GraphView, IncidentView
from observer.web.operator import OperatorApi
from observer.web.people.auth import require
from observer.web.problems import ApiProblem
from observer.web.queries import NotFound, NotReady, Queries
from observer.web.stream import Stream
from observer.web.views.sources import status_of

JSON: Final = "application/json"
TEXT: Final = "text/plain"
EVENTS: Final = "text/event-stream"
T = TypeVar("T")
Q = TypeVar("Q", bound=Struct)
PathParts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes are served from; None = not part of this process, and its routes are not served."""

    status: LoopStatus
    metrics: Callable[[], bytes]
    """The Prometheus text of the self metrics."""
    queries: Queries | None = None
    stream: Stream | None = None
    operator: OperatorActions | None = None
    webhook: Webhook | None = None
    description: bytes | None = None
    """The OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Route:
    """
    One route.

    Attributes:
        path: with its variable parts in braces, as aiohttp and OpenAPI both spell it.
        handler: made from the services; None = they have nothing for it.
        answer: model of a success, or the media type of an answer that has none.
        query, body: models of what may be sent; None = nothing.
        role: who may; None = everybody, or the handler knows its callers itself.
        errors: statuses of problems besides those that every route may have.
        cached: the answer carries an ``ETag``.
    """

    method: str
    path: str
    summary: str
    tag: str
    answer: type[Struct] | str
    handler: Callable[[Services], Handler | None]
    status: int = HTTPStatus.OK
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    role: Role | None = Role.VIEWER
    errors: tuple[int, ...] = ()
    cached: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the path's variable parts."""
        return tuple(re.findall(r"{(\w+)}", self.path))


@dataclass(frozen=True, slots=True)
class Reading(Generic[Q]):
    """
    A question that page and API answer alike.

    Attributes:
        page: path of the page; its JSON is at ``path``. template: name of the page's template.
        query: model of the parameters; errors: statuses of problems.
        ask: answers with the queries, the parameters and the variable parts of the path.
    """

    page: str
    path: str
    template: str
    summary: str
    answer: type[Struct]
    query: type[Q]
    ask: Callable[[Queries, Q, PathParts], Awaitable[Struct]]
    errors: tuple[int, ...] = (400, 503)

    async def answered(self, request: web.Request, queries: Queries, query: Q) -> Struct:
        """Raises: ApiProblem."""
        return await answered(lambda: self.ask(queries, query, request.match_info))

    def handler(self, services: Services) -> Handler | None:
        """Of the API."""
        queries = services.queries
        if queries is None:
            return None

        async def serve(request: web.Request) -> web.Response:
            body = await self.answered(request, queries, asked(request, self.query))
            return tagged(request, msgspec.json.encode(body), JSON)

        return serve

    @property
    def route(self) -> Route:
        """Its row of the table."""
        return Route(
            "GET", self.path, self.summary, "reading", self.answer, self.handler,
            query=self.query, errors=self.errors, cached=True,
        )  # fmt: skip


def _act(
    method: str,
    path: str,
    summary: str,
    answer: type[Struct],
    of: Callable[[OperatorApi], Handler],
    *,
    body: type[Struct] | None = None,
    role: Role = Role.VIEWER,
    errors: tuple[int, ...] = (),
    status: int = HTTPStatus.OK,
    tag: str = "acts",
) -> Route:
    """A route for what people do."""

    def handler(services: Services) -> Handler | None:
        return of(OperatorApi(services.operator)) if services.operator is not None else None

    return Route(method, path, summary, tag, answer, handler, status, body=body, role=role, errors=errors)


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _ready(services: Services) -> Handler:
    async def serve(_: web.Request) -> web.Response:
        ready, why = services.status.ready()
        return web.Response(status=200 if ready else 503, text=f"{why}\n")

    return serve


def _metrics(services: Services) -> Handler:
    async def serve(_: web.Request) -> web.Response:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=services.metrics(), headers={"Content-Type": kind})

    return serve


def _status(services: Services) -> Handler:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(status_of(services.status)), content_type=JSON)

    return serve


def _description(services: Services) -> Handler | None:
    document = services.description
    if document is None:
        return None

    async def serve(request: web.Request) -> web.Response:
        require(request, Role.VIEWER)
        return web.Response(body=document, content_type=JSON)

    return serve


_ONE: Final = (400, 404, 503)
_INCIDENT: Final = "/api/v1/incidents/{id}"
_WRITES: Final = (403, 409, 415, 422, 503)
_PLAN: Final = acts.PlanConfirmation
_NOTHING: Final = parameters.NoParameters
ALERTS: Final = "/api/v1/alerts"
OPENAPI: Final = "/api/v1/openapi.json"
STREAM: Final = "/api/v1/stream"

READINGS: Final[tuple[Reading[Any], ...]] = (
    Reading("/", "/api/v1/overview", "overview", "The whole at one glance", answers.Overview, parameters.OverviewQuery,
            lambda queries, query, _: queries.overview(query)),
    Reading("/workloads/{namespace}/{name}", "/api/v1/workloads/{namespace}/{name}", "workload", "One workload",
            answers.WorkloadView, _NOTHING,
            lambda queries, _, path: queries.workload(path["namespace"], path["name"]), _ONE),
    Reading("/incidents", "/api/v1/incidents", "incidents", "Incidents, newest first", answers.IncidentList,
            parameters.IncidentsQuery, lambda queries, query, _: queries.incidents(query)),
    Reading("/incidents/{id}", _INCIDENT, "incident", "One incident in full", IncidentView, _NOTHING,
            lambda queries, _, path: queries.incident(path["id"]), _ONE),
    Reading("/graph", "/api/v1/graph", "graph", "Who calls whom", GraphView, parameters.GraphQuery,
            lambda queries, query, _: queries.graph(query)),
    Reading("/decisions", "/api/v1/decisions", "decisions", "Decisions, newest first", answers.DecisionList,
            parameters.DecisionsQuery, lambda queries, query, _: queries.decisions(query)),
    Reading("/policies", "/api/v1/policies", "policies", "What holds where", answers.PoliciesView,
            parameters.PoliciesQuery, lambda queries, query, _: queries.policies(query), _ONE),
    Reading("/sources", "/api/v1/sources", "sources", "What is seen, and what is not", answers.SourcesView, _NOTHING,
            lambda queries, _query, _path: queries.sources()),
)  # fmt: skip
"""What is read, by people on a page and by programs."""
ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/healthz", "The process lives", "probes", TEXT, lambda _: _alive, role=None),
    Route("GET", "/readyz", "A tick has ended lately", "probes", TEXT, _ready, role=None, errors=(503,)),
    Route("GET", "/metrics", "Self metrics for Prometheus", "probes", TEXT, _metrics, role=None),
    Route("GET", "/api/v1/status", "What the loop is doing, as `observer status` shows it", "reading", answers.Status,
          _status),
    Route("GET", OPENAPI, "This description", "reading", JSON, _description),
    Route("GET", STREAM, "Ticks and decisions as they come", "reading", EVENTS,
          lambda services: services.stream.handle if services.stream is not None else None),
    *(reading.route for reading in READINGS),
    _act("GET", "/api/v1/me", "Who asks, and what they may do", acts.PersonView, lambda api: api.me, tag="people"),
    _act("GET", "/api/v1/approvals", "What waits for approval", acts.WaitingView, lambda api: api.waiting),
    _act("GET", f"{_INCIDENT}/plans", "What can be done about an incident", acts.PlansView, lambda api: api.plans,
         errors=(404, 422)),
    _act("GET", "/api/v1/switch", "The kill switch, read now", acts.SwitchView, lambda api: api.switch),
    _act("POST", f"{_INCIDENT}/approve", "Approve the plan that was shown", acts.ApprovalView, lambda api: api.approve,
         body=_PLAN, role=Role.APPROVER, errors=(404, *_WRITES), status=HTTPStatus.CREATED),
    _act("POST", f"{_INCIDENT}/withdraw", "Take back the approval of a plan", acts.ResultView, lambda api: api.withdraw,
         body=_PLAN, role=Role.APPROVER, errors=(404, *_WRITES)),
    _act("POST", f"{_INCIDENT}/undo", "Restore the drained pod now", acts.ResultView, lambda api: api.undo,
         body=_PLAN, role=Role.APPROVER, errors=(404, *_WRITES)),
    _act("POST", "/api/v1/pause", "Pause all actions; only restores still run", acts.SwitchView, lambda api: api.pause,
         body=acts.PauseRequest, role=Role.APPROVER, errors=_WRITES),
    _act("POST", "/api/v1/resume", "Let Observer act again", acts.SwitchView, lambda api: api.resume,
         body=_PLAN, role=Role.ADMIN, errors=_WRITES),
    Route("POST", ALERTS, "Alerts of Alertmanager's webhook (version 4)", "webhook", acts.Accepted,
          lambda services: services.webhook.handle if services.webhook is not None else None,
          status=HTTPStatus.ACCEPTED, body=WireNotification, role=None, errors=(400, 401, 413, 503)),
)  # fmt: skip
OPEN: Final = frozenset(route.path for route in ROUTES if route.role is None)
"""Paths that answer everybody, or that know their callers themselves."""


def add_routes(app: web.Application, services: Services) -> None:
    """Serve every route of the table that the services have something for."""
    for route in ROUTES:
        if (handler := route.handler(services)) is not None:
            app.router.add_route(route.method, route.path, handler)


def query_of(request: web.Request, model: type[Q], *, form: bool = False) -> Q:
    """
    The query as its model; a ``form`` sends its empty fields, too. Raises: ValueError with what to correct.
    """
    given = request.query
    repeated = sorted({name for name in given if len(given.getall(name)) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]}: given more than once")
    try:
        chosen = {key: value for key, value in given.items() if value or not form}
        return msgspec.convert(chosen, model, strict=False)
    except msgspec.ValidationError as exc:
        raise ValueError(f"query: {exc}") from exc


def asked(request: web.Request, model: type[Q], *, form: bool = False) -> Q:
    """See ``query_of``. Raises: ApiProblem 400."""
    try:
        return query_of(request, model, form=form)
    except ValueError as exc:
        raise ApiProblem(400, "bad_query", str(exc)) from exc


async def answered(question: Callable[[], Awaitable[T]]) -> T:
    """The answer. Raises: ApiProblem 400, 404, 503."""
    try:
        return await question()
    except parameters.BadCursor as exc:
        raise ApiProblem(400, "bad_query", str(exc)) from exc
    except NotFound as exc:
        raise ApiProblem(404, "not_found", str(exc)) from exc
    except (NotReady, JournalUnavailable) as exc:
        raise ApiProblem(503, "not_ready", str(exc), {"Retry-After": "5"}) from exc


def tagged(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """The body with its tag, or 304 when the caller has it already."""
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
