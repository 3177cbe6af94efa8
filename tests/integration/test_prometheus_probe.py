"""What doctor says of servers that are wrong in ways the contract suite's servers are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer.config.settings.model import Settings
from observer.config.settings.sources import Profile, PrometheusSettings
from observer.domain.finding import Finding
from observer.simulator.prometheus.api import PrometheusApi
from observer.simulator.prometheus.tsdb import NAME, TimeSeriesMemory
from observer.sources.prometheus.probe import probe

pytestmark = pytest.mark.integration

AT = 1_700_000_000.0


@dataclass
class Replica:
    """One server of several behind an address; ``offset`` shifts its scrapes, ``interval`` spaces them (seconds)."""

    memory: TimeSeriesMemory
    stopped: bool = False

    def targets(self) -> list[dict[str, Any]]:
        return []


def replica(pods: int = 2, *, offset: float = 0.0, interval: float = 5.0, twice: bool = False) -> Replica:
    memory = TimeSeriesMemory()
    for pod in range(pods):
        for port in ("15020", "8080") if twice else ("15020",):
            labels = {"namespace": "shop", "pod": f"cart-{pod}", "instance": f"10.0.0.{pod}:{port}"}
            block = memory.open(labels)
            block.table("up").add([{NAME: "up", **labels}])
            for step in range(60):
                block.append(round((AT - 1 - offset - interval * (59 - step)) * 1000), {"up": np.ones(1)})
    return Replica(memory)


@asynccontextmanager
async def server(*replicas: Replica) -> AsyncIterator[tuple[PrometheusApi, Settings]]:
    api = PrometheusApi(list(replicas), lambda: AT)
    async with TestServer(api.app()) as running:
        source = PrometheusSettings(url=f"http://127.0.0.1:{running.port}")
        yield api, replace(Settings(), prometheus=source)


async def ask(settings: Settings, pods: int = 2, at: float = AT) -> dict[str, Finding]:
    wanted = frozenset(("shop", f"cart-{i}") for i in range(pods))
    return {one.name: one for one in await probe(settings, pods=wanted, at=at)}


async def test_two_replicas_behind_one_address_are_told_apart() -> None:
    async with server(replica(), replica(offset=2.0)) as (_, settings):
        found = await ask(settings)

    assert found["one server behind the address"].ok is False
    assert "2 different answers" in found["one server behind the address"].detail
    assert "dedup" in found["one server behind the address"].remedy


@pytest.mark.parametrize(("interval", "ok"), [(5.0, True), (15.0, None), (120.0, False)])
async def test_the_scrape_interval_is_measured_and_compared_with_the_tick(interval: float, ok: bool | None) -> None:
    async with server(replica(interval=interval)) as (_, settings):
        found = await ask(settings)

    assert found["scrape interval"].ok is ok
    assert found["scrape interval"].detail.startswith(f"{interval:g} s, the tick is 5 s")
    assert found["one server behind the address"].ok is True


async def test_a_server_that_stopped_scraping_is_not_fresh() -> None:
    async with server(replica()) as (_, settings):
        late, early = await ask(settings, at=AT + 200), await ask(settings, at=AT - 0.5)

    assert late["prometheus fresh"].ok is False
    assert "stopped scraping" in late["prometheus fresh"].remedy
    assert early["prometheus fresh"].ok is True


async def test_several_targets_of_a_pod_are_told() -> None:
    async with server(replica(twice=True)) as (_, settings):
        found = await ask(settings)

    assert found["one target a pod"].ok is None
    assert "up_selector" in found["one target a pod"].remedy


async def test_another_clusters_pods_are_told() -> None:
    async with server(replica(pods=9)) as (_, settings):
        found = await ask(settings, pods=2)

    assert found["pods matched"].ok is False
    assert "7 scraped pods are not in this cluster" in found["pods matched"].detail
    assert "up_selector" in found["pods matched"].remedy


async def test_a_partial_server_is_told_with_what_to_do() -> None:
    async with server(replica()) as (api, settings):
        api.misbehaviour.warnings = ["store-1 is down"]
        found = await ask(settings)

    assert [(one.name, one.ok) for one in found.values()] == [("prometheus reachable", False)]
    assert found["prometheus reachable"].detail.startswith("partial: ")
    assert "store" in found["prometheus reachable"].remedy


async def test_a_server_that_denies_us_is_told_with_what_to_do() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=401, text="no org id")

    app = web.Application()
    app.router.add_post("/{path:.*}", handler)
    async with TestServer(app) as running:
        settings = replace(Settings(), prometheus=PrometheusSettings(url=f"http://127.0.0.1:{running.port}"))
        found = await ask(settings)

    assert found["prometheus reachable"].detail.startswith("denied: ")
    assert "prometheus.tenant" in found["prometheus reachable"].remedy


async def test_the_limits_of_a_profile_are_told() -> None:
    async with server(replica()) as (_, settings):
        waypoint = replace(settings, prometheus=replace(settings.prometheus, profile=Profile.WAYPOINT))
        found = await ask(waypoint)

    assert found["prometheus profile"].ok is None
    assert "pods are not judged" in found["prometheus profile"].detail
