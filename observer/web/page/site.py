"""
Serves the page. What is shown belongs to a tick, not to a person: it is rendered once and given to all who look.

A script may ask for the live part alone (``X-Live: 1``); who signed in and forms stand outside of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Final, TypeVar

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from msgspec import Struct

from observer.domain.approval import Plan
from observer.runtime.operator_actions import PAUSE_PLAN, NoSuchIncident, OperatorActions
from observer.web.models.incident import IncidentView
from observer.web.page.plots import plots_of
from observer.web.page.render import environment
from observer.web.people.auth import csrf_token, person_of
from observer.web.problems import ApiProblem
from observer.web.queries import Queries
from observer.web.routes import READINGS, Reading, asked, tagged

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
        for reading in READINGS:
            add(reading.page, self._page_of(reading))
        add("/static/{name:[a-z]+(/[a-z]+)?\\.(css|js|svg)}", static)
        if self._operator is not None:
            add("/incidents/{id}/approve", self.confirm_approve)
            add("/incidents/{id}/undo", self.confirm_undo)
            add("/pause", self.confirm_switch)

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

    def _page_of(self, reading: Reading[Q]) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            try:
                query = asked(request, reading.query, form=True)
            except ApiProblem as exc:
                return self._whole(request, "Bad request", self._notice(exc.detail), 400)
            try:
                main = await self._main(request, reading, query)
            except ApiProblem as exc:
                starting = exc.word == "not_ready" and self._queries.cache.state is None
                text = "Observer has just started; the first tick ends in a few seconds." if starting else exc.detail
                return self._whole(request, "Starting" if starting else "Not shown", self._notice(text), exc.status)
            if request.headers.get(LIVE):
                return tagged(request, main.encode(), "text/html")
            title = " ".join((reading.template.capitalize(), "/".join(request.match_info.values()))).strip()
            return self._whole(request, title, main)

        return serve

    async def _main(self, request: web.Request, reading: Reading[Q], query: Q) -> str:
        state = self._queries.cache.state
        number = state.tick.number if state is not None else -1
        if number != self._tick:
            self._tick, self._cache, self._cached = number, {}, 0
        if (cached := self._cache.get(request.path_qs)) is not None:
            return cached
        view = await reading.answered(request, self._queries, query)
        values = {"view": view, "query": query, "now": self._queries.state.at, "acts": self._operator is not None}
        if isinstance(view, IncidentView):
            values["plots"] = plots_of(view.points, view.needed)
        html = self._render(reading.template, values)
        if number == self._tick:
            self._keep(request.path_qs, html)
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
