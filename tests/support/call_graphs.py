"""Call graphs of any size, drawn from a seed: who calls whom, on how many pods, on which nodes, under what load."""

from __future__ import annotations

from typing import Final

import numpy as np

from observer.simulator.mesh.topology import MeshSpec, ServiceSpec, SourceSpec, WorkloadSpec

DEPTH: Final = 6
"""Services on the longest way through a graph, at most."""
ENTRY: Final = "front"
LOAD: Final = "load"
_MOST_CALLS: Final = 4
"""Requests that one request at the entry may become at any one service."""
_SECOND_CALLER: Final = 0.3
_TWO_VERSIONS: Final = 0.2
_USUAL_ERRORS: Final = (0.0, 0.0001, 0.0005, 0.001)
_SWING_PERIOD: Final = 3600.0
"""Seconds of the load's wave: a day in an hour, so that an episode of minutes meets its slopes."""


def call_graph(seed: int, *, services: int = 10, rate: float = 60.0) -> MeshSpec:
    """
    A mesh of so many services behind one entry, without cycles and at most ``DEPTH`` deep.

    ``rate`` is the mean of the requests a second at the entry, which swing. Three to six pods a service, some services
    in two versions, several namespaces, nodes in three zones; how many retries, how noisy errors are and what part of
    the requests is traced is drawn too. The same seed and size give the same mesh.
    """
    if services < 2:
        raise ValueError(f"a call graph needs at least 2 services, not {services}")
    draw = np.random.default_rng([seed, services])
    callers = _callers(draw, services)
    spaces = _namespaces(callers, max(services // 10, 2))
    names = [ENTRY, *(f"s{number:02d}" for number in range(1, services))]
    described = tuple(
        ServiceSpec(
            name,
            calls=tuple(names[callee] for callee in range(services) if number in callers[callee]),
            parallel=bool(draw.random() < 0.5),
            work=float(draw.uniform(0.003, 0.015)),
            spread=float(draw.uniform(0.4, 0.8)),
            error_rate=float(draw.choice(_USUAL_ERRORS)),
            namespace=spaces[number],
        )
        for number, name in enumerate(names)
    )
    workloads = [workload for name in names for workload in _workloads(draw, name)]
    return MeshSpec(
        namespace="edge",
        services=described,
        workloads=(*workloads, WorkloadSpec(f"{LOAD}-v1", LOAD, "v1", 2)),
        sources=(SourceSpec(LOAD, ENTRY, rate, swing=float(draw.uniform(0.1, 0.6)), period=_SWING_PERIOD),),
        nodes=tuple((f"n{i}", f"zone-{'abc'[i % 3]}") for i in range(6 + services // 10)),
        retries=int(draw.integers(0, 3)),
        overdispersion=float(draw.choice([0.0, 0.3, 1.0])),
        traced=float(draw.uniform(0.01, 0.05)),
    )


def _callers(draw: np.random.Generator, services: int) -> list[set[int]]:
    """For each service who calls it; a call always leads away from the entry, by one level or more."""
    level, calls = [0], [1]
    chains: list[set[int]] = [set()]
    for number in range(1, services):
        above = [index for index in range(number) if level[index] < DEPTH - 1]
        first = int(draw.choice(above))
        mine = {first}
        others = [index for index in above if index != first and level[index] <= level[first]]
        if others and draw.random() < _SECOND_CALLER:
            second = int(draw.choice(others))
            if calls[first] + calls[second] <= _MOST_CALLS:
                mine.add(second)
        chains.append(mine)
        level.append(level[first] + 1)
        calls.append(sum(calls[index] for index in mine))
    return chains


def _namespaces(callers: list[set[int]], count: int) -> list[str]:
    """Whole branches share a namespace; the entry has that of the load."""
    names, branches = ["edge"], 0
    for number in range(1, len(callers)):
        first = min(callers[number])
        if first == 0:
            branches += 1
            names.append(f"team-{'abcdefghij'[branches % count % 10]}")
        else:
            names.append(names[first])
    return names


def _workloads(draw: np.random.Generator, service: str) -> list[WorkloadSpec]:
    pods = int(draw.integers(3, 7))
    if draw.random() < _TWO_VERSIONS:
        second = int(draw.integers(1, pods - 1))
        return [
            WorkloadSpec(f"{service}-v1", service, "v1", pods - second),
            WorkloadSpec(f"{service}-v2", service, "v2", second),
        ]
    return [WorkloadSpec(f"{service}-v1", service, "v1", pods)]
