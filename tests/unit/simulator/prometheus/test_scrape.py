"""Targets, offsets, staleness, resets: what Prometheus makes of the sidecars."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from observer.simulator.mesh import faults
from observer.simulator.mesh.topology import ScrapeSpec
from tests.support.mesh import START, Rig, drained, labelled, pod

STAMPS = "timestamp(up)"
TOTAL = 'sum by (pod) (istio_requests_total{reporter="destination",destination_app="store"})'


def test_up_carries_the_labels_of_the_lab() -> None:
    rig = Rig()
    rig.run(3)
    assert {frozenset(dict(key)) for key in rig.ask("up")} == {
        frozenset({"__name__", "instance", "job", "namespace", "pod"})
    }
    assert dict(next(iter(rig.ask('up{pod="front-0"}')))) == {
        "__name__": "up",
        "instance": "10.0.0.8:15020",
        "job": "mesh",
        "namespace": "shop",
        "pod": "front-0",
    }


@pytest.mark.parametrize("interval", [1.0, 5.0, 15.0])
def test_each_target_has_an_offset_of_its_own(interval: float) -> None:
    rig = Rig(scrape=ScrapeSpec(interval=interval))
    rig.run(4 * interval)
    first = rig.by("pod", STAMPS, START + 3 * interval)
    second = rig.by("pod", STAMPS, START + 4 * interval)
    assert len({at % interval for at in second.values()}) == 6
    assert all(second[name] - first[name] == pytest.approx(interval) for name in first)


def test_new_pods_are_found_at_the_next_look() -> None:
    rig = Rig(scrape=ScrapeSpec(discovery=5.0))
    rig.run(1)
    rig.store.put(pod("store-9", "store", "10.0.0.19"))
    rig.run(7)
    first = [at for at in range(1, 9) if "store-9" in rig.by("pod", "up", START + at)]
    assert first
    assert first == list(range(first[0], 9))


def test_a_vanished_pod_fails_its_scrape_then_goes_stale() -> None:
    rig = Rig()
    rig.run(6)
    rig.store.remove(rig.pods["store-0"])
    rig.run(1.1)
    assert rig.by("pod", "up").get("store-0", 0.0) == 0.0
    assert "store-0" not in rig.by("pod", TOTAL)
    rig.run(10)
    assert "store-0" not in rig.by("pod", "up")
    assert rig.by("pod", TOTAL, START + 5)["store-0"] > 0


def test_a_failed_scrape_ends_every_series_but_up() -> None:
    rig = Rig()
    rig.run(5)
    rig.mesh.faults.set(faults.sidecar_frozen("store-1"))
    rig.run(1.1)
    assert rig.by("pod", "up")["store-1"] == 0
    assert "store-1" not in rig.by("pod", TOTAL)


def test_mapped_labels_make_a_second_series_for_a_while() -> None:
    rig = Rig(scrape=ScrapeSpec(map_pod_labels=True, discovery=1.0))
    rig.run(6)
    before = rig.by("pod", "count by (pod) (up)")
    assert set(before.values()) == {1}
    rig.change(drained(rig.pods["store-0"]))
    seen = []
    for _ in range(60):
        rig.run(0.1)
        seen.append(rig.by("pod", "count by (pod) (up)")["store-0"])
    twice = [index for index, count in enumerate(seen) if count == 2]
    assert 10 <= len(twice) <= 30
    assert twice == list(range(twice[0], twice[-1] + 1))
    assert seen[-1] == 1
    (now,) = rig.ask('up{pod="store-0"}')
    assert dict(now)["istio_io_draining"] == "true"
    assert dict(now)["service_istio_io_canonical_name"] == "store"


def test_a_label_write_makes_no_series_unless_labels_are_mapped() -> None:
    rig = Rig(scrape=ScrapeSpec(discovery=1.0))
    rig.run(5)
    rig.change(labelled(rig.pods["store-0"], team="blue"))
    for _ in range(5):
        rig.run(1)
        assert rig.by("pod", "count by (pod) (up)")["store-0"] == 1


def test_a_restarted_sidecar_counts_from_zero() -> None:
    rig = Rig()
    rig.run(10)
    before = rig.by("pod", TOTAL)["store-0"]
    again = pod("store-0", "store", "10.0.0.0")
    again["status"]["initContainerStatuses"][0]["restartCount"] = 1
    rig.change(again)
    rig.run(3)
    after = rig.by("pod", TOTAL)["store-0"]
    assert 0 < after < before
    assert len(rig.ask('istio_requests_total{pod="store-0",reporter="destination"}')) == 1


def test_lost_scrapes_leave_the_last_value_in_force() -> None:
    rig = Rig(scrape=ScrapeSpec(lost=0.5))
    rig.run(40)
    times = sorted({rig.by("pod", STAMPS, START + at / 2)["store-1"] for at in range(20, 81)})
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert max(gaps) >= 2
    assert all(value == 1 for value in rig.by("pod", "up").values())


def test_failed_scrapes_show_as_down() -> None:
    rig = Rig(scrape=ScrapeSpec(failed=0.5))
    rig.run(20)
    downs = [rig.by("pod", "up", START + at)["store-1"] for at in range(2, 20)]
    assert 0 in downs
    assert 1 in downs


def test_a_stopped_server_scrapes_nothing_and_goes_on_later() -> None:
    rig = Rig()
    rig.run(5)
    rig.scraper.stop()
    rig.run(10)
    assert max(rig.by("pod", STAMPS).values()) <= START + 5
    rig.scraper.start()
    rig.run(3)
    assert min(rig.by("pod", STAMPS).values()) > START + 15
    assert len(rig.by("pod", TOTAL)) == 4


def test_histograms_move_only_when_they_are_handed_over() -> None:
    rig = Rig()
    rig.run(30)
    count = 'istio_request_duration_milliseconds_count{pod="store-0"}'
    total = 'istio_requests_total{pod="store-0"}'
    steps = {next(iter(rig.ask(count, START + at).values())) for at in range(10, 30)}
    immediate = {next(iter(rig.ask(total, START + at).values())) for at in range(10, 30)}
    assert 4 <= len(steps) <= 6
    assert len(immediate) == 20


@pytest.mark.parametrize(
    ("spec", "bounds"),
    [
        (ScrapeSpec(bounds=(0.5, 5.0, 1000.0)), {"0.5", "5.0", "1000.0", "+Inf"}),
        (ScrapeSpec(bounds=(0.5, 5.0, 1000.0), float_bounds=False), {"0.5", "5", "1000", "+Inf"}),
    ],
)
def test_bounds_are_written_as_the_version_writes_them(spec: ScrapeSpec, bounds: set[str]) -> None:
    rig = Rig(scrape=spec)
    rig.run(8)
    assert set(rig.by("le", 'sum by (le) (istio_request_duration_milliseconds_bucket{pod="store-0"})')) == bounds


def test_buckets_are_cumulative_and_end_at_the_count() -> None:
    rig = Rig()
    rig.run(20)
    le = rig.by("le", 'istio_request_duration_milliseconds_bucket{pod="store-0",reporter="destination"}')
    ordered = [le[bound] for bound in sorted(le, key=float)]
    assert ordered == sorted(ordered)
    assert len(ordered) == 20
    (count,) = rig.ask('istio_request_duration_milliseconds_count{pod="store-0",reporter="destination"}').values()
    assert le["+Inf"] == count > 0


def test_memory_is_bounded_by_the_retention() -> None:
    rig = Rig(scrape=ScrapeSpec(retention=20.0))
    rig.run(10)
    rig.store.remove(rig.pods["store-0"])
    rig.run(90)
    blocks = list(rig.scraper.memory.blocks())
    assert len(blocks) == 5
    assert all(block.times.size < 64 for block in blocks)
    assert rig.ask("up", START + 10) == {}


def test_targets_are_shown_with_their_health() -> None:
    rig = Rig()
    rig.run(3)
    rig.mesh.faults.set(faults.sidecar_frozen("store-1"))
    rig.run(2)
    shown: dict[str, dict[str, Any]] = {one["labels"]["pod"]: one for one in rig.scraper.targets()}
    assert shown["store-1"]["health"] == "down"
    assert shown["store-0"]["health"] == "up"
    assert shown["store-0"]["scrapeInterval"] == "1s"
    assert shown["store-0"]["scrapeUrl"] == "http://10.0.0.0:15020/stats/prometheus"


def test_istiod_is_a_target_without_pod_labels() -> None:
    rig = Rig(scrape=ScrapeSpec(discovery=1.0))
    istiod = pod("istiod-1", "istiod", "10.0.0.77", namespace="istio-system")
    rig.change(istiod)
    rig.run(3)
    (labels,) = rig.ask('up{job="istiod"}')
    assert dict(labels) == {"__name__": "up", "instance": "10.0.0.77:15014", "job": "istiod"}
    assert rig.ask('up{job="istiod"}')[labels] == 1
    istiod["status"]["conditions"][0]["status"] = "False"
    rig.change(istiod)
    rig.run(1.1)
    assert rig.ask('up{job="istiod"}')[labels] == 0
    rig.store.remove(istiod)
    rig.run(6)
    assert rig.ask('up{job="istiod"}') == {}
    assert len(rig.ask("up")) == 6


def test_what_went_while_the_server_was_down_lingers_for_the_look_back() -> None:
    rig = Rig()
    rig.run(5)
    rig.scraper.stop()
    rig.store.remove(rig.pods["store-0"])
    rig.run(8)
    rig.scraper.start()
    rig.run(8)
    assert rig.by("pod", "up")["store-0"] == 1
    assert rig.by("pod", STAMPS)["store-0"] <= START + 5
    assert "store-0" in rig.by("pod", TOTAL)
    assert "store-0" not in rig.by("pod", "up", START + 306)


@pytest.mark.parametrize("seconds", [1.5, 8.0])
def test_a_label_that_goes_again_brings_the_old_series_back(seconds: float) -> None:
    rig = Rig(scrape=ScrapeSpec(map_pod_labels=True, discovery=0.5))
    plain = rig.pods["store-0"]
    rig.run(5)
    rig.change(drained(plain))
    rig.run(seconds)
    rig.change(plain)
    rig.run(8)
    now = rig.ask('up{pod="store-0"}')
    assert len(now) == 1
    assert "istio_io_draining" not in dict(next(iter(now)))
    assert len(rig.ask('timestamp(up{pod="store-0"}) > 0')) == 1
    assert list(rig.ask('count(rate(up{pod="store-0",istio_io_draining=""}[30s]))').values()) == [1]
    stamps = [rig.by("pod", "max by (pod) (timestamp(up))", rig.mesh.now - x / 4)["store-0"] for x in range(12)]
    assert sorted({round(a - b, 3) for a, b in itertools.pairwise(stamps)} - {0.0}) == [1.0]
