"""Requests flow, are balanced, fail and are counted as in the lab."""

from __future__ import annotations

import itertools

import pytest

from observer.simulator.mesh import faults
from observer.simulator.mesh.topology import Balancing, MeshSpec, ServiceSpec, SourceSpec, Surge
from tests.support.mesh import START, Rig, drained, pod, small_spec

SERVED = 'sum by (pod) (istio_requests_total{reporter="destination",destination_app="store"})'
SENT = 'sum by (response_code,response_flags) (istio_requests_total{reporter="source",pod="front-0"})'


def sent(rig: Rig) -> dict[tuple[str, str], float]:
    return {(dict(k)["response_code"], dict(k)["response_flags"]): v for k, v in rig.ask(SENT).items()}


def test_both_sides_of_a_call_count_the_same_requests() -> None:
    rig = Rig()
    rig.run(30)
    rig.quiet()
    served, asked = rig.by("pod", SERVED), rig.ask('sum(istio_requests_total{reporter="source",pod="front-0"})')
    assert sum(served.values()) == asked[()]
    assert asked[()] == pytest.approx(40 * 30, rel=0.15)
    assert len(served) == 4
    assert all(count == pytest.approx(asked[()] / 4, rel=0.3) for count in served.values())


def test_a_failing_pod_makes_its_callers_callers_see_502() -> None:
    rig = Rig()
    rig.mesh.faults.set(faults.pod_errors("store-1", 0.5))
    rig.run(30)
    rig.quiet()
    by_code = rig.by("response_code", 'sum by (response_code) (istio_requests_total{pod="store-1"})')
    assert by_code["500"] / (by_code["500"] + by_code["200"]) == pytest.approx(0.5, abs=0.1)
    assert set(rig.by("pod", 'sum by (pod) (istio_requests_total{response_code="500",reporter="destination"})')) == {
        "store-1"
    }
    front = rig.by("response_code", 'sum by (response_code) (istio_requests_total{pod="load-0"})')
    assert front["502"] == by_code["500"]


def test_a_fault_is_timed_and_can_be_cleared() -> None:
    rig = Rig()
    rig.mesh.faults.set(faults.pod_errors("store-1", 1.0, 503, since=START + 10, until=START + 20))
    rig.run(9.5)
    errors = 'sum(istio_requests_total{response_code="503",reporter="destination"})'
    assert rig.ask(errors) == {}
    rig.run(15)
    after = rig.ask(errors)[()]
    assert after > 50
    rig.run(10)
    assert rig.ask(errors)[()] == after
    rig.mesh.faults.set(faults.pod_errors("store-1", 1.0, 503))
    rig.mesh.faults.clear_pod("store-1")
    rig.run(5)
    assert rig.ask(errors)[()] == after


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (faults.revision_bad("store", "v1", 0.5), {"store-0", "store-1", "store-2", "store-3"}),
        (faults.revision_bad("store", "v2", 0.5), set()),
        (faults.workload_bad("store-v1", 0.5), {"store-0", "store-1", "store-2", "store-3"}),
        (faults.dependency_bad("store", 0.5), {"store-0", "store-1", "store-2", "store-3"}),
        (faults.node_bad("n2", 0.5), {"store-1", "store-3"}),
        (faults.burst(0.5, START, START + 100), {"front-0", "store-0", "store-1", "store-2", "store-3"}),
    ],
)
def test_groups_fail_together(fault: faults.Fault, hit: set[str]) -> None:
    rig = Rig()
    rig.mesh.faults.set(fault)
    rig.run(15)
    code = fault.error_code
    query = f'sum by (pod) (istio_requests_total{{reporter="destination",response_code="{code}"}})'
    assert set(rig.by("pod", query)) == hit


def test_a_slow_pod_shows_in_the_buckets_and_gets_fewer_requests() -> None:
    rig = Rig(small_spec(sources=(SourceSpec("load", "front", 80.0),)))
    rig.mesh.faults.set(faults.pod_slow("store-2", 0.25))
    rig.run(40)
    bucket = 'sum by (pod) (istio_request_duration_milliseconds_bucket{reporter="destination",le="%s"})'
    below, above = rig.by("pod", bucket % "100.0"), rig.by("pod", bucket % "+Inf")
    assert below["store-2"] == 0
    assert below["store-1"] == above["store-1"]
    served = rig.by("pod", SERVED)
    assert served["store-2"] < 0.7 * served["store-1"]


