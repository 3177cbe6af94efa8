"""
Serves the page. What is shown belongs to a tick, not to a person: it is rendered once and given to all who look.

A script may ask for the live part alone (``X-Live: 1``); who signed in and forms stand outside of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Final

from aiohttp import hdrs, web

from observer.domain.approval import Plan
from observer.runtime.operator_actions import PAUSE_PLAN, NoSuchIncident, OperatorActions
from observer.web.page.plots import plots_of
from observer.web.page.render import environment
from observer.web.people import csrf_token, person_of
from observer.web.reading import Queries
from observer.web.refusals import ApiProblem
from observer.web.routes import answered, asked, tagged
from observer.web.views.asked import (
    DecisionsQuery,
    GraphQuery,
    IncidentsQuery,
    NothingAsked,
    OverviewQuery,
    PoliciesQuery,
)

LIVE: Final = "X-Live"
CACHED: Final = 256
"""Rendered pages of one tick that are kept."""
CACHED_CHARACTERS: Final = 16_000_000
"""Of these pages and their addresses together; a page of a large fleet is long, and each query is another one."""
FOR_GOOD: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
Values = Mapping[str, Any]


class Site:
    """The pages; without ``desk`` nothing can be approved, undone or paused here. ``live`` = there is a stream."""

    def __init__(self, reading: Queries, desk: OperatorActions | None, *, live: bool = True) -> None:
        self._reading, self._desk, self._live = reading, desk, live
        self._env = environment()
        self._tick = -1
        self._cache: dict[str, str] = {}
        self._held = 0

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
        if self._desk is not None:
            add("/incidents/{id}/approve", self.confirm_approve)
            add("/incidents/{id}/undo", self.confirm_undo)
            add("/pause", self.confirm_switch)

    async def overview(self, request: web.Request) -> web.Response:
        """What is wrong, what was done, what is wanted."""
        query = await self._asked(request, OverviewQuery)
        return await self._page(request, "overview", "Overview", lambda: self._reading.overview(query), query=query)

    async def workload(self, request: web.Request) -> web.Response:
        """One workload."""
        await self._asked(request, NothingAsked)
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        title = f"{namespace}/{name}"
        return await self._page(request, "workload", title, lambda: self._reading.workload(namespace, name))

    async def incidents(self, request: web.Request) -> web.Response:
        """Incidents, newest first."""
        query = await self._asked(request, IncidentsQuery)
        return await self._page(request, "incidents", "Incidents", lambda: self._reading.incidents(query), query=query)

    async def incident(self, request: web.Request) -> web.Response:
        """One incident from evidence to proof."""
        await self._asked(request, NothingAsked)
        key = request.match_info["id"]

        async def view() -> Values:
            found = await self._reading.incident(key)
            return {"view": found, "plots": plots_of(found.points, found.needs), "acts": self._desk is not None}

        return await self._page(request, "incident", f"Incident {key}", view)

    async def graph(self, request: web.Request) -> web.Response:
        """Who calls whom."""
        query = await self._asked(request, GraphQuery)
        return await self._page(request, "graph", "Graph", lambda: self._reading.graph(query), query=query)

    async def decisions(self, request: web.Request) -> web.Response:
        """Why, and why not."""
        query = await self._asked(request, DecisionsQuery)
        return await self._page(request, "decisions", "Decisions", lambda: self._reading.decisions(query), query=query)

    async def policies(self, request: web.Request) -> web.Response:
        """What holds where."""
        query = await self._asked(request, PoliciesQuery)
        return await self._page(request, "policies", "Policies", lambda: self._reading.policies(query), query=query)

    async def sources(self, request: web.Request) -> web.Response:
        """What is seen, and what is not."""
        await self._asked(request, NothingAsked)
        return await self._page(request, "sources", "Sources", self._reading.sources)

    async def confirm_approve(self, request: web.Request) -> web.Response:
        """What exactly would be approved."""
        return await self._confirm(request, "approve", 0)

    async def confirm_undo(self, request: web.Request) -> web.Response:
        """What exactly would be given back."""
        return await self._confirm(request, "undo", 1)

    async def confirm_switch(self, request: web.Request) -> web.Response:
        """Stop, or go on."""
        if self._desk is None:
            raise web.HTTPNotFound
        state = await self._desk.switch()
        plan = state.resume_plan if state.paused else PAUSE_PLAN
        values = {"state": state, "plan": plan, "csrf": csrf_token(request)}
        return self._whole(request, "Kill switch", self._render("switch", values), live=False)

    async def _confirm(self, request: web.Request, act: str, which: int) -> web.Response:
        key = request.match_info["id"]
        if self._desk is None:
            raise web.HTTPNotFound
        try:
            plan: Plan | None = self._desk.plans(key)[which]
        except NoSuchIncident as exc:
            return self._whole(request, "Not found", self._notice(str(exc)), 404)
        values = {"act": act, "plan": plan, "incident": key, "csrf": csrf_token(request)}
        return self._whole(request, act.capitalize(), self._render("confirm", values), live=False)

    async def _asked(self, request: web.Request, model: type[Any]) -> Any:
        """The query, or its fault as a page."""
        try:
            return asked(request, model, form=True)
        except ApiProblem as exc:
            page = self._whole(request, "Bad request", self._notice(exc.detail), 400)
            raise web.HTTPBadRequest(text=page.text, content_type="text/html") from exc

    async def _page(
        self, request: web.Request, name: str, title: str, view: Callable[[], Awaitable[Any]], **more: Any
    ) -> web.Response:
        try:
            main = await answered(lambda: self._main(request.path_qs, name, view, more))
        except ApiProblem as exc:
            starting = exc.word == "not_ready" and self._reading.board.picture is None
            text = "Observer has just started; the first picture comes in a few seconds." if starting else exc.detail
            return self._whole(request, "Starting" if starting else "Not shown", self._notice(text), exc.status)
        if request.headers.get(LIVE):
            return tagged(request, main.encode(), "text/html")
        return self._whole(request, title, main)

    async def _main(self, key: str, name: str, view: Callable[[], Awaitable[Any]], more: Values) -> str:
        number = self._reading.picture.seen.number
        if number != self._tick:
            self._tick, self._cache, self._held = number, {}, 0
        if (kept := self._cache.get(key)) is not None:
            return kept
        found = await view()
        values = found if isinstance(found, dict) else {"view": found}
        made = self._render(name, {**values, **more, "now": self._reading.picture.at})
        if number == self._tick:
            self._keep(key, made)
        return made

    def _keep(self, key: str, made: str) -> None:
        held = self._held + len(key) + len(made)
        if key not in self._cache and len(self._cache) < CACHED and held <= CACHED_CHARACTERS:
            self._cache[key], self._held = made, held

    def _render(self, name: str, values: Values) -> str:
        return self._env.get_template(f"{name}.html").render(values)

    def _notice(self, text: str) -> str:
        return self._render("notice", {"text": text})

    def _whole(
        self, request: web.Request, title: str, main: str, status: int = 200, *, live: bool = True
    ) -> web.Response:
        picture = self._reading.board.picture
        values = {
            "title": title,
            "main": main,  # rendered by our own templates, which escape: the layout takes it as it is
            "path": request.path,
            "control": picture.control if picture is not None else None,
            "plots": self._reading.plots,
            "person": person_of(request),
            "csrf": csrf_token(request),
            "live": self._live and live and status == 200,
            "acts": self._desk is not None,
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
