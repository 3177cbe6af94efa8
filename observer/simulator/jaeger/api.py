"""The HTTP API of a simulated Jaeger over the mesh's spans, in the ways of its versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from observer.simulator.fault_injection import FaultInjection, Handler
from observer.simulator.jaeger.wire import legacy, otlp, service_of
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.mesh.spans import MeshSpan, SpanRecorder

PAGE = "<!doctype html><title>Jaeger UI</title>"


@dataclass(slots=True)
class Version:
    """
    What the server speaks.

    Attributes:
        v3, v1: which searches it serves (before 2.0 both, after 2.20 only v3).
        page: unknown routes are answered with the user interface (before 2.16), else with 404 in plain text.
        partial: searches end with an error beside what was found.
    """

    v3: bool = True
    v1: bool = False
    page: bool = False
    partial: bool = False


class JaegerApi:
    """
    Answers for ``spans`` as of ``now`` (Unix seconds), below ``base`` (a path, or empty).

    Attributes:
        version, fault_injection: switches.
        requests: every request seen, as (path, parameters), oldest first; the newest 1000.
    """

    def __init__(self, spans: SpanRecorder, now: Callable[[], float], base: str = "") -> None:
        self._spans, self._now, self._base = spans, now, base
        self.version, self.fault_injection = Version(), FaultInjection()
        self.requests: list[tuple[str, dict[str, str]]] = []

    def app(self) -> web.Application:
        """A fresh application that serves this API."""
        app = web.Application(middlewares=[self._manners])
        app.router.add_get(f"{self._base}/api/v3/services", self._v3(self._services_v3))
        app.router.add_get(f"{self._base}/api/v3/traces", self._v3(self._traces_v3))
        app.router.add_get(f"{self._base}/api/services", self._v1(self._services_v1))
        app.router.add_get(f"{self._base}/api/traces", self._v1(self._traces_v1))
        app.router.add_get("/{rest:.*}", self._unknown)
        return app

    @web.middleware
    async def _manners(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.path, dict(request.query)))
        del self.requests[:-1000]
        return await self.fault_injection.spoil(request, handler)

    def _v3(self, handler: Handler) -> Handler:
        async def served(request: web.Request) -> web.StreamResponse:
            return await (handler if self.version.v3 else self._unknown)(request)

        return served

    def _v1(self, handler: Handler) -> Handler:
        async def served(request: web.Request) -> web.StreamResponse:
            return await (handler if self.version.v1 else self._unknown)(request)

        return served

    async def _unknown(self, _: web.Request) -> web.StreamResponse:
        if self.version.page:
            return web.Response(text=PAGE, content_type="text/html")
        return web.Response(status=404, text="404 page not found\n")

    async def _services_v3(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"services": self._services()})

    async def _services_v1(self, _: web.Request) -> web.StreamResponse:
        names = self._services()
        return web.json_response({"data": names or None, "total": len(names), "limit": 0, "offset": 0, "errors": None})

    async def _traces_v3(self, request: web.Request) -> web.StreamResponse:
        asked = request.query
        try:
            start, end = _instant(asked["query.start_time_min"]), _instant(asked["query.start_time_max"])
            depth = int(asked.get("query.search_depth", "100"))
            service = asked["query.service_name"]
        except (KeyError, ValueError) as error:
            return _wrong(400, f"malformed parameter: {error}")
        if start >= end:
            return _wrong(400, "start_time_min must be before start_time_max")
        traces = self._search(service, start, end, depth)
        if self.version.partial:
            return _wrong(200, "storage timed out")
        return web.json_response(otlp(traces)) if traces else _wrong(404, "No traces found")

    async def _traces_v1(self, request: web.Request) -> web.StreamResponse:
        asked = request.query
        try:
            start, end = int(asked["start"]) / 1e6, int(asked["end"]) / 1e6
            traces = self._search(asked["service"], start, end, int(asked.get("limit", "100")))
        except (KeyError, ValueError) as error:
            failed = {"code": 400, "msg": f"malformed parameter: {error}"}
            return web.json_response({"data": None, "errors": [failed]}, status=400)
        errors = [{"code": 500, "msg": "storage timed out"}] if self.version.partial else None
        body = {"data": legacy(traces), "total": 0, "limit": 0, "offset": 0, "errors": errors}
        return web.json_response(body)

    def _services(self) -> list[str]:
        return sorted({service_of(span) for trace in self._spans.traces(self._now()) for span in trace})

    def _search(self, service: str, start: float, end: float, limit: int) -> Sequence[Sequence[MeshSpan]]:
        """Whole traces with a span of the service that began within the window, the newest first."""
        traces = []
        for trace in self._spans.traces(self._now()):
            if any(service_of(span) == service and start <= span.start <= end for span in trace):
                traces.append(trace)
            if len(traces) >= limit:
                break
        return traces


def _wrong(status: int, message: str) -> web.Response:
    body: Obj = {"error": {"httpCode": 500 if status == 200 else status, "message": message}}
    return web.json_response(body, status=status)


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
