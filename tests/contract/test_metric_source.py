"""One suite for the metric source: a real Prometheus, a real VictoriaMetrics and the simulator's must agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from observer.config.settings.sources import Profile, PrometheusSettings
from observer.domain.counts import CallerCounts, CounterFrame
from observer.domain.errors import SourceProtocolError
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.source import PrometheusSource
from tests.support.metric_worlds import Page, Series, Target, World, real_world, simulated_world, target, victoria_world

SIDES = [
    "simulator",
    pytest.param("real", marks=pytest.mark.needs("prometheus")),
    pytest.param("victoria", marks=pytest.mark.needs("victoria-metrics")),
]
CUTS = (25.0, 250.0)


@pytest.fixture(params=SIDES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "real":
        async with real_world(tmp_path) as real:
            yield real
    elif request.param == "victoria":
        async with victoria_world(tmp_path) as real:
            yield real
    else:
        async with simulated_world() as simulated:
            yield simulated


def served(code: str, count: float, *, flags: str = "-", caller: str = "front", **more: str) -> Series:
    """Requests as the sidecar of the pod that answers counts them."""
    labels = {
        "reporter": "destination",
        "source_workload": caller,
        "source_workload_namespace": "shop",
        "destination_canonical_service": "cart",
        "destination_workload_namespace": "shop",
        "response_code": code,
        "response_flags": flags,
    }
    return ("istio_requests_total", {**labels, **more}, count)


def called(code: str, count: float, *, flags: str = "-", service: str = "cart", host: str = "cart") -> Series:
    """Requests as the caller's sidecar counts them."""
    labels = {
        "reporter": "source",
        "destination_canonical_service": service,
        "destination_workload_namespace": "shop" if service != "unknown" else "unknown",
        "destination_service_name": host,
        "destination_service_namespace": "shop",
        "response_code": code,
        "response_flags": flags,
    }
    return ("istio_requests_total", labels, count)


def slow(series: Series, bounds: Mapping[str, float]) -> list[Series]:
    """The latency buckets beside a counter's series."""
    return [
        ("istio_request_duration_milliseconds_bucket", {**series[1], "le": le}, count) for le, count in bounds.items()
    ]


def source_of(world: World, **changes: object) -> PrometheusSource:
    settings: PrometheusSettings = replace(world.settings, cuts_ms=CUTS, **changes)  # type: ignore[arg-type]
    return PrometheusSource(settings)


def row(frame: CounterFrame, pod: str) -> int:
    return frame.pods.index(("shop", pod))


async def test_counts_requests_of_each_pod_by_class(world: World) -> None:
    page = [
        served("200", 90),
        served("404", 5),
        served("500", 7),
        served("503", 2, flags="URX,UF"),
        served("0", 3, flags="DC"),
        served("200", 4, grpc_response_status="14"),
        served("42836664", 1),
    ]
    at = await world.show({target("shop", "cart-1"): page, target("shop", "cart-2"): [served("200", 11)]})
    source = source_of(world)

    frame = await source.counters(at)
    await source.close()

    assert sorted(frame.pods) == [("shop", "cart-1"), ("shop", "cart-2")]
    assert frame.requests[row(frame, "cart-1")].tolist() == [95.0, 13.0, 4.0]
    assert frame.requests[row(frame, "cart-2")].tolist() == [11.0, 0.0, 0.0]
    assert np.isnan(frame.buckets).all()


async def test_reads_latency_at_the_cut_points_in_both_spellings(world: World) -> None:
    one, two = served("200", 10), served("500", 4)
    page = [one, *slow(one, {"5": 1, "25": 3, "250": 9, "+Inf": 10})]
    other = [two, *slow(two, {"25.0": 2, "250.0": 2, "1000.0": 4, "+Inf": 4})]
    at = await world.show({target("shop", "cart-1"): page, target("shop", "cart-2"): other})
    source = source_of(world)

    frame = await source.counters(at)
    await source.close()

    assert frame.cuts == CUTS
    assert frame.buckets[row(frame, "cart-1")].tolist() == [3.0, 9.0, 10.0]
    assert frame.buckets[row(frame, "cart-2")].tolist() == [2.0, 2.0, 4.0]


