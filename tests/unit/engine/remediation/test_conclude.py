"""One tick at a time: what is told about the world, lost answers, and the corners of each step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import Action, ActionKind
from observer.domain.cluster import Node
from observer.domain.decision import Verdict
from observer.domain.incident import Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.reasons import Reason
from observer.domain.settings import EscalationSettings
from observer.domain.snapshot import Gap
from observer.domain.suspect import Culprit, CulpritKind, PodTally, Suppression, Suspect, Tier
from observer.engine.context import Rules, TickContext
from observer.engine.decide import SLOW_TICKS, conclude
from observer.engine.memory import Memory
from tests.support.builders import (
    NOW,
    catalog,
    cluster,
    drained,
    enforce,
    group_suspect,
    health,
    judgement,
    pod,
    service_ref,
    snapshot,
    suspect,
    workload,
    workload_ref,
)
from tests.support.stage import Stage, applied

VIEW = cluster(catalog(4))


def test_clock_that_goes_back_is_blindness() -> None:
    memory, _ = conclude(snapshot(VIEW), judgement(), Memory(), Rules(enforce()))
    _, decisions = conclude(snapshot(VIEW, at=NOW - 60.0), judgement(), memory, Rules(enforce()))
    assert [(one.kind, one.reason) for one in decisions] == [("blind", "clock_went_back")]


@pytest.mark.parametrize(
    ("gap", "blind"),
    [("prometheus", True), ("kubernetes", True), ("control", True), ("history", False), ("recheck", False)],
)
def test_which_gaps_blind(gap: str, blind: bool) -> None:
    memory, decisions = conclude(snapshot(VIEW, gaps=[Gap(gap, "timeout")]), judgement(), Memory(), Rules(enforce()))
    assert memory.complete is not blind
    assert [one.kind for one in decisions] == (["blind"] if blind else [])


def test_what_the_judges_found_wrong_is_named() -> None:
    found = replace(judgement(complete=False), gaps=(Gap("prometheus", "replicas_disagree", "7 % went back"),))
    _, decisions = conclude(snapshot(VIEW), found, Memory(), Rules(enforce()))
    assert decisions[0].reason == "prometheus_replicas_disagree"
    assert "7 % went back" in decisions[0].text


def test_no_cluster_no_decision_but_blindness() -> None:
    memory, decisions = conclude(snapshot(None), judgement(suspects=[suspect(pod())]), Memory(), Rules(enforce()))
    assert [one.kind for one in decisions] == ["blind"]
    assert not memory.incidents


def test_memory_asks_about_what_is_in_hand_and_counts_ticks() -> None:
    stage = Stage(faults={"catalog-1": 0.3}).until(Phase.EXPERIMENT)
    assert service_ref() in stage.memory.watch
    assert stage.memory.completed == stage.memory.ticks
    assert stage.memory.last_complete == stage.at
    assert stage.memory.term == 7


def test_healthy_peaks_are_remembered_once_a_minute() -> None:
    found = judgement(services=health(catalog(4), rate=12.0, unhealthy=[pod("catalog-1")]))
    memory, _ = conclude(snapshot(VIEW), found, Memory(), Rules(enforce()))
    assert memory.peak(service_ref()) == 12.0
    faster = judgement(services=health(catalog(4), rate=50.0))
    memory, _ = conclude(snapshot(VIEW, at=NOW + 5.0), faster, memory, Rules(enforce()))
    assert memory.peak(service_ref()) == 12.0
    memory, _ = conclude(snapshot(VIEW, at=NOW + 60.0), faster, replace(memory, ticks=SLOW_TICKS), Rules(enforce()))
    assert memory.peak(service_ref()) == 50.0


def test_suppression_is_told_when_it_begins_again_and_not_for_one_tick() -> None:
    one = Suppression(service_ref(), Reason.CORRELATED_FAILURE, "2 of 4 are bad", since=NOW)
    memory, first = conclude(snapshot(VIEW), judgement(suppressions=[one]), Memory(), Rules(enforce()))
    assert first == ()
    later = snapshot(VIEW, at=NOW + 5.0)
    memory, told = conclude(later, judgement(suppressions=[one]), memory, Rules(enforce()))
    assert [d.reason for d in told] == ["correlated_failure"]
    memory, again = conclude(snapshot(VIEW, at=NOW + 10.0), judgement(suppressions=[one]), memory, Rules(enforce()))
    assert again == ()
    memory, _ = conclude(snapshot(VIEW, at=NOW + 15.0), judgement(), memory, Rules(enforce()))
    _, back = conclude(snapshot(VIEW, at=NOW + 20.0), judgement(suppressions=[one]), memory, Rules(enforce()))
    assert len(back) == 1


def test_strongest_of_several_suspects_in_a_workload_goes_first_and_alone() -> None:
    pods = catalog(8)
    found = judgement(
        suspects=[suspect(pods[3], Tier.EVICT), suspect(pods[1], Tier.DRAIN)],
        services=health(pods, unhealthy=[pods[1], pods[3]]),
    )
    _, decisions = conclude(snapshot(cluster(pods)), found, Memory(), Rules(enforce()))
    acts = [one for one in decisions if one.verdict is Verdict.ACT]
    assert [one.pod for one in acts] == [pods[3].ref]
    blocked = next(one for one in decisions if one.verdict is Verdict.BLOCKED)
    assert "in_flight" in {hold.reason for hold in blocked.blocked_by}


# --- answers that got lost


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("action_kind", [ActionKind.DRAIN, ActionKind.EVICT, ActionKind.RESTORE])
def test_lost_answer_is_looked_up_under_the_same_id(action_kind: ActionKind, happened: bool) -> None:
    stage = Stage(faults={"catalog-1": 0.3})
    if action_kind is ActionKind.RESTORE:
        stage.settings = enforce(escalation=EscalationSettings(actions=(ActionKind.ANNOTATE, ActionKind.DRAIN)))
    sent: list[str] = []

    def answer(action: Action) -> Outcome:
        if action.action_kind is not action_kind or len(sent) > 1:
            return applied(action)
        sent.append(action.id)
        if len(sent) == 2:
            result = Result.APPLIED if happened else Result.DEFERRED
            return Outcome(action.id, result, "looked_up")
        return Outcome(action.id, Result.UNKNOWN, "no_answer")

    stage.answer = answer
    for _ in range(100):
        stage.tick()
        if len(sent) == 2:
            break
    assert sent[0] == sent[1]
    assert all(entry.settled for entry in stage.memory.ledger)
    asked = [one for one in stage.decisions if one.reason == "look_up"]
    assert [one.action_kind for one in asked] == [action_kind]
    assert [entry.applied for entry in stage.memory.ledger if entry.action_id == sent[0]] == [happened]


# --- corners


def test_marks_without_incident_are_found_in_a_later_tick() -> None:
    stage = Stage()
    stage.pods = [drained(one, "lost") if one.ref.name == "catalog-1" else one for one in stage.pods]
    stage.ticks(SLOW_TICKS + 1)
    assert [(action_kind, name) for _, action_kind, name in stage.acts] == [(ActionKind.RESTORE, "catalog-1")]


def test_without_the_lease_nothing_in_hand_is_moved() -> None:
    stage = Stage(faults={"catalog-1": 0.3}).until(Phase.EXPERIMENT)
    before = stage.only()
    stage.picture = {"leader": False}
    stage.ticks(3)
    assert stage.only() == before


def test_evict_that_is_not_allowed_leaves_the_pod_drained_until_expiry() -> None:
    stage = Stage(
        faults={"catalog-1": 0.3},
        settings=enforce(escalation=EscalationSettings(actions=(ActionKind.ANNOTATE, ActionKind.DRAIN))),
    )
    stage.until(Phase.CLOSED, limit=100)
    assert [action_kind for _, action_kind, _ in stage.acts] == [ActionKind.DRAIN, ActionKind.RESTORE]
    assert [one.reason for one in stage.told("waiting")] == ["evict_not_allowed"]
    assert stage.only().closing == "expired"


def test_tie_with_a_node_is_drained_and_never_evicted() -> None:
    stage = Stage(faults={"catalog-1": 0.3})
    detect = stage._detect
    stage._detect = lambda tallies: [  # type: ignore[method-assign]
        replace(one, ceiling=Tier.DRAIN, ceiling_reason=Reason.TIE_NODE) for one in detect(tallies)
    ]
    stage.until(Phase.CLOSED, limit=100)
    assert [action_kind for _, action_kind, _ in stage.acts] == [ActionKind.DRAIN, ActionKind.RESTORE]
    assert "tie_node" in stage.hold_reasons()


def test_scale_down_after_the_eviction_is_unknown_not_worse() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.EVICTING)
    stage.remove("catalog-new1")
    stage.workloads = {workload_ref(): workload(desired=3)}
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "unknown"
    assert "scaled down" in stage.told("verified")[0].text
    assert all(entry.useful is not False for entry in stage.memory.ledger)


def test_replacement_that_vanishes_is_unknown() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.VERIFYING)
    stage.remove("catalog-new1")
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "unknown"


def test_replacement_without_traffic_is_unknown_after_its_time() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.VERIFYING)
    stage.load = 0.001
    stage.until(Phase.CLOSED, limit=100)
    assert stage.only().closing == "unknown"
    assert stage.at - stage.told("replaced")[0].at >= stage.settings.escalation.verify_seconds


def test_eviction_that_was_accepted_and_did_not_happen_is_unknown() -> None:
    stage = Stage(faults={"catalog-1": 0.5})
    obey = stage._obey
    stage._obey = lambda action: None if action.action_kind is ActionKind.EVICT else obey(action)  # type: ignore[method-assign]
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "unknown"
    assert "still there" in stage.told("verified")[0].text


def test_pod_that_vanishes_while_readmitted_closes() -> None:
    stage = Stage(faults={"catalog-1": 0.08}, load=20.0).until(Phase.READMITTED)
    stage.remove("catalog-1")
    stage.tick()
    assert stage.only().closing == "pod_gone"


def test_evidence_after_readmission_comes_on_top_when_the_detector_began_anew() -> None:
    stage = Stage(faults={"catalog-1": 0.08}, load=20.0).until(Phase.READMITTED)
    before = stage.only().evidence_score
    stage.score.clear()
    stage.until(Phase.DRAINING)
    assert stage.only().evidence_score > before
    assert stage.score[stage.named("catalog-1").ref] < 20.0
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "fixed"


@pytest.mark.parametrize("again", [None, 15.0])
def test_a_second_look_that_is_missing_or_says_less_never_leads_to_an_eviction(again: float | None) -> None:
    stage = Stage(faults={"catalog-1": 0.08}, load=20.0).until(Phase.READMITTED)
    before, detect = stage.only(), stage._detect

    def looked_again(tallies: list[PodTally]) -> list[Suspect]:
        found = [replace(one, evidence=replace(one.evidence, recheck_score=again)) for one in detect(tallies)]
        missing = {"tier": Tier.ANNOTATE, "ceiling": Tier.ANNOTATE, "ceiling_reason": "no_recheck"}
        told = {"tier": Tier.DRAIN} if again is not None else missing
        return [replace(one, **told) for one in found]

    stage._detect = looked_again  # type: ignore[method-assign]
    stage.ticks(8)

    assert ActionKind.EVICT not in {action_kind for _, action_kind, _ in stage.acts}
    assert stage.only().tier == before.tier == Tier.DRAIN
    if again is None:
        assert stage.only().evidence_score == before.evidence_score


def test_restart_gives_a_suspicion_all_its_time_again() -> None:
    stage = Stage(faults={"catalog-1": 0.1}, picture={"peak": 0.0}).until(Phase.SUSPECTED).ticks(5)
    stage.at += 600.0
    stage.score.clear()
    stage.restart()
    stage.ticks(1)
    assert stage.only().phase is Phase.SUSPECTED
    stage.ticks(40)
    assert stage.only().phase is Phase.SUSPECTED
    assert stage.only().evidence_score > 20.0


def test_restart_while_readmitted_counts_no_quiet_that_nobody_heard() -> None:
    stage = Stage(faults={"catalog-1": 0.08}, load=20.0).until(Phase.READMITTED)
    before = stage.only().evidence_score
    stage.at += 600.0
    stage.score.clear()
    stage.restart()
    stage.ticks(2)
    assert stage.only().phase is Phase.READMITTED
    stage.until(Phase.DRAINING)
    assert stage.only().evidence_score == pytest.approx(before + stage.score[stage.named("catalog-1").ref], abs=9.0)
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "fixed"


def test_suspect_that_kubernetes_does_not_know_is_held() -> None:
    ghost = suspect(pod("ghost-1", app="catalog"), Tier.EVICT)
    _, decisions = conclude(snapshot(VIEW), judgement(suspects=[ghost]), Memory(), Rules(enforce()))
    assert [hold.reason for one in decisions for hold in one.blocked_by] == ["pod_unknown"]


def test_suspected_replacement_is_judged_by_the_verification() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, replacement_fault=0.5).until(Phase.VERIFYING)
    stage.load = 4.0
    stage.ticks(2)
    replacement = stage.named("catalog-new1")
    stage.extra = (suspect(replacement, Tier.EVICT),)
    stage.tick()
    assert [one.culprit.name for one in stage.open()] == ["catalog-1"]


@pytest.mark.parametrize(
    ("kind", "name", "service", "member"),
    [
        (CulpritKind.REVISION, "catalog", service_ref(), True),
        (CulpritKind.REVISION, "latest", service_ref(), True),
        (CulpritKind.REVISION, "catalog-abc", service_ref(), True),
        (CulpritKind.REVISION, "catalog-v2", service_ref(), False),
        (CulpritKind.REVISION, "latest", service_ref("cart"), False),
        (CulpritKind.NODE, "node-1", service_ref(), True),
        (CulpritKind.NODE, "node-1", None, True),
        (CulpritKind.NODE, "node-2", None, False),
        (CulpritKind.ZONE, "zone-a", None, True),
        (CulpritKind.ZONE, "zone-b", None, False),
        (CulpritKind.WORKLOAD, "catalog", service_ref(), True),
        (CulpritKind.POD, "catalog-2", service_ref(), False),
    ],
)
def test_who_belongs_to_a_named_group(kind: CulpritKind, name: str, service: object, member: bool) -> None:
    view = cluster(catalog(4), nodes=[Node("node-1", "zone-a", ready=True, draining=False)])
    named = replace(group_suspect(kind, name), culprit=Culprit(kind, "shop", name, service))  # type: ignore[arg-type]
    context = TickContext.of(snapshot(view), judgement(suspects=[named]), view, Rules(enforce()))
    assert (context.group_named(pod("catalog-1")) is not None) is member
