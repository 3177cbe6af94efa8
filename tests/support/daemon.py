"""The whole daemon on the simulated mesh, as a browser or a program meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from observer.app.cluster_access import connected
from observer.app.daemon import build
from observer.config.settings.model import (
    SHIPPED,
    EvidenceSettings,
    LeaseSettings,
    PeopleSettings,
    RecordingSettings,
    Settings,
    WebhookSettings,
)
from observer.config.settings.read import default
from observer.config.settings.sources import KubernetesSettings, PrometheusSettings
from observer.domain.action import Mode
from observer.runtime.supervise import supervise
from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.mesh.faults import pod_errors
from observer.simulator.scenarios.world import World
from tests.support.ports import free_port

PATIENCE = 120.0
HISTORY = 600.0
HOOK = "token-of-alertmanager"
NEEDS_A_WORD = """\
apiVersion: observer.dev/v1alpha1
kind: HealthPolicy
metadata: {name: words}
spec:
  selector: {namespaces: {names: [shop]}}
  mode: enforce
  approvals: [drain]
"""


@dataclass
class Daemon:
    """``token`` is the local one."""

    world: World
    settings: Settings
    token: str
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://{self.settings.listen}"

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def until(self, path: str, found: Callable[[Any], bool]) -> Any:
        """What ``path`` answers, as soon as it satisfies ``found``."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    status, body = await self.ask("GET", path)
                except aiohttp.ClientError:
                    status, body = 0, None
                if status == 200 and found(body):
                    return body
                await asyncio.sleep(0.2)

    def hurt(self) -> str:
        """One pod of catalog starts to fail; returns its name."""
        pod = self.world.pods_of("catalog")[0]
        self.world.mesh.faults.set(pod_errors(pod, 0.5, since=self.world.clock.now()))
        return pod


@asynccontextmanager
async def daemon(folder: Path) -> AsyncIterator[Daemon]:
    said: list[str] = []
    (folder / "words.yaml").write_text(NEEDS_A_WORD)
    (folder / "hook").write_text(HOOK)
    async with World(seed=7, clock=SimClock(speed=1.0), history=HISTORY) as world, aiohttp.ClientSession() as session:
        settings = await _settings(world, folder)
        stop = asyncio.Event()
        async with connected(settings) as api, asyncio.TaskGroup() as group:
            group.create_task(supervise(await build(settings, api, say=said.append), stop))
            one = Daemon(world, settings, said[0].rpartition(" ")[2], session)
            try:
                await one.until("/api/v1/status", lambda it: bool(it["complete"]))
                yield one
            finally:
                stop.set()


async def _settings(world: World, folder: Path) -> Settings:
    prometheus, kubernetes = await world.serve()
    base = default()
    return replace(
        base,
        engine=replace(base.engine, mode=Mode.ENFORCE, tick=1.0),
        prometheus=PrometheusSettings(url=prometheus, history_seconds=HISTORY, timeout=30.0),
        kubernetes=KubernetesSettings(kubeconfig=str(write_kubeconfig(folder / "kubeconfig", kubernetes))),
        lease=LeaseSettings(identity="observer-test"),
        evidence=EvidenceSettings(path=str(folder / "evidence")),
        recording=RecordingSettings(path=str(folder / "flight")),
        people=PeopleSettings(kubernetes=True),
        webhook=WebhookSettings(enabled=True, bearer_file=str(folder / "hook")),
        journal=f"sqlite+aiosqlite:///{folder / 'journal.db'}",
        audit=str(folder / "audit.jsonl"),
        listen=f"127.0.0.1:{free_port()}",
        policies=(SHIPPED, str(folder / "words.yaml")),
    )
