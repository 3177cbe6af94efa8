"""The whole simulated cluster: pods that live and die, both APIs, both kinds of time."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from observer.simulator.clock import DEFAULT_START, SimClock
from observer.simulator.mesh import faults
from observer.simulator.mesh.topology import ScrapeSpec
from observer.simulator.scenarios.world import World

MERGE = {"Content-Type": "application/merge-patch+json"}


async def instant(session: aiohttp.ClientSession, address: str, query: str, at: float) -> dict[str, float]:
    async with session.post(f"{address}/api/v1/query", data={"query": query, "time": str(at)}) as answer:
        assert answer.status == 200
        body: dict[str, Any] = await answer.json()
    return {row["metric"].get("pod", ""): float(row["value"][1]) for row in body["data"]["result"]}


def conditions(world: World) -> set[tuple[str, str]]:
    pods = world.store.list("pods", "shop")
    return {
        (one["type"], one["status"]) for pod in pods for one in pod["status"]["conditions"] if one["type"] == "Ready"
    }


def restarts(world: World) -> int:
    pods = world.store.list("pods", "shop")
    return sum(one["restartCount"] for pod in pods for one in pod["status"]["containerStatuses"])


async def test_a_new_world_is_ready_and_stands_where_its_clock_stood() -> None:
    world = World()
    assert world.clock.now() == DEFAULT_START
    assert conditions(world) == {("Ready", "True")}
    wanted = {"front": 3, "catalog": 4, "cart": 4, "pay": 5, "store": 3, "load": 1}
    assert {name: len(world.pods_of(name)) for name in wanted} == wanted
    assert len(world.pods_of("pay", "v2")) == 2
    labels = world.store.get("namespaces", "", "shop")
    assert labels is not None
    assert labels["metadata"]["labels"]["observer.dev/enabled"] == "true"
    assert {node["metadata"]["name"] for node in world.store.list("nodes")} == {"n1", "n2"}


async def test_history_holds_a_peak_of_more_than_double_load() -> None:
    world = World(history=600)
    async with world, aiohttp.ClientSession() as session:
        prometheus, _ = await world.serve()
        rate = 'sum(rate(istio_requests_total{pod=~"load.*"}[60s]))'
        now = world.clock.now()
        quiet, peak, after = [(await instant(session, prometheus, rate, now - x))[""] for x in (480, 300, 20)]
        assert quiet == pytest.approx(12.0, rel=0.2)
        assert peak / quiet == pytest.approx(2.2, rel=0.25)
        assert after == pytest.approx(12.0, rel=0.2)
        errors = await instant(session, prometheus, 'count(istio_requests_total{response_code!="200"})', now)
        assert errors == {}


async def test_every_fault_keeps_the_probes_green() -> None:
    world = World()
    pod = world.pods_of("store")[0]
    for fault in (
        faults.pod_errors(pod, 1.0),
        faults.pod_slow(pod, 3.0),
        faults.sidecar_frozen(pod),
        faults.sidecar_dead(pod),
        faults.node_bad("n1", 1.0),
        faults.workload_bad("cart-v1", 1.0),
    ):
        world.mesh.faults.set(fault)
        await world.advance(10, step=0.5)
        assert conditions(world) == {("Ready", "True")}
        assert restarts(world) == 0
        world.mesh.faults.clear()


async def test_drain_evict_replace_over_both_apis() -> None:
    world = World()
    async with world, aiohttp.ClientSession() as session:
        prometheus, kubernetes = await world.serve()
        culprit = world.pods_of("catalog")[0]
        world.mesh.faults.set(faults.pod_errors(culprit, 0.3))
        await world.advance(30)
        failed = 'sum by (pod) (istio_requests_total{reporter="destination",response_code=~"5..",destination_app="%s"})'
        assert set(await instant(session, prometheus, failed % "catalog", world.clock.now())) == {culprit}
        path = f"{kubernetes}/api/v1/namespaces/shop/pods/{culprit}"
        patch = {"metadata": {"labels": {"istio.io/draining": "true"}}}
        async with session.patch(path, json=patch, headers=MERGE) as answer:
            assert answer.status == 200
        await world.advance(4)
        front = await instant(session, prometheus, failed % "front", world.clock.now())
        await world.advance(20)
        assert await instant(session, prometheus, failed % "front", world.clock.now()) == front
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": culprit, "namespace": "shop"}}
        async with session.post(f"{path}/eviction", json=eviction) as answer:
            assert answer.status == 201
        await world.advance(15)
        assert culprit not in world.pods_of("catalog")
        assert len(world.pods_of("catalog")) == 4
        assert sorted(world.mesh.balanced("catalog")) == world.pods_of("catalog")
        up = await instant(session, prometheus, "up", world.clock.now())
        assert set(world.pods_of("catalog")) <= set(up)
        assert culprit not in up


async def test_the_same_seed_gives_the_same_cluster() -> None:
    first, second, other = World(seed=5, history=60), World(seed=5, history=60), World(seed=6, history=60)
    for world in (first, second, other):
        await world.advance(5)
    assert first.pods_of("cart") == second.pods_of("cart") != other.pods_of("cart")
    pages = [
        [world.mesh.sidecars.page(pod.slot).requests.tolist() for pod in world.mesh.pods.living()]
        for world in (first, second, other)
    ]
    assert pages[0] == pages[1] != pages[2]


async def test_a_stopped_prometheus_resets_connections_and_comes_back_with_a_gap() -> None:
    world = World()
    async with world, aiohttp.ClientSession() as session:
        prometheus, _ = await world.serve()
        await world.advance(5)
        world.stop_prometheus()
        with pytest.raises(aiohttp.ClientError):
            await instant(session, prometheus, "up", world.clock.now())
        before = world.clock.now()
        await world.advance(10)
        world.start_prometheus()
        stamps = await instant(session, prometheus, "timestamp(up)", world.clock.now())
        assert max(stamps.values()) <= before
        await world.advance(3)
        stamps = await instant(session, prometheus, "timestamp(up)", world.clock.now())
        assert min(stamps.values()) > before + 10


async def test_replicas_behind_one_address_answer_in_turn_with_other_offsets() -> None:
    world = World(scrape=ScrapeSpec(interval=5.0, replicas=2))
    async with world, aiohttp.ClientSession() as session:
        prometheus, _ = await world.serve()
        await world.advance(20)
        answers = [await instant(session, prometheus, "timestamp(up)", world.clock.now()) for _ in range(4)]
        assert answers[0] == answers[2] != answers[1] == answers[3]


async def test_advance_wakes_who_sleeps_on_the_clock() -> None:
    world = World()
    woken: list[float] = []

    async def tick() -> None:
        for _ in range(3):
            await world.clock.sleep(5.0)
            woken.append(world.clock.now() - DEFAULT_START)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tick())
        await asyncio.sleep(0)
        await world.advance(16.0)
    assert woken == pytest.approx([5.0, 10.0, 15.0], abs=0.11)


async def test_a_wall_clock_drives_the_world_by_itself() -> None:
    clock = SimClock(speed=10.0)
    world = World(clock=clock, history=30)
    async with world, aiohttp.ClientSession() as session:
        prometheus, _ = await world.serve()
        total = "sum(istio_requests_total)"
        first = (await instant(session, prometheus, total, clock.now()))[""]
        while (await instant(session, prometheus, total, clock.now()))[""] <= first:
            await clock.sleep(1.0)
        assert world.mesh.now <= clock.now()


async def test_an_injected_fault_leaves_the_trace_that_the_labs_leave() -> None:
    world = World()
    pod = world.pods_of("cart")[1]
    world.inject(faults.pod_errors(pod, 0.5))
    async with world, aiohttp.ClientSession() as session:
        prometheus, _ = await world.serve()
        await world.advance(3)
        visits = await instant(
            session, prometheus, 'istio_requests_total{source_workload="unknown"}', world.clock.now()
        )
        assert visits == {pod: 1.0}
        errors = 'sum by (pod) (istio_requests_total{reporter="destination",response_code="500"})'
        assert set(await instant(session, prometheus, errors, world.clock.now())) == {pod}
