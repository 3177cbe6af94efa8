"""
Jaeger and Kiali as the contract suites meet them: simulated over a simulated mesh, or a laboratory's recorded answers
served again over HTTP.
"""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from observer.config.settings.sources import JaegerSettings, KialiSettings
from observer.domain.ids import ServiceRef
from observer.simulator.fault_injection import FaultInjection, Handler
from observer.simulator.jaeger.api import JaegerApi
from observer.simulator.kiali.api import KialiApi
from observer.simulator.mesh.faults import pod_errors
from observer.simulator.mesh.topology import shop
from observer.simulator.scenarios.world import World
from tests.support.fakes import FakeClock

LAB = Path(__file__).parents[1] / "data" / "lab"
CORPUS = Path(os.environ.get("OBSERVER_CORPUS", "/nonexistent"))
SHOP = frozenset({"shop"})


@dataclass
class TraceWorld:
    """
    A tracing server with a minute of one gray ``catalog`` pod.

    ``at`` is the end of the window, ``asked`` the services that it has traces of; ``reach`` tells which of them it can
    be asked about (some recordings hold one service's only).
    """

    settings: JaegerSettings
    clock: FakeClock
    at: float
    culprit: str
    reach: ServiceRef
    api: str
    fault_injection: FaultInjection


@dataclass
class GraphWorld:
    """A mesh console that shows the shop, in which calls from ``failing[0]`` to ``failing[1]`` fail in part."""

    settings: KialiSettings
    clock: FakeClock
    at: float
    namespaces: frozenset[str]
    edges: frozenset[tuple[str, str]]
    failing: tuple[str, str]
    fault_injection: FaultInjection


SHOP_EDGES = frozenset(
    {
        ("load", "front"),
        ("front", "catalog"),
        ("front", "cart"),
        ("front", "pay"),
        ("catalog", "store"),
        ("cart", "store"),
    }
)


_LIVED: dict[tuple[float, float], tuple[World, str]] = {}


async def lived(seconds: float, error_rate: float = 0.0) -> tuple[World, str]:
    """
    A simulated shop after ``seconds`` in which one catalog pod, the second answer, fails that share of its requests.

    Most requests are traced. The mesh is made once and only read; its Jaeger and Kiali are new each time.
    """
    if (key := (seconds, error_rate)) not in _LIVED:
        world = World(replace(shop(rate=3.0), traced=0.7), seed=11)
        culprit = world.pods_of("catalog")[0]
        if error_rate:
            world.inject(pod_errors(culprit, error_rate))
        await world.advance(seconds)
        _LIVED[key] = world, culprit
    world, culprit = _LIVED[key]
    world.jaeger = JaegerApi(world.mesh.spans, world.clock.now)
    world.kiali = KialiApi(world.scrapers[0].memory, world.clock.now)
    return world, culprit


@asynccontextmanager
async def gray_mesh() -> AsyncIterator[tuple[World, str]]:
    """A minute of one gray pod, 30 % of whose requests fail."""
    world, culprit = await lived(70.0, 0.3)
    async with world:
        yield world, culprit


@asynccontextmanager
async def simulated_traces(api: str) -> AsyncIterator[TraceWorld]:
    """The simulator's Jaeger, speaking ``v3`` or ``v1``."""
    async with gray_mesh() as (world, culprit):
        world.jaeger.version.v3, world.jaeger.version.v1 = api == "v3", api == "v1"
        address, _ = await world.serve_neighbours()
        at = world.clock.now()
        settings = JaegerSettings(url=address, timeout=30.0)
        yield TraceWorld(
            settings, FakeClock(at), at, culprit, ServiceRef("shop", "catalog"), api, world.jaeger.fault_injection
        )


@asynccontextmanager
async def recorded_traces(api: str) -> AsyncIterator[TraceWorld]:
    """The laboratory's gray pod; its v3 answers are of ``front`` only."""
    folder = LAB / "gray-pod"
    meta = json.loads((folder / "meta.json").read_text())
    fault_injection = FaultInjection()
    app = _old_jaeger(folder) if api == "v1" else _new_jaeger(folder)
    async with _spoilt(app, fault_injection) as address:
        at = float(meta["to"])
        reach = ServiceRef("shop", "catalog" if api == "v1" else "front")
        settings = JaegerSettings(url=address, timeout=30.0)
        yield TraceWorld(settings, FakeClock(at), at, meta["truth"]["pod"], reach, api, fault_injection)


def _old_jaeger(folder: Path) -> web.Application:
    answers = _read(folder / "jaeger.json.xz")

    async def services(_: web.Request) -> web.Response:
        return web.json_response(answers["services"])

    async def traces(request: web.Request) -> web.Response:
        found = answers.get(request.query["service"], {"data": []})["data"]
        begin, end = (int(request.query[name]) for name in ("start", "end"))
        inside = [one for one in found if begin <= max(span["startTime"] for span in one["spans"]) <= end]
        return web.json_response({**answers["services"], "data": inside[: int(request.query["limit"])]})

    app = web.Application()
    app.router.add_get("/api/services", services)
    app.router.add_get("/api/traces", traces)
    return app


