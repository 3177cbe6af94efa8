"""The HTTP API of the simulated Prometheus, with switches that make it misbehave on purpose."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import promql_parser as pp
from aiohttp import web

from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.prometheus.promql import Evaluator, QueryError, parse, selector
from observer.simulator.prometheus.tsdb import TimeSeriesMemory
from observer.simulator.prometheus.wire import (
    bad_parameter,
    envelope,
    matrix_json,
    read_step,
    read_time,
    samples_json,
    steps,
    vector_json,
)

STATUS: Final = {"bad_data": 400, "execution": 422, "not_found": 404, "timeout": 503, "canceled": 503}
VERSION: Final = "3.16.0"


class Server(Protocol):
    """One Prometheus replica as the API needs it."""

    @property
    def memory(self) -> TimeSeriesMemory: ...

    @property
    def stopped(self) -> bool: ...

    def targets(self) -> list[Obj]:
        """Active targets as ``/api/v1/targets`` shows them."""
        ...


@dataclass(slots=True)
class Misbehaviour:
    """
    What the API does wrong; all off at first, each may be switched while it runs.

    Attributes:
        warnings, infos: come with every answer.
        partial: ``isPartial: true`` comes with every answer.
        unavailable: 503 in plain text, as while starting or stopping.
        delay: real seconds before every answer.
        shuffle: vectors in another order each time.
        truncate: bytes cut from the end of every JSON body.
        redirect: 307 to this address.
        garbage: a body that is no JSON, with status 200.
        error: ``(errorType, message)`` for every query.
    """

    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    partial: bool = False
    unavailable: bool = False
    delay: float = 0.0
    shuffle: bool = False
    truncate: int = 0
    redirect: str = ""
    garbage: bool = False
    error: tuple[str, str] | None = None


class PrometheusApi:
    """
    Answers for one replica, or for several behind one address in turn.

    Attributes:
        misbehaviour: the switches.
        requests: every request seen, as (path, parameters), oldest first; the newest 1000.
        headers: headers of the newest request.
    """

    def __init__(self, replicas: Sequence[Server], now: Callable[[], float], seed: int = 0) -> None:
        self._replicas = replicas
        self._now = now
        self._turn = 0
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self.misbehaviour = Misbehaviour()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.headers: Mapping[str, str] = {}

    def app(self) -> web.Application:
        """A fresh application that serves this API."""
        app = web.Application(middlewares=[self._manners], client_max_size=16 * 2**20)
        for path, handler in (("query", self._query), ("query_range", self._query_range), ("series", self._series)):
            app.router.add_route("GET", f"/api/v1/{path}", handler)
            app.router.add_route("POST", f"/api/v1/{path}", handler)
        app.router.add_get("/api/v1/labels", self._labels)
        app.router.add_get("/api/v1/label/{name}/values", self._label_values)
        app.router.add_get("/api/v1/targets", self._targets)
        app.router.add_get("/api/v1/status/buildinfo", self._build_info)
        app.router.add_get("/-/ready", self._ready)
        app.router.add_get("/-/healthy", self._healthy)
        app.router.add_get("/", self._front)
        return app

    @web.middleware
    async def _manners(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        wrong = self.misbehaviour
        self._turn += 1
        if self._replica().stopped:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the simulated Prometheus is down")
        await self._remember(request)
        if wrong.delay:
            await asyncio.sleep(wrong.delay)
        if wrong.redirect:
            raise web.HTTPTemporaryRedirect(wrong.redirect)
        if wrong.unavailable and request.path != "/-/healthy":
            return web.Response(status=503, text="Service Unavailable", headers={"X-Prometheus-Stopping": "false"})
        if wrong.error is not None and request.path.startswith("/api/"):
            return _refused(QueryError(*wrong.error))
        try:
            return self._spoilt(await handler(request))
        except QueryError as error:
            return _refused(error)

    def _spoilt(self, answer: web.StreamResponse) -> web.StreamResponse:
        wrong = self.misbehaviour
        if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            if wrong.garbage:
                answer.body = b"<html>not what you asked for</html>"
            elif wrong.truncate:
                answer.body = answer.body[: -wrong.truncate]
        return answer

    async def _remember(self, request: web.Request) -> None:
        self.requests.append((request.path, await _parameters(request)))
        self.headers = dict(request.headers)
        del self.requests[:-1000]

    def _replica(self) -> Server:
        return self._replicas[self._turn % len(self._replicas)]

    def _answer(self, data: str) -> web.Response:
        wrong = self.misbehaviour
        extra: Obj = {}
        if wrong.warnings:
            extra["warnings"] = wrong.warnings
        if wrong.infos:
            extra["infos"] = wrong.infos
        if wrong.partial:
            extra["isPartial"] = True
        return web.Response(text=envelope(data, extra), content_type="application/json")

    async def _query(self, request: web.Request) -> web.Response:
        asked = await _parameters(request)
        tree = _parsed(asked)
        at = read_time("time", asked["time"]) if "time" in asked else round(self._now() * 1000)
        evaluator = Evaluator(self._replica().memory, np.array([at], dtype=np.int64))
        if isinstance(tree, pp.MatrixSelector):
            return self._answer(samples_json(evaluator.samples(tree)))
        shuffle = self._random if self.misbehaviour.shuffle else None
        return self._answer(vector_json(evaluator.evaluate(tree), at, shuffle))

    async def _query_range(self, request: web.Request) -> web.Response:
        asked = await _parameters(request)
        for name in ("start", "end", "step"):
            if name not in asked:
                kind = "duration" if name == "step" else "timestamp"
                raise bad_parameter(name, f'cannot parse "" to a valid {kind}')
        at = steps(read_time("start", asked["start"]), read_time("end", asked["end"]), read_step(asked["step"]))
        tree = _parsed(asked)
        if isinstance(tree, (pp.MatrixSelector, pp.StringLiteral)):
            kind = "range vector" if isinstance(tree, pp.MatrixSelector) else "string"
            raise bad_parameter(
                "query", f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            )
        return self._answer(matrix_json(Evaluator(self._replica().memory, at).evaluate(tree), at))

    async def _series(self, request: web.Request) -> web.Response:
        matching = self._matching(request, await _multi(request, "match[]"))
        if matching is None:
            raise QueryError("bad_data", "no match[] parameter provided")
        return self._answer(json.dumps(matching))

    async def _labels(self, request: web.Request) -> web.Response:
        matching = self._all_or_matching(request)
        return self._answer(json.dumps(sorted({name for labels in matching for name in labels})))

    async def _label_values(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        matching = self._all_or_matching(request)
        return self._answer(json.dumps(sorted({labels[name] for labels in matching if name in labels})))

    def _all_or_matching(self, request: web.Request) -> list[dict[str, str]]:
        asked = request.query.getall("match[]", [])
        return self._matching(request, asked or ['{__name__=~".+"}']) or []

    def _matching(self, request: web.Request, selectors: list[str]) -> list[dict[str, str]] | None:
        """Labels of series with a sample between ``start`` and ``end``; None when nothing was asked for."""
        if not selectors:
            return None
        start = read_time("start", request.query["start"]) if "start" in request.query else 0
        end = read_time("end", request.query["end"]) if "end" in request.query else round(self._now() * 1000)
        by_identity: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for text in selectors:
            tree = parse(text)
            if not isinstance(tree, pp.VectorSelector):
                raise bad_parameter("match[]", "expected type vector selector")
            selection = self._replica().memory.select(*selector(tree))
            for (block, _, rows), span in zip(selection.parts, selection.spans, strict=True):
                times = block.times
                if rows.size and times.size and times[0] <= end and times[-1] >= start:
                    for labels in selection.series.labels[span]:
                        by_identity[tuple(sorted(labels.items()))] = labels
        return [by_identity[key] for key in sorted(by_identity)]

    async def _targets(self, request: web.Request) -> web.Response:
        active = self._replica().targets() if request.query.get("state", "any") != "dropped" else []
        return self._answer(json.dumps({"activeTargets": active, "droppedTargets": []}))

    async def _build_info(self, _: web.Request) -> web.Response:
        return self._answer(json.dumps({"version": VERSION, "revision": "", "branch": "", "goVersion": "go1.26"}))

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="Prometheus Server is Ready.\n")

    async def _front(self, _: web.Request) -> web.Response:
        """Where clients knock to see whether anybody is there."""
        return web.Response(text="Prometheus (simulated)\n")

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="Prometheus Server is Healthy.\n")


def _refused(error: QueryError) -> web.Response:
    body = {"status": "error", "errorType": error.kind, "error": str(error)}
    return web.json_response(body, status=STATUS.get(error.kind, 500))


def _parsed(asked: Mapping[str, str]) -> pp.Expr:
    try:
        return parse(asked.get("query", ""))
    except QueryError as error:
        raise bad_parameter("query", str(error)) from error


async def _parameters(request: web.Request) -> dict[str, str]:
    """Parameters of the form body (POST) and of the address; the body wins."""
    asked = dict(request.query)
    if request.method == "POST":
        asked.update({key: value for key, value in (await request.post()).items() if isinstance(value, str)})
    return asked


async def _multi(request: web.Request, name: str) -> list[str]:
    values = list(request.query.getall(name, []))
    if request.method == "POST":
        values += [value for value in (await request.post()).getall(name, []) if isinstance(value, str)]
    return values
