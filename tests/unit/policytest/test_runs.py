"""What a test's cluster and counters do while the engine decides about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from observer.domain.action import Action, ActionKind
from observer.domain.ids import ServiceRef, Target
from observer.policytest import frames
from observer.policytest.judging import failures, line_of, unknown_objectives
from observer.policytest.read import TestFile, read_tests
from observer.policytest.rulebook import rules_for
from observer.policytest.run import ScenarioRun, run
from observer.policytest.scenario import Scenario
from observer.policytest.traffic import CALLER, Traffic
from observer.policytest.world import World
from observer.runtime import source_cache

CART = ServiceRef("shop", "cart")
OK = '{series: \'istio_requests_total{pod=~"cart-.+",response_code="200"}\', values: "0+50x%d"}'
BAD = '{series: \'istio_requests_total{pod="cart-1",response_code="503"}\', values: "0x84 0+5x%d"}'


def read(body: str, *, workload: str = "{replicas: 4}", more: str = "") -> TestFile:
    text = f"""apiVersion: observer.dev/v1alpha1
kind: PolicyTest
rules: [shipped]
tests:
  - name: one
    mode: enforce
    interval: 5s
    namespaces: {{shop: {{observer.dev/enabled: "true"}}}}
    workloads: {{shop/cart: {workload}}}
{more}{body}"""
    found, faults = read_tests(text, "t.yaml")
    assert faults == []
    return found[0]


def course(test: TestFile, tmp_path: Path) -> ScenarioRun:
    test.document.file = str(tmp_path / "t.yaml")
    scenario = test.scenarios[0]
    Path(test.document.file).write_text("apiVersion: observer.dev/v1alpha1\nkind: PolicyTest\n")
    return run(scenario, rules_for(test, scenario.start, scenario.mode))


def stage(body: str, **options: str) -> tuple[World, Traffic, Scenario]:
    scenario = read(body, **options).scenarios[0]
    return World(scenario), Traffic(scenario), scenario


def to(world: World, traffic: Traffic, seconds: float) -> None:
    world.advance(world.scenario.start + seconds)
    traffic.advance(world)


def requests(traffic: Traffic, name: str) -> float:
    found = [one for ref, one in traffic.targets.items() if ref.name == name]
    return sum(found[0].read.values()) if found else -1.0


def called(traffic: Traffic) -> float:
    return sum(traffic.calls[CART].values())


def drain(world: World, name: str, action_kind: ActionKind = ActionKind.DRAIN) -> None:
    world.obey(Action(action_kind, "i", Target.of(next(ref for ref in world.pods if ref.name == name))))


STEADY = f"    series: [{OK % 200}]\n    expect: [{{at: 10m, verdict: none}}]\n"


def test_calls_of_a_drained_pod_go_to_its_siblings_and_come_back() -> None:
    world, traffic, _ = stage(STEADY)
    to(world, traffic, 50)
    assert [requests(traffic, f"cart-{i}") for i in range(1, 5)] == [500] * 4

    drain(world, "cart-1")
    to(world, traffic, 80)
    assert requests(traffic, "cart-1") == 500
    assert requests(traffic, "cart-2") == 500 + 6 * 200 // 3
    assert called(traffic) == pytest.approx(16 * 200)

    drain(world, "cart-1", ActionKind.RESTORE)
    to(world, traffic, 90)
    assert requests(traffic, "cart-1") == 600


def test_a_drain_that_does_not_work_changes_nothing() -> None:
    world, traffic, _ = stage(STEADY, workload="{replicas: 4, drain_works: false}")
    drain(world, "cart-1")
    to(world, traffic, 50)

    assert requests(traffic, "cart-1") == 500


def test_an_evicted_pod_is_replaced_after_its_start() -> None:
    world, traffic, _ = stage(STEADY, workload="{replicas: 4, start: 10s}")
    to(world, traffic, 50)
    drain(world, "cart-1", ActionKind.EVICT)
    to(world, traffic, 55)
    assert requests(traffic, "cart-1") == -1.0
    assert requests(traffic, "cart-1-r1") == 0.0
    to(world, traffic, 70)

    assert [pod.name for pod in world.pods.values()] == ["cart-2", "cart-3", "cart-4", "cart-1-r1"]
    assert requests(traffic, "cart-1-r1") == 3 * 50
    assert called(traffic) == pytest.approx(14 * 200)


def test_a_replacement_without_a_series_does_what_its_siblings_do() -> None:
    each = ", ".join(OK.replace('=~"cart-.+"', f'="cart-{i}"') % 200 for i in range(1, 5))
    world, traffic, _ = stage(
        f"    series: [{each}]\n    expect: [{{at: 10m, verdict: none}}]\n", workload="{replicas: 4, start: 5s}"
    )
    drain(world, "cart-1", ActionKind.EVICT)
    to(world, traffic, 0)
    to(world, traffic, 50)

    assert requests(traffic, "cart-1-r1") > 0.8 * requests(traffic, "cart-2")


def test_where_nobody_serves_the_callers_get_errors() -> None:
    world, traffic, _ = stage(STEADY, more="    changes: [{at: 30s, workloads: {shop/cart: {ready: 0}}}]\n")
    to(world, traffic, 25)
    before = called(traffic)
    to(world, traffic, 60)

    lost = {name: value for name, value in traffic.calls[CART].items() if name.words.get("response_flags") == "UH"}
    assert sum(lost.values()) == pytest.approx(called(traffic) - before) == pytest.approx(7 * 200)


def test_a_missing_sample_is_a_missed_scrape_and_stale_ends_the_series() -> None:
    values = "0+50x4 _x4 450+50x3 stale"
    series = '    series: [{series: \'istio_requests_total{pod="cart-1",response_code="200"}\', values: "%s"}]\n'
    world, traffic, _ = stage(series % values + "    expect: [{at: 10m, verdict: none}]\n")
    target = next(iter(world.pods))
    to(world, traffic, 20)
    assert traffic.targets[target].scraped == world.scenario.start + 20
    to(world, traffic, 40)
    assert traffic.targets[target].scraped == world.scenario.start + 20
    to(world, traffic, 45)
    assert requests(traffic, "cart-1") == 450
    to(world, traffic, 65)

    assert traffic.targets[target].read == {}
    assert traffic.targets[target].scraped == world.scenario.start + 65


def test_a_counter_that_falls_begins_anew() -> None:
    name = 'istio_requests_total{pod="cart-1",response_code="200"}'
    series = f"    series: [{{series: '{name}', values: \"0+50x4 20+50x200\"}}]\n"
    world, traffic, _ = stage(series + "    expect: [{at: 10m, verdict: none}]\n")
    to(world, traffic, 30)

    assert requests(traffic, "cart-1") == 70
    assert called(traffic) == 270


def test_a_target_that_is_down_hides_what_goes_on() -> None:
    up = '{series: \'up{pod="cart-1"}\', values: "1x4 0x4 1x200"}'
    world, traffic, _ = stage(f"    series: [{OK % 200}, {up}]\n    expect: [{{at: 10m, verdict: none}}]\n")
    to(world, traffic, 40)
    assert traffic.targets[next(iter(world.pods))].down
    assert requests(traffic, "cart-1") == 200
    to(world, traffic, 60)

    assert requests(traffic, "cart-1") == 600


@pytest.mark.parametrize(("lost", "told_of"), [("0x84 0+5x80", True), ("0+5x164", False)])
def test_a_silent_target_is_unreached_when_calls_begin_to_get_lost_with_it(
    lost: str, told_of: bool, tmp_path: Path
) -> None:
    towards = 'reporter="source",destination_service_name="cart",destination_service_namespace="shop"'
    calls = (
        f'{{series: \'istio_requests_total{{{towards},response_code="503",response_flags="UF"}}\', values: "{lost}"}}'
    )
    up = '{series: \'up{pod="cart-1"}\', values: "1x84 0x80"}'
    body = f"    series: [{OK % 164}, {up}, {calls}]\n    expect: [{{at: 13m, verdict: none}}]\n"
    test = read(body, workload="{replicas: 12}")

    found = [at for at, one in course(test, tmp_path).decisions if one.kind == "unreached"]

    assert bool(found) is told_of
    assert all(420.0 <= at <= 450.0 for at in found)


def test_what_is_usual_is_asked_as_the_daemon_asks() -> None:
    assert (frames.LAG, frames.WINDOW, frames.USUAL) == (source_cache.LAG, source_cache.WINDOW, source_cache.USUAL)


def test_more_replicas_are_born_and_fewer_go() -> None:
    more = "      - {at: %s, workloads: {shop/cart: {replicas: %d}}}\n"
    changes = "    changes:\n" + more % ("10s", 5) + more % ("1m", 3)
    world, traffic, _ = stage(STEADY, more=changes)
    to(world, traffic, 20)
    born = next(pod for pod in world.pods.values() if pod.name == "cart-5")
    assert not world.ready(born)
    to(world, traffic, 30)
    assert world.ready(born) and born.created == world.scenario.start + 10
    to(world, traffic, 60)

    assert [pod.name for pod in world.pods.values()] == ["cart-1", "cart-2", "cart-3"]
    assert CALLER not in {ref.key for ref in world.view().pods}


def test_the_same_test_takes_the_same_course(tmp_path: Path) -> None:
    test = read(f"    series: [{OK % 120}, {BAD % 35}]\n    expect: [{{at: 10m, verdict: act}}]\n")

    first, second = course(test, tmp_path), course(test, tmp_path)

    assert [(at, one.id) for at, one in first.decisions] == [(at, one.id) for at, one in second.decisions] != []


def test_what_was_expected_and_what_came(tmp_path: Path) -> None:
    expect = """    expect:
      - {at: 8m, verdict: act, action: drain, pod: cart-1}
      - {after: 7m, before: 8m, verdict: blocked}
      - {before: 6m, verdict: act}
      - {before: 8m, count: 0, verdict: act}
      - {at: 6m, verdict: none}
      - {at: 8m, verdict: none, pod: cart-1}
      - {at: 8m, objective: shop/mesh-availability.cart, state: idle, alert: page, firing: [1h]}
