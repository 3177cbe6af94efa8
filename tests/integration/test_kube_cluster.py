"""The cluster source when it may not see everything, and what its reads answer to failures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from observer.config.settings.sources import KubernetesSettings
from observer.domain.cluster import ResourceKind
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import PodRef
from observer.simulator.kubernetes import objects as kube_objects
from observer.simulator.kubernetes.faults import Answer, Hang, Plain, Reset
from observer.sources.kubernetes.cluster import KubernetesCluster
from tests.support.kube_sim import QuickClock, SimulatedKube, connected, running, simulated_kube, until

SCALER = kube_objects.autoscaler("shop", "cart", "cart-v1", current=4, desired=4)


class World:
    """A simulated shop and a source that is not running yet."""

    def __init__(self, kube: SimulatedKube, cluster: KubernetesCluster) -> None:
        self.kube, self.cluster = kube, cluster

    def view(self) -> Any:
        return self.cluster.view(1.0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    objects = [*kube_objects.shop_objects([("cart", "v1", 2)]), SCALER]
    async with simulated_kube(objects, speed=50.0) as kube, connected(tmp_path, kube.url, timeout=1.0) as api:
        yield World(kube, KubernetesCluster(api, KubernetesSettings(), clock=QuickClock(), random=Random(1)))


async def test_before_anything_is_known_nothing_is_claimed(world: World) -> None:
    view = world.view()
    assert (view.fresh, view.pods, view.namespaces) == ({}, {}, {})
    assert view.mesh.ready is None
    assert not view.acts_in("shop")


@pytest.mark.parametrize("kind", [ResourceKind.AUTOSCALERS, ResourceKind.BUDGETS])
@pytest.mark.parametrize("effect", [Answer(403), Answer(404)], ids=["no permission", "not served"])
async def test_a_kind_that_may_not_be_seen_is_absent_and_named(
    world: World, kind: ResourceKind, effect: Answer
) -> None:
    rule = world.kube.faults.on("list", kind.value, effect)
    async with running(world.cluster.run):
        assert not await world.cluster.synced(60)
        assert set(world.view().fresh) == set(ResourceKind) - {kind}
        assert set(world.cluster.problems) == {kind}
        rule.times = 0
        await until(lambda: set(world.view().fresh) == set(ResourceKind))
        assert world.cluster.problems == {}


async def test_a_permission_that_is_taken_away_makes_the_kind_unknown_again(world: World) -> None:
    async with running(world.cluster.run):
        assert await world.cluster.synced(60)
        world.kube.faults.forbid("*", "pods")
        world.kube.faults.cut_watches()
        await until(lambda: ResourceKind.PODS not in world.view().fresh)
        assert world.view().mesh.ready is None, "istiod's pods are pods"
        assert world.view().pods, "what was known is kept for showing"


async def test_istiod_that_becomes_unready_is_seen(world: World) -> None:
    async with running(world.cluster.run):
        assert await world.cluster.synced(60)
        await until(lambda: world.view().mesh.ready is True)
        istiod = next(ref for ref in world.view().pods if ref.namespace == "istio-system")

        def fail(pod: dict[str, Any]) -> None:
            for condition in pod["status"]["conditions"]:
                if condition["type"] == "Ready":
                    condition["status"] = "False"

        world.kube.store.modify("pods", istiod.namespace, istiod.name, fail, subresource="status")
        await until(lambda: world.view().mesh.ready is False)
        assert world.view().mesh.detail == "0 of 1 istiod pods are Ready"


async def test_a_shrinking_target_is_remembered(world: World) -> None:
    def scale(desired: int) -> None:
        def change(scaler: dict[str, Any]) -> None:
            scaler["status"]["desiredReplicas"] = desired

        world.kube.store.modify("horizontalpodautoscalers", "shop", "cart", change, subresource="status")

    async with running(world.cluster.run):
        assert await world.cluster.synced(60)
        assert world.view().autoscalers[0].scaled_down_at is None
        scale(6)
        await until(lambda: world.view().autoscalers[0].desired == 6)
        assert world.view().autoscalers[0].scaled_down_at is None
        scale(3)
        await until(lambda: world.view().autoscalers[0].desired == 3)
        at = world.view().autoscalers[0].scaled_down_at
        assert at is not None
        scale(5)
        await until(lambda: world.view().autoscalers[0].desired == 5)
        assert world.view().autoscalers[0].scaled_down_at == at


@pytest.mark.parametrize(
    ("effect", "reason"), [(Reset(), "unreachable"), (Hang(5), "unreachable"), (Answer(403), "denied")], ids=str
)
async def test_reads_that_fail_say_so(world: World, effect: Any, reason: str) -> None:
    pod = PodRef("shop", "x", "u")
    for verb, resource in (("get", "pods"), ("list", "events"), ("get", "pods/log")):
        world.kube.faults.on(verb, resource, effect)
    with pytest.raises(SourceUnavailable) as raised:
        await world.cluster.pod_now(pod)
    assert raised.value.reason == reason
    with pytest.raises(SourceUnavailable):
        await world.cluster.pod_events(pod)
    with pytest.raises(SourceUnavailable):
        await world.cluster.pod_logs(pod, "app", 10, 100)


async def test_an_answer_that_is_no_object_is_a_protocol_error(world: World) -> None:
    world.kube.faults.on("get", "pods", Plain(200, "<html>"))
    with pytest.raises(SourceProtocolError):
        await world.cluster.pod_now(PodRef("shop", "x", "u"))
    world.kube.faults.on("list", "events", Plain(200, '{"items": 5}'))
    with pytest.raises(SourceProtocolError):
        await world.cluster.pod_events(PodRef("shop", "x", "u"))
