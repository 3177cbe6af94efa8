"""Gateways, whom nobody reports of but themselves: from their proxies' counters to the verdict, over HTTP."""

from __future__ import annotations

import pytest

from observer.config.settings.sources import PrometheusSettings
from observer.domain.cluster import Pod
from observer.domain.ids import ServiceRef
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Snapshot
from observer.domain.suspect import Judgement, Tier
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState
from observer.simulator.mesh import faults
from observer.simulator.mesh.topology import MeshSpec, ServiceSpec, SourceSpec, WorkloadSpec
from observer.simulator.scenarios.world import World
from observer.sources.prometheus.source import PrometheusSource
from tests.support.builders import cluster, pod

TICK = 5.0
EDGE = "edge-gateway"
GATEWAYS = {"istio": "ingressgateway"}


def border(workload: str = EDGE) -> MeshSpec:
    """Three gateway pods pass the world's requests on to three pods of cart."""
    return MeshSpec(
        namespace="shop",
        services=(ServiceSpec("cart"),),
        workloads=(
            WorkloadSpec(workload, EDGE, "v1", 3, gateway=True),
            WorkloadSpec("cart-v1", "cart", "v1", 3),
        ),
        sources=(SourceSpec(EDGE, "cart", 90.0),),
    )


class Border:
    """Asks and judges a world tick by tick."""

    def __init__(self, world: World, address: str, labels: dict[str, str]) -> None:
        self.world = world
        self.source = PrometheusSource(PrometheusSettings(url=address))
        self.state, self.settings = DetectorState.empty(), EngineSettings(tick=TICK)
        self.labels = labels
        self.judgement: Judgement | None = None
        self.questions = 0

    def pods(self) -> list[Pod]:
        old = self.world.clock.now() - 3600.0
        edge = [pod(name, app=EDGE, labels=self.labels, created=old, started=old) for name in self.world.pods_of(EDGE)]
        return [*edge, *(pod(name, app="cart", created=old, started=old) for name in self.world.pods_of("cart"))]

    async def ticks(self, count: int) -> Judgement:
        for _ in range(count):
            await self.world.advance(TICK)
            at, asked = self.world.clock.now(), self.judgement
            view = cluster(self.pods(), at=at)
            before = self.source.asked
            frame = await self.source.counters(at)
            callers = await self.source.callers(at, asked.watch) if asked is not None else None
            again = {}
            for service in asked.recheck if asked is not None else ():
                wanted = frozenset(ref.key for ref in view.by_service[service])
                again[service] = await self.source.recheck(at, 600.0, TICK, wanted)
            self.questions = max(self.questions, self.source.asked - before)
            control = Control(paused=False, reason="", leader=True, term=1)
            picture = Snapshot(at, frame, callers, view, control, rechecks=again)
            self.state, self.judgement = judge(self.state, picture, self.settings)
        assert self.judgement is not None
        return self.judgement


def named(judgement: Judgement, tier: Tier) -> set[str]:
    return {one.culprit.name for one in judgement.suspects if min(one.tier, one.ceiling) >= tier}


@pytest.mark.parametrize("workload", [EDGE, "public-istio"])
async def test_one_gray_gateway_pod_is_suspected(workload: str) -> None:
    async with World(border(workload)) as world:
        address, _ = await world.serve()
        gate = Border(world, address, GATEWAYS)
        assert not (await gate.ticks(8)).suspects
        sick = world.pods_of(EDGE)[1]
        world.inject(faults.pod_errors(sick, 0.2))
        judgement = await gate.ticks(8)
        await gate.source.close()

    assert named(judgement, Tier.EVICT) == {sick}
    found = judgement.suspects[0].evidence
    assert found.bad_rate == pytest.approx(0.2, abs=0.08)
    assert list(found.callers) == ["to shop/cart"]
    assert gate.questions == 6
    health = judgement.services[ServiceRef("shop", EDGE)]
    assert {ref.name for ref in health.healthy} == set(world.pods_of(EDGE)) - {sick}


async def test_a_slow_gateway_pod_is_suspected() -> None:
    async with World(border()) as world:
        address, _ = await world.serve()
        gate = Border(world, address, GATEWAYS)
        await gate.ticks(12)
        sick = world.pods_of(EDGE)[0]
        world.inject(faults.pod_slow(sick, 0.3))
        judgement = await gate.ticks(10)
        await gate.source.close()

    assert named(judgement, Tier.DRAIN) == {sick}


async def test_gateways_that_fail_alike_are_nobodys_fault() -> None:
    async with World(border()) as world:
        address, _ = await world.serve()
        gate = Border(world, address, GATEWAYS)
        await gate.ticks(8)
        world.inject(*(faults.pod_errors(name, 0.2) for name in world.pods_of(EDGE)))
        judgement = await gate.ticks(10)
        await gate.source.close()

    assert named(judgement, Tier.DRAIN) == set()


async def test_what_a_pod_calls_says_nothing_when_it_is_no_gateway() -> None:
    async with World(border()) as world:
        address, _ = await world.serve()
        gate = Border(world, address, {"app": EDGE})  # called like one, but Kubernetes does not know it as one
        await gate.ticks(8)
        world.inject(faults.pod_errors(world.pods_of(EDGE)[0], 0.5))
        judgement = await gate.ticks(8)
        await gate.source.close()

    assert judgement.suspects == ()
    assert judgement.services[ServiceRef("shop", EDGE)].requests == 0.0
