"""The whole daemon with Jaeger and Kiali named: it asks them, shows how they are, and acts as well without them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from observer.app.cluster_access import ClusterAccess, connected
from observer.app.daemon import build
from observer.app.sources import graph_source, neighbours, trace_source
from observer.config.settings.model import EvidenceSettings, LeaseSettings, Settings
from observer.config.settings.read import default
from observer.config.settings.sources import JaegerSettings, KialiSettings, KubernetesSettings, PrometheusSettings
from observer.domain import names
from observer.domain.ids import ServiceRef
from observer.runtime.supervise import supervise
from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.scenarios.world import World
from tests.support.builders import catalog
from tests.support.builders import cluster as view
from tests.support.fakes import FakeClock, FakeCluster
from tests.support.neighbour_worlds import lived
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

PATIENCE = 180.0


async def settings_for(world: World, folder: Path) -> Settings:
    prometheus, kubernetes = await world.serve()
    jaeger, kiali = await world.serve_neighbours()
    base = default()
    return replace(
        base,
        engine=replace(base.engine, tick=2.0),
        prometheus=PrometheusSettings(url=prometheus, history_seconds=600.0, timeout=60.0),
        jaeger=JaegerSettings(url=jaeger, refresh=1.0, window=60.0),
        kiali=KialiSettings(url=kiali, refresh=5.0, timeout=20.0),
        kubernetes=KubernetesSettings(kubeconfig=str(write_kubeconfig(folder / "kubeconfig", kubernetes))),
        lease=LeaseSettings(identity="observer-test"),
        evidence=EvidenceSettings(path=str(folder / "evidence")),
        journal=f"sqlite+aiosqlite:///{folder / 'journal.db'}",
        audit=str(folder / "audit.jsonl"),
        listen=f"127.0.0.1:{free_port()}",
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with connected(settings) as api, asyncio.TaskGroup() as group:
        group.create_task(supervise(await build(settings, api), stop))
        try:
            yield
        finally:
            stop.set()


async def status(settings: Settings, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """``/api/v1/status`` as soon as it satisfies ``until``."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://{settings.listen}/api/v1/status") as answer:
                    found: dict[str, Any] = await answer.json()
            except aiohttp.ClientError:
                found = {}
            if found and until(found):
                return found
            await asyncio.sleep(0.2)


def circuits(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["source"]: one for one in found["circuits"]}


async def test_the_daemon_shows_how_they_are_and_needs_neither(tmp_path: Path) -> None:
    async with World(seed=3, clock=SimClock(speed=1.0), history=60.0) as world:
        settings = await settings_for(world, tmp_path)
        world.jaeger.fault_injection.status = world.kiali.fault_injection.status = 500
        async with running(settings):
            broken = await status(settings, lambda it: it["complete"] and it["gaps"])
            assert [(gap["source"], gap["reason"]) for gap in broken["gaps"]] == [("kiali", "unreachable")]
            assert circuits(broken)["kiali"]["failures"] > 0
            assert circuits(broken)["jaeger"]["since"] == 0.0  # nobody is suspected: it was not asked
            async with aiohttp.ClientSession() as session, session.get(f"http://{settings.listen}/metrics") as answer:
                assert f'{names.SOURCE_CIRCUIT}{{source="kiali"}} ' in await answer.text()

            world.kiali.fault_injection.status = 0
            mended = await status(settings, lambda it: circuits(it)["kiali"]["last_success"] > 0 and not it["gaps"])
            assert circuits(mended)["kiali"]["state"] == "closed"
            assert world.jaeger.requests == []


async def test_without_addresses_neither_exists(tmp_path: Path) -> None:
    settings = replace(default(), listen="127.0.0.1:0")
    assert trace_source(settings, FakeClock()) is None and graph_source(settings, FakeClock()) is None
    around = neighbours(_access(settings, FakeClock()), None, None)
    assert [name for name, _ in around.tasks()] == ["edges"]  # the metric server tells of calls all the same
    assert around.circuits() == {}


async def test_what_is_suspected_is_asked_about_and_found() -> None:
    world, culprit = await lived(70.0, 0.3)
    async with world:
        jaeger, kiali = await world.serve_neighbours()
        clock = FakeClock(world.clock.now())
        settings = replace(
            default(),
            jaeger=JaegerSettings(url=jaeger, window=60.0, traces=300, timeout=60.0),
            kiali=KialiSettings(url=kiali, timeout=60.0),
        )
        sources = trace_source(settings, clock), graph_source(settings, clock)
        around = neighbours(_access(settings, clock), *sources)
        around.suspected(frozenset({ServiceRef("shop", "catalog")}))
        assert around._traces is not None and around._graph is not None
        await around._traces.look()
        await around._graph.look()

        traces, graph = around.traces(clock.at), around.graph(clock.at)
        assert traces is not None and graph is not None and around.gaps() == ()
        assert culprit in {span.pod for span in traces.spans if span.error}
        assert {(edge.caller.name, edge.callee.name) for edge in graph.edges if edge.errors} == {
            ("load", "front"),
            ("front", "catalog"),
        }
        assert {circuit.state.value for circuit in around.circuits().values()} == {"closed"}
        await around.close()


def _access(settings: Settings, clock: FakeClock) -> ClusterAccess:
    unused: Any = None
    cluster: Any = FakeCluster(view(catalog(2)))
    return ClusterAccess(settings, unused, clock, cluster, unused, unused, unused)
