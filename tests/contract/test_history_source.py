"""Baselines and the doctor's questions, against a real Prometheus and against the simulator's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from observer.config.settings.model import Settings
from observer.domain.finding import Finding
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.history import PrometheusHistory
from observer.sources.prometheus.probe import probe
from tests.support.metric_worlds import Page, Target, World, real_world, simulated_world, target

SIDES = ["simulator", pytest.param("real", marks=pytest.mark.needs("prometheus"))]
CART = ServiceRef("shop", "cart")


@pytest.fixture(params=SIDES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "real":
        async with real_world(tmp_path) as real:
            yield real
    else:
        async with simulated_world() as simulated:
            yield simulated


def cart(ok: float, errors: float = 0.0) -> Page:
    own = {
        "reporter": "destination",
        "destination_canonical_service": "cart",
        "destination_workload_namespace": "shop",
        "response_flags": "-",
    }
    bucket = "istio_request_duration_milliseconds_bucket"
    return [
        ("istio_requests_total", {**own, "response_code": "200"}, ok),
        ("istio_requests_total", {**own, "response_code": "500"}, errors),
        ("istio_requests_total", {**own, "reporter": "source", "response_code": "200"}, ok),
        (bucket, {**own, "le": "25"}, ok),
        (bucket, {**own, "le": "+Inf"}, ok),
    ]


async def grown(world: World, pages: dict[Target, tuple[float, float]]) -> float:
    """Counters that rise over six scrapes; returns an instant after them."""
    at = 0.0
    for step in (1, 2, 3):
        at = await world.show({one: cart(ok * step, errors * step) for one, (ok, errors) in pages.items()})
    return at


async def ask(world: World, settings: Settings, pods: set[str], at: float) -> dict[str, Finding]:
    source = replace(world.settings, cuts_ms=settings.prometheus.cuts_ms)
    wanted = frozenset(("shop", pod) for pod in pods)
    return {one.name: one for one in await probe(replace(settings, prometheus=source), pods=wanted, at=at)}


async def test_a_service_has_a_baseline_from_seconds_of_history(world: World) -> None:
    at = await grown(world, {target("shop", "cart-1"): (300, 3), target("shop", "cart-2"): (100, 1)})
    history = PrometheusHistory(world.settings)
    pods = {("shop", "cart-1"): CART, ("shop", "cart-2"): CART, ("shop", "quiet-1"): ServiceRef("shop", "quiet")}

    found = await history.baselines(at, 86_400.0, pods)
    await history.close()

    assert set(found) == {CART}
    assert found[CART].errors / found[CART].requests == pytest.approx(4 / 404, rel=0.01)
    assert found[CART].q99_error_rate == pytest.approx(4 / 404, rel=0.01)
    assert found[CART].peak_rate > 0
    assert at - 600 - 15 <= found[CART].since < found[CART].until <= at


async def test_no_history_is_an_empty_answer(world: World) -> None:
    at = await world.show({target("shop", "cart-1"): []})
    history = PrometheusHistory(world.settings)

    assert await history.baselines(at, 86_400.0, {("shop", "cart-1"): CART}) == {}
    await history.close()


async def test_the_doctor_finds_a_good_server_good(world: World) -> None:
    at = await grown(world, {target("shop", "cart-1"): (30, 0), target("shop", "cart-2"): (10, 0)})
    settings = replace(Settings(), prometheus=replace(world.settings, cuts_ms=(25.0,)))

    found = await ask(world, settings, {"cart-1", "cart-2"}, at)

    assert {name for name, one in found.items() if one.ok is not True} == set()
    assert found["pods matched"].detail.startswith("100% of 2")
    assert found["scrape interval"].detail.startswith("1 s")


async def test_the_doctor_names_what_is_wrong(world: World) -> None:
    mapped = target("shop", "cart-1", pod_template_hash="6bcd85f75f")
    at = await world.show({mapped: cart(5), target("shop", "cart-2"): None})

    found = await ask(world, Settings(), {"cart-1", "cart-2", "cart-3"}, at)

    assert found["pods matched"].ok is False
    assert "not: shop/cart-2, shop/cart-3" in found["pods matched"].detail
    assert found["pod labels on targets"].ok is None
    assert found["latency buckets"].ok is False
    assert "choose cuts_ms from 25" in found["latency buckets"].remedy
    assert all(bool(one.remedy) is (one.ok is not True) for one in found.values())


async def test_the_doctor_tells_a_server_without_targets(world: World) -> None:
    found = await ask(world, Settings(), {"cart-1"}, await world.show({}))

    assert found["prometheus reachable"].ok is True
    assert found["prometheus targets"].ok is False
    assert found["request counters"].ok is False
