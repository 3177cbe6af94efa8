"""
One suite for the graph source: the simulator's Kiali in the ways of three versions, a real one's recorded answers, and
graphs out of Kiali's own tests where they are at hand (``OBSERVER_CORPUS``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.graph import CallGraph, EdgeSource
from observer.sources.kiali.source import KialiSource
from tests.support.neighbour_worlds import (
    GraphWorld,
    recorded_graph,
    sampled_graph,
    sampled_graphs,
    simulated_graph,
)

FIRST = {"flat": True, "cluster": False, "old_health": True, "answers": False, "version": "v1.0.0"}
MIDDLE = {"cluster": True, "old_health": True, "version": "v1.73.0"}
SIDES = ["simulator", "simulator-1.0", "simulator-1.73", "lab", *sampled_graphs()]


@pytest.fixture(params=SIDES, ids=lambda side: side if isinstance(side, str) else side.parent.name)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[GraphWorld]:
    ways = {"simulator": {}, "simulator-1.0": FIRST, "simulator-1.73": MIDDLE}
    if request.param == "lab":
        made = recorded_graph()
    elif request.param in ways:
        made = simulated_graph(**ways[request.param])
    else:
        made = sampled_graph(request.param)
    async with made as found:
        yield found


@asynccontextmanager
async def source_of(world: GraphWorld, **changes: object) -> AsyncIterator[KialiSource]:
    source = KialiSource(replace(world.settings, **changes), world.clock)  # type: ignore[arg-type]
    try:
        yield source
    finally:
        await source.close()


async def ask(source: KialiSource, world: GraphWorld) -> CallGraph:
    return await source.graph(world.at, 60.0, world.namespaces)


async def test_the_graph_shows_who_calls_whom(world: GraphWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world)
    assert world.edges <= {(edge.caller.name, edge.callee.name) for edge in found.edges}
    assert abs(found.at - world.at) < 2.0 and found.seconds >= 60.0
    for edge in found.edges:
        assert edge.requests >= edge.errors >= 0.0
        assert edge.errors == pytest.approx(sum(edge.errors_by_flag.values()))
        assert edge.sources == {EdgeSource.KIALI} and edge.seen_by_callee is None


async def test_the_failing_edge_has_errors_and_the_others_do_not_share_them(world: GraphWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world)
    failed = {(edge.caller.name, edge.callee.name): edge.errors / edge.requests for edge in found.edges if edge.errors}
    assert 0.03 < failed[world.failing] < 0.3
    assert ("front", "cart") not in failed and ("cart", "store") not in failed


async def test_rates_become_events_of_the_window(world: GraphWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world)
    (edge, *_) = [one for one in found.edges if (one.caller.name, one.callee.name) == world.failing]
    # 3 or 12 requests a second in the shops, 80 in the project's samples.
    assert 2.0 < edge.requests / found.seconds < 85.0


async def test_health_counts_or_does_not_know(world: GraphWorld) -> None:
    async with source_of(world) as source:
        found = await source.health(world.at, 60.0, world.namespaces)
    assert found
    for (namespace, workload), one in found.items():
        assert (one.namespace, one.workload) == (namespace, workload) and namespace in world.namespaces
        assert (one.requests is None) == (one.errors is None)
        assert one.requests is None or one.requests >= (one.errors or 0.0) >= 0.0


async def test_nothing_is_asked_about_no_namespace(world: GraphWorld) -> None:
    world.fault_injection.status = 500
    async with source_of(world) as source:
        assert (await source.graph(world.at, 60.0, frozenset())).edges == ()
        assert await source.health(world.at, 60.0, frozenset()) == {}


async def test_a_picture_of_another_time_is_no_data(world: GraphWorld) -> None:
    async def of(at: float) -> str:
        try:
            found = await source.graph(at, 60.0, world.namespaces)
        except SourceUnavailable as exc:
            return exc.reason
        return "edges" if found.edges else "nothing"

    async with source_of(world) as source:
        assert await of(world.at) == "edges"
        # A server that looks at the time it is asked for has nothing there, one with a fixed picture has an old one.
        assert await of(world.at + 3600.0) in ("nothing", "stale")


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "denied"), (403, "denied"), (429, "busy"), (500, "unreachable"), (504, "timeout")]
)
async def test_refusals_have_their_reasons(world: GraphWorld, status: int, reason: str) -> None:
    world.fault_injection.status = status
    async with source_of(world) as source:
        with pytest.raises(SourceUnavailable) as caught:
            await ask(source, world)
        assert caught.value.reason == source.circuit.reason == reason


async def test_a_slow_answer_is_late(world: GraphWorld) -> None:
    world.fault_injection.delay = 1.0
    async with source_of(world, timeout=0.1) as source:
        with pytest.raises(SourceUnavailable) as caught:
            await ask(source, world)
    assert caught.value.reason == "timeout"


async def test_a_huge_answer_is_not_read(world: GraphWorld) -> None:
    world.fault_injection.padding = 70_000
    async with source_of(world, max_bytes=65_536) as source:
        with pytest.raises(SourceUnavailable) as caught:
            await ask(source, world)
    assert caught.value.reason == "too_large"


async def test_half_an_answer_is_none(world: GraphWorld) -> None:
    async with source_of(world) as source:
        await ask(source, world)
        world.fault_injection.truncate = 10
        with pytest.raises(SourceProtocolError):
            await ask(source, world)
        world.fault_injection.truncate = 0
        assert (await ask(source, world)).edges
