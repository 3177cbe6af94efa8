"""
What a tick costs: bytes in, decision out, as a multiple of ``json.loads`` of the very same bytes in the same run.

The bytes are a real Prometheus's answers to Observer's own queries. Above ``REAL_PODS`` they are that answer with its
pods renamed and repeated, because one server of that size does not fit beside the bench.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
from aiohttp import web

from observer.config.model import Profile, PrometheusSettings
from observer.domain.action import Mode
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Snapshot
from observer.engine.decide import decide
from observer.engine.memory import Memory
from observer.sources.prometheus.frames import FrameBuilder
from observer.sources.prometheus.parse import vector
from observer.sources.prometheus.profiles import profile_for
from observer.sources.prometheus.queries import Queries
from tests.bench.fleet import Fleet
from tests.support.ports import free_port

REAL_PODS = 10_000
TICKS = 7
INTERVAL = 5.0
TRIES = 100

Answer = tuple[float, bytes, bytes, bytes]
"""The instant that was asked, and the three answers."""
SIZES = (1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Cost:
    """CPU seconds (median) of a tick and of ``json.loads`` on the same bytes; ``rss`` in MB; ``megabytes`` a tick."""

    pods: int
    tick: float
    json: float
    rss: float
    megabytes: float
    queries: int

    @property
    def ratio(self) -> float:
        return self.tick / self.json


def measure(sizes: tuple[int, ...] = SIZES, *, say: Callable[[str], None] = print) -> list[Cost]:
    """One cost a size; empty when there is no Prometheus on this machine (told)."""
    if shutil.which("prometheus") is None:
        say("tick cost: NOT RUN: there is no prometheus on this machine (make programs)")
        return []
    recorded = {size: asyncio.run(_record(size)) for size in sizes if size <= REAL_PODS}
    largest = max(recorded)
    out = []
    for size in sizes:
        answers = recorded.get(size) or _multiplied(recorded[largest], size // largest)
        out.append(_cost(size, answers))
    return out


def row(cost: Cost) -> str:
    """One printed line."""
    return (
        f"tick at {cost.pods:>7} pods: {cost.tick * 1000:8.1f} ms CPU = {cost.ratio:5.2f} x json.loads of the same "
        f"{cost.megabytes:6.1f} MB; {cost.queries} queries; RSS {cost.rss:.0f} MB"
    )


def _cost(size: int, answers: list[Answer]) -> Cost:
    fleet = Fleet(size)
    settings = replace(EngineSettings(), mode=Mode.SHADOW, tick=INTERVAL)
    prometheus = PrometheusSettings()
    builder = FrameBuilder(profile_for(Profile.ISTIO, {}), prometheus.cuts_ms)
    memory, ticks, plain = Memory.restore((), ()), [], []
    view = fleet.view(answers[0][0])
    for at, requests, buckets, scrapes in answers:
        began = time.process_time()
        frame = builder.frame(at, vector(requests), vector(buckets), vector(scrapes))
        snapshot = Snapshot(at, frame, None, replace(view, at=at), Control(False, "", True, 1))
        memory, _ = decide(snapshot, memory, settings)
        ticks.append(time.process_time() - began)
        began = time.process_time()
        for body in (requests, buckets, scrapes):
            json.loads(body)
        plain.append(time.process_time() - began)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    megabytes = sum(len(body) for body in answers[-1][1:]) / 1e6
    # The first ticks learn names; what a daemon pays day by day is what follows.
    return Cost(size, statistics.median(ticks[2:]), statistics.median(plain[2:]), rss, megabytes, 3)


def _multiplied(answers: list[Answer], times: int) -> list[Answer]:
    """The same answer with its pods renamed and repeated: pod ``svc-7-v1-abcde-70`` of copy 3 is counted on."""
    return [(at, *(_repeat(body, times) for body in bodies)) for at, *bodies in answers]  # type: ignore[misc]


def _repeat(body: bytes, times: int) -> bytes:
    decoded = json.loads(body)
    result = decoded["data"]["result"]
    out = []
    for copy in range(times):
        for series in result:
            number = int(series["metric"]["pod"].rpartition("-")[2]) + copy * REAL_PODS
            metric = series["metric"] | {
                "namespace": f"ns-{number // 500}",
                "pod": f"svc-{number // 10}-v1-abcde-{number}",
            }
            out.append({"metric": metric, "value": series["value"]})
    decoded["data"]["result"] = out
    return json.dumps(decoded, separators=(",", ":")).encode()


async def _record(size: int) -> list[Answer]:
    """A few ticks of a real Prometheus that scrapes the fleet."""
    fleet = Fleet(size)
    queries = Queries(profile_for(Profile.ISTIO, {}))
    asked = (queries.requests(), queries.buckets(PrometheusSettings().cuts_ms), queries.scrapes())
    answers: list[Answer] = []
    newest = b""
    async with _served(fleet) as target, _prometheus(target) as url, aiohttp.ClientSession() as session:
        for _ in range(TRIES):
            await asyncio.sleep(INTERVAL / 4)
            now = time.time()
            bodies = [await _ask(session, url, query, now) for query in asked]
            whole = all(len(json.loads(bodies[part])["data"]["result"]) >= size for part in (0, 2))
            if whole and bodies[0] != newest:
                newest = bodies[0]
                answers.append((now, bodies[0], bodies[1], bodies[2]))
            if len(answers) == TICKS:
                return answers
    raise RuntimeError(f"Prometheus kept up with only {len(answers)} of {TICKS} scrapes of {size} pods")


async def _ask(session: aiohttp.ClientSession, url: str, query: str, at: float) -> bytes:
    try:
        async with session.post(f"{url}/api/v1/query", data={"query": query, "time": f"{at:.3f}"}) as answer:
            answer.raise_for_status()
            return await answer.read()
    except aiohttp.ClientConnectorError:  # it is starting
        return b'{"data":{"result":[]}}'


@contextlib.asynccontextmanager
async def _served(fleet: Fleet) -> AsyncIterator[str]:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=fleet.exposition())

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _prometheus(target: str) -> AsyncIterator[str]:
    """A real server that scrapes ``target`` and believes its labels; the fleet's ``fleet_up`` becomes ``up``."""
    rename = {"source_labels": ["__name__"], "regex": "fleet_(up)", "target_label": "__name__"}
    config = {
        "global": {"scrape_interval": f"{INTERVAL:g}s", "scrape_timeout": f"{INTERVAL:g}s"},
        "scrape_configs": [
            {
                "job_name": "fleet",
                "honor_labels": True,
                "static_configs": [{"targets": [target]}],
                "metric_relabel_configs": [rename],
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "p.yaml").write_text(json.dumps(config))
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={path / 'p.yaml'}",
            f"--storage.tsdb.path={path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()
