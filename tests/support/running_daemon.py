"""The whole daemon on a simulated mesh, for tests that look at it from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp

from observer.app.cluster_access import connected
from observer.app.daemon import build
from observer.config.settings.model import EvidenceSettings, LeaseSettings, Settings
from observer.config.settings.read import default
from observer.config.settings.sources import JaegerSettings, KialiSettings, KubernetesSettings, PrometheusSettings
from observer.domain.action import Mode
from observer.runtime.supervise import supervise
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.scenarios.world import World
from observer.telemetry.logging import configure_logging
from tests.support.ports import free_port


async def settings_for(world: World, folder: Path, *, mode: Mode = Mode.SHADOW, token: str = "") -> Settings:
    """Everything that may be asked is there; files lie in ``folder``, the kubeconfig (with ``token``) beside it."""
    prometheus, kubernetes = await world.serve()
    jaeger, kiali = await world.serve_neighbours()
    base = default()
    return replace(
        base,
        engine=replace(base.engine, mode=mode, tick=1.0),
        prometheus=PrometheusSettings(url=prometheus, history_seconds=600.0, timeout=30.0, objective_refresh=10.0),
        jaeger=JaegerSettings(url=jaeger, refresh=1.0, window=60.0),
        kiali=KialiSettings(url=kiali, refresh=5.0, timeout=20.0),
        kubernetes=KubernetesSettings(
            kubeconfig=str(write_kubeconfig(folder.parent / "kubeconfig", kubernetes, token)), timeout=30.0
        ),
        lease=LeaseSettings(identity="observer-test"),
        evidence=EvidenceSettings(path=str(folder / "evidence")),
        journal=f"sqlite+aiosqlite:///{folder / 'journal.db'}",
        audit=str(folder / "audit.jsonl"),
        listen=f"127.0.0.1:{free_port()}",
    )


@asynccontextmanager
async def running(settings: Settings, log: BinaryIO) -> AsyncIterator[None]:
    """Until the block ends; every line of the log goes to ``log``."""
    stop = asyncio.Event()
    configure_logging(settings.log_level, log)
    async with connected(settings) as api, asyncio.TaskGroup() as group:
        group.create_task(supervise(await build(settings, api), stop))
        try:
            yield
        finally:
            stop.set()


async def status(settings: Settings, until: Callable[[dict[str, Any]], bool], patience: float) -> dict[str, Any]:
    """``/api/v1/status`` as soon as it satisfies ``until``. Raises ``TimeoutError`` after ``patience`` seconds."""
    async with asyncio.timeout(patience), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://{settings.listen}/api/v1/status") as answer:
                    found: dict[str, Any] = await answer.json()
            except aiohttp.ClientError:
                found = {}
            if found and until(found):
                return found
            await asyncio.sleep(0.2)