def test_random_balancing_does_not_mind_a_slow_pod() -> None:
    rig = Rig(small_spec(balancing=Balancing.RANDOM, sources=(SourceSpec("load", "front", 80.0),)))
    rig.mesh.faults.set(faults.pod_slow("store-2", 0.25))
    rig.run(30)
    served = rig.by("pod", SERVED)
    assert served["store-2"] == pytest.approx(sum(served.values()) / 4, rel=0.2)


def test_a_drained_pod_loses_its_traffic_after_propagation_and_gets_it_back() -> None:
    rig = Rig()
    rig.run(5)
    before = rig.by("pod", SERVED)
    rig.change(drained(rig.pods["store-0"]))
    assert "store-0" in rig.mesh.balanced("store")
    rig.run(3.5)
    during = rig.by("pod", SERVED)
    rig.run(5)
    after = rig.by("pod", SERVED)
    assert during["store-0"] > before["store-0"]
    assert after["store-0"] == during["store-0"]
    assert after["store-1"] > during["store-1"]
    rig.change(pod("store-0", "store", "10.0.0.0"))
    rig.run(6)
    assert rig.by("pod", SERVED)["store-0"] > after["store-0"]


def test_without_istiod_nobody_learns_of_a_drain() -> None:
    rig = Rig()
    istiod = pod("istiod-0", "istiod", "10.0.0.7", namespace="istio-system")
    istiod["metadata"]["labels"]["app"] = "istiod"
    rig.change(istiod)
    rig.run(2.5)
    stopped = {**istiod, "status": {**istiod["status"], "conditions": [{"type": "Ready", "status": "False"}]}}
    rig.change(stopped)
    rig.change(drained(rig.pods["store-0"]))
    rig.run(5)
    assert "store-0" in rig.mesh.balanced("store")
    rig.change(istiod)
    rig.run(0.1)
    assert "store-0" not in rig.mesh.balanced("store")


def test_a_pod_that_is_not_ready_or_ends_leaves_the_balancing() -> None:
    rig = Rig()
    rig.run(3)
    unready = pod("store-0", "store", "10.0.0.0")
    unready["status"]["conditions"][0]["status"] = "False"
    rig.change(unready)
    ending = pod("store-1", "store", "10.0.0.1")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    rig.change(ending)
    rig.run(2.5)
    assert sorted(rig.mesh.balanced("store")) == ["store-2", "store-3"]


def test_a_pod_that_vanished_is_unreached_until_its_callers_know() -> None:
    rig = Rig()
    rig.run(5)
    rig.store.remove(rig.pods["store-3"])
    rig.run(5)
    unreached = sent(rig)[("503", "UF")]
    assert 0 < unreached < 40
    rig.run(5)
    assert sent(rig)[("503", "UF")] == unreached
    labels = rig.ask('istio_requests_total{response_flags="UF"}')
    assert {dict(key)["destination_workload"] for key in labels} == {"store-v1"}


def test_a_frozen_sidecar_is_seen_by_its_callers_only() -> None:
    rig = Rig()
    rig.run(5)
    served = rig.by("pod", SERVED)["store-1"]
    rig.mesh.faults.set(faults.sidecar_frozen("store-1"))
    rig.run(10)
    assert sent(rig)[("503", "UF")] > 10
    assert rig.by("pod", "sum by (pod) (up)")["store-1"] == 0
    assert "store-1" not in rig.by("pod", SERVED)
    rig.mesh.faults.clear()
    rig.run(3)
    assert rig.by("pod", SERVED)["store-1"] >= served
    conditions = rig.pods["store-1"]["status"]["conditions"]
    assert conditions == [{"type": "Ready", "status": "True"}]


def test_retries_hide_a_dead_sidecar() -> None:
    plain, retried = Rig(), Rig(small_spec(retries=2))
    for rig in (plain, retried):
        rig.mesh.faults.set(faults.sidecar_dead("store-1"))
        rig.run(20)
        rig.quiet()
    assert sent(plain)[("503", "UF")] > 100
    exhausted = sent(retried).get(("503", "URX,UF"), 0.0)
    assert exhausted < 0.1 * sent(plain)[("503", "UF")]
    assert ("503", "UF") not in sent(retried)


