"""A simulated mesh judged over HTTP, tick by tick: only the culprit is ever touched, whoever else burns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.config.settings.sources import PrometheusSettings
from observer.domain.cluster import ClusterView, Pod
from observer.domain.decision import Decision, Verdict
from observer.domain.graph import CallGraph
from observer.domain.ids import WorkloadRef
from observer.domain.snapshot import Snapshot
from observer.engine.decide import decide
from observer.engine.memory import Memory
from observer.runtime.source_cache import LAG, USUAL, WINDOW
from observer.simulator.mesh import faults
from observer.simulator.mesh.topology import shop
from observer.simulator.scenarios.world import World
from observer.sources.prometheus.call_graph import PrometheusCallGraph
from observer.sources.prometheus.source import PrometheusSource
from tests.support.builders import cluster, enforce, pod, snapshot, workload

pytestmark = pytest.mark.integration

TICK = 5.0
CALM = 12
AFTER = 24


class Watched:
    """
    The shop with its callers' series, decided in mode enforce; an act is told and not carried out.

    From the first suspicion on the callers' graph is asked for at each tick; what was usual was asked for before it.
    """

    def __init__(self, world: World, address: str) -> None:
        self.world, asked = world, PrometheusSettings(url=address)
        self.source, self.calls = PrometheusSource(asked), PrometheusCallGraph(asked)
        self.settings, self.memory = enforce(tick=TICK), Memory()
        self.usual: CallGraph | None = None
        self.decisions: list[Decision] = []

    def view(self) -> ClusterView:
        now = self.world.clock.now()
        pods = [self._pod(obj, now - 7200.0) for obj in self.world.store.list("pods", "shop")]
        owners = {one.workload: sum(two.workload == one.workload for two in pods) for one in pods if one.workload}
        known = [
            replace(workload(ref.name, desired=size), progressing_since=now - 7200.0) for ref, size in owners.items()
        ]
        return cluster(pods, known, at=now)

    async def ticks(self, count: int) -> None:
        for _ in range(count):
            await self.world.advance(TICK)
            picture = await self._snapshot()
            self.memory, told = decide(picture, self.memory, self.settings)
            self.decisions += told
            if any(one.verdict is Verdict.ACT for one in told):
                break

    async def close(self) -> None:
        await self.source.close()
        await self.calls.close()

    def acts(self) -> set[str]:
        return {one.subject for one in self.decisions if one.verdict is Verdict.ACT}

    def told(self, kind: str) -> set[tuple[str, str]]:
        return {(one.subject, one.reason) for one in self.decisions if one.kind == kind}

    async def _snapshot(self) -> Snapshot:
        at, view = self.world.clock.now(), self.view()
        watch = self.memory.watch
        again = {}
        for service in self.memory.recheck:
            wanted = frozenset(ref.key for ref in view.by_service[service])
            again[service] = await self.source.recheck(at, 600.0, TICK, wanted)
        suspected = bool(watch | self.memory.recheck)
        if self.usual is None or not suspected:
            self.usual = await self.calls.calls(at - LAG, USUAL)
        return replace(
            snapshot(view, at=at),
            counters=await self.source.counters(at),
            callers=await self.source.callers(at, watch),
            rechecks=again,
            edges=await self.calls.calls(at, WINDOW) if suspected else None,
            usual_edges=self.usual if suspected else None,
            earlier_edges=await self.calls.calls(at - LAG, WINDOW) if suspected else None,
        )

    @staticmethod
    def _pod(obj: dict[str, Any], since: float) -> Pod:
        name, labels, node = obj["metadata"]["name"], obj["metadata"]["labels"], obj["spec"]["nodeName"]
        owner = WorkloadRef("shop", "Deployment", f"{labels['app']}-{labels.get('version', 'v1')}")
        made = pod(name, app=labels["app"], node=node, created=since, started=since)
        return replace(made, workload=owner, revision=labels.get("version", ""))


async def test_only_the_dependencys_pod_is_touched_when_everybody_above_it_burns() -> None:
    async with World(shop(40.0), history=300.0) as world:
        address, _ = await world.serve()
        it = Watched(world, address)
        await it.ticks(CALM)
        sick = world.pods_of("store")[0]
        world.inject(faults.pod_errors(sick, 0.5))
        await it.ticks(AFTER)
        await it.close()

    assert it.acts() == {f"pod shop/{sick}"}
    act = next(one for one in it.decisions if one.verdict is Verdict.ACT)
    assert act.figures["attribution"] == f"pod shop/{sick}"
    assert not any("store" not in subject for subject, _ in it.told("suspected"))


async def test_a_frozen_sidecar_is_told_and_nobody_is_touched() -> None:
    async with World(shop(40.0), history=300.0) as world:
        address, _ = await world.serve()
        it = Watched(world, address)
        await it.ticks(CALM)
        frozen = world.pods_of("store")[0]
        world.inject(faults.sidecar_frozen(frozen))
        await it.ticks(AFTER)
        await it.close()
    assert it.told("unreached") == {("service shop/store", "unreached")}
    assert it.acts() == set()


async def test_a_bad_revision_is_named_and_nobody_is_touched() -> None:
    async with World(shop(40.0), history=300.0) as world:
        address, _ = await world.serve()
        it = Watched(world, address)
        await it.ticks(CALM)
        world.inject(faults.revision_bad("pay", "v2", 0.4))
        await it.ticks(AFTER)
        await it.close()

    assert it.acts() == set()
    assert ("revision shop/pay-v2", "roll_back") in it.told("suggested")


async def test_a_bad_node_is_named_and_nobody_is_touched() -> None:
    async with World(shop(40.0), history=300.0) as world:
        address, _ = await world.serve()
        it = Watched(world, address)
        await it.ticks(CALM)
        world.inject(faults.node_bad("n2", 0.3))
        await it.ticks(AFTER)
        await it.close()

    assert it.acts() == set()
    assert ("node n2", "cordon_node") in it.told("suggested")


async def test_an_outage_of_everything_touches_nobody() -> None:
    async with World(shop(40.0), history=300.0) as world:
        address, _ = await world.serve()
        it = Watched(world, address)
        await it.ticks(CALM)
        world.inject(*(faults.dependency_bad(one.name, 0.5) for one in world.spec.services))
        await it.ticks(AFTER)
        await it.close()

    assert it.acts() == set()
    assert {"workload_failing", "correlated_failure", "inherited"} & {reason for _, reason in it.told("suppressed")}
