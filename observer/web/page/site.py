"""
Serves the page. What is shown belongs to a tick, not to a person: it is rendered once and given to all who look.

A script may ask for the live part alone (``X-Live: 1``); who signed in and forms stand outside of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Final, TypeVar

from aiohttp import hdrs, web
from msgspec import Struct

from observer.domain.approval import Plan
from observer.runtime.operator_actions import PAUSE_PLAN, NoSuchIncident, OperatorActions
from observer.web.models import parameters
from observer.web.page.plots import plots_of
from observer.web.page.render import environment
from observer.web.people.auth import csrf_token, person_of
from observer.web.problems import ApiProblem
from observer.web.queries import Queries
from observer.web.routes import answered, asked, tagged

LIVE: Final = "X-Live"
CACHED: Final = 256
"""Rendered pages of one tick that are kept."""
CACHED_CHARACTERS: Final = 16_000_000
"""Of these pages and their addresses together; a page of a large fleet is long, and each query is another one."""
FOR_GOOD: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
Values = Mapping[str, object]
"""What a template is rendered with."""
Q = TypeVar("Q", bound=Struct)


class Site:
    """The pages; without ``operator`` nothing can be approved, undone or paused. ``live`` = there is a stream."""

    def __init__(self, queries: Queries, operator: OperatorActions | None, *, live: bool = True) -> None:
        self._queries, self._operator, self._live = queries, operator, live
        self._env = environment()
        self._tick = -1
        self._cache: dict[str, str] = {}
        self._cached = 0

    def add_to(self, app: web.Application) -> None:
        """Serve every page and the static files."""
        add = app.router.add_get
        add("/", self.overview)
        add("/workloads/{namespace}/{name}", self.workload)
        add("/incidents", self.incidents)
        add("/incidents/{id}", self.incident)
        add("/graph", self.graph)
        add("/decisions", self.decisions)
        add("/policies", self.policies)
        add("/sources", self.sources)
        add("/static/{name:[a-z]+(/[a-z]+)?\\.(css|js|svg)}", static)
        if self._operator is not None:
            add("/incidents/{id}/approve", self.confirm_approve)
            add("/incidents/{id}/undo", self.confirm_undo)
            add("/pause", self.confirm_switch)

    async def overview(self, request: web.Request) -> web.Response:
        """What is wrong, what was done, what is required."""
        query = self._query(request, parameters.OverviewQuery)
        return await self._page(request, "overview", "Overview", lambda: self._queries.overview(query), query)

    async def workload(self, request: web.Request) -> web.Response:
        """One workload."""
        self._query(request, parameters.NoParameters)
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        title = f"{namespace}/{name}"
        return await self._page(request, "workload", title, lambda: self._queries.workload(namespace, name))

    async def incidents(self, request: web.Request) -> web.Response:
        """Incidents, newest first."""
        query = self._query(request, parameters.IncidentsQuery)
        return await self._page(request, "incidents", "Incidents", lambda: self._queries.incidents(query), query)

    async def incident(self, request: web.Request) -> web.Response:
        """One incident from evidence to proof."""
        self._query(request, parameters.NoParameters)
        key = request.match_info["id"]

        async def values() -> Values:
            view = await self._queries.incident(key)
            return {"view": view, "plots": plots_of(view.points, view.needed), "acts": self._operator is not None}

        return await self._page(request, "incident", f"Incident {key}", values)

    async def graph(self, request: web.Request) -> web.Response:
        """Who calls whom."""
        query = self._query(request, parameters.GraphQuery)
        return await self._page(request, "graph", "Graph", lambda: self._queries.graph(query), query)

    async def decisions(self, request: web.Request) -> web.Response:
        """Why, and why not."""
        query = self._query(request, parameters.DecisionsQuery)
        return await self._page(request, "decisions", "Decisions", lambda: self._queries.decisions(query), query)

    async def policies(self, request: web.Request) -> web.Response:
        """What holds where."""
        query = self._query(request, parameters.PoliciesQuery)
        return await self._page(request, "policies", "Policies", lambda: self._queries.policies(query), query)

    async def sources(self, request: web.Request) -> web.Response:
        """What is seen, and what is not."""
        self._query(request, parameters.NoParameters)
        return await self._page(request, "sources", "Sources", self._queries.sources)

    async def confirm_approve(self, request: web.Request) -> web.Response:
        """What exactly would be approved."""
        return await self._confirm(request, "approve", 0)

    async def confirm_undo(self, request: web.Request) -> web.Response:
        """What exactly would be restored."""
        return await self._confirm(request, "undo", 1)

    async def confirm_switch(self, request: web.Request) -> web.Response:
        """Pause, or go on."""
        if self._operator is None:
            raise web.HTTPNotFound
        state = await self._operator.switch()
        plan = state.resume_plan if state.paused else PAUSE_PLAN
        values = {"state": state, "plan": plan, "csrf": csrf_token(request)}
        return self._whole(request, "Kill switch", self._render("switch", values), live=False)

    async def _confirm(self, request: web.Request, act: str, which: int) -> web.Response:
        key = request.match_info["id"]
        if self._operator is None:
            raise web.HTTPNotFound
        try:
            plan: Plan | None = self._operator.plans(key)[which]
        except NoSuchIncident as exc:
            return self._whole(request, "Not found", self._notice(str(exc)), 404)
        values = {"act": act, "plan": plan, "incident": key, "csrf": csrf_token(request)}
        return self._whole(request, act.capitalize(), self._render("confirm", values), live=False)

    def _query(self, request: web.Request, model: type[Q]) -> Q:
        """The query, or its fault as a page."""
        try:
            return asked(request, model, form=True)
        except ApiProblem as exc:
            page = self._whole(request, "Bad request", self._notice(exc.detail), 400)
            raise web.HTTPBadRequest(text=page.text, content_type="text/html") from exc

    async def _page(
        self,
        request: web.Request,
        name: str,
        title: str,
        view: Callable[[], Awaitable[Struct | Values]],
        query: Struct | None = None,
    ) -> web.Response:
        try:
            main = await answered(lambda: self._main(request.path_qs, name, view, query))
        except ApiProblem as exc:
            starting = exc.word == "not_ready" and self._queries.cache.state is None
            text = "Observer has just started; the first tick ends in a few seconds." if starting else exc.detail
            return self._whole(request, "Starting" if starting else "Not shown", self._notice(text), exc.status)
        if request.headers.get(LIVE):
            return tagged(request, main.encode(), "text/html")
        return self._whole(request, title, main)

    async def _main(
        self, key: str, name: str, view: Callable[[], Awaitable[Struct | Values]], query: Struct | None
    ) -> str:
        number = self._queries.state.tick.number
        if number != self._tick:
            self._tick, self._cache, self._cached = number, {}, 0
        if (cached := self._cache.get(key)) is not None:
            return cached
        answer = await view()
        values = {"view": answer} if isinstance(answer, Struct) else answer
        html = self._render(name, {**values, "query": query, "now": self._queries.state.at})
        if number == self._tick:
            self._keep(key, html)
        return html

    def _keep(self, key: str, html: str) -> None:
        cached = self._cached + len(key) + len(html)
        if key not in self._cache and len(self._cache) < CACHED and cached <= CACHED_CHARACTERS:
            self._cache[key], self._cached = html, cached

    def _render(self, name: str, values: Values) -> str:
        return self._env.get_template(f"{name}.html").render(values)

    def _notice(self, text: str) -> str:
        return self._render("notice", {"text": text})

    def _whole(
        self, request: web.Request, title: str, main: str, status: int = 200, *, live: bool = True
    ) -> web.Response:
        state = self._queries.cache.state
        values = {
            "title": title,
            "main": main,  # rendered by our own templates, which escape: the layout takes it as it is
            "path": request.path,
            "control": state.control if state is not None else None,
            "plots": self._queries.plots,
            "person": person_of(request),
            "csrf": csrf_token(request),
            "live": self._live and live and status == 200,
            "acts": self._operator is not None,
        }
        text = self._env.get_template("layout.html").render(values)
        headers = {hdrs.CACHE_CONTROL: "no-store"} | ({"Retry-After": "3"} if status == 503 else {})
        return web.Response(status=status, text=text, content_type="text/html", headers=headers)


async def static(request: web.Request) -> web.Response:
    """Our own scripts and style, and those that the build took along; their addresses change with their content."""
    name = request.match_info["name"]
    place = files("observer.web.page").joinpath("static", *name.split("/"))
    if not place.is_file():
        raise web.HTTPNotFound(text="no such file\n")
    kind = _TYPES[name[name.rindex(".") :]]
    headers = {hdrs.CACHE_CONTROL: FOR_GOOD if "v" in request.query else "no-cache"}
    return web.Response(body=place.read_bytes(), content_type=kind, charset="utf-8", headers=headers)
