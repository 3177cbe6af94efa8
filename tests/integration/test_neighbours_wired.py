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

from observer.app import build, connected
from observer.config.model import (
    EvidenceSettings,
    JaegerSettings,
    KialiSettings,
    KubernetesSettings,
    LeaseSettings,
    PrometheusSettings,
    Settings,
)
from observer.config.settings import default
from observer.domain import names
from observer.runtime.supervise import supervise
from observer.simulator.clock import SimClock
from observer.simulator.faults import pod_errors
from observer.simulator.kube_config import write_kubeconfig
from observer.simulator.topology import shop
from observer.simulator.world import World
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

PATIENCE = 60.0


async def settings_for(world: World, folder: Path) -> Settings:
    prometheus, kubernetes = await world.serve()
    jaeger, kiali = await world.serve_neighbours()
    base = default()
    return replace(
        base,
        engine=replace(base.engine, tick=1.0),
        prometheus=PrometheusSettings(url=prometheus, history_seconds=600.0),
        jaeger=JaegerSettings(url=jaeger, refresh=1.0, window=60.0),
        kiali=KialiSettings(url=kiali, refresh=5.0),
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
    """``/api/status`` as soon as it satisfies ``until``."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://{settings.listen}/api/status") as answer:
                    found: dict[str, Any] = await answer.json()
            except aiohttp.ClientError:
                found = {}
            if found and until(found):
                return found
            await asyncio.sleep(0.2)


def circuits(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["source"]: one for one in found["circuits"]}


async def test_both_are_asked_shown_and_not_needed(tmp_path: Path) -> None:
    async with World(replace(shop(rate=30.0), traced=0.2), seed=3, clock=SimClock(speed=1.0), history=120.0) as world:
        settings = await settings_for(world, tmp_path)
        async with running(settings):
            calm = await status(settings, lambda it: it["complete"] and circuits(it)["kiali"]["last_success"] > 0)
            assert set(circuits(calm)) == {"jaeger", "kiali"}
            assert circuits(calm)["jaeger"]["since"] == 0.0  # nobody is suspected: nobody was asked
            assert calm["gaps"] == []

            world.inject(pod_errors(world.pods_of("catalog")[0], 0.6))
            suspected = await status(settings, lambda it: circuits(it)["jaeger"]["last_success"] > 0)
            assert circuits(suspected)["jaeger"]["state"] == "closed"

            world.jaeger.mischief.status = world.kiali.mischief.status = 500
            broken = await status(settings, lambda it: {gap["source"] for gap in it["gaps"]} == {"jaeger", "kiali"})
            assert broken["complete"]  # what judges and acts sees as well as before
            opened = await status(settings, lambda it: circuits(it)["jaeger"]["state"] == "open")
            assert circuits(opened)["jaeger"]["reason"] == "unreachable" and opened["complete"]
            async with aiohttp.ClientSession() as session, session.get(f"http://{settings.listen}/metrics") as answer:
                assert f'{names.SOURCE_CIRCUIT}{{source="jaeger"}} 2.0' in await answer.text()


async def test_without_addresses_neither_exists(tmp_path: Path) -> None:
    async with World(seed=3, clock=SimClock(speed=1.0), history=60.0) as world:
        settings = replace(await settings_for(world, tmp_path), jaeger=JaegerSettings(), kiali=KialiSettings())
        async with running(settings):
            found = await status(settings, lambda it: it["ticks"] > 1)
            assert found["circuits"] == [] and world.jaeger.requests == world.kiali.requests == []
