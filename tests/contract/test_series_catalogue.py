"""The same questions about the same series, to the simulator's API and to a real Prometheus: the same answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer.config.lint.live.registry import lint_live
from observer.config.lint.subject import Subject
from observer.config.openslo.documents import parse_documents
from observer.config.settings.sources import PrometheusSettings
from observer.domain.errors import SourceUnavailable
from observer.simulator.prometheus.api import PrometheusApi
from observer.simulator.prometheus.tsdb import NAME, TimeSeriesMemory
from observer.sources.prometheus.catalogue import PrometheusCatalogue
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

SERIES: list[dict[str, str]] = [
    *({NAME: "istio_requests_total", "reporter": "source", "pod": f"cart-{pod}"} for pod in range(3)),
    *({NAME: "lat_bucket", "reporter": "destination", "pod": "cart-0", "le": le} for le in ("5.5", "250.5", "+Inf")),
]
FOUND = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: cart}
spec:
  service: cart
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: calls}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {spec: {query: 'lat_bucket{reporter="destination",le="300.5"}'}}}
        total: {metricSource: {spec: {query: 'istio_requests_total{reporter="source",zone="a"}'}}}
  objectives: [{target: 0.9}]
"""


class Replica:
    def __init__(self, memory: TimeSeriesMemory) -> None:
        self.memory = memory
        self.stopped = False

    def targets(self) -> list[dict[str, Any]]:
        return []


@pytest_asyncio.fixture
async def simulated() -> AsyncIterator[str]:
    memory, now = TimeSeriesMemory(), time.time()
    block = memory.open({"instance": "one", "job": "mesh"})
    names = sorted({one[NAME] for one in SERIES})
    for name in names:
        block.table(name).add([{**one, "instance": "one", "job": "mesh"} for one in SERIES if one[NAME] == name])
    for step in range(10):
        counts = {name: np.ones(sum(one[NAME] == name for one in SERIES)) for name in names}
        block.append(round((now - 10 + step) * 1000), counts)
    memory.touched()
    async with TestServer(PrometheusApi([Replica(memory)], lambda: now).app()) as running:
        yield f"http://127.0.0.1:{running.port}"


def page() -> str:
    lines = []
    for one in SERIES:
        inner = ",".join(f'{key}="{value}"' for key, value in one.items() if key != NAME)
        lines.append(f"{one[NAME]}{{{inner}}} 1")
    return "\n".join(lines) + "\n"


@pytest_asyncio.fixture
async def scraped(tmp_path: Path) -> AsyncIterator[str]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=page(), content_type="text/plain")

    app = web.Application()
    app.router.add_get("/metrics", answer)
    async with TestServer(app) as exporter:
        job = {"job_name": "mesh", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}
        every = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
        (tmp_path / "prometheus.yml").write_text(json.dumps({"global": every, "scrape_configs": [job]}))
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        )  # fmt: skip
        try:
            await until_scraped(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


async def until_scraped(address: str) -> None:
    while True:
        catalogue = PrometheusCatalogue(PrometheusSettings(url=address), time.time())
        try:
            if await catalogue.count("lat_bucket") == 3:
                return
        except SourceUnavailable:
            pass
        finally:
            await catalogue.close()
        await asyncio.sleep(0.2)


@pytest.fixture(params=["simulated", pytest.param("scraped", marks=pytest.mark.needs("prometheus"))])
def address(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


@pytest_asyncio.fixture
async def catalogue(address: str) -> AsyncIterator[PrometheusCatalogue]:
    found = PrometheusCatalogue(PrometheusSettings(url=address, timeout=30.0), time.time())
    yield found
    await found.close()


async def test_series_are_counted(catalogue: PrometheusCatalogue) -> None:
    assert await catalogue.count("istio_requests_total{}") == 3
    assert await catalogue.count('istio_requests_total{pod=~"cart-[01]"}') == 2
    assert await catalogue.count('istio_requests_total{zone!=""}') == 0
    assert await catalogue.count("nothing{}") == 0


async def test_values_are_listed(catalogue: PrometheusCatalogue) -> None:
    assert await catalogue.values("lat_bucket{}", "le") == ("+Inf", "250.5", "5.5")
    assert await catalogue.values("lat_bucket{}", "zone") == ("",)
    assert await catalogue.values("nothing{}", "le") == ()


async def test_costs_are_told_where_the_server_tells_them(address: str, catalogue: PrometheusCatalogue) -> None:
    cost = await catalogue.cost("sum(increase(istio_requests_total{}[1h]))")

    assert cost.samples is None or cost.samples >= 3
    assert cost.seconds is None or cost.seconds >= 0


async def test_the_live_checks_find_what_is_missing(catalogue: PrometheusCatalogue) -> None:
    found = await lint_live(Subject(parse_documents(FOUND, "e.yaml"), time.time()), catalogue)

    told = {one.check: str(one.fault) for one in found}
    assert set(told) == {"live-bucket-missing", "live-label-missing"}
    assert 'is le="300.5" (nearest: 250.5)' in told["live-bucket-missing"]
    assert "no series of istio_requests_total has the label zone" in told["live-label-missing"]
