"""Who is to blame before each rung: victims and what is shared are spared, an honest gray pod is not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from observer.domain.action import ActionKind
from observer.domain.attribution import UNKNOWN, Attribution, Cause, CauseKind, RankedCause
from observer.domain.cluster import Pod
from observer.domain.decision import Verdict
from observer.domain.graph import CallGraph
from observer.domain.incident import Incident, Phase
from observer.domain.reasons import Reason
from observer.domain.suspect import Culprit, CulpritKind, Suspect, Symptom, Tier
from observer.engine.attribution.attributor import Attributor
from observer.engine.attribution.removal import shortened, with_drain
from observer.engine.context import Rules
from observer.engine.memory import Memory
from observer.engine.remediation.attribute import advise
from observer.engine.remediation.decision_log import DecisionLog
from observer.journal.database import decode, encode
from tests.support.builders import (
    NOW,
    catalog,
    cluster,
    enforce,
    evidence,
    group_suspect,
    health,
    incident_of,
    judgement,
    pod,
    service_ref,
    snapshot,
    suspect,
    workload,
)
from tests.support.incidents import edge, first, named
from tests.support.stage import Stage

ALWAYS = NOW + 1e6
"""Later than every onset, so that the graph of a test counts as of now."""


def calls(*edges: Any, at: float = ALWAYS) -> CallGraph:
    return CallGraph(at, 60.0, edges)


def store() -> list[Pod]:
    return catalog(3, app="store")


@dataclass
class Below(Stage):
    """Catalog over store; what the callers' sidecars count is given by the test."""

    pods: list[Pod] = field(default_factory=lambda: [*catalog(4), *store()])


def told(stage: Stage, kind: str) -> set[tuple[str, str]]:
    return {(one.subject, one.reason) for one in stage.told(kind)}


def test_a_gray_pod_alone_goes_up_the_ladder_without_graph_and_traces() -> None:
    stage = Stage()
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.CLOSED)
    assert [(action_kind, name) for _, action_kind, name in stage.acts] == [
        (ActionKind.DRAIN, "catalog-1"),
        (ActionKind.EVICT, "catalog-1"),
    ]
    evict = stage.told("evict")[0]
    assert evict.figures["attribution"] == "pod shop/catalog-1"
    assert float(evict.figures["attribution_probability"] or 0.0) > 20 / 21
    assert "no call graph" in str(evict.figures["attribution_gaps"])


def test_a_victim_is_never_touched_while_its_dependencys_pod_is_removed() -> None:
    """Calls stick: catalog-1 talks to the bad store pod alone, so it stands out among its siblings as that pod does."""
    stage = Below()
    stage.picture = {
        "edges": calls(edge("front", "catalog", errors=300.0), edge("catalog", "store", errors=300.0)),
        "usual_edges": calls(edge("front", "catalog"), edge("catalog", "store")),
    }
    stage.faults |= {"catalog-1": 0.5, "store-2": 0.5}
    stage.until(Phase.CLOSED)
    assert {name for _, _, name in stage.acts} == {"store-2"}
    assert ("pod shop/catalog-1", "victim") in told(stage, "blocked")
    assert ("pod shop/catalog-1", "dependency") in told(stage, "suggested")
    block = next(block for one in stage.told("blocked") for block in one.blocked_by if block.reason == "victim")
    assert "store" in block.detail and "errors in 1000 requests" in block.detail


def test_the_same_pod_is_removed_when_nobody_below_it_fails() -> None:
    stage = Below()
    stage.picture = {
        "edges": calls(edge("front", "catalog", errors=300.0), edge("catalog", "store")),
        "usual_edges": calls(edge("front", "catalog"), edge("catalog", "store")),
    }
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.CLOSED)
    assert [action_kind for _, action_kind, _ in stage.acts] == [ActionKind.DRAIN, ActionKind.EVICT]


