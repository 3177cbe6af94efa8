"""The simulated Kiali shows what the sidecars counted, in the shape of a real one's answers."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from observer.simulator.kiali.graph import MeshRates
from observer.simulator.mesh.faults import pod_errors, sidecar_dead
from observer.simulator.scenarios.world import World

LAB = Path(__file__).parents[3] / "data" / "lab"
SHOP = frozenset({"shop"})


async def rates(*, gray: bool = False, dead: bool = False, gone: bool = False) -> MeshRates:
    world = World(seed=5)
    culprit = world.pods_of("catalog")[0]
    if gray:
        world.inject(pod_errors(culprit, 0.4))
    if dead:
        world.inject(sidecar_dead(culprit))
    if gone:
        world.mesh._pools["catalog"].slots = np.zeros(0, dtype=np.int64)
    await world.advance(70.0)
    return MeshRates(world.scrapers[0].memory, world.clock.now(), 60)


def edges(elements: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    names = {one["data"]["id"]: one["data"].get("app") or one["data"]["service"] for one in elements["nodes"]}
    return {(names[one["data"]["source"]], names[one["data"]["target"]]): one["data"] for one in elements["edges"]}


def keys(value: Any) -> set[str]:
    if not isinstance(value, dict):
        return set()
    return {key for key in value if not key[0].isdigit()} | {
        f"{key}.{more}" for key in value for more in keys(value[key])
    }


async def test_its_edges_and_nodes_have_the_fields_of_a_recorded_graph() -> None:
    looks = json.loads(lzma.decompress((LAB / "gray-pod" / "kiali.json.xz").read_bytes()))
    real, ours = looks[-1]["workload_graph"]["elements"], (await rates(gray=True)).graph(SHOP)
    for kind, told in (("nodes", {"healthData"}), ("edges", {"healthStatus"})):
        recorded = {key for one in real[kind] for key in one["data"]} - told
        assert {key for one in ours[kind] for key in one["data"]} - told == recorded
    failing = ("front", "catalog")
    assert keys(edges(ours)[failing]["traffic"]["rates"]) == keys(edges(real)[failing]["traffic"]["rates"])
    assert set(edges(ours)[failing]["traffic"]["responses"]) == {"200", "500"}


async def test_rates_and_shares_are_those_of_the_mesh() -> None:
    found = edges((await rates(gray=True)).graph(SHOP))
    traffic = found["front", "catalog"]["traffic"]
    assert float(traffic["rates"]["http"]) == pytest.approx(12.0, rel=0.2)
    share = float(traffic["rates"]["http5xx"]) / float(traffic["rates"]["http"])
    assert share == pytest.approx(0.1, abs=0.05)
    split = [percent for one in traffic["responses"].values() for percent in one["flags"].values()]
    assert sum(map(float, split)) == pytest.approx(100.0, abs=0.2)
    assert 5 < float(found["front", "catalog"]["responseTime"]) < 200


async def test_calls_that_a_pod_did_not_take_bear_their_flag() -> None:
    told = edges((await rates(dead=True)).graph(SHOP))["front", "catalog"]["traffic"]["responses"]
    assert set(told["503"]["flags"]) == {"UF"}


async def test_calls_that_found_nobody_go_to_the_service() -> None:
    elements = (await rates(gone=True)).graph(SHOP)
    nobody = [one["data"] for one in elements["nodes"] if one["data"]["nodeType"] == "service"]
    assert [(node["namespace"], node["service"]) for node in nobody] == [("shop", "catalog")]
    lost = [one["data"] for one in elements["edges"] if one["data"]["target"] == nobody[0]["id"]]
    assert [set(edge["traffic"]["responses"]["503"]["flags"]) for edge in lost] == [{"UH"}]


async def test_health_is_what_the_workloads_counted() -> None:
    found = (await rates(gray=True)).health(SHOP)["shop"]
    assert set(found) == {"front-v1", "catalog-v1", "cart-v1", "pay-v1", "pay-v2", "store-v1"}
    assert found["catalog-v1"]["status"]["status"] in ("Degraded", "Failure")
    assert found["store-v1"]["status"] == {
        "status": "Healthy",
        "totalRequestRate": pytest.approx(24.0, rel=0.2),
    }


async def test_other_namespaces_have_nothing() -> None:
    shown = await rates()
    assert shown.graph(frozenset({"elsewhere"})) == {"nodes": [], "edges": []}
    assert shown.health(frozenset({"elsewhere"})) == {"elsewhere": {}}
