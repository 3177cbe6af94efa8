"""
Worlds with the same pages of metrics: real servers that scrape them, and the simulator's memory.

A page is what one target shows: ``(metric, labels, value)``; None is a target that cannot be scraped.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import aiohttp
import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer.config.settings.sources import Flavor, PrometheusSettings
from observer.simulator.prometheus.api import PrometheusApi
from observer.simulator.prometheus.tsdb import NAME, Block, TimeSeriesMemory
from observer.sources.prometheus.transport import flavor_parameters
from tests.support.ports import free_port

Series = tuple[str, Mapping[str, str], float]
Page = Sequence[Series] | None
Target = tuple[tuple[str, str], ...]
"""Labels of a target, sorted."""


def target(namespace: str, pod: str, **more: str) -> Target:
    """The labels that a pod's target carries."""
    return tuple(sorted({"namespace": namespace, "pod": pod, **more}.items()))


class World(Protocol):
    """Something that answers the query API about the pages it was shown."""

    @property
    def settings(self) -> PrometheusSettings: ...

    async def show(self, pages: Mapping[Target, Page]) -> float:
        """These pages, no others, from now on; returns an instant by which each was scraped twice."""
        ...

    async def ranged(self, at: float) -> None:
        """Wait until questions over a range that ends at ``at`` are answered with every series too."""
        ...


@dataclass
class SimulatedWorld:
    """The simulator's memory behind its API; time stands still between pages."""

    settings: PrometheusSettings
    memory: TimeSeriesMemory
    at: float = 1_700_000_000.0
    blocks: dict[Target, Block] = field(default_factory=dict)
    known: dict[tuple[Target, str], list[dict[str, str]]] = field(default_factory=dict)

    async def show(self, pages: Mapping[Target, Page]) -> float:
        for gone in [block for block in self.blocks if block not in pages]:
            self.blocks.pop(gone).append(round((self.at + 0.5) * 1000), {})
        for _ in range(2):
            self.at += 1.0
            for labels, page in pages.items():
                self.scrape(labels, page)
        self.memory.touched()
        return self.at + 0.25

    async def ranged(self, at: float) -> None:
        """It forgets nothing and hides nothing."""

    def scrape(self, labels: Target, page: Page, *, up: bool = True) -> None:
        """One target shows one page at the instant that it is; ``up`` = whether the server says that it did."""
        if labels not in self.blocks:
            self.blocks[labels] = self.memory.open(dict(labels))
            self.known = {key: value for key, value in self.known.items() if key[0] != labels}
        block = self.blocks[labels]
        shown: dict[str, dict[int, float]] = {}
        if up:
            shown["up"] = {self._row(labels, "up", {}): 0.0 if page is None else 1.0}
        for metric, own, value in page or ():
            shown.setdefault(metric, {})[self._row(labels, metric, own)] = value
        columns = {}
        for metric, rows in shown.items():
            column = np.full(len(self.known[(labels, metric)]), np.nan)
            column[list(rows)] = list(rows.values())
            columns[metric] = column
        block.append(round(self.at * 1000), columns)

    def _row(self, labels: Target, metric: str, own: Mapping[str, str]) -> int:
        series = {NAME: metric, **own, **dict(labels)}
        known = self.known.setdefault((labels, metric), [])
        if series not in known:
            known.append(series)
            self.blocks[labels].table(metric).add([series])
        return known.index(series)


@asynccontextmanager
async def simulated_world() -> AsyncIterator[SimulatedWorld]:
    """The simulator's Prometheus API on a loopback port."""
    memory = TimeSeriesMemory()

    @dataclass
    class Replica:
        memory: TimeSeriesMemory
        stopped: bool = False

        def targets(self) -> list[dict[str, object]]:
            return []

    api = PrometheusApi([Replica(memory)], lambda: world.at)
    async with TestServer(api.app()) as server:
        world = SimulatedWorld(PrometheusSettings(url=str(server.make_url("/")).rstrip("/")), memory)
        yield world


