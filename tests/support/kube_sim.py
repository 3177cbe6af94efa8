"""The simulated Kubernetes API server on loopback, with its controllers running, and clients for it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from observer.kube.client import KubeApi
from observer.kube.credentials import KubeConfig
from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.api import API, make_app
from observer.simulator.kubernetes.controllers import Controllers
from observer.simulator.kubernetes.faults import KubeFaults
from observer.simulator.kubernetes.store import Store

Obj = dict[str, Any]


@dataclass
class SimulatedKube:
    """One running server: ``store`` and ``faults`` are its inside, ``app[API].calls`` what it was asked."""

    url: str
    store: Store
    clock: SimClock
    faults: KubeFaults
    app: web.Application

    def asked(self, verb: str, resource: str) -> list[Any]:
        """The calls of that verb on that resource."""
        return [call for call in self.app[API].calls if (call.verb, call.resource) == (verb, resource)]


class QuickClock:
    """Real time, but waits are short: for back-off that a test need not sit out. ``slept`` is what was asked for."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return asyncio.get_running_loop().time() + 1_700_000_000.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.01))


@asynccontextmanager
async def simulated_kube(objects: Iterable[Obj] = (), *, speed: float = 20.0) -> AsyncIterator[SimulatedKube]:
    """Serve ``objects``; controllers and kubelets run ``speed`` times as fast as real ones."""
    clock = SimClock(speed=speed)
    store = Store(clock, seed=1)
    for obj in objects:
        store.add(obj)
    controllers, faults = Controllers(store, clock, random.Random(1)), KubeFaults()
    app = make_app(store, controllers, clock, faults=faults)
    async with serving(app) as url, running(lambda: _drive(controllers, clock)):
        yield SimulatedKube(url, store, clock, faults, app)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """An application on a free loopback port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def write_kubeconfig(path: Path, url: str, **user: str) -> str:
    """A kubeconfig for ``url``; ``user`` is the user entry (``token``, ``tokenFile``)."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": user}],
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return str(path)


@asynccontextmanager
async def connected(folder: Path, url: str, *, timeout: float = 5.0, **user: str) -> AsyncIterator[KubeApi]:
    """A client of that server."""
    api = KubeApi(KubeConfig(write_kubeconfig(folder / "kubeconfig", url, **user)), timeout=timeout)
    try:
        yield api
    finally:
        await api.close()


@asynccontextmanager
async def running(work: Callable[[], Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """A task that lives as long as the block; what it died of, if it did, is raised."""
    task = asyncio.get_running_loop().create_task(work())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(done: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait for something to become true; fails by ``TimeoutError``."""
    async with asyncio.timeout(within):
        while not done():
            await asyncio.sleep(0.01)


async def _drive(controllers: Controllers, clock: SimClock) -> None:
    while True:
        controllers.tick(clock.now())
        await asyncio.sleep(0.02)