"""
    test = read(f"    series: [{OK % 120}, {BAD % 35}]\n{expect}")
    found = course(test, tmp_path)
    wrong = failures(test.scenarios[0], found)

    assert [one.expected for one in wrong] == [
        "between 7m and 8m: blocked",
        "between 0s and 6m: act",
        "between 0s and 8m: 0 times act",
        "at 8m: nothing stands about cart-1",
        "at 8m: shop/mesh-availability.cart state idle, alert page, firing [1h]",
    ]
    assert wrong[1].came == ("no decision at all",)
    assert any("act drain" in line and "pod shop/cart-1" in line for line in wrong[2].came)
    assert "state ok, alert ticket, firing [ticket-3d], burn page-1h" in wrong[4].came[0]
    assert line_of(found.decisions[0][1]) == "tell suspected annotate  pod shop/cart-1  errors"


def test_an_objective_that_nobody_looks_at_is_a_fault(tmp_path: Path) -> None:
    test = read(
        f"    series: [{OK % 20}]\n    expect: [{{at: 1m, objective: shop/mesh-availabilty.cart, alert: none}}]\n"
    )

    faults = unknown_objectives(test.scenarios[0], course(test, tmp_path))

    [told_of] = [str(one) for one in faults]
    assert "objective: shop/mesh-availabilty.cart is not looked at in this test" in told_of
    assert told_of.endswith("(did you mean shop/mesh-availability.cart?)")