def test_stray_errors_below_make_no_victim() -> None:
    """Callers retry, so they see no error of catalog; two stray ones below it explain nothing."""
    stage = Below()
    stage.picture = {"edges": calls(edge("front", "catalog"), edge("catalog", "store", errors=2.0))}
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.CLOSED)
    assert {name for _, _, name in stage.acts} == {"catalog-1"}


def test_a_graph_of_before_the_onset_blames_nobody() -> None:
    stage = Below()
    stage.picture = {"edges": calls(edge("front", "catalog"), edge("catalog", "store", errors=300.0), at=NOW - 100.0)}
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.CLOSED)
    assert {name for _, _, name in stage.acts} == {"catalog-1"}


def test_what_nobody_is_seen_to_call_is_judged_by_its_own_pods() -> None:
    """A gateway: its callers report nothing, and its own lost calls must not make it a victim."""
    stage = Below()
    stage.picture = {"edges": calls(edge("catalog", "store", errors=300.0, errors_by_flag={"UF": 300.0}))}
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.CLOSED)
    assert {name for _, _, name in stage.acts} == {"catalog-1"}


def test_calls_lost_on_the_way_are_looked_for_on_the_way() -> None:
    stage = Below()
    lost: dict[str, Any] = {"errors": 300.0, "errors_by_flag": {"UF": 300.0}}
    stage.picture = {
        "edges": calls(edge("front", "catalog", errors=300.0), edge("catalog", "store", **lost), edge("cart", "store"))
    }
    stage.faults["catalog-1"] = 0.5
    stage.ticks(30)
    assert stage.acts == []
    assert ("pod shop/catalog-1", "check_way") in told(stage, "suggested")


@pytest.mark.parametrize(
    ("kind", "name", "advice"),
    [
        (CulpritKind.REVISION, "catalog-v2", "roll_back"),
        (CulpritKind.NODE, "node-1", "cordon_node"),
        (CulpritKind.ZONE, "zone-a", "leave_zone"),
        (CulpritKind.WORKLOAD, "catalog", "whole_workload"),
    ],
)
def test_a_named_group_is_told_with_what_a_person_can_do(kind: CulpritKind, name: str, advice: str) -> None:
    stage = Stage()
    group = group_suspect(kind, name, service_ref())
    stage.extra = (group,)
    stage.ticks(3)
    assert stage.acts == []
    assert told(stage, "suggested") == {(str(group.culprit), advice)}
    assert len(stage.told("suggested")) == 1
    assert stage.only().attribution is not None


def test_a_node_pooled_over_services_is_weighed_with_all_of_them() -> None:
    pods = [*catalog(4), *store()]
    members = tuple(Culprit(CulpritKind.POD, "shop", one.ref.name, one.service, one.ref) for one in (pods[0], pods[4]))
    culprit = Culprit(CulpritKind.NODE, "", pods[0].node)
    pooled = Suspect(
        culprit, evidence(score=12.0), Tier.ANNOTATE, Tier.ANNOTATE, Reason.NODE_NAMED, impact=True, also=members
    )
    found = _asked(pods, pooled)
    assert first(found) == f"node {pods[0].node}"
    assert found.ranked[0].probability > 5 / 6


def test_another_sick_sibling_is_no_rival() -> None:
    """Two gray pods of ten: that one is sick explains nothing of the other."""
    pods = catalog(10)
    found = _asked(pods, suspect(pods[0], Tier.EVICT), suspect(pods[1], Tier.EVICT))
    assert first(found) == "pod shop/catalog-1"
    assert "pod shop/catalog-2" not in named(found)


def test_an_unrelated_fault_elsewhere_changes_nothing() -> None:
    pods = [*catalog(4), *store()]
    alone = _asked(pods, suspect(pods[0]))
    beside = _asked(pods, suspect(pods[0]), suspect(pods[4], Tier.EVICT))
    assert named(alone) == pytest.approx(named(beside))


def test_a_tie_with_the_node_may_be_drained_and_not_killed() -> None:
    sick = pod("catalog-1")
    tied = suspect(sick, Tier.EVICT, ceiling_reason="tie_node", also=(Culprit(CulpritKind.NODE, "", sick.node),))
    found = _asked(catalog(4), tied)
    assert named(found)[f"node {sick.node}"] == pytest.approx(named(found)["pod shop/catalog-1"])