async def test_a_cut_point_without_a_bucket_is_unknown(world: World) -> None:
    one = served("200", 10)
    at = await world.show({target("shop", "cart-1"): [one, *slow(one, {"25": 3, "+Inf": 10})]})
    source = source_of(world)

    frame = await source.counters(at)
    await source.close()

    assert frame.buckets[0, [0, 2]].tolist() == [3.0, 10.0]
    assert np.isnan(frame.buckets[0, 1])


async def test_tells_scrape_times_targets_that_are_down_and_targets_that_went(world: World) -> None:
    first, second, third = target("shop", "cart-1"), target("shop", "cart-2"), target("shop", "cart-3")
    await world.show({first: [served("200", 1)], second: [served("200", 2)], third: [served("200", 3)]})
    at = await world.show({first: [served("200", 4)], second: None})
    source = source_of(world)

    frame = await source.counters(at)
    await source.close()

    assert sorted(frame.pods) == [("shop", "cart-1"), ("shop", "cart-2")]
    up, down = row(frame, "cart-1"), row(frame, "cart-2")
    assert at - 5 < frame.scraped[up] <= at
    assert frame.scraped[down] == 0.0
    assert np.isnan(frame.requests[down]).all()
    assert frame.requests[up, 0] == 4.0
    assert frame.targets.tolist() == [1, 1]


async def test_counts_the_targets_of_a_pod_and_ignores_targets_without_one(world: World) -> None:
    pages: dict[Target, Page] = {
        target("shop", "cart-1", istio_io_draining="true"): [served("200", 8)],
        target("shop", "cart-1"): None,
        (("role", "node"),): [("node_load1", {}, 1.0)],
    }
    at = await world.show(pages)
    source = source_of(world)

    frame = await source.counters(at)
    await source.close()

    assert frame.pods == (("shop", "cart-1"),)
    assert frame.targets.tolist() == [2]
    assert frame.scraped[0] > 0
    assert frame.requests[0, 0] == 8.0


async def test_rows_keep_their_order_while_the_pods_are_the_same(world: World) -> None:
    targets = [target("shop", f"cart-{i}") for i in range(5)]
    source = source_of(world)
    first = await source.counters(await world.show({one: [served("200", 1)] for one in targets}))
    second = await source.counters(await world.show({one: [served("500", 2)] for one in reversed(targets)}))
    await source.close()

    assert first.pods == second.pods
    assert second.requests[:, 1].tolist() == [2.0] * 5


async def test_an_empty_server_gives_an_empty_frame(world: World) -> None:
    source = source_of(world)

    frame = await source.counters(await world.show({}))
    await source.close()

    assert frame.pods == ()
    assert frame.requests.shape == (0, 3)
    assert frame.buckets.shape == (0, len(CUTS) + 1)


async def test_callers_see_errors_that_reached_nobody(world: World) -> None:
    one = called("200", 20)
    page = [
        one,
        called("500", 3),
        called("503", 5, flags="UF", service="unknown"),
        called("503", 9, flags="UF", service="unknown", host="pay"),
        called("200", 50, service="pay", host="pay"),
        *slow(one, {"25": 12, "250": 19, "+Inf": 20}),
    ]
    at = await world.show({target("shop", "front-1"): page, target("shop", "front-2"): [called("200", 6)]})
    source = source_of(world)
    cart = ServiceRef("shop", "cart")

    frame = await source.callers(at, frozenset({cart}))
    await source.close()

    assert frame.watched == {cart}
    assert frame.rows[("shop", "front-1", cart)] == CallerCounts(20.0, 8.0, 0.0, 5.0, (12.0, 19.0, 20.0))
    assert frame.rows[("shop", "front-2", cart)] == CallerCounts(6.0, 0.0, 0.0, 0.0, ())
    assert len(frame.rows) == 2


async def test_a_call_that_reached_nobody_follows_its_host_to_the_service(world: World) -> None:
    page = [called("200", 20, host="basket"), called("503", 5, flags="UH", service="unknown", host="basket")]
    at = await world.show({target("shop", "front-1"): page})
    source = source_of(world)
    cart = ServiceRef("shop", "cart")

    frame = await source.callers(at, frozenset({cart, ServiceRef("shop", "basket")}))
    await source.close()

    assert set(frame.rows) == {("shop", "front-1", cart)}
    assert frame.rows[("shop", "front-1", cart)].unreached == 5.0


