"""A source that fails, is late or answers in part is a gap; the tick goes on without it."""

from __future__ import annotations

import asyncio

import numpy as np

from observer.domain.circuit import Circuit
from observer.domain.cluster import ClusterView
from observer.domain.counts import CounterFrame, SeriesHistory
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.domain.traces import TraceSet
from observer.runtime.collect import Collector, SnapshotRequest
from observer.runtime.source_cache import BaselineCache, DependencyCaches
from tests.support.builders import catalog, cluster, service_ref
from tests.support.fakes import FakeClock, FakeCluster, FakeLease, FakeMetrics, FakeSwitch

EMPTY = CounterFrame(5.0, (), np.zeros((0, 3)), (5.0,), np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=np.int64))


class NoHistory:
    async def baselines(self, until: float, seconds: float, service_of: object) -> dict[ServiceRef, object]:
        return {}


def collector(
    metrics: object,
    switch: object = None,
    deadline: float = 5.0,
    view: ClusterView | None = None,
    neighbours: DependencyCaches | None = None,
) -> Collector:
    shown = FakeCluster(view)
    keeper = BaselineCache(NoHistory(), shown, FakeClock(), seconds=60, refresh=60)  # type: ignore[arg-type]
    return Collector(
        metrics=metrics,  # type: ignore[arg-type]
        cluster=shown,
        history=keeper,
        neighbours=neighbours,
        switch=switch or FakeSwitch(),  # type: ignore[arg-type]
        lease=FakeLease(),
        deadline=deadline,
        recheck_seconds=600,
        step=5,
    )


async def test_every_question_of_a_tick_is_asked_at_its_one_instant() -> None:
    metrics = FakeMetrics(EMPTY)
    snapshot = await collector(metrics).snapshot(77.0, SnapshotRequest(watch=frozenset({ServiceRef("shop", "cart")})))
    assert {at for _, at in metrics.asked} == {77.0}
    assert snapshot.counters is not None
    assert snapshot.at == snapshot.counters.at == 77.0


async def test_an_unreachable_source_is_a_gap_and_no_exception() -> None:
    snapshot = await collector(FakeMetrics(SourceUnavailable("connection refused"))).snapshot(1.0, SnapshotRequest())
    assert snapshot.counters is None
    assert [(gap.source, gap.detail) for gap in snapshot.gaps] == [("prometheus", "connection refused")]


async def test_a_lying_source_is_a_gap() -> None:
    snapshot = await collector(FakeMetrics(SourceProtocolError("no data.result"))).snapshot(1.0, SnapshotRequest())
    assert snapshot.counters is None and len(snapshot.gaps) == 1


async def test_a_source_slower_than_the_deadline_is_a_gap() -> None:
    class Slow(FakeMetrics):
        async def counters(self, at: float) -> CounterFrame:
            await asyncio.Event().wait()
            return EMPTY

    snapshot = await collector(Slow(EMPTY), deadline=0.02).snapshot(1.0, SnapshotRequest())
    assert [gap.reason for gap in snapshot.gaps] == ["timeout"]


async def test_a_kill_switch_that_does_not_answer_means_paused() -> None:
    class Hanging(FakeSwitch):
        async def read(self) -> tuple[bool, str]:
            await asyncio.Event().wait()
            return False, ""

    snapshot = await collector(FakeMetrics(EMPTY), Hanging(), deadline=0.02).snapshot(1.0, SnapshotRequest())
    assert snapshot.control.paused and "cannot be read" in snapshot.control.reason


async def test_a_second_question_that_fails_is_a_gap_of_its_own_and_the_first_answer_stays() -> None:
    class Refusing(FakeMetrics):
        async def recheck(
            self, at: float, seconds: float, step: float, pods: frozenset[tuple[str, str]]
        ) -> tuple[SeriesHistory, ...]:
            raise SourceUnavailable("answer of more than 65536 bytes", reason="too_large")

    question = SnapshotRequest(recheck=frozenset({service_ref()}))
    snapshot = await collector(Refusing(EMPTY), view=cluster(catalog(2))).snapshot(1.0, question)

    assert [(gap.source, gap.reason) for gap in snapshot.gaps] == [("recheck", "too_large")]
    assert snapshot.counters is not None and snapshot.counters.pods == EMPTY.pods
    assert snapshot.rechecks == {}


class Known(DependencyCaches):
    """DependencyCaches that know what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[frozenset[ServiceRef]] = []

    def suspected(self, services: frozenset[ServiceRef]) -> None:
        self.told.append(services)

    def traces(self, at: float) -> TraceSet | None:
        return TraceSet(at, 300.0, ())

    def graph(self, at: float) -> CallGraph | None:
        return CallGraph(at - 30.0, 60.0, ())

    def gaps(self) -> tuple[Gap, ...]:
        return (Gap("kiali", "stale", "old"),)

    def circuits(self) -> dict[str, Circuit]:
        return {}


async def test_what_the_neighbours_know_is_in_the_picture() -> None:
    known, cart, pay = Known(), ServiceRef("shop", "cart"), ServiceRef("shop", "pay")
    question = SnapshotRequest(watch=frozenset({cart}), recheck=frozenset({pay}))
    snapshot = await collector(FakeMetrics(EMPTY), neighbours=known).snapshot(50.0, question)
    assert known.told == [frozenset({cart, pay})]
    assert snapshot.traces == TraceSet(50.0, 300.0, ()) and snapshot.graph == CallGraph(20.0, 60.0, ())
    assert Gap("kiali", "stale", "old") in snapshot.gaps


async def test_without_neighbours_there_is_nothing_to_tell() -> None:
    snapshot = await collector(FakeMetrics(EMPTY)).snapshot(50.0, SnapshotRequest())
    assert (snapshot.traces, snapshot.graph, snapshot.gaps) == (None, None, ())
