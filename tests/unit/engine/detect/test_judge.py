"""The judges as a whole, fed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from observer.domain.counts import ServiceBaseline
from observer.domain.suspect import CulpritKind, Symptom, Tier
from observer.engine.detect.held import OpenActions
from tests.support.builders import NOW, catalog, pod, service_ref
from tests.support.judging import Feed, acting, everybody, suspect_of

GOOD = (50.0, 0.0)
SICK = (35.0, 15.0)


def fed(feed: Feed, ticks: int, did: dict[str, tuple[float, ...]]) -> Feed:
    for _ in range(ticks):
        feed.tick(did)
    return feed


def test_a_pod_that_fails_among_healthy_siblings_is_the_only_suspect() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-2")
    assert acting(feed.judgement, Tier.EVICT) == {"catalog-2"}
    assert found.impact
    assert found.evidence.symptom is Symptom.ERRORS
    assert found.evidence.bad_rate == pytest.approx(0.3)
    assert found.evidence.share == pytest.approx(0.25)
    assert found.evidence.peer_bad == 0.0
    assert found.evidence.bins >= 3
    assert NOW < found.evidence.onset <= feed.at
    assert feed.judgement.recheck == {service_ref()}
    assert service_ref() in feed.judgement.watch
    assert found.culprit.pod not in feed.judgement.services[service_ref()].healthy


def test_no_tier_above_annotate_from_fewer_than_three_bins() -> None:
    pods = catalog(4)
    feed = fed(Feed(pods), 5, everybody(pods, GOOD))
    tiers = []
    for _ in range(5):
        judgement = feed.tick(everybody(pods, GOOD, catalog_2=(0.0, 50.0)))
        tiers.append(max((one.tier for one in judgement.suspects), default=Tier.NONE))

    assert tiers[:2] == [Tier.NONE, Tier.ANNOTATE]
    assert max(tiers) >= Tier.DRAIN
    assert not [i for i, tier in enumerate(tiers) if tier > Tier.ANNOTATE and i < 2]


def test_without_a_second_look_nobody_is_acted_on() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods, recheck=False), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None

    assert acting(feed.judgement) == set()
    assert suspect_of(feed.judgement, "catalog-2").ceiling_reason == "no_recheck"


def test_a_fault_that_ends_by_itself_leaves_no_suspicion() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 2, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None and feed.judgement.suspects

    fed(feed, 4, everybody(pods, GOOD))

    assert feed.judgement.suspects == ()


def test_all_failing_alike_is_nobodys_fault_and_is_told() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 20, everybody(pods, GOOD)), 8, everybody(pods, SICK))
    assert feed.judgement is not None

    assert feed.judgement.suspects == ()
    assert [(one.service, one.reason) for one in feed.judgement.suppressions] == [(service_ref(), "workload_failing")]


def test_half_of_the_siblings_failing_is_a_correlated_failure() -> None:
    pods = catalog(6)
    did = everybody(pods, GOOD, catalog_1=SICK, catalog_2=SICK, catalog_3=SICK)
    feed = fed(fed(Feed(pods), 20, everybody(pods, GOOD)), 30, did)
    assert feed.judgement is not None

    assert acting(feed.judgement) == set()
    assert {one.reason for one in feed.judgement.suppressions} & {"correlated_failure", "workload_failing"}


def test_a_revision_wins_over_its_pods() -> None:
    old = catalog(4)
    new = [
        replace(one, owner_name="catalog-def", owner_uid="uid-def", template="def")
        for one in (pod("catalog-7"), pod("catalog-8"))
    ]
    pods = [*old, *new]
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 8, everybody(pods, GOOD, catalog_7=SICK, catalog_8=SICK))
    assert feed.judgement is not None

    first = feed.judgement.suspects[0]
    assert (first.culprit.kind, first.culprit.name) == (CulpritKind.REVISION, "catalog-def")
    assert first.ceiling is Tier.ANNOTATE
    assert {one.name for one in first.also} == {"catalog-7", "catalog-8"}
    assert acting(feed.judgement) == set()


def test_a_node_wins_over_workloads() -> None:
    pods = [pod(f"{app}-{i}", node=f"node-{i}") for app in ("catalog", "cart", "pay") for i in range(1, 6)]
    bad = dict.fromkeys(("catalog_1", "cart_1", "pay_1"), SICK)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 3, everybody(pods, GOOD, **bad))
    assert feed.judgement is not None

    first = feed.judgement.suspects[0]
    assert (first.culprit.kind, first.culprit.name) == (CulpritKind.NODE, "node-1")
    assert acting(feed.judgement) == set()


def test_a_pod_that_is_gone_leaves_its_node_no_blame() -> None:
    pods = [pod(f"{app}-{i}", node=f"node-{i % 2}") for app in ("catalog", "cart") for i in range(1, 5)]
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 12, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None
    assert [one.culprit.name for one in feed.judgement.suspects] == ["catalog-2"]

    feed.pods = [one for one in pods if one.ref.name != "catalog-2"]
    for _ in range(3):
        assert feed.tick(everybody(feed.pods, (2.0, 0.0))).suspects == ()


def test_a_pod_whose_fault_ended_leaves_its_node_no_blame() -> None:
    pods = [pod(f"{app}-{i}", node=f"node-{i % 2}") for app in ("catalog", "cart") for i in range(1, 5)]
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 12, everybody(pods, GOOD, catalog_2=SICK))
    cleared = False
    for _ in range(20):
        named = {one.culprit.name for one in feed.tick(everybody(pods, (2.0, 0.0))).suspects}
        cleared = cleared or "catalog-2" not in named
        assert named <= {"catalog-2"}
    assert cleared


def test_a_node_stays_named_when_one_of_its_sick_pods_goes() -> None:
    pods = [pod(f"{app}-{i}", node=f"node-{i}") for app in ("catalog", "cart", "pay") for i in range(1, 6)]
    bad = dict.fromkeys(("catalog_1", "cart_1", "pay_1"), SICK)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 3, everybody(pods, GOOD, **bad))

    feed.pods = [one for one in pods if one.ref.name != "catalog-1"]
    judgement = feed.tick(everybody(feed.pods, GOOD, cart_1=SICK, pay_1=SICK))

    assert (judgement.suspects[0].culprit.kind, judgement.suspects[0].culprit.name) == (CulpritKind.NODE, "node-1")


def test_one_pod_a_node_with_a_suspected_neighbour_is_a_tie() -> None:
    pods = [pod(f"{app}-{i}", node=f"node-{i}") for app in ("catalog", "cart") for i in range(1, 5)]
    feed = fed(Feed(pods), 5, everybody(pods, GOOD))
    fed(feed, 8, everybody(pods, GOOD, catalog_1=SICK))
    # By now the pod is far ahead; the neighbour's weak trouble begins.
    fed(feed, 8, everybody(pods, GOOD, catalog_1=SICK, cart_1=(47.0, 3.0)))
    assert feed.judgement is not None

    named = [one for one in feed.judgement.suspects if one.culprit.name in {"catalog-1", "node-1"}]
    assert named
    assert all(one.ceiling <= Tier.DRAIN for one in named)
    if named[0].culprit.pod is not None:
        assert named[0].ceiling_reason == "tie_node"
        assert named[0].also[0].name == "node-1"


def test_the_only_pod_of_a_young_revision_is_a_tie() -> None:
    pods = [*catalog(4), pod("catalog-9", created=NOW - 300.0, workload=None, owner_name="new", owner_uid="uid-new")]
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 8, everybody(pods, GOOD, catalog_9=SICK))
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-9")
    assert (found.ceiling, found.ceiling_reason) == (Tier.DRAIN, "tie_revision")
    assert found.also[0].kind is CulpritKind.REVISION


def test_a_pair_needs_its_history_too() -> None:
    pods = catalog(2)
    did = everybody(pods, GOOD, catalog_2=SICK)
    unknown = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 12, did)
    past = {service_ref(): ServiceBaseline(service_ref(), 1e6, 100.0, 0.001, 100.0, NOW - 86_400.0, NOW)}
    known = fed(fed(Feed(pods, baselines=past), 5, everybody(pods, GOOD)), 12, did)
    bad_past = {service_ref(): replace(past[service_ref()], q99_error_rate=0.4)}
    usual = fed(fed(Feed(pods, baselines=bad_past), 5, everybody(pods, GOOD)), 12, did)
    assert unknown.judgement is not None and known.judgement is not None and usual.judgement is not None

    assert acting(unknown.judgement) == set()
    assert suspect_of(unknown.judgement, "catalog-2").ceiling_reason == "no_history"
    assert acting(known.judgement, Tier.EVICT) == {"catalog-2"}
    assert suspect_of(known.judgement, "catalog-2").evidence.history_score is not None
    assert acting(usual.judgement) == set()


def test_a_lone_pod_is_never_suspected() -> None:
    pods = catalog(1)
    feed = fed(fed(Feed(pods), 20, everybody(pods, GOOD)), 10, everybody(pods, SICK))
    assert feed.judgement is not None

    assert feed.judgement.suspects == ()
    assert [one.reason for one in feed.judgement.suppressions] == ["workload_failing"]


def test_a_slow_pod_is_found_by_its_latency_and_passes_the_gate() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_3=(50.0, 0.0, 45.0)))
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-3")
    assert found.evidence.symptom is Symptom.LATENCY
    assert found.evidence.cut in {100.0, 250.0}
    assert found.evidence.latency_ratio > 2.0 and found.evidence.latency_excess_ms > 100.0
    assert acting(feed.judgement, Tier.EVICT) == {"catalog-3"} and found.impact


def test_young_pods_are_not_judged_by_latency() -> None:
    pods = [*catalog(3), pod("catalog-9", created=NOW - 10.0)]
    feed = Feed(pods)
    fed(feed, 2, everybody(pods, GOOD))
    for _ in range(8):
        judgement = feed.tick(everybody(pods, GOOD, catalog_9=(50.0, 0.0, 45.0)))
        if feed.at < NOW + 50.0:
            assert not judgement.suspects


def test_a_certain_but_harmless_pod_does_not_pass_the_gate() -> None:
    pods = catalog(10)
    many = (4000.0, 0.0)
    feed = fed(fed(Feed(pods), 5, everybody(pods, many)), 12, everybody(pods, many, catalog_4=(3975.0, 25.0)))
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-4")
    assert found.tier >= Tier.DRAIN
    assert not found.impact


def test_evidence_of_a_drained_pod_is_frozen_and_silence_is_no_health() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None
    before = suspect_of(feed.judgement, "catalog-2")
    feed.held = OpenActions(drained=frozenset({pods[1].ref}), label_writes={pods[1].ref: feed.at})

    fed(feed, 40, everybody(pods, GOOD, catalog_2=(0.0, 0.0)))

    after = suspect_of(feed.judgement, "catalog-2")
    assert after.evidence.score == pytest.approx(before.evidence.score)
    assert service_ref() in feed.judgement.watch


def test_an_acquitted_pod_is_told_only_and_comes_last() -> None:
    pods = catalog(8)
    feed = Feed(pods, held=OpenActions(cleared={pods[1].ref: NOW + 1e4}))
    fed(feed, 5, everybody(pods, GOOD))
    fed(feed, 8, everybody(pods, GOOD, catalog_2=(20.0, 30.0), catalog_5=SICK))
    assert feed.judgement is not None

    assert [one.culprit.name for one in feed.judgement.suspects][-1] == "catalog-2"
    assert suspect_of(feed.judgement, "catalog-2").ceiling_reason == "cleared"
    assert acting(feed.judgement) == {"catalog-5"}


def test_errors_inherited_from_a_dependency_blame_the_deepest_failing_service() -> None:
    store, middle, front = catalog(3, app="store"), catalog(3, app="catalog"), catalog(3, app="front")
    pods = [*store, *middle, *front]
    feed = fed(Feed(pods), 20, everybody(pods, GOOD))
    for _ in range(20):
        feed.called({(one.ref.name, "store"): (35.0, 15.0, 0.0) for one in middle})
        feed.called({(one.ref.name, "catalog"): (35.0, 15.0, 0.0) for one in front})
        feed.tick(everybody(pods, SICK))
    assert feed.judgement is not None

    found = {
        one.service.name: (one.reason, one.blamed.name if one.blamed else "") for one in feed.judgement.suppressions
    }
    assert found == {
        "front": ("inherited", "store"),
        "catalog": ("inherited", "store"),
        "store": ("workload_failing", "store"),
    }
    assert feed.judgement.suspects == ()


def test_a_silent_scrape_alone_is_no_finding() -> None:
    pods = catalog(12)
    feed = fed(Feed(pods), 6, everybody(pods, GOOD))
    for _ in range(10):
        feed.did(everybody(pods, GOOD))
        feed.at += 5.0
        frame = feed.frame()
        scraped = frame.scraped.copy()
        scraped[0] = 0.0
        judgement = feed.look(replace(frame, scraped=scraped))

    assert judgement.suspects == () and judgement.suppressions == ()
    assert judgement.complete


def test_blindness_acts_on_nobody_and_forgets_nothing() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 4, everybody(pods, GOOD, catalog_2=SICK))
    before = feed.state

    feed.at += 5.0
    judgement = feed.look(None)

    assert not judgement.complete and judgement.suspects == ()
    assert feed.state is before


def test_too_many_stale_targets_make_a_tick_incomplete() -> None:
    pods = catalog(8)
    feed = fed(Feed(pods), 4, everybody(pods, GOOD))
    last = feed.at
    feed.at += 30.0
    frame = feed.frame()
    judgement = feed.look(replace(frame, scraped=np.where(np.arange(8) < 2, last, frame.scraped)))

    assert not judgement.complete
    assert [gap.reason for gap in judgement.gaps] == ["stale"]


def test_a_clock_that_goes_back_makes_everything_new() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))
    feed.at -= 3600.0
    judgement = feed.tick(everybody(pods, GOOD))

    assert not judgement.complete
    assert [gap.reason for gap in judgement.gaps] == ["clock"]
    assert judgement.suspects == ()


def test_the_last_minute_of_a_service() -> None:
    pods = [*catalog(3), pod("catalog-9", ready=False)]
    feed = fed(Feed(pods), 14, everybody(pods, GOOD, catalog_2=(45.0, 5.0)))
    assert feed.judgement is not None
    health = feed.judgement.services[service_ref()]

    assert health.requests == pytest.approx(4 * 50 * 12, rel=0.1)
    assert health.errors == pytest.approx(5 * 12, rel=0.1)
    assert health.rates[pods[0].ref] == pytest.approx(10.0, rel=0.1)
    assert pods[3].ref not in health.healthy
    assert feed.judgement.tallies[pods[1].ref].errors == 5.0
    assert feed.judgement.tallies[pods[1].ref].requests == 50.0
    assert len(feed.judgement.services) == 1 and len(feed.judgement.tallies) == 4


def test_a_pod_that_only_passes_on_a_failing_neighbours_answers_is_a_victim() -> None:
    store, front = catalog(4, app="store"), catalog(4, app="front")
    pods = [*store, *front]
    feed = fed(Feed(pods), 5, everybody(pods, GOOD))
    for _ in range(12):
        # Calls stick: front-1 talks to store-1 only.
        feed.called({(one.ref.name, "store"): (50.0, 0.0, 0.0) for one in front[1:]})
        feed.called({("front-1", "store"): (35.0, 15.0, 0.0)})
        feed.tick(everybody(pods, GOOD, store_1=SICK, front_1=SICK))
    assert feed.judgement is not None

    assert acting(feed.judgement) == {"store-1"}
    victim = suspect_of(feed.judgement, "front-1")
    assert victim.ceiling_reason == "inherited"
    assert victim.also[0].name == "store-1"


def test_calls_that_reached_nobody_stay_the_callers_own_fault() -> None:
    store, front = catalog(4, app="store"), catalog(4, app="front")
    pods = [*store, *front]
    feed = fed(Feed(pods), 5, everybody(pods, GOOD))
    for _ in range(12):
        feed.called({(one.ref.name, "store"): (50.0, 0.0, 0.0) for one in front[1:]})
        feed.called({("front-1", "store"): (35.0, 15.0, 15.0)})
        feed.tick(everybody(pods, GOOD, store_1=SICK, front_1=SICK))
    assert feed.judgement is not None

    assert acting(feed.judgement) == {"store-1", "front-1"}
