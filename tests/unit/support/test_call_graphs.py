"""Call graphs from a seed: without cycles, bounded, varied, always the same."""

from __future__ import annotations

import pytest

from observer.simulator.mesh.topology import MeshSpec, ServiceSpec, SourceSpec
from tests.support.call_graphs import DEPTH, ENTRY, call_graph


def levels(spec: MeshSpec) -> dict[str, int]:
    """Services on the longest way from the entry; a cycle never ends."""
    calls = {service.name: service.calls for service in spec.services}
    found = {ENTRY: 1}
    ahead = [ENTRY]
    while ahead:
        caller = ahead.pop()
        for callee in calls[caller]:
            if found.get(callee, 0) < found[caller] + 1:
                found[callee] = found[caller] + 1
                assert found[callee] <= len(calls), "a cycle"
                ahead.append(callee)
    return found


@pytest.mark.parametrize("services", [2, 10, 40])
@pytest.mark.parametrize("seed", range(8))
def test_every_service_is_reached_and_no_way_is_too_long(services: int, seed: int) -> None:
    spec = call_graph(seed, services=services)

    found = levels(spec)
    assert len(found) == len(spec.services) == services
    assert max(found.values()) <= DEPTH
    pods = {
        service.name: sum(w.replicas for w in spec.workloads if w.service == service.name) for service in spec.services
    }
    assert all(3 <= count <= 6 for count in pods.values())
    assert len(spec.nodes) >= 6


def test_a_seed_gives_one_graph_and_another_seed_another() -> None:
    assert call_graph(3) == call_graph(3)
    assert len({call_graph(seed) for seed in range(20)}) == 20


def test_the_graphs_differ_in_what_makes_them_hard() -> None:
    specs = [call_graph(seed) for seed in range(40)]

    assert {spec.retries for spec in specs} == {0, 1, 2}
    assert len({spec.overdispersion for spec in specs}) == 3
    assert {service.parallel for spec in specs for service in spec.services} == {True, False}
    assert all(len(spec.namespaces) >= 2 for spec in specs)
    assert any(workload.version == "v2" for spec in specs for workload in spec.workloads)
    callers = [sum(one.name in other.calls for other in spec.services) for spec in specs for one in spec.services]
    assert max(callers) >= 2


def test_a_graph_of_one_service_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 services"):
        call_graph(1, services=1)


def test_two_services_of_one_name_are_refused() -> None:
    twice = (ServiceSpec("a"), ServiceSpec("a", namespace="b"))
    with pytest.raises(ValueError, match="same name"):
        MeshSpec("shop", twice, (), (SourceSpec("load", "a", 1.0),))
