"""
What a real Prometheus answers to Observer's own queries, tick by tick, kept in files.

Above ``REAL_PODS`` it is that answer with its pods renamed and repeated, because a server of that size does not fit
beside the bench.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from observer.config.settings.sources import Profile, PrometheusSettings
from observer.sources.prometheus.profiles import profile_for
from observer.sources.prometheus.queries import Queries
from tests.bench.fleet import Fleet, name_of, namespace_of
from tests.support.ports import free_port

REAL_PODS = 10_000
TICKS = 7
FEWER = 5
"""Ticks of what is too large to be made quickly."""
INTERVAL = 5.0
TRIES = 100

Answer = tuple[float, bytes, bytes, bytes]
"""The instant that was asked, and the answers: requests, buckets, scrapes."""


def record(folder: Path, size: int) -> None:
    """Keep ``TICKS`` answers about ``size`` pods in ``folder``."""
    for number, answer in enumerate(asyncio.run(_asked(size))):
        _keep(folder, number, answer)


def multiply(source: Path, target: Path, times: int) -> None:
    """The answers in ``source`` with ``times`` as many pods."""
    for number, (at, *bodies) in enumerate(islice(answers(source), FEWER)):
        _keep(target, number, (at, *(_repeated(body, times) for body in bodies)))


def answers(folder: Path) -> Iterator[Answer]:
    """What is kept there, one tick at a time."""
    for path in sorted(folder.glob("*.at")):
        requests, buckets, scrapes = (path.with_suffix(f".{part}").read_bytes() for part in range(3))
        yield float(path.read_text()), requests, buckets, scrapes


def _keep(folder: Path, number: int, answer: tuple[Any, ...]) -> None:
    folder.mkdir(exist_ok=True)
    at, *bodies = answer
    for part, body in enumerate(bodies):
        (folder / f"{number:03d}.{part}").write_bytes(body)
    (folder / f"{number:03d}.at").write_text(repr(at))


def _repeated(body: bytes, times: int) -> bytes:
    """Pod 70 of copy 3 is counted on from the real pods; what is no pod of the fleet stays as it is."""
    decoded = json.loads(body)
    out = []
    for series in decoded["data"]["result"]:
        labels = series["metric"]
        number = labels.get("pod", "").rpartition("-")[2]
        for copy in range(times if number else 1):
            renamed = int(number) + copy * REAL_PODS if number else 0
            metric = labels | {"namespace": namespace_of(renamed), "pod": name_of(renamed)} if number else labels
            out.append({"metric": metric, "value": series["value"]})
    decoded["data"]["result"] = out
    return json.dumps(decoded, separators=(",", ":")).encode()


async def _asked(size: int) -> list[Answer]:
    """A few ticks of a real Prometheus that scrapes the fleet."""
    fleet = Fleet(size)
    queries = Queries(profile_for(Profile.ISTIO, {}))
    asked = (queries.requests(), queries.buckets(PrometheusSettings().cuts_ms), queries.scrapes())
    found: list[Answer] = []
    newest = b""
    async with _served(fleet) as target, _prometheus(target) as url, aiohttp.ClientSession() as session:
        for _ in range(TRIES):
            await asyncio.sleep(INTERVAL / 4)
            now = time.time()
            bodies = [await _ask(session, url, query, now) for query in asked]
            whole = all(len(json.loads(bodies[part])["data"]["result"]) >= size for part in (0, 2))
            if whole and bodies[0] != newest:
                newest = bodies[0]
                found.append((now, bodies[0], bodies[1], bodies[2]))
            if len(found) == TICKS:
                return found
    raise RuntimeError(f"Prometheus kept up with only {len(found)} of {TICKS} scrapes of {size} pods")


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
