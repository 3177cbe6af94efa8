"""One suite for the trace source: both APIs of the simulator's Jaeger and of a real one's recorded answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.sources.jaeger.source import JaegerSource
from tests.support.neighbour_worlds import TraceWorld, recorded_traces, simulated_traces

SIDES = ("simulator-v3", "simulator-v1", "lab-v3", "lab-v1")


@pytest.fixture(params=SIDES)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[TraceWorld]:
    side, api = request.param.split("-")
    async with (simulated_traces if side == "simulator" else recorded_traces)(api) as found:
        yield found


@asynccontextmanager
async def source_of(world: TraceWorld, **changes: object) -> AsyncIterator[JaegerSource]:
    source = JaegerSource(replace(world.settings, **changes), world.clock)  # type: ignore[arg-type]
    try:
        yield source
    finally:
        await source.close()


async def ask(source: JaegerSource, world: TraceWorld, *, limit: int = 1000, at: float = 0.0) -> TraceSet:
    return await source.traces(at or world.at, 120.0, frozenset({world.reach}), limit)


def by_trace(found: TraceSet) -> Mapping[str, list[Span]]:
    traces = defaultdict(list)
    for span in found.spans:
        traces[span.trace].append(span)
    return traces


async def test_every_trace_is_whole_and_touches_the_service(world: TraceWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world)
        assert source.api_version == world.api
    traces = by_trace(found)
    assert len(traces) >= 20 and not found.truncated
    assert (found.at, found.seconds) == (world.at, 120.0)
    for spans in traces.values():
        names = {span.span for span in spans}
        assert len([span for span in spans if not span.parent]) == 1
        assert all(span.parent in names for span in spans if span.parent)
        assert any(span.service == world.reach.name for span in spans)
        assert len({span.request for span in spans}) == 1
    starts = [min(span.start for span in spans) for spans in traces.values()]
    assert starts == sorted(starts)
    assert len({(span.trace, span.span, span.side) for span in found.spans}) == len(found.spans)


async def test_every_span_names_its_pod_service_and_workload(world: TraceWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world)
    for span in found.spans:
        assert span.namespace == "shop" and span.code and span.seconds >= 0.0
        assert span.pod.startswith(f"{span.workload}-") and span.workload.startswith(span.service)
        assert bool(span.peer) == (span.side is SpanSide.CLIENT)
    assert {span.side for span in found.spans} == {SpanSide.CLIENT, SpanSide.SERVER}


async def test_only_the_gray_pod_fails_without_having_been_failed(world: TraceWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world)
    below = defaultdict(list)
    for span in found.spans:
        below[span.trace, span.parent].append(span)
    failed = [span for span in found.spans if span.side is SpanSide.SERVER and span.error]
    own = {span.pod for span in failed if not any(child.error for child in below[span.trace, span.span])}
    assert own == {world.culprit}
    assert {span.service for span in failed} == {"catalog", "front"}


async def test_a_service_without_traces_has_none(world: TraceWorld) -> None:
    async with source_of(world) as source:
        found = await source.traces(world.at, 120.0, frozenset({ServiceRef("shop", "nobody")}), 10)
        assert found == TraceSet(world.at, 120.0, ())
        assert (await source.traces(world.at, 120.0, frozenset(), 10)).spans == ()


async def test_a_window_without_traces_has_none(world: TraceWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world, at=world.at - 86_400.0)
        assert found.spans == () and not found.truncated
        assert source.circuit.last_success == world.at


async def test_more_than_the_limit_is_said(world: TraceWorld) -> None:
    async with source_of(world) as source:
        found = await ask(source, world, limit=3)
    assert found.truncated and len(by_trace(found)) == 3


async def test_a_trace_of_several_services_comes_once(world: TraceWorld) -> None:
    services = frozenset(ServiceRef("shop", name) for name in ("front", "catalog", "cart", "pay", "store"))
    async with source_of(world) as source:
        found = await source.traces(world.at, 120.0, services, 1000)
    assert len({(span.trace, span.span, span.side) for span in found.spans}) == len(found.spans)


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "denied"), (403, "denied"), (429, "busy"), (500, "unreachable"), (503, "busy")]
)
async def test_refusals_have_their_reasons(world: TraceWorld, status: int, reason: str) -> None:
    world.fault_injection.status = status
    async with source_of(world) as source:
        with pytest.raises(SourceUnavailable) as caught:
            await ask(source, world)
        assert caught.value.reason == source.circuit.reason == reason


async def test_a_slow_answer_is_late(world: TraceWorld) -> None:
    world.fault_injection.delay = 1.0
    async with source_of(world, timeout=0.1) as source:
        with pytest.raises(SourceUnavailable) as caught:
            await ask(source, world)
    assert caught.value.reason == "timeout"


async def test_a_huge_answer_is_not_read(world: TraceWorld) -> None:
    async with source_of(world, max_bytes=65_536) as source:
        await source.services()
        world.fault_injection.padding = 70_000
        with pytest.raises(SourceUnavailable) as caught:
            await ask(source, world)
    assert caught.value.reason == "too_large"


async def test_half_an_answer_is_none(world: TraceWorld) -> None:
    async with source_of(world) as source:
        await source.services()
        world.fault_injection.truncate = 10
        with pytest.raises(SourceProtocolError):
            await ask(source, world)
        world.fault_injection.truncate = 0
        assert (await ask(source, world)).spans


async def test_garbage_is_refused(world: TraceWorld) -> None:
    async with source_of(world) as source:
        world.fault_injection.garbage = True
        with pytest.raises(SourceProtocolError):
            await ask(source, world)
