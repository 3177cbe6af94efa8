"""The labels on the simulated pages are those of the lab's recordings (real Envoys, scraped by a real Prometheus)."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from observer.simulator.mesh import faults
from observer.simulator.scenarios.world import World
from tests.support.mesh import Rig

RECORDINGS = sorted((Path(__file__).parents[3] / "data" / "lab").glob("*/prometheus-range.json.xz"))
TARGET = {"__name__", "instance", "job", "namespace", "pod"}
BOTH = {
    "connection_security_policy",
    "destination_canonical_revision",
    "destination_canonical_service",
    "destination_cluster",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "destination_workload",
    "destination_workload_namespace",
    "reporter",
    "request_protocol",
    "response_code",
    "response_flags",
    "source_canonical_revision",
    "source_canonical_service",
    "source_cluster",
    "source_workload",
    "source_workload_namespace",
} | TARGET
PRINCIPALS = {"destination_principal", "source_principal"}
SERVER = {"destination_app", "destination_version"}
CLIENT = {"source_app", "source_version"}
METRICS = (
    "istio_requests_total",
    "istio_request_duration_milliseconds_sum",
    "istio_request_duration_milliseconds_count",
)


@pytest.mark.parametrize("metric", METRICS)
def test_label_names_of_both_reporters(metric: str) -> None:
    rig = Rig()
    rig.run(12)
    served = {frozenset(dict(key)) for key in rig.ask(f'{metric}{{reporter="destination"}}')}
    asked = {frozenset(dict(key)) for key in rig.ask(f'{metric}{{reporter="source"}}')}
    assert served == {frozenset(BOTH | PRINCIPALS | SERVER)}
    assert asked == {frozenset(BOTH | PRINCIPALS | CLIENT)}


def test_buckets_carry_the_bound_besides() -> None:
    rig = Rig()
    rig.run(12)
    names = {
        frozenset(dict(key)) for key in rig.ask('istio_request_duration_milliseconds_bucket{reporter="destination"}')
    }
    assert names == {frozenset(BOTH | PRINCIPALS | SERVER | {"le"})}


def test_a_visitor_from_outside_has_no_identity() -> None:
    rig = Rig()
    visited = rig.mesh.pods.named("shop", "store-0")
    assert visited is not None
    rig.mesh.visit(visited)
    rig.run(2)
    (labels,) = rig.ask('istio_requests_total{source_workload="unknown"}')
    assert set(dict(labels)) == BOTH | SERVER
    assert dict(labels)["connection_security_policy"] == "none"
    assert dict(labels)["source_workload_namespace"] == "unknown"


def test_values_of_one_series_in_full() -> None:
    rig = Rig()
    rig.run(5)
    (labels,) = rig.ask('istio_requests_total{reporter="destination",pod="store-2"}')
    assert dict(labels) == {
        "__name__": "istio_requests_total",
        "connection_security_policy": "mutual_tls",
        "destination_app": "store",
        "destination_canonical_revision": "v1",
        "destination_canonical_service": "store",
        "destination_cluster": "Kubernetes",
        "destination_principal": "spiffe://cluster.local/ns/shop/sa/default",
        "destination_service": "store.shop.svc.cluster.local",
        "destination_service_name": "store",
        "destination_service_namespace": "shop",
        "destination_version": "v1",
        "destination_workload": "store-v1",
        "destination_workload_namespace": "shop",
        "instance": "10.0.0.2:15020",
        "job": "mesh",
        "namespace": "shop",
        "pod": "store-2",
        "reporter": "destination",
        "request_protocol": "http",
        "response_code": "200",
        "response_flags": "-",
        "source_canonical_revision": "v1",
        "source_canonical_service": "front",
        "source_cluster": "Kubernetes",
        "source_principal": "spiffe://cluster.local/ns/shop/sa/default",
        "source_workload": "front-v1",
        "source_workload_namespace": "shop",
    }


def _shapes(series: list[dict[str, str]]) -> set[tuple[str, ...]]:
    """Series of a recording or of the simulator, less what names one incarnation: pod and address."""
    return {tuple(sorted(f"{k}={v}" for k, v in one.items() if k not in ("pod", "instance"))) for one in series}


@pytest.mark.skipif(not RECORDINGS, reason="tests/data/lab holds no recordings")
async def test_the_shop_counts_exactly_the_series_that_were_recorded() -> None:
    world = World()
    world.mesh.faults.set(faults.workload_bad("catalog-v1", 0.3), faults.pod_errors(world.pods_of("pay", "v2")[0], 0.3))
    world.mesh.faults.set(faults.dependency_bad("store", 0.3))
    await world.advance(60, step=1.0)
    simulated = [
        {**one, "__name__": "istio_requests_total"}
        for block in world.scrapers[0].memory.blocks()
        if "istio_requests_total" in block.tables
        for one in block.tables["istio_requests_total"].labels
    ]
    assert any(one["response_code"] == "502" for one in simulated)
    recorded: set[tuple[str, ...]] = set()
    for path in RECORDINGS:
        answer = json.loads(lzma.decompress(path.read_bytes()))["istio_requests_total"]
        recorded |= _shapes([one["metric"] for one in answer["data"]["result"]])
    known = {shape for shape in recorded if "source_workload=unknown" not in shape}
    assert _shapes(simulated) == known
