"""Jaeger and Kiali beside the tick: asked when it is time, their failures told, their old answers forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from observer.domain.circuit import Circuit
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.graph import CallGraph, WorkloadHealth
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.domain.traces import TraceSet
from observer.runtime import source_cache
from observer.runtime.source_cache import DependencyCaches, GraphCache, TraceCache
from tests.support.builders import catalog, cluster
from tests.support.fakes import FakeClock, FakeCluster

CART, PAY = ServiceRef("shop", "cart"), ServiceRef("shop", "pay")


@dataclass
class FakeTraces:
    """Answers with an empty set, or raises what it was told to."""

    fails: Exception | None = None
    circuit: Circuit = field(default_factory=Circuit)
    asked: list[tuple[float, frozenset[ServiceRef]]] = field(default_factory=list)
    closed: bool = False

    async def traces(self, at: float, seconds: float, services: frozenset[ServiceRef], limit: int) -> TraceSet:
        self.asked.append((at, services))
        if self.fails is not None:
            raise self.fails
        return TraceSet(at, seconds, ())

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeGraphs:
    """The same for the graph."""

    fails: Exception | None = None
    circuit: Circuit = field(default_factory=Circuit)
    asked: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    closed: bool = False

    async def graph(self, at: float, seconds: float, namespaces: frozenset[str]) -> CallGraph:
        self.asked.append((at, namespaces))
        if self.fails is not None:
            raise self.fails
        return CallGraph(at, seconds, ())

    async def health(
        self, at: float, seconds: float, namespaces: frozenset[str]
    ) -> Mapping[tuple[str, str], WorkloadHealth]:
        return {}

    async def close(self) -> None:
        self.closed = True


@dataclass
class Watched:
    """Both keepers over doubles."""

    clock: FakeClock = field(default_factory=FakeClock)
    jaeger: FakeTraces = field(default_factory=FakeTraces)
    kiali: FakeGraphs = field(default_factory=FakeGraphs)

    def __post_init__(self) -> None:
        self.traces = TraceCache(self.jaeger, self.clock, window=300.0, refresh=15.0, limit=10)
        shown = FakeCluster(cluster(catalog(2)))
        self.graph = GraphCache(self.kiali, shown, self.clock, window=60.0, refresh=60.0)
        self.both = DependencyCaches(traces=self.traces, graph=self.graph)


async def test_traces_are_asked_for_only_while_somebody_is_suspected() -> None:
    it = Watched()
    await it.traces.look()
    assert it.jaeger.asked == [] and it.both.traces(it.clock.at) is None

    it.both.suspected(frozenset({CART}))
    await it.traces.look()
    assert it.jaeger.asked == [(it.clock.at, frozenset({CART}))]
    assert it.both.traces(it.clock.at) == TraceSet(it.clock.at, 300.0, ())

    it.both.suspected(frozenset())
    await it.traces.look()
    assert it.both.traces(it.clock.at) is None and len(it.jaeger.asked) == 1


async def test_traces_are_asked_for_again_when_they_age_and_at_once_for_new_suspects() -> None:
    it = Watched()
    it.both.suspected(frozenset({CART}))
    await it.traces.look()
    it.clock.at += 14.0
    await it.traces.look()
    assert len(it.jaeger.asked) == 1
    it.both.suspected(frozenset({CART, PAY}))
    await it.traces.look()
    assert it.jaeger.asked[-1] == (it.clock.at, frozenset({CART, PAY}))
    it.both.suspected(frozenset({PAY}))
    await it.traces.look()
    assert len(it.jaeger.asked) == 2
    it.clock.at += 15.0
    await it.traces.look()
    assert it.jaeger.asked[-1] == (it.clock.at, frozenset({PAY}))


async def test_the_graph_is_asked_for_once_a_minute_whoever_is_suspected() -> None:
    it = Watched()
    for _ in range(121):
        await it.graph.look()
        it.clock.at += 1.0
    assert [namespaces for _, namespaces in it.kiali.asked] == [frozenset({"shop"})] * 3
    assert it.both.graph(it.clock.at) is not None


async def test_the_graph_is_asked_for_at_once_for_new_suspects_but_not_in_a_storm() -> None:
    it = Watched()
    await it.graph.look()
    it.clock.at += 10.0
    it.both.suspected(frozenset({CART}))
    await it.graph.look()
    await it.graph.look()
    assert len(it.kiali.asked) == 2
    it.clock.at += 1.0
    it.both.suspected(frozenset({CART, PAY}))
    await it.graph.look()
    assert len(it.kiali.asked) == 2
    it.clock.at += 4.0
    await it.graph.look()
    assert len(it.kiali.asked) == 3


async def test_no_sidecar_no_question() -> None:
    it = Watched()
    alone = GraphCache(it.kiali, FakeCluster(), it.clock, window=60.0, refresh=60.0)
    await alone.look()
    assert it.kiali.asked == []


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(SourceUnavailable("gone"), "unreachable"), (SourceProtocolError("no JSON"), "protocol")],
)
async def test_failures_are_gaps_and_the_last_answer_stays_for_a_while(failure: Exception, reason: str) -> None:
    it = Watched()
    it.both.suspected(frozenset({CART}))
    await it.traces.look()
    await it.graph.look()
    assert it.both.gaps() == ()

    it.jaeger.fails = it.kiali.fails = failure
    it.clock.at += 61.0
    await it.traces.look()
    await it.graph.look()
    assert it.both.gaps() == (Gap("jaeger", reason, str(failure)), Gap("kiali", reason, str(failure)))
    assert it.both.traces(it.clock.at) is None  # three times 15 s have passed
    assert it.both.graph(it.clock.at) is not None
    assert it.both.graph(it.clock.at + 120.0) is None

    it.jaeger.fails = it.kiali.fails = None
    it.clock.at += 61.0
    await it.traces.look()
    await it.graph.look()
    assert it.both.gaps() == ()


async def test_a_failure_is_forgotten_with_the_suspicion() -> None:
    it = Watched(jaeger=FakeTraces(fails=SourceUnavailable("gone")))
    it.both.suspected(frozenset({CART}))
    await it.traces.look()
    assert [gap.source for gap in it.both.gaps()] == ["jaeger"]
    it.both.suspected(frozenset())
    await it.traces.look()
    assert it.both.gaps() == ()


async def test_a_source_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(FakeTraces):
        async def traces(self, *_: Any) -> TraceSet:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(source_cache, "DEADLINE", 0.01)
    it = Watched(jaeger=Hanging())
    it.both.suspected(frozenset({CART}))
    await it.traces.look()
    assert [gap.reason for gap in it.both.gaps()] == ["timeout"]


async def test_a_clock_that_was_set_back_asks_again() -> None:
    it = Watched()
    await it.graph.look()
    it.clock.at -= 86_400.0
    await it.graph.look()
    assert len(it.kiali.asked) == 2


async def test_what_is_not_configured_is_absent() -> None:
    none = DependencyCaches()
    none.suspected(frozenset({CART}))
    assert (none.traces(0.0), none.graph(0.0), none.gaps(), none.circuits(), none.tasks()) == (None, None, (), {}, [])
    await none.close()


async def test_circuits_tasks_and_the_end() -> None:
    it = Watched(jaeger=FakeTraces(circuit=Circuit().failed(5.0, "timeout", "late")))
    assert it.both.circuits()["jaeger"].reason == "timeout" and it.both.circuits()["kiali"] == Circuit()
    assert [name for name, _ in it.both.tasks()] == ["jaeger", "kiali"]
    await it.both.close()
    assert it.jaeger.closed and it.kiali.closed


async def test_running_goes_on_until_it_is_cancelled() -> None:
    class Counting(FakeClock):
        async def sleep(self, seconds: float) -> None:
            self.at += seconds
            await asyncio.sleep(0)
            if self.at > start + 200.0:
                raise asyncio.CancelledError

    clock = Counting()
    start = clock.at
    it = Watched(clock=clock)
    it.both.suspected(frozenset({CART}))
    for _, run in it.both.tasks():
        clock.at = start
        with pytest.raises(asyncio.CancelledError):
            await run()
    assert len(it.jaeger.asked) == 14 and len(it.kiali.asked) == 4


def test_a_kept_answer_is_shown_only_near_its_time() -> None:
    it = Watched()
    retained = replace(TraceSet(100.0, 60.0, ()))
    it.traces.cache._answer = retained
    assert it.both.traces(145.0) is retained
    assert it.both.traces(146.0) is None
    assert it.both.traces(40.0) is None
