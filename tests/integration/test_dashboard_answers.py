"""Every query of every dashboard is answered by a real Prometheus that scrapes a daemon and a mesh."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer.cli.rules import documented, write
from observer.config.settings.model import Settings, WebhookSettings
from observer.dashboards.catalogue import PanelQuery, questions, shipped
from observer.dashboards.objective import of_objective
from observer.exchange.prometheus_rules import RuleOptions
from observer.simulator.clock import SimClock
from observer.simulator.mesh.faults import pod_errors
from observer.simulator.prometheus.promql import Evaluator, Vector, parse
from observer.simulator.scenarios.world import World
from tests.support.ports import free_port
from tests.support.running_daemon import running, settings_for

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0
MESH = (
    "istio_requests_total",
    "istio_request_duration_milliseconds_bucket",
    "istio_request_duration_milliseconds_count",
)
DOCUMENTS = documented([ROOT / "rules" / "objectives.yaml", ROOT / "rules" / "observer.yaml"], ["shop/catalog"], 0.0)
COUNTED = [one for one in DOCUMENTS.objectives if one.slo in {"mesh-availability", "observer-sight", "observer-pace"}]
"""Those that the daemon looks at itself: the shipped policies name no other template."""
BOARDS = [*shipped(), *map(of_objective, COUNTED)]


@asynccontextmanager
async def mesh_metrics(world: World) -> AsyncIterator[int]:
    """What the simulated sidecars tell, as one page for a real Prometheus."""

    async def page(_: web.Request) -> web.Response:
        instant = np.array([round(world.mesh.now * 1000)], dtype=np.int64)
        lines = []
        for name in MESH:
            found = Evaluator(world.scrapers[0].memory, instant).evaluate(parse(name))
            assert isinstance(found, Vector)
            for labels, value, present in zip(found.series.labels, found.values, found.present, strict=True):
                if present[0]:
                    written = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items() if key[:2] != "__")
                    lines.append(f"{name}{{{written}}} {float(value[0])!r}\n")
        return web.Response(text="".join(lines))

    app = web.Application()
    app.router.add_get("/metrics", page)
    server = TestServer(app)
    await server.start_server()
    try:
        assert server.port is not None
        yield server.port
    finally:
        await server.close()


@asynccontextmanager
async def prometheus(folder: Path, targets: dict[str, str]) -> AsyncIterator[str]:
    """A Prometheus that scrapes and evaluates every second; its address."""
    write(DOCUMENTS.objectives, folder / "rules", RuleOptions())
    for path in (folder / "rules").glob("slo-*.yaml"):
        path.write_text(path.read_text().replace("interval: 5m", "interval: 1s"))
    jobs = [
        {"job_name": job, "honor_labels": job == "mesh", "static_configs": [{"targets": [target]}]}
        for job, target in targets.items()
    ]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules" / "slo-*.yaml"), str(ROOT / "rules" / "prometheus" / "observer.rules")],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--log.level=error",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def unanswered(session: aiohttp.ClientSession, url: str, asked: list[PanelQuery]) -> list[PanelQuery]:
    """Those without a series; raises where Prometheus refuses a query."""
    left = []
    for one in asked:
        expr = one.expr.replace("$__rate_interval", "10s").replace("$__range", "1m")
        for name in ("job", "instance", "namespace", "workload", "slo_id"):
            expr = expr.replace(f"${name}", ".+")
        async with session.post(f"{url}/api/v1/query", data={"query": expr}) as answer:
            body: dict[str, Any] = await answer.json()
        assert body["status"] == "success", (one, body)
        if not body["data"]["result"]:
            left.append(one)
    return left


async def answered(url: str, asked: list[PanelQuery]) -> None:
    """Wait until every one has an answer; fails with those that have none."""
    left = asked
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(PATIENCE):
                while left:
                    with contextlib.suppress(aiohttp.ClientError, json.JSONDecodeError):  # while it starts
                        left = await unanswered(session, url, left)
                    await asyncio.sleep(1.0)
        except TimeoutError:
            pytest.fail("no answer: " + "\n".join(f"{one.dashboard} | {one.panel} | {one.expr}" for one in left))


async def provoke(world: World, settings: Settings, token: str) -> None:
    """Everything that a query with ``needs_event`` waits for."""
    for name in world.pods_of("catalog"):
        world.mesh.faults.set(pod_errors(name, 0.9))
    alert = {
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "observer",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "",
        "alerts": [{
            "status": "firing", "labels": {"alertname": "Slow", "namespace": "shop"}, "annotations": {},
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
            "fingerprint": "f1",
        }],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://{settings.listen}/api/v1/alerts"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=alert) as answer:
        assert answer.status == 202, await answer.text()
    await asyncio.sleep(3.0)
    world.prometheus.misbehaviour.unavailable = True
    await asyncio.sleep(3.0)
    world.prometheus.misbehaviour.unavailable = False
    world.prometheus.misbehaviour.delay = 1.5  # longer than a tick: each of the next ones begins late
    await asyncio.sleep(15.0)
    world.prometheus.misbehaviour.delay = 0.0


@pytest.mark.needs("prometheus")
@pytest.mark.timeout(400)
async def test_every_query_has_an_answer(tmp_path: Path) -> None:
    home, token = tmp_path / "home", tmp_path / "token"
    home.mkdir()
    token.write_text("a-token-of-the-webhook")
    asked = list(questions(BOARDS))
    async with World(seed=5, clock=SimClock(speed=1.0), history=60.0) as world:
        settings = replace(
            await settings_for(world, home),
            webhook=WebhookSettings(enabled=True, bearer_file=str(token)),
            policies=("shipped",),
        )
        async with running(settings, io.BytesIO()), mesh_metrics(world) as port:
            targets = {"observer": settings.listen, "mesh": f"127.0.0.1:{port}"}
            async with prometheus(tmp_path, targets) as url:
                await answered(url, [one for one in asked if not one.needs_event])
                await provoke(world, settings, "a-token-of-the-webhook")
                await answered(url, [one for one in asked if one.needs_event])
