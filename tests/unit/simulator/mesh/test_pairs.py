"""Faults that hit some callers only, requests lost on the way, and services of other namespaces."""

from __future__ import annotations

import pytest

from observer.domain.graph import Edge
from observer.domain.ids import ServiceRef
from observer.simulator.mesh import faults
from observer.simulator.mesh.faults import Fault, Sidecar, Where
from observer.simulator.mesh.topology import MeshSpec, ScrapeSpec, ServiceSpec, SourceSpec, WorkloadSpec
from observer.simulator.scenarios.world import World
from tests.support.in_process import InProcess


def world(*found: Fault) -> dict[tuple[str, str], Edge]:
    """``a`` and ``b`` both call ``c``, which lives elsewhere; the calls of a minute under these faults."""
    spec = MeshSpec(
        namespace="edge",
        services=(ServiceSpec("front", ("a", "b")), ServiceSpec("a", ("c",)), ServiceSpec("b", ("c",)),
                  ServiceSpec("c", namespace="far")),
        workloads=tuple(WorkloadSpec(f"{name}-v1", name, "v1", 2) for name in ("front", "a", "b", "c", "load")),
        sources=(SourceSpec("load", "front", 40.0),),
        traced=0.2,
    )  # fmt: skip
    made = World(spec, seed=3, scrape=ScrapeSpec(interval=1.0))
    made.mesh.faults.set(*found)
    begun = made.mesh.now
    made.run(begun + 60.0)
    graph = InProcess(made.scrapers[0].memory, made.mesh.spans).graph(begun + 10.0, begun + 60.0)
    return {(edge.caller.name, edge.callee.name): edge for edge in graph.edges}


def test_a_lossy_way_loses_the_requests_of_one_caller_only() -> None:
    edges = world(faults.edge_loss("a", "c", 0.5))

    mine, other = edges[("a", "c")], edges[("b", "c")]
    assert mine.errors == pytest.approx(0.5 * mine.requests, rel=0.15)
    assert dict(mine.errors_by_flag) == {"UF": mine.errors}
    assert mine.callee_errors == 0.0
    assert other.errors == 0.0
    assert mine.callee == ServiceRef("far", "c")


def test_a_lost_route_loses_everybodys() -> None:
    edges = world(faults.route_lost("c", 0.5))

    assert all(edges[(name, "c")].errors > 0.4 * edges[(name, "c")].requests for name in ("a", "b"))


def test_a_bad_caller_is_answered_with_errors_alone() -> None:
    edges = world(faults.caller_bad("a", "c", 0.5))

    mine, other = edges[("a", "c")], edges[("b", "c")]
    assert mine.errors == pytest.approx(0.5 * mine.requests, rel=0.15)
    assert dict(mine.errors_by_flag) == {"": mine.errors}
    assert mine.callee_errors == pytest.approx(mine.errors, abs=10.0)
    assert other.errors == 0.0


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match="error_rate"):
        Fault("x", Where(), error_rate=1.5)
    with pytest.raises(ValueError, match="lost"):
        Fault("x", Where(), lost=-0.5)


def test_single_callers_cannot_be_slowed() -> None:
    with pytest.raises(ValueError, match="callers"):
        Fault("x", Where(), callers=Where(service="a"), sidecar=Sidecar.DEAD)
