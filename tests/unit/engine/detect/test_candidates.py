"""Rows with enough evidence become suspects: who is named, how far one may go against whom, and what it costs users."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from observer.domain.counts import ServiceBaseline
from observer.domain.suspect import CulpritKind, Symptom, Tier
from observer.engine.detect.candidates import median, slowdown
from observer.engine.detect.state import OpenActions
from tests.support.builders import CUTS, NOW, catalog, pod, service_ref
from tests.support.judging import GOOD, SICK, Feed, acting, everybody, fed, suspect_of


def test_the_median_is_interpolated_within_its_bucket() -> None:
    half = np.array([0.0, 0.0, 0.0, 100.0, 100.0, 100.0, 100.0])
    assert median(half, CUTS) == pytest.approx(175.0)
    assert median(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0]), CUTS) == 5000.0
    assert np.isnan(median(np.zeros(7), CUTS))


def test_a_slowdown_needs_both_sides() -> None:
    fast, slow = np.array([0.0, 90, 100, 100, 100, 100, 100]), np.array([0.0, 0, 0, 10, 100, 100, 100])
    ratio, excess = slowdown(slow, fast, CUTS)
    assert ratio > 10.0 and excess > 400.0
    assert slowdown(np.zeros(7), fast, CUTS) == (1.0, 0.0)


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


def test_a_certain_but_harmless_pod_does_not_pass_the_gate() -> None:
    pods = catalog(10)
    many = (4000.0, 0.0)
    feed = fed(fed(Feed(pods), 5, everybody(pods, many)), 12, everybody(pods, many, catalog_4=(3975.0, 25.0)))
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-4")
    assert found.tier >= Tier.DRAIN
    assert not found.impact


def test_an_acquitted_pod_is_told_only_and_comes_last() -> None:
    pods = catalog(8)
    feed = Feed(pods, open_actions=OpenActions(cleared={pods[1].ref: NOW + 1e4}))
    fed(feed, 5, everybody(pods, GOOD))
    fed(feed, 8, everybody(pods, GOOD, catalog_2=(20.0, 30.0), catalog_5=SICK))
    assert feed.judgement is not None

    assert [one.culprit.name for one in feed.judgement.suspects][-1] == "catalog-2"
    assert suspect_of(feed.judgement, "catalog-2").ceiling_reason == "cleared"
    assert acting(feed.judgement) == {"catalog-5"}