def test_what_is_left_out_of_the_record_speaks_for_nobody() -> None:
    found = _asked(catalog(4), suspect(pod("catalog-1")))
    short = shortened(found)
    assert sum(one.probability for one in short.ranked) == pytest.approx(1.0)
    many = shortened(found, ())
    assert many.unknown >= found.unknown - 1e-12
    assert first(short) == first(found)


def test_a_drop_speaks_for_the_pod_and_for_its_node_alike() -> None:
    sick = pod("catalog-1")
    tied = suspect(sick, Tier.EVICT, ceiling_reason="tie_node", also=(Culprit(CulpritKind.NODE, "", sick.node),))
    found = _asked(catalog(4), tied)
    after = with_drain(found, sick, cluster(catalog(4)), 3.0)
    assert sum(one.probability for one in after.ranked) == pytest.approx(1.0)
    assert named(after)[f"node {sick.node}"] == pytest.approx(named(after)["pod shop/catalog-1"])
    assert after.unknown < found.unknown


def test_the_journal_keeps_the_blame_of_an_incident() -> None:
    stage = Stage()
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.EXPERIMENT)
    incident = stage.only()
    assert incident.attribution is not None
    assert decode(encode(incident), Incident) == incident
    stage.restart()
    stage.until(Phase.CLOSED)
    assert (ActionKind.EVICT, "catalog-1") in [(action_kind, name) for _, action_kind, name in stage.acts]


def test_nobody_is_asked_about_in_a_blind_tick() -> None:
    stage = Stage(complete=False)
    stage.faults["catalog-1"] = 0.5
    stage.ticks(5)
    assert stage.memory.incidents == {}
    assert not [one for one in stage.decisions if one.verdict is Verdict.ACT]


def _asked(pods: list[Pod], one: Suspect, *others: Suspect) -> Any:
    view = cluster(pods, [workload()])
    found = judgement(suspects=[one, *others], services=health(pods))
    return Attributor(snapshot(view), found, view).attribute(one)


def test_a_group_without_the_pod_or_of_another_symptom_is_no_rival() -> None:
    pods = [replace(one, node=f"n{1 + number % 2}") for number, one in enumerate(catalog(4))]
    members = tuple(Culprit(CulpritKind.POD, "shop", one.ref.name, one.service, one.ref) for one in pods[1::2])
    node = Suspect(
        Culprit(CulpritKind.NODE, "", "n2"),
        evidence(score=50.0),
        Tier.ANNOTATE,
        Tier.ANNOTATE,
        Reason.NODE_NAMED,
        also=members,
    )
    slow = replace(node, evidence=replace(node.evidence, symptom=Symptom.LATENCY))

    assert "node n2" not in named(_asked(pods, suspect(pods[0], Tier.EVICT), node))
    assert "node n2" not in named(_asked(pods, suspect(pods[1], Tier.EVICT), slow))
    within = _asked(pods, suspect(pods[1], Tier.EVICT), node)
    assert named(within)["node n2"] >= 0.1


def test_nobody_is_sent_after_a_cause_that_is_no_likelier_than_unknown() -> None:
    """Only the odds of a kill are missing: the pod is drained, held, and no rollback is suggested for it."""
    sick = pod("catalog-1")
    view = cluster(catalog(4), [workload()])
    mine = Cause(CauseKind.POD, "shop", "catalog-1", sick.service, sick.ref)
    other = Cause(CauseKind.REVISION, "shop", "catalog", sick.service)
    parts = ((mine, 0.7), (UNKNOWN, 0.2), (other, 0.1))
    doubtful = Attribution(NOW, None, tuple(RankedCause(cause, part, math.log(part)) for cause, part in parts))
    incident = incident_of("catalog-1")
    log = advise(DecisionLog(NOW, Rules(enforce()), Memory()).put(incident), incident, view.pods[sick.ref], doubtful)
    assert log.decisions == ()