@dataclass
class RealWorld:
    """
    A server of Debian's that scrapes our exporter each second, told of its targets by a file.

    ``parameters`` go with its own questions; ``flush`` is a path that makes it show what it has been given so far.
    """

    settings: PrometheusSettings
    targets: Path
    address: str
    pages: dict[Target, Page]
    parameters: Mapping[str, str] = field(default_factory=dict)
    flush: str = ""

    async def show(self, pages: Mapping[Target, Page]) -> float:
        self.pages.clear()
        self.pages.update(pages)
        told = [
            {
                "targets": [self.address],
                "labels": {**dict(labels), "instance": f"target-{i}", "__metrics_path__": _path(labels)},
            }
            for i, labels in enumerate(sorted(pages, key=str))
        ]
        fresh = self.targets.with_suffix(".new")
        fresh.write_text(json.dumps(told))
        fresh.rename(self.targets)
        return await self._scraped_twice({labels: page is not None for labels, page in pages.items()}, time.time())

    async def _scraped_twice(self, wanted: Mapping[Target, bool], since: float) -> float:
        """Wait until exactly the wanted targets have their state by a scrape that began after ``since`` + 1 s."""
        async with aiohttp.ClientSession() as session:
            while True:
                await self._flushed(session)
                at = time.time()
                url = f"{self.settings.url}/api/v1/query"
                form = {"query": "timestamp(up) * (2 * up - 1)", "time": f"{at:.3f}", **self.parameters}
                async with session.post(url, data=form) as response:
                    answer = await response.json()
                seen = {
                    tuple(sorted((k, v) for k, v in one["metric"].items() if k not in ("instance", "job"))): one[
                        "value"
                    ]
                    for one in answer.get("data", {}).get("result", ())
                }
                states = {labels: float(value[1]) for labels, value in seen.items()}
                fresh = all(abs(state) > since + 1.1 for state in states.values())
                if fresh and {labels: state > 0 for labels, state in states.items()} == wanted:
                    await self._flushed(session)
                    return at
                await asyncio.sleep(0.1)

    async def _flushed(self, session: aiohttp.ClientSession) -> None:
        """Without it VictoriaMetrics shows a series that it never saw before only after some seconds."""
        if self.flush:
            async with session.get(f"{self.settings.url}{self.flush}") as response:
                response.raise_for_status()

    async def ranged(self, at: float) -> None:
        """By a range VictoriaMetrics finds new series a moment later than at an instant."""
        query = {"query": 'count({pod!=""})', **self.parameters}
        async with aiohttp.ClientSession() as session:
            while True:
                seen = []
                times = {"start": f"{at - 1.0:.3f}", "end": f"{at:.3f}", "step": "1"}
                for path, form in (("query", {"time": f"{at:.3f}"}), ("query_range", times)):
                    async with session.post(f"{self.settings.url}/api/v1/{path}", data=query | form) as response:
                        found = (await response.json())["data"]["result"]
                    seen.append((found[0].get("value") or found[0]["values"][-1])[1] if found else "0")
                if seen[0] == seen[1] != "0":
                    return
                await asyncio.sleep(0.5)


def _path(labels: Target) -> str:
    return "/" + "/".join(f"{name}={value}" for name, value in labels)


def _text(page: Sequence[Series]) -> str:
    def line(metric: str, labels: Mapping[str, str], value: float) -> str:
        inner = ",".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in labels.items())
        return f"{metric}{{{inner}}} {value}\n"

    return "".join(line(*one) for one in page)


@asynccontextmanager
async def real_world(folder: Path) -> AsyncIterator[RealWorld]:
    """A real Prometheus on a free loopback port, ended by its process id."""

    def command(config: Path, port: int) -> list[str]:
        return [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]

    async with _started(folder, command, "/-/ready") as world:
        yield world


@asynccontextmanager
async def victoria_world(folder: Path) -> AsyncIterator[RealWorld]:
    """A real VictoriaMetrics, asked as Observer asks this kind."""

    def command(config: Path, port: int) -> list[str]:
        return [
            "victoria-metrics",
            f"-promscrape.config={config}",
            "-promscrape.config.strictParse=false",
            "-promscrape.fileSDCheckInterval=1s",
            f"-storageDataPath={folder / 'data'}",
            "-search.latencyOffset=0s",  # else this old one answers ranges 30 s late, whatever a question asks for
            f"-httpListenAddr=127.0.0.1:{port}",
        ]

    async with _started(folder, command, "/health") as world:
        world.settings = replace(world.settings, flavor=Flavor.VICTORIAMETRICS)
        world.parameters, world.flush = flavor_parameters(Flavor.VICTORIAMETRICS), "/internal/force_flush"
        yield world


@asynccontextmanager
async def _started(folder: Path, command: Callable[[Path, int], list[str]], ready: str) -> AsyncIterator[RealWorld]:
    pages: dict[Target, Page] = {}

    async def metrics(request: web.Request) -> web.Response:
        found = next((page for labels, page in pages.items() if _path(labels) == request.path), None)
        return web.Response(status=500) if found is None else web.Response(text=_text(found))

    app = web.Application()
    app.router.add_get("/{path:.*}", metrics)
    async with TestServer(app) as exporter:
        config, targets = folder / "scrape.yml", folder / "targets.json"
        targets.write_text("[]")
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n"
            "- job_name: mesh\n"
            f"  file_sd_configs: [{{files: ['{targets}'], refresh_interval: 1s}}]\n"
        )
        port = free_port()
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(command(config, port), stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            await _ready(f"{url}{ready}", process)
            yield RealWorld(PrometheusSettings(url=url), targets, f"127.0.0.1:{exporter.port}", pages)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)


async def _ready(url: str, process: subprocess.Popen[bytes]) -> None:
    async with aiohttp.ClientSession() as session:
        while process.poll() is None:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError("the server ended at its start")
