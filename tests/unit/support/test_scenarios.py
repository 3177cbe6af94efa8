"""Each family hits what it says it hits."""

from __future__ import annotations

import numpy as np
import pytest

from observer.domain.attribution import UNKNOWN, CauseKind
from observer.simulator.scenarios.world import World
from tests.support.call_graphs import call_graph
from tests.support.scenarios import FAMILIES, OF_MANY, OF_ONE_POD, begin, scene_of, tend


@pytest.fixture(scope="module")
def world() -> World:
    return World(call_graph(12), seed=12, age=3600.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_right_answers_name_what_exists(family: str, world: World) -> None:
    pods = {pod.name: pod for pod in world.mesh.pods.living()}
    for seed in range(5):
        scene = scene_of(world, world.mesh.now, np.random.default_rng(seed))
        injury = FAMILIES[family](scene)

        assert injury.family == family
        assert injury.culprits
        assert injury.pods <= pods.keys()
        assert bool(injury.pods) is (family not in OF_MANY)
        homes = {scene.ref(service.name) for service in world.spec.services}
        assert {cause.service for cause in injury.culprits if cause.service is not None} <= homes
        assert all(pods[cause.name].uid == cause.pod.uid for cause in injury.culprits if cause.pod is not None)


def test_a_pod_family_has_one_culprit() -> None:
    assert FAMILIES.keys() > OF_ONE_POD
    assert not OF_ONE_POD & OF_MANY


def test_a_sick_node_has_pods_of_several_services(world: World) -> None:
    scene = scene_of(world, world.mesh.now, np.random.default_rng(4))
    injury = FAMILIES["bad_node"](scene)

    (cause,) = injury.culprits
    assert cause.kind is CauseKind.NODE
    assert len({pod.identity.service for pod in scene.pods if pod.node == cause.name}) >= 3


def test_one_caller_cannot_be_told_from_its_callee(world: World) -> None:
    for seed in range(20):
        scene = scene_of(world, world.mesh.now, np.random.default_rng(seed))
        injury = FAMILIES["edge_loss"](scene)
        edge = next(cause for cause in injury.culprits if cause.kind is CauseKind.EDGE)
        assert edge.callee is not None
        assert (len(injury.culprits) == 2) is (len(scene.callers(edge.callee.name)) == 1)


def test_a_canary_and_cold_pods_come_and_fail() -> None:
    world = World(call_graph(5), seed=5, age=3600.0)
    known = frozenset(pod.name for pod in world.mesh.pods.living())
    scene = scene_of(world, world.mesh.now, np.random.default_rng(1))
    canary, cold = FAMILIES["bad_revision"](scene), FAMILIES["cold_start"](scene)
    for injury in (canary, cold):
        begin(world, injury)
    for _ in range(4):
        world.run(world.mesh.now + 5.0)
        tend(world, cold, known)

    new = [pod for pod in world.mesh.pods.living() if pod.name not in known]
    assert canary.canary is not None
    assert cold.scale is not None
    assert sum(pod.identity.workload == canary.canary.name for pod in new) == canary.canary.replicas
    chilled = [pod.name for pod in new if pod.identity.workload == cold.scale[0]]
    assert {f"cold:{name}" for name in chilled} <= {fault.name for fault in world.mesh.faults.standing()}
    assert len(chilled) == 2
    assert UNKNOWN in cold.culprits