def _new_jaeger(folder: Path) -> web.Application:
    body = _read(folder / "jaeger-v3.json.xz")
    blocks = body["result"]["resourceSpans"]

    async def services(_: web.Request) -> web.Response:
        return web.json_response({"services": ["front.shop"]})

    async def traces(request: web.Request) -> web.Response:
        asked = request.query
        begin, end = (
            datetime.fromisoformat(asked[f"query.start_time_{name}"]).timestamp() * 1e9 for name in ("min", "max")
        )
        starts: dict[str, int] = {}
        for span in _spans(blocks):
            starts[span["traceId"]] = max(int(span["startTimeUnixNano"]), starts.get(span["traceId"], 0))
        inside = [trace for trace, start in starts.items() if begin <= start <= end]
        retained = set(inside[: int(asked["query.search_depth"])])
        if asked["query.service_name"] != "front.shop" or not retained:
            return web.json_response({"error": {"httpCode": 404, "message": "No traces found"}}, status=404)
        return web.json_response({"result": {"resourceSpans": [_only(block, retained) for block in blocks]}})

    app = web.Application()
    app.router.add_get("/api/v3/services", services)
    app.router.add_get("/api/v3/traces", traces)
    return app


def _spans(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span for block in blocks for scope in block["scopeSpans"] for span in scope["spans"]]


def _only(block: Mapping[str, Any], traces: set[str]) -> dict[str, Any]:
    scopes = [
        {**scope, "spans": [span for span in scope["spans"] if span["traceId"] in traces]}
        for scope in block["scopeSpans"]
    ]
    return {**block, "scopeSpans": scopes}


@asynccontextmanager
async def simulated_graph(**ways: Any) -> AsyncIterator[GraphWorld]:
    """The simulator's Kiali; ``ways`` are put over its switches."""
    async with gray_mesh() as (world, _):
        for name, value in ways.items():
            setattr(world.kiali.ways, name, value)
        _, address = await world.serve_neighbours()
        at = world.clock.now()
        settings = KialiSettings(url=address, timeout=30.0)
        yield GraphWorld(
            settings, FakeClock(at), at, SHOP, SHOP_EDGES, ("front", "catalog"), world.kiali.fault_injection
        )


@asynccontextmanager
async def recorded_graph() -> AsyncIterator[GraphWorld]:
    """The laboratory's gray pod, as a real Kiali of version 2 showed it."""
    look = _read(LAB / "gray-pod" / "kiali.json.xz")[-1]
    at = float(look["workload_graph"]["timestamp"])
    fault_injection = FaultInjection()
    app = web.Application()
    app.router.add_get("/api/auth/info", _constant({"strategy": "anonymous"}))
    app.router.add_get("/api/namespaces/graph", _constant(look["workload_graph"]))
    app.router.add_get("/api/clusters/health", _constant(look["health"]))
    async with _spoilt(app, fault_injection) as address:
        settings = KialiSettings(url=address, timeout=30.0)
        yield GraphWorld(settings, FakeClock(at), at, SHOP, SHOP_EDGES, ("front", "catalog"), fault_injection)


BOOKINFO = frozenset(
    {("productpage", "details"), ("productpage", "reviews"), ("reviews", "ratings"), ("ingressgateway", "productpage")}
)


@asynccontextmanager
async def sampled_graph(path: Path) -> AsyncIterator[GraphWorld]:
    """A graph out of the project's own tests, of one of its versions; they hold no health."""
    graph = json.loads(path.read_text())
    at = float(graph["timestamp"])
    fault_injection = FaultInjection()
    app = web.Application()
    app.router.add_get("/api/namespaces/graph", _constant(graph))
    app.router.add_get("/api/namespaces/bookinfo/health", _constant({"details-v1": {"requests": {"inbound": {}}}}))
    async with _spoilt(app, fault_injection) as address:
        settings = KialiSettings(url=address, timeout=30.0)
        yield GraphWorld(
            settings, FakeClock(at), at, frozenset({"bookinfo"}), BOOKINFO, ("productpage", "details"), fault_injection
        )


def sampled_graphs() -> list[Path]:
    """Graphs of several versions, where the collection named by ``OBSERVER_CORPUS`` is at hand."""
    return sorted(CORPUS.glob("fixtures/kiali+kiali/*/test_workload_graph.expected"))


def _constant(body: Any) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return answer


@asynccontextmanager
async def _spoilt(app: web.Application, fault_injection: FaultInjection) -> AsyncIterator[str]:
    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await fault_injection.spoil(request, handler)

    app.middlewares.append(spoil)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


def _read(path: Path) -> Any:
    return json.loads(lzma.decompress(path.read_bytes()))
