"""The counters of objectives, from a real Prometheus and from the simulator's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observer.config.settings.sources import PrometheusSettings
from observer.domain.errors import SourceUnavailable
from observer.domain.events import BAD, GOOD, TOTAL, ObjectiveFrame, Parts
from observer.domain.ids import ServiceRef
from observer.domain.slo import Comparison, Objective, Preset, Query, RatioSli, ThresholdSli
from observer.sources.prometheus.objectives import PrometheusObjectives
from tests.support.metric_worlds import Page, World, real_world, simulated_world, target
from tests.support.slo import CART, objective

SIDES = ["simulator", pytest.param("real", marks=pytest.mark.needs("prometheus"))]
WEB, POD = target("shop", "web-1"), target("shop", "cart-1")
REQUESTS, BUCKET = "istio_requests_total", "istio_request_duration_milliseconds_bucket"


@pytest.fixture(params=SIDES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "real":
        async with real_world(tmp_path) as real:
            yield real
    else:
        async with simulated_world() as simulated:
            yield simulated


def towards(name: str = "cart", *, reached: bool = True, **labels: str) -> dict[str, str]:
    return {
        "reporter": "source",
        "request_protocol": "http",
        "source_workload": "web",
        "source_workload_namespace": "shop",
        "destination_canonical_service": name if reached else "unknown",
        "destination_workload_namespace": "shop" if reached else "unknown",
        "destination_service_name": name,
        "destination_service_namespace": "shop",
        "response_code": "200",
        "response_flags": "-",
        **labels,
    }


CALLS: Page = [
    (REQUESTS, towards(), 900.0),
    (REQUESTS, towards(response_code="500"), 10.0),
    (REQUESTS, towards(response_code="503", response_flags="UH", reached=False), 20.0),
    (REQUESTS, towards(response_code="0", response_flags="DC"), 4000.0),
    (REQUESTS, towards(response_code="503", response_flags="FI"), 8000.0),
    (REQUESTS, towards(request_protocol="grpc", grpc_response_status="14"), 5.0),
    (REQUESTS, towards(request_protocol="grpc", grpc_response_status="0"), 7.0),
    (REQUESTS, towards("other", response_code="500"), 16000.0),
]
OWN = {**towards(), "reporter": "destination"}
SERVED: Page = [
    (REQUESTS, OWN, 912.0),
    (REQUESTS, {**OWN, "response_code": "500"}, 10.0),
    (BUCKET, {**OWN, "le": "250"}, 800.0),
    (BUCKET, {**OWN, "le": "500.0"}, 850.0),
    (BUCKET, {**OWN, "le": "+Inf"}, 922.0),
    ("jobs_done_total", {"queue": "a"}, 40.0),
    ("jobs_done_total", {"queue": "b"}, 2.0),
    ("queue_length", {"queue": "a"}, 3.0),
    ("queue_length", {"queue": "b"}, 9.0),
]


def preset(which: Preset, **changes: Any) -> Objective:
    return objective(f"o-{which.value}-{changes.get('cut_ms', 0)}", preset=which, **changes)


ALL: list[Objective] = [
    preset(Preset.ISTIO_AVAILABILITY),
    preset(Preset.ISTIO_GRPC_AVAILABILITY),
    preset(Preset.ISTIO_LATENCY, cut_ms=250.0),
    preset(Preset.ISTIO_LATENCY, cut_ms=500.0),
    preset(Preset.ISTIO_LATENCY, cut_ms=300.0),
    preset(Preset.ISTIO_GATEWAY_AVAILABILITY, scope=ServiceRef("shop", "web")),
    objective(
        "jobs", scope=None, sli=RatioSli(good=Query('jobs_done_total{queue="a"}'), total=Query("jobs_done_total"))
    ),
    objective("queue", scope=None, sli=ThresholdSli(Query("queue_length"), Comparison.LTE, 5.0)),
    objective("ready", scope=None, sli=RatioSli(counter=False, raw=Query('queue_length{queue="a"} / 12'))),
    objective("typo", scope=None, sli=RatioSli(good=Query("no_such_total"), total=Query("nor_this_total"))),
]


def sums(frame: ObjectiveFrame, row: int) -> dict[int, float]:
    found: dict[int, float] = defaultdict(float)
    for series, value in zip(frame.readings.series, frame.readings.values.tolist(), strict=True):
        if series.row == row:
            found[series.column] += value
    return dict(found)


async def looked(world: World, ones: Sequence[Objective] = ALL) -> ObjectiveFrame:
    at = await world.show({WEB: CALLS, POD: SERVED})
    source = PrometheusObjectives(world.settings)
    try:
        return await source.look(at, ones)
    finally:
        await source.close()


async def test_every_kind_of_objective_gets_its_counters(world: World) -> None:
    frame = await looked(world)

    assert sums(frame, 0) == {GOOD: 907.0, BAD: 35.0}  # the caller's view: UH counts, DC and injected faults do not
    assert sums(frame, 1) == {GOOD: 7.0, BAD: 5.0}
    assert sums(frame, 2) == {GOOD: 800.0, TOTAL: 922.0}
    assert sums(frame, 3) == {GOOD: 850.0, TOTAL: 922.0}
    assert sums(frame, 4) == {TOTAL: 922.0}  # no such bucket: its good part has no series
    assert sums(frame, 5) == {GOOD: 907.0, BAD: 16035.0}
    assert sums(frame, 6) == {GOOD: 40.0, TOTAL: 42.0}
    assert sums(frame, 7) == {GOOD: 1.0, TOTAL: 2.0}
    assert sums(frame, 8) == {GOOD: 0.25, TOTAL: 1.0}
    assert sums(frame, 9) == {}
    assert frame.failed == {}


async def test_a_service_is_seen_from_both_sides(world: World) -> None:
    frame = await looked(world)

    assert frame.views == (CART,)
    assert sums(frame, len(ALL)) == {GOOD: 922.0, BAD: 922.0}


async def test_counters_name_their_pod_and_targets_their_last_scrape(world: World) -> None:
    frame = await looked(world)

    assert {one.pod for one in frame.readings.series if one.row == 0} == {("shop", "web-1")}
    assert {one.pod for one in frame.readings.series if one.row == 2} == {("shop", "cart-1")}
    assert frame.scraped is not None and set(frame.scraped) == {("shop", "web-1"), ("shop", "cart-1")}
    assert all(0 <= frame.readings.at - at < 5 for at in frame.scraped.values())


async def test_a_bad_query_fails_its_own_objective_only(world: World) -> None:
    broken = objective("broken", scope=None, sli=RatioSli(good=Query("sum("), total=Query("jobs_done_total")))
    foreign = objective("foreign", sli=RatioSli(good=Query("a", "elsewhere"), total=Query("b", "elsewhere")))
    frame = await looked(world, [broken, foreign, *ALL[:1]])

    assert set(frame.failed) == {0, 1}
    assert "HTTP 4" in frame.failed[0]
    assert frame.failed[1] == "data source elsewhere is another server than the daemon's own"
    assert sums(frame, 2) == {GOOD: 907.0, BAD: 35.0}


async def test_the_past_holds_the_same_counters_and_no_points(world: World) -> None:
    at = await world.show({WEB: CALLS, POD: SERVED})
    source = PrometheusObjectives(world.settings)
    await source.look(at, ALL)
    end = at // 60 * 60 + 60
    frames = [frame async for frame in source.past(end - 180, end, ALL)]
    await source.close()

    assert [frame.readings.at for frame in frames] == [end - 180, end - 120, end - 60, end]
    newest = next(frame for frame in reversed(frames) if frame.readings.series)
    assert sums(newest, 0) == {GOOD: 907.0, BAD: 35.0}
    assert sums(newest, 6) == {GOOD: 40.0, TOTAL: 42.0}
    assert sums(newest, 7) == sums(newest, 8) == {}


async def test_the_number_of_questions_does_not_grow_with_services() -> None:
    source = PrometheusObjectives(PrometheusSettings())
    many = [replace(one, scope=ServiceRef("shop", f"s{i}")) for i in range(300) for one in ALL[:6]]

    assert len(source._questions(many)[0]) == 5
    assert len(source._questions(ALL)[0]) == 5 + 6
    assert source.parts(ALL)[:3] == (Parts.GOOD_AND_BAD, Parts.GOOD_AND_BAD, Parts.GOOD_OF_TOTAL)


async def test_queries_of_people_are_bounded() -> None:
    own = [objective(f"o{i}", sli=RatioSli(good=Query(f"a{i}"), total=Query(f"b{i}")), scope=None) for i in range(300)]
    asked, refused = PrometheusObjectives(PrometheusSettings())._questions(own)

    assert len(asked) <= 500
    assert refused[299] == "more than 500 queries; use a preset"


async def test_a_source_that_is_gone_raises() -> None:
    source = PrometheusObjectives(PrometheusSettings(url="http://127.0.0.1:9", timeout=1.0))

    with pytest.raises(SourceUnavailable):
        await source.look(1000.0, ALL)
    await source.close()