async def test_names_that_need_escaping_are_asked_literally(world: World) -> None:
    odd = ServiceRef("shop", 'a.b"c\\d|e')
    at = await world.show(
        {target("shop", "front-1"): [called("200", 3, service=odd.name), called("200", 4, service="axb")]}
    )
    source = source_of(world)

    frame = await source.callers(at, frozenset({odd}))
    await source.close()

    assert {edge: counts.ok for edge, counts in frame.rows.items()} == {("shop", "front-1", odd): 3.0}


async def test_asks_the_last_minutes_again_by_calling_workload(world: World) -> None:
    one = target("shop", "cart-1")
    await world.show({one: [served("200", 10, caller="front")]})
    at = await world.show({one: [served("200", 30, caller="front"), served("500", 4, caller="batch")]})
    source = source_of(world)

    await world.ranged(at)
    found = await source.recheck(at, 60.0, 1.0, frozenset({("shop", "cart-1"), ("shop", "absent")}))
    await source.close()

    assert [(one.pod, one.caller) for one in found] == [
        (("shop", "cart-1"), "shop/batch"),
        (("shop", "cart-1"), "shop/front"),
    ]
    batch, front = found
    assert front.times.tolist() == pytest.approx([at - 60 + i for i in range(61)])
    assert front.requests[-1].tolist() == [30.0, 0.0, 0.0]
    assert 10.0 in front.requests[:, 0]
    assert np.isnan(front.requests[0]).all()
    assert batch.requests[-1].tolist() == [0.0, 4.0, 0.0]


async def test_asks_again_with_every_bucket_and_the_response_flags(world: World) -> None:
    front, batch = served("200", 30, caller="front"), served("503", 4, caller="batch", flags="UF")
    page = [
        front,
        *slow(front, {"5": 9, "30.0": 20, "+Inf": 30}),
        batch,
        served("500", 3, caller="batch"),
        served("0", 2, caller="batch", flags="DC"),
        *slow(batch, {"5": 0, "30.0": 1, "+Inf": 9}),
    ]
    at = await world.show({target("shop", "cart-1"): page})
    source = source_of(world)

    await world.ranged(at)
    batched, fronted = await source.recheck(at, 60.0, 1.0, frozenset({("shop", "cart-1")}))
    await source.close()

    assert source.asked == 1
    assert fronted.bounds == batched.bounds == (5.0, 30.0)
    assert fronted.buckets[-1].tolist() == [9.0, 20.0, 30.0]
    assert batched.buckets[-1].tolist() == [0.0, 1.0, 9.0]
    assert fronted.flags == {}
    assert {flag: seen[-1] for flag, seen in batched.flags.items()} == {"-": 3.0, "UF": 4.0}
    assert batched.requests[-1].tolist() == [0.0, 7.0, 2.0]
    assert np.isnan(fronted.buckets[0]).all() and np.isnan(batched.flags["UF"][0])


async def test_gateways_are_read_by_what_they_called_and_told_apart(world: World) -> None:
    gate = {"source_workload": "edge-gateway", "source_workload_namespace": "shop"}
    name, labels, count = called("503", 6, flags="UF")
    passed: Series = (name, {**labels, **gate}, count)
    pages: dict[Target, Page] = {
        target("shop", "edge-1"): [passed, *slow(passed, {"25": 1, "250": 5, "+Inf": 6})],
        # What a pod answers counts, however its workload is called and whatever it calls.
        target("shop", "api-1"): [served("200", 9), passed],
        target("shop", "front-1"): [called("500", 4)],
    }
    at = await world.show(pages)
    source = source_of(world)

    frame = await source.counters(at)
    await world.ranged(at)
    again = await source.recheck(at, 5.0, 1.0, frozenset({("shop", "edge-1")}))
    await source.close()

    edge, api, front = row(frame, "edge-1"), row(frame, "api-1"), row(frame, "front-1")
    assert frame.outward.tolist() == [one == edge for one in range(3)]
    assert frame.requests[edge].tolist() == [0.0, 6.0, 0.0]
    assert frame.buckets[edge].tolist() == [1.0, 5.0, 6.0]
    assert frame.requests[api].tolist() == [9.0, 0.0, 0.0]
    assert np.isnan(frame.requests[front]).all()
    assert [(one.caller, one.requests[-1].tolist(), one.bounds) for one in again] == [
        ("to shop/cart", [0.0, 6.0, 0.0], (25.0, 250.0))
    ]