def test_nobody_there_is_flagged_uh() -> None:
    rig = Rig()
    for number in range(4):
        rig.store.remove(rig.pods[f"store-{number}"])
    rig.run(5)
    assert sent(rig)[("503", "UH")] > 50


def test_whoever_waits_too_long_gives_up() -> None:
    rig = Rig()
    rig.mesh.faults.set(faults.pod_slow("store-1", 9.0))
    rig.run(15)
    rig.quiet()
    assert sent(rig)[("0", "DC")] > 5
    served = rig.by("response_code", 'sum by (response_code) (istio_requests_total{pod="store-1"})')
    assert served == {"0": sent(rig)[("0", "DC")]}


def test_a_surge_multiplies_the_load() -> None:
    rig = Rig()
    rig.mesh.load.surge(3.0, START + 20, START + 40)
    rig.run(60)
    total = "sum(istio_requests_total{pod='load-0'})"
    early, late, end = (rig.ask(total, START + at)[()] for at in (20, 40, 60))
    assert (late - early) / early == pytest.approx(3.0, rel=0.15)
    assert (end - late) / early == pytest.approx(1.0, rel=0.2)


def test_load_swings_over_the_day() -> None:
    source = SourceSpec("load", "front", 10.0, swing=0.5, period=1000.0)
    assert source.rate_at(0.0) == pytest.approx(5.0)
    assert source.rate_at(500.0) == pytest.approx(15.0)
    assert Surge(2.0, 0.0, 1.0).factor == 2.0


def test_calls_in_series_stop_at_the_first_failure() -> None:
    services = (
        ServiceSpec("front", calls=("first", "second"), parallel=False),
        ServiceSpec("first"),
        ServiceSpec("second"),
    )
    rig = Rig(small_spec(services=services))
    rig.store.put(pod("first-0", "first", "10.0.1.0"))
    rig.store.put(pod("second-0", "second", "10.0.1.1"))
    rig.mesh.faults.set(faults.workload_bad("first-v1", 1.0))
    rig.run(5)
    assert set(rig.by("pod", 'sum by (pod) (istio_requests_total{reporter="destination"})')) == {"front-0", "first-0"}


def test_background_errors_may_vary_more_than_chance() -> None:
    def spread(overdispersion: float) -> float:
        services = (ServiceSpec("front", calls=("store",)), ServiceSpec("store", error_rate=0.2))
        rig = Rig(small_spec(services=services, overdispersion=overdispersion))
        rig.run(60)
        errors = 'sum(istio_requests_total{pod="store-0",response_code="500"})'
        seen = [rig.ask(errors, START + at).get((), 0.0) for at in range(5, 61)]
        steps = [b - a for a, b in itertools.pairwise(seen)]
        mean = sum(steps) / len(steps)
        return sum((one - mean) ** 2 for one in steps) / len(steps) / mean

    assert spread(4.0) > 1.5 * spread(0.0)


def test_the_same_seed_gives_the_same_world_and_another_does_not() -> None:
    answers = []
    for seed in (7, 7, 8):
        rig = Rig(seed=seed)
        rig.mesh.faults.set(faults.pod_errors("store-1", 0.3))
        rig.run(20)
        answers.append(rig.ask("istio_requests_total"))
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_a_service_that_nobody_described_is_refused() -> None:
    with pytest.raises(ValueError, match="not described: nowhere"):
        MeshSpec("shop", (ServiceSpec("front", calls=("nowhere",)),), (), ())
    with pytest.raises(ValueError, match="retries"):
        small_spec(retries=3)


def test_random_bursts_hit_everybody_at_the_same_moments() -> None:
    found = list(faults.random_bursts(3, 0.0, 10_000.0, every=500.0, lasts=2.0, rate=0.4))
    assert 10 < len(found) < 35
    assert all(one.until - one.since == pytest.approx(2.0) and one.where == faults.Where() for one in found)
    assert found == list(faults.random_bursts(3, 0.0, 10_000.0, every=500.0, lasts=2.0, rate=0.4))
