"""The whole answer: series, siblings, changes, what is missing, and whether a pod may be killed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from observer.domain.attribution import (
    UNKNOWN,
    AffectedService,
    Attribution,
    AttributionInputs,
    Cause,
    CauseKind,
    Change,
    ChangeKind,
    EvidenceLine,
    Measure,
    RankedCause,
)
from observer.domain.cluster import Node
from observer.domain.reasons import Reason
from observer.domain.suspect import Culprit, CulpritKind, Judgement, Suppression, Suspect, Symptom
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.posterior import changes_of, seats_of
from observer.engine.attribution.removal import permits_removal
from tests.support.builders import (
    NOW,
    SHOP,
    catalog,
    cluster,
    evidence,
    group_suspect,
    health,
    judgement,
    pod,
    suspect,
    workload,
)
from tests.support.incidents import calm, edge, first, graph, named, ref, series

SICK = pod("catalog-1")
COUNTED = (EvidenceLine("peers", 12.0, "evidence 20 against its peers"),)
PEERS = catalog(4)


def judged(*suspects: Suspect, suppressions: Iterable[Suppression] = (), complete: bool = True) -> Judgement:
    return judgement(suspects=suspects, suppressions=suppressions, services=health(PEERS), complete=complete)


def test_a_gray_pod_is_named_and_may_be_killed() -> None:
    inputs = AttributionInputs(
        at=NOW,
        graph=graph(edge("", "front", errors=90.0), edge("front", "catalog", errors=90.0)),
        usual_graph=calm(("", "front"), ("front", "catalog")),
        judgement=judged(suspect(SICK)),
    )
    found = attribute(inputs)

    assert first(found) == "pod shop/catalog-1"
    assert permits_removal(found, SICK.ref).allowed
    assert not permits_removal(found, PEERS[2].ref).allowed


def test_a_victim_is_not_killed_however_strong_the_siblings_speak() -> None:
    inputs = AttributionInputs(
        at=NOW,
        graph=graph(edge("front", "catalog", errors=90.0), edge("catalog", "store", errors=90.0)),
        usual_graph=calm(("front", "catalog"), ("catalog", "store")),
        judgement=judged(suspect(SICK)),
    )
    found = attribute(inputs)
    permission = permits_removal(found, SICK.ref)

    assert not permission.allowed
    assert any(reason.startswith("victim") for reason in permission.reasons)


def test_a_named_revision_wins_over_its_pods() -> None:
    found = attribute(
        AttributionInputs(at=NOW, judgement=judged(group_suspect(CulpritKind.REVISION, "catalog-v2", SICK.service)))
    )

    assert first(found) == "revision shop/catalog-v2"
    assert not permits_removal(found, SICK.ref).allowed


def test_a_tie_of_pod_and_node_permits_nothing() -> None:
    tied = suspect(SICK, ceiling_reason="tie_node", also=(Culprit(CulpritKind.NODE, "", "node-1"),))
    found = attribute(AttributionInputs(at=NOW, judgement=judged(tied)))

    assert first(found) == "node node-1"
    assert any("shared_cause" in reason for reason in permits_removal(found, SICK.ref).reasons)


def test_two_suspects_of_one_service_permit_neither() -> None:
    found = attribute(AttributionInputs(at=NOW, judgement=judged(suspect(SICK), suspect(PEERS[1]))))

    assert any("other_members" in reason for reason in permits_removal(found, SICK.ref).reasons)


def test_the_detectors_word_on_inheritance_is_enough_without_a_graph() -> None:
    store = Culprit(CulpritKind.WORKLOAD, SHOP, "store", ref("store"))
    told = (
        Suppression(ref("catalog"), Reason.INHERITED, "its errors come from store", store),
        Suppression(ref("store"), Reason.WORKLOAD_FAILING, "all replicas fail alike", store),
        Suppression(ref("front"), Reason("warming_up"), "", None),
    )
    found = attribute(AttributionInputs(at=NOW, judgement=judged(suppressions=told)))

    assert first(found) == "workload shop/store"
    assert "workload shop/catalog" not in named(found)


def test_a_suspect_that_passes_on_what_it_got_is_a_victim() -> None:
    passing = suspect(
        SICK, ceiling_reason="inherited", also=(Culprit(CulpritKind.WORKLOAD, SHOP, "store", ref("store")),)
    )
    found = attribute(AttributionInputs(at=NOW, judgement=judged(passing)))

    assert not permits_removal(found, SICK.ref).allowed
    assert "workload shop/store" in named(found)


def test_a_slow_pod_is_named_by_its_siblings() -> None:
    slow = suspect(SICK, found=evidence(score=21.0, symptom=Symptom.LATENCY))
    found = attribute(
        AttributionInputs(at=NOW, judgement=judged(slow), target=AffectedService(SICK.service, Measure.LATENCY))
    )

    assert first(found) == "pod shop/catalog-1"
    assert found.onset == slow.evidence.onset


def test_nothing_known_blames_nobody_and_says_what_is_missing() -> None:
    found = attribute(AttributionInputs(at=NOW, gaps=("kiali did not answer",)))

    assert [one.cause for one in found.ranked] == [UNKNOWN]
    assert found.unknown == 1.0
    assert found.gaps == ("kiali did not answer", "no call graph", "no traces", "no peer tests")


def test_a_judgement_of_a_part_of_the_pods_doubts_more() -> None:
    whole = attribute(AttributionInputs(at=NOW, judgement=judged(suspect(SICK))))
    part = attribute(AttributionInputs(at=NOW, judgement=judged(suspect(SICK), complete=False)))

    assert part.unknown > whole.unknown
    assert "the peer tests saw only part of the pods" in part.gaps


def test_series_blame_the_callee_that_accounts_for_the_targets_time() -> None:
    readings = (
        series("front", Measure.LATENCY, 0.1, 0.15),
        series("cart", Measure.LATENCY, 0.02, 0.07),
        series("ads", Measure.LATENCY, 0.02, 0.02),
        *(series(name, Measure.REQUESTS, 1000.0, 1000.0) for name in ("front", "cart", "ads")),
    )
    inputs = AttributionInputs(
        at=NOW,
        target=AffectedService(ref("front"), Measure.LATENCY),
        graph=graph(edge("front", "cart", 0.0), edge("front", "ads", 0.0)),
        readings=readings,
    )

    assert first(attribute(inputs)) == "workload shop/cart"


def test_a_callee_that_is_hardly_called_cannot_be_what_hurts() -> None:
    readings = (
        series("front", Measure.LATENCY, 0.1, 0.15),
        series("cart", Measure.LATENCY, 0.02, 0.07),
        series("front", Measure.REQUESTS, 1000.0, 1000.0),
        series("cart", Measure.REQUESTS, 2.0, 2.0),
    )
    inputs = AttributionInputs(
        at=NOW,
        target=AffectedService(ref("front"), Measure.LATENCY),
        graph=graph(edge("front", "cart", 0.0)),
        readings=readings,
    )

    assert first(attribute(inputs)) == "workload shop/front"


def test_a_busy_service_alone_is_a_weak_answer() -> None:
    found = attribute(AttributionInputs(at=NOW, readings=(series("cart", Measure.SATURATION, 10.0, 90.0, what="cpu"),)))

    assert first(found) == "workload shop/cart"
    assert found.unknown > 0.1


def test_a_fresh_rollout_of_all_pods_is_likelier_than_the_service_as_such() -> None:
    revision = Cause(CauseKind.REVISION, SHOP, "cart-v2", ref("cart"))
    edges = (edge("", "front", errors=90.0), edge("front", "cart", errors=90.0))
    inputs = AttributionInputs(
        at=NOW, since=NOW - 60.0, graph=graph(*edges), usual_graph=calm(("", "front"), ("front", "cart"))
    )
    fresh = replace(inputs, changes=(Change(ChangeKind.ROLLOUT, NOW - 200.0, revision),))
    old = replace(inputs, changes=(Change(ChangeKind.ROLLOUT, NOW - 9000.0, revision),))

    assert first(attribute(fresh)) == "revision shop/cart-v2"
    assert first(attribute(old)) == "workload shop/cart"


def test_a_pod_that_was_restarted_after_the_onset_is_less_likely() -> None:
    cause = Cause(CauseKind.POD, SHOP, SICK.ref.name, SICK.service, SICK.ref)
    inputs = AttributionInputs(at=NOW, judgement=judged(suspect(SICK)))
    onset = suspect(SICK).evidence.onset
    restarted = replace(inputs, changes=(Change(ChangeKind.RESTART, onset + 100.0, cause),))

    assert named(attribute(restarted))[str(cause)] < named(attribute(inputs))[str(cause)]


def test_changes_and_seats_come_from_the_cluster() -> None:
    restarted = pod("catalog-2", restarts=3)
    view = cluster(
        [SICK, restarted],
        [workload("catalog", progressing_since=NOW - 50.0)],
        nodes=[Node("node-1", "zone-a", ready=False, draining=False)],
    )

    told = {(one.kind, str(one.cause)) for one in changes_of(view)}
    assert told == {
        (ChangeKind.NODE_CONDITION, "node node-1"),
        (ChangeKind.RESTART, "pod shop/catalog-2"),
        (ChangeKind.ROLLOUT, "revision shop/catalog"),
    }
    placement = seats_of(view)[SICK.ref.key]
    assert (placement.ref, placement.node, placement.zone, placement.revision) == (
        SICK.ref,
        "node-1",
        "zone-a",
        "catalog",
    )


def test_equals_are_ranked_by_the_milder_act() -> None:
    found = attribute(AttributionInputs(at=NOW, judgement=judged(suspect(SICK, ceiling_reason="tie_node", also=(
        Culprit(CulpritKind.NODE, "", "a-node"),)))))  # fmt: skip

    assert [one.cause.kind for one in found.ranked[:2]] == [CauseKind.NODE, CauseKind.POD]


@pytest.mark.parametrize(
    ("mine", "member", "shared", "allowed"),
    [(0.9, 0.02, 0.08, True), (0.84, 0.0, 0.16, True), (0.8, 0.0, 0.2, False), (0.9, 0.08, 0.02, False)],
)
def test_the_odds_that_a_kill_needs(mine: float, member: float, shared: float, allowed: bool) -> None:
    other = PEERS[1]
    ranked = (
        RankedCause(Cause(CauseKind.POD, SHOP, SICK.ref.name, SICK.service, SICK.ref), mine, 0.0, lines=COUNTED),
        RankedCause(Cause(CauseKind.POD, SHOP, other.ref.name, other.service, other.ref), member, 0.0),
        RankedCause(UNKNOWN, shared, 0.0),
    )

    assert permits_removal(Attribution(NOW, None, ranked), SICK.ref).allowed is allowed