async def test_a_selector_and_renamed_labels_narrow_what_is_asked(world: World) -> None:
    def page(cluster: str) -> list[Series]:
        name, labels, value = served("200", 7 if cluster == "east" else 9, cluster=cluster)
        return [(name, labels, value)]

    pages: dict[Target, Page] = {
        (("kube_namespace", "shop"), ("kube_pod", "cart-1"), ("mesh", "yes")): page("east"),
        (("kube_namespace", "shop"), ("kube_pod", "cart-2"), ("mesh", "yes")): page("west"),
        (("kube_namespace", "shop"), ("kube_pod", "db-1"), ("mesh", "no")): [("pg_up", {}, 1.0)],
    }
    at = await world.show(pages)
    renamed = {"pod": "kube_pod", "namespace": "kube_namespace"}
    source = source_of(world, labels=renamed, selector='cluster="east"', up_selector='mesh="yes"')

    frame = await source.counters(at)
    await source.close()

    assert sorted(frame.pods) == [("shop", "cart-1"), ("shop", "cart-2")]
    assert frame.requests[row(frame, "cart-1"), 0] == 7.0
    assert np.isnan(frame.requests[row(frame, "cart-2")]).all()


async def test_reads_the_mixer_generation(world: World) -> None:
    name, labels, value = served("200", 6)
    bucket = "istio_request_duration_seconds_bucket"
    page = [(name, labels, value), (bucket, {**labels, "le": "0.025"}, 2.0), (bucket, {**labels, "le": "+Inf"}, 6.0)]
    at = await world.show({target("shop", "cart-1"): page})
    source = source_of(world, profile=Profile.MIXER)

    frame = await source.counters(at)
    await source.close()

    assert frame.requests[0].tolist() == [6.0, 0.0, 0.0]
    assert frame.buckets[0, [0, 2]].tolist() == [2.0, 6.0]


async def test_reads_envoys_own_counters(world: World) -> None:
    def cluster(name: str, code: str, count: float) -> Series:
        return ("envoy_cluster_upstream_rq", {"envoy_cluster_name": name, "envoy_response_code": code}, count)

    outbound = "outbound|8080||cart.shop.svc.cluster.local"
    pages = {
        target("shop", "cart-1"): [cluster("inbound|8080||", "200", 5), cluster("inbound|8080||", "503", 2)],
        target("shop", "front-1"): [cluster(outbound, "200", 4), cluster(outbound, "503", 3)],
    }
    at = await world.show(pages)
    source = source_of(world, profile=Profile.ENVOY)
    cart = ServiceRef("shop", "cart")

    frame = await source.counters(at)
    callers = await source.callers(at, frozenset({cart}))
    await source.close()

    assert frame.requests[row(frame, "cart-1")].tolist() == [5.0, 2.0, 0.0]
    assert np.isnan(frame.requests[row(frame, "front-1")]).all()
    assert callers.rows == {("shop", "front-1", cart): CallerCounts(4.0, 3.0, 0.0, 0.0)}


async def test_a_waypoint_tells_of_services_and_judges_no_pod(world: World) -> None:
    name, labels, value = called("503", 4, flags="UF")
    at = await world.show({target("shop", "waypoint-1"): [(name, {**labels, "reporter": "waypoint"}, value)]})
    source = source_of(world, profile=Profile.WAYPOINT)
    cart = ServiceRef("shop", "cart")

    frame = await source.counters(at)
    callers = await source.callers(at, frozenset({cart}))
    await source.close()

    assert np.isnan(frame.requests).all()
    assert frame.scraped[0] > 0
    assert callers.rows[("shop", "waypoint-1", cart)].error == 4.0


async def test_a_tick_asks_at_most_six_questions(world: World) -> None:
    at = await world.show({target("shop", f"cart-{i}"): [served("200", 1)] for i in range(6)})
    source = source_of(world)
    services = frozenset(ServiceRef("shop", f"service-{i}") for i in range(40))

    await source.counters(at)
    await source.callers(at, services)
    await source.recheck(at, 10.0, 5.0, frozenset(("shop", f"cart-{i}") for i in range(6)))
    await source.close()

    assert source.asked == 6
    assert source.received > 0


async def test_a_query_the_server_refuses_is_a_protocol_error(world: World) -> None:
    at = await world.show({})
    source = source_of(world, selector='cluster=~"("')

    with pytest.raises(SourceProtocolError, match=r"HTTP 4(00|22)") as raised:
        await source.counters(at)
    await source.close()

    assert raised.value.reason == "protocol"
