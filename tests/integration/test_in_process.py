"""Counters, callers, last minutes and traces read in process are what the sources read over HTTP."""

from __future__ import annotations

import numpy as np
import pytest

from observer.config.settings.sources import JaegerSettings, PrometheusSettings
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span
from observer.simulator.mesh import faults
from observer.simulator.mesh.topology import ScrapeSpec
from observer.simulator.scenarios.world import World
from observer.sources.jaeger.source import JaegerSource
from observer.sources.prometheus.call_graph import PrometheusCallGraph
from observer.sources.prometheus.source import PrometheusSource
from tests.support.call_graphs import call_graph
from tests.support.fakes import FakeClock
from tests.support.in_process import InProcess


def made() -> tuple[World, InProcess]:
    """A mesh with every kind of outcome, some scrapes lost, and a pod that is gone."""
    world = World(call_graph(9, services=6, rate=30.0), seed=9, scrape=ScrapeSpec(interval=5.0, lost=0.05, failed=0.02))
    pods = sorted(pod.name for pod in world.mesh.pods.living() if pod.identity.service == "s01")
    world.mesh.faults.set(
        faults.pod_errors(pods[0], 0.3, 503), faults.sidecar_frozen(pods[1]), faults.edge_loss("front", "s01", 0.1)
    )
    world.mesh.spans.share = 0.2
    world.run(world.mesh.now + 60.0)
    gone = next(pod for pod in world.mesh.pods.living() if pod.identity.service == "s02")
    world.controllers.delete_pod(gone.identity.namespace, gone.name)
    world.run(world.mesh.now + 60.0)
    return world, InProcess(world.scrapers[0].memory, world.mesh.spans)


@pytest.mark.integration
async def test_both_ways_read_the_same_of_prometheus() -> None:
    world, direct = made()
    at, service = world.mesh.now, ServiceRef(world.spec.namespace_of("s01"), "s01")
    pods = frozenset(
        (pod.identity.namespace, pod.name) for pod in world.mesh.pods.living() if pod.identity.service == "s01"
    )
    async with world:
        address, _ = await world.serve()
        source = PrometheusSource(PrometheusSettings(url=address))
        try:
            frame, callers = await source.counters(at), await source.callers(at, frozenset({service}))
            past = await source.recheck(at, 100.0, 5.0, pods)
        finally:
            await source.close()
    ours = direct.counters(at)
    order = [ours.pods.index(pod) for pod in frame.pods]

    assert sorted(frame.pods) == list(ours.pods)
    assert frame.cuts == ours.cuts
    for theirs, mine in (
        (frame.requests, ours.requests), (frame.buckets, ours.buckets), (frame.targets, ours.targets),
    ):  # fmt: skip
        np.testing.assert_array_equal(theirs, mine[order])
    np.testing.assert_allclose(frame.scraped, ours.scraped[order], atol=0.001)
    assert np.nansum(frame.requests[:, 1]) > 0
    assert direct.callers(at, frozenset({service})).rows == dict(callers.rows)
    assert callers.rows
    again = direct.recheck(at, 100.0, 5.0, pods)
    assert [(one.pod, one.caller, one.bounds) for one in again] == [(one.pod, one.caller, one.bounds) for one in past]
    for mine_, theirs_ in zip(again, past, strict=True):
        np.testing.assert_array_equal(mine_.requests, theirs_.requests)
        np.testing.assert_array_equal(mine_.buckets, theirs_.buckets)
        assert mine_.flags.keys() == theirs_.flags.keys()
        for flag, values in mine_.flags.items():
            np.testing.assert_array_equal(values, theirs_.flags[flag])
    assert past


@pytest.mark.integration
async def test_both_ways_tell_of_whom_calls_got_lost() -> None:
    world, direct = made()
    at, service = world.mesh.now, ServiceRef(world.spec.namespace_of("s01"), "s01")
    async with world:
        address, _ = await world.serve()
        source = PrometheusCallGraph(PrometheusSettings(url=address))
        try:
            theirs = (await source.calls(at, 60.0)).reached
        finally:
            await source.close()
    ours = direct.graph(at - 60.0, at).reached

    assert theirs.keys() == ours.keys()
    assert ours[service].lost > 0.0
    for one, reach in ours.items():
        # Rates are extrapolated to the window's ends, and scrapes are missing.
        assert theirs[one].calls == pytest.approx(reach.calls, rel=0.25)
        assert theirs[one].lost == pytest.approx(reach.lost, rel=0.35, abs=3.0)


@pytest.mark.integration
async def test_both_ways_read_the_same_spans() -> None:
    world, direct = made()
    at = world.mesh.now
    service = ServiceRef("edge", "front")
    async with world:
        await world.serve()
        address, _ = await world.serve_neighbours()
        source = JaegerSource(JaegerSettings(url=address), FakeClock(at))
        try:
            answer = await source.traces(at, 30.0, frozenset({service}), 1000)
        finally:
            await source.close()
    mine = {one.span: one for one in direct.traces(at - 30.0, at).spans}
    theirs = {one.span: one for one in answer.spans}

    assert theirs
    for key in mine.keys() & theirs.keys():
        assert told(mine[key]) == told(theirs[key])
        assert mine[key].start == pytest.approx(theirs[key].start, abs=1e-5)
        assert mine[key].seconds == pytest.approx(theirs[key].seconds, abs=1e-5)
    assert len(mine.keys() & theirs.keys()) >= 0.9 * max(len(mine), len(theirs))


def told(span: Span) -> tuple[object, ...]:
    """All but the times."""
    return (
        span.trace, span.parent, span.side, span.namespace, span.service, span.pod, span.workload, span.peer,
        span.operation, span.error, span.code, span.flags, span.request, span.resends,
    )  # fmt: skip
