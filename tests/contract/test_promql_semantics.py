"""
Our PromQL evaluator against real Prometheus servers: the same samples, the same questions, equal answers.

A server scrapes an exporter that resets counters, drops series and fails. Its raw samples are read back into our
memory; then both are asked alike. The server is the ``prometheus`` on the PATH: Debian's 2.42, or the laboratory's
3.x. What 3.0 changed (ranges and look-back open on the left; a counter is not stretched back beyond its zero even when
its first sample lies far inside the window) is compared with 3.x only.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web

from observer.simulator.prometheus.api import PrometheusApi
from observer.simulator.prometheus.tsdb import TimeSeriesMemory

pytestmark = [pytest.mark.integration, pytest.mark.needs("prometheus")]

SCRAPES = 16
INTERVAL_MS = 250
STEP_MS = 100  # every range and offset that is asked is a multiple of it

QUERIES = (
    "x_total",
    'x_total{part=~"a|c",part!="c"}',
    'x_total{part!~"[ab]"}',
    'x_total{nothere=""}',
    '{__name__=~"y|z"}',
    "y",
    "y offset 500ms",
    "up",
    "timestamp(up)",
    "timestamp(up) * up",
    "timestamp(y)",
    "timestamp(sum(up))",
    "sum(x_total)",
    "sum by (instance) (x_total)",
    "sum by (part, nothere) (x_total)",
    "sum without (instance) (x_total)",
    "min by (instance) (x_total)",
    "max by (part) (x_total)",
    "count by (instance) ({__name__=~'x_total|y'})",
    "count(x_total) by (part)",
    "x_total / 3",
    "2 * x_total - 1",
    "x_total - x_total",
    "y * z",
    "y / (z - z)",
    "x_total > 20",
    "20 < x_total",
    "x_total > bool 20",
    "y <= z",
    "y == bool z",
    "(x_total + 1) * 2 / 4",
    "1 + 2 * 3",
    "sum by (part) (x_total) / 2",
    "y or z",
    "x_total or y",
    'x_total{part="a"} or x_total',
    "sum by (part) (x_total) or sum by (instance) (x_total)",
    "x_total > 20 or x_total",
)
FAR_FROM_ZERO = (
    'increase(x_total{part="a"}[2s])',
    'rate(x_total{part="a"}[2s])',
    'increase(x_total{part="a"}[900ms])',
    'increase(x_total{part="a"}[3s] offset 500ms)',
    'sum by (instance) (increase(x_total{part="a"}[2s]))',
    'increase(x_total{part="a"}[2s]) > 10',
    'sum(increase(x_total{part="a"}[2s])) / 2',
)
NEAR_ZERO = (
    "increase(x_total[2s])",
    "sum by (part) (rate(x_total[2s]))",
    "increase(x_total[3s] offset 500ms)",
    "increase(y[2s])",
    "rate(y[3s])",
    "increase(z[4s])",
)


@dataclass(frozen=True)
class Real:
    """A real server with what it scraped, and our API over the same samples."""

    address: str
    ours: str
    start: float
    end: float
    version: tuple[int, ...]
    scraped: frozenset[int]  # milliseconds of every scrape, of either target


class Exporter:
    """Two targets whose pages depend only on how often they were scraped."""

    def __init__(self) -> None:
        self.seen = {"one": 0, "two": 0}

    async def page(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.seen[name] += 1
        n = self.seen[name]
        if name == "two" and n in (7, 8):
            return web.Response(status=500, text="no page today")
        since_reset = n if n < 6 else n - 6
        far = 7 * n + (100 if n < 10 else 50)
        lines = ["# TYPE x_total counter", f'x_total{{part="a"}} {far}', f'x_total{{part="b"}} {3 * since_reset}']
        if name == "one":
            lines.append(f'x_total{{part="c"}} {0.1 * n}')
        if 4 <= n < 9 or n >= 12:
            lines += [f"y {2 * n}"]
        if n >= 5:
            lines += [f"z {n * n}"]
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(exporter: int) -> str:
    targets = [
        {"targets": [f"127.0.0.1:{exporter}"], "labels": {"__metrics_path__": f"/{name}", "instance": name}}
        for name in ("one", "two")
    ]
    scrape = {"job_name": "mesh", "static_configs": targets}
    every = f"{INTERVAL_MS}ms"
    return json.dumps({"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": [scrape]})


async def serve(app: web.Application) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


async def fetch(address: str, path: str, **asked: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/api/v1/{path}", params=asked) as answer:
        return answer.status, await answer.json()


async def until_ready(address: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{address}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


def remember(matrix: list[dict[str, Any]]) -> TimeSeriesMemory:
    """The raw samples in our memory. A series without a sample at a scrape of its target was stale there."""
    memory = TimeSeriesMemory()
    ups = {one["metric"]["instance"]: one for one in matrix if one["metric"]["__name__"] == "up"}
    for instance, up in ups.items():
        block = memory.open({"instance": instance, "job": "mesh"})
        times = [round(at * 1000) for at, _ in up["values"]]
        tables: dict[str, list[dict[int, float]]] = {}
        for one in matrix:
            if one["metric"]["instance"] == instance:
                name = one["metric"]["__name__"]
                block.table(name).add([one["metric"]])
                tables.setdefault(name, []).append({round(at * 1000): float(value) for at, value in one["values"]})
        for at in times:
            block.append(at, {n: np.array([row.get(at, math.nan) for row in rows]) for n, rows in tables.items()})
    memory.touched()
    return memory


class Replica:
    def __init__(self, memory: TimeSeriesMemory) -> None:
        self.memory = memory
        self.stopped = False

    def targets(self) -> list[dict[str, Any]]:
        return []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Real]:
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = Exporter()
    app = web.Application()
    app.router.add_get("/{name}", exporter.page)
    runner, exporter_port = await serve(app)
    (folder / "prometheus.yml").write_text(configuration(exporter_port))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    await until_ready(address)
    while min(exporter.seen.values()) < SCRAPES:
        await asyncio.sleep(0.05)
    _, raw = await fetch(address, "query", query='{__name__=~"x_total|y|z|up"}[5m]')
    _, info = await fetch(address, "status/buildinfo")
    matrix = raw["data"]["result"]
    last = min(one["values"][-1][0] for one in matrix if one["metric"]["__name__"] == "up")
    first = min(one["values"][0][0] for one in matrix)
    ours, our_port = await serve(PrometheusApi([Replica(remember(matrix))], lambda: last).app())
    version = tuple(int(part) for part in re.findall(r"\d+", info["data"]["version"])[:2])
    scraped = frozenset(round(at * 1000) for one in matrix for at, _ in one["values"])
    yield Real(address, f"http://127.0.0.1:{our_port}", first, last, version, scraped)
    process.terminate()
    await process.wait()
    await runner.cleanup()
    await ours.cleanup()


async def compare(real: Real, query: str, *, values: bool = True) -> None:
    """Equal matrices over a grid of instants that ends at the last common scrape."""
    grid = {"start": on_no_scrape(real, real.start - 0.5), "end": f"{real.end:.3f}", "step": f"{STEP_MS / 1000}"}
    theirs = await fetch(real.address, "query_range", query=query, **grid)
    ours = await fetch(real.ours, "query_range", query=query, **grid)
    assert theirs[0] == ours[0] == 200
    wanted, found = by_labels(theirs[1]), by_labels(ours[1])
    assert set(found) == set(wanted)
    for labels, points in wanted.items():
        assert [at for at, _ in found[labels]] == [at for at, _ in points]
        if values:
            numbers = [float(value) for _, value in found[labels]]
            assert numbers == pytest.approx([float(value) for _, value in points], rel=1e-9, nan_ok=True), labels
    assert wanted


def by_labels(answer: dict[str, Any]) -> dict[str, list[list[Any]]]:
    return {json.dumps(one["metric"], sort_keys=True): one["values"] for one in answer["data"]["result"]}


def on_no_scrape(real: Real, at: float) -> str:
    """
    The instant ``at`` in seconds as a query wants it; before 3.x moved back until no scrape is whole steps away.

    A server chooses each target's place within the interval from the target's address, and a late scrape is stamped
    late: the free place is looked for among the scrapes that there were.
    """
    begin = round(at * 1000)
    if real.version[0] < 3:
        taken = {(begin - scrape) % STEP_MS for scrape in real.scraped}
        begin -= min(place for place in range(STEP_MS) if place not in taken)
    return f"{begin / 1000:.3f}"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("query", [*QUERIES, *FAR_FROM_ZERO])
async def test_equal_answers(real: Real, query: str) -> None:
    await compare(real, query)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("query", NEAR_ZERO)
async def test_counters_near_their_zero(real: Real, query: str) -> None:
    """2.x stretches such counters further to the left: there only series and instants are equal."""
    await compare(real, query, values=real.version[0] >= 3)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("query", ["x_total", "sum(x_total)", "1 + 1", "y / 0", "x_total[2s]"])
async def test_instant_answers_have_the_same_form(real: Real, query: str) -> None:
    at = on_no_scrape(real, real.end)
    theirs, ours = (
        await fetch(real.address, "query", query=query, time=at),
        await fetch(real.ours, "query", query=query, time=at),
    )
    assert ours[0] == theirs[0] == 200
    assert ours[1]["data"]["resultType"] == theirs[1]["data"]["resultType"]
    assert sorted(map(str, ours[1]["data"]["result"])) == sorted(map(str, theirs[1]["data"]["result"]))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("query", {"query": "sum("}),
        ("query", {"query": 'x{a=~"("}'}),
        ("query", {"query": "rate(x)"}),
        ("query", {"query": "up", "time": "soon"}),
        ("query", {"query": 'up * {__name__=~"y|z"}', "time": "END"}),
        ("query_range", {"query": "up", "start": "2", "end": "1", "step": "1"}),
        ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}),
        ("query_range", {"query": "up", "start": "1", "end": "2"}),
        ("query_range", {"query": "up", "start": "0", "end": "11002", "step": "1"}),
        ("query_range", {"query": "up[1m]", "start": "1", "end": "2", "step": "1"}),
        ("series", {}),
    ],
)
async def test_refusals_have_the_same_status_and_type(real: Real, path: str, asked: dict[str, str]) -> None:
    asked = {name: f"{real.end:.3f}" if value == "END" else value for name, value in asked.items()}
    theirs, ours = await fetch(real.address, path, **asked), await fetch(real.ours, path, **asked)
    assert (ours[0], ours[1]["errorType"]) == (theirs[0], theirs[1]["errorType"])
    assert theirs[0] >= 400
