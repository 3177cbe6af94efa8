"""People, modes, restarts and other controllers: whoever else has a say, as pure walks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain import names
from observer.domain.action import ActionKind, Mode
from observer.domain.cluster import Autoscaler, Node
from observer.domain.decision import Verdict
from observer.domain.incident import Phase
from observer.domain.outcome import Outcome, Result
from tests.support.builders import (
    drained,
    workload,
    workload_ref,
)
from tests.support.stage import Stage


def actions(stage: Stage) -> list[tuple[ActionKind, str]]:
    return [(action_kind, name) for _, action_kind, name in stage.acts]


FULL = [(ActionKind.DRAIN, "catalog-1"), (ActionKind.EVICT, "catalog-1")]


def test_person_takes_the_label_off() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.EXPERIMENT)
    label_off = {k: v for k, v in stage.named("catalog-1").labels.items() if k != names.DRAIN_LABEL}
    stage.change("catalog-1", labels=label_off)
    stage.watch_event()
    assert stage.only().closing == "person_took_it"
    before = len(stage.acts)
    stage.ticks(100)
    assert len(stage.acts) == before
    assert "person_touched" in stage.hold_reasons()


def test_given_back_by_hand_is_noticed() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.EXPERIMENT)
    stage.give_back("catalog-1")
    stage.watch_event()
    assert stage.only().closing == "restored_by_person"


@pytest.mark.parametrize("what", ["node", "sibling", "scale", "autoscaler", "rollout"])
def test_drained_pod_is_given_back_first(what: str) -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.EXPERIMENT)
    reasons = {
        "node": "node_draining",
        "sibling": "peer_gone",
        "scale": "scaled_down",
        "autoscaler": "autoscaler_scaled_down",
        "rollout": "rollout",
    }
    if what == "node":
        stage.view = {"nodes": (Node("node-1", "zone-a", ready=True, draining=True),)}
    elif what == "sibling":
        stage.change("catalog-2", deleting=True)
    elif what == "scale":
        stage.workloads = {workload_ref(): workload(desired=3)}
    elif what == "autoscaler":
        stage.view = {"autoscalers": (Autoscaler("shop", "catalog", workload_ref(), 3, 4, None),)}
    else:
        stage.workloads = {workload_ref(): workload(observed=False, progressing_since=stage.at)}
    decisions = stage.watch_event()
    assert [one.reason for one in decisions if one.verdict is Verdict.ACT] == [reasons[what]]
    assert not stage.named("catalog-1").drained
    assert stage.only().phase is Phase.CLOSED


def test_restart_while_drained_goes_on_exactly_once() -> None:
    stage = Stage(faults={"catalog-1": 0.3}).until(Phase.EXPERIMENT)
    stage.restart()
    stage.restart()
    stage.until(Phase.CLOSED)
    assert actions(stage) == FULL


def test_restart_finds_a_mark_without_incident() -> None:
    stage = Stage(faults={"catalog-1": 0.3}).until(Phase.EXPERIMENT)
    stage.memory = replace(stage.memory, incidents={}, ledger=())
    decisions = stage.restart()
    assert [one.reason for one in decisions if one.verdict is Verdict.ACT] == ["orphan"]
    assert not stage.named("catalog-1").drained
    assert stage.restart() == ()


def test_restart_between_write_and_save_adopts_the_drain() -> None:
    stage = Stage(faults={"catalog-1": 0.3})
    stage.answer = lambda action: Outcome(action.id, Result.DEFERRED, "lost_race")
    stage.until(Phase.SUSPECTED).ticks(4)
    incident = stage.only()
    stage.pods = [drained(one, incident.id) if one.ref.name == "catalog-1" else one for one in stage.pods]
    stage.answer = lambda action: Outcome(action.id, Result.APPLIED, "applied")
    stage.restart()
    assert stage.only().phase is Phase.DRAINING


def test_restart_finds_a_pod_that_a_person_took() -> None:
    stage = Stage(faults={"catalog-1": 0.3}).until(Phase.EXPERIMENT)
    label_off = {k: v for k, v in stage.named("catalog-1").labels.items() if k != names.DRAIN_LABEL}
    stage.change("catalog-1", labels=label_off)
    stage.at += 60.0
    stage.restart()
    assert stage.only().closing == "person_took_it"


# --- modes and people


def test_shadow_says_what_it_would_do_once() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, settings=replace(Stage().settings, mode=Mode.SHADOW)).ticks(30)
    assert stage.acts == []
    assert [one.verdict for one in stage.told("drain")] == [Verdict.WOULD]
    assert stage.only().phase is Phase.SUSPECTED


def test_dry_run_asks_once_and_changes_nothing() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, settings=replace(Stage().settings, mode=Mode.DRY_RUN)).ticks(30)
    assert stage.acts == []
    asked = [one.action for one in stage.told("drain") if one.action is not None]
    assert [action.dry_run for action in asked] == [True]
    assert len(stage.told("dry_run")) == 1
    assert stage.only().phase is Phase.SUSPECTED


def test_mode_turned_down_while_drained_gives_back() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.EXPERIMENT)
    stage.settings = replace(stage.settings, mode=Mode.SHADOW)
    stage.tick()
    assert stage.acts[-1][1] is ActionKind.RESTORE


def test_pause_stops_harm_but_not_giving_back() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.EXPERIMENT)
    stage.picture = {"paused": True}
    stage.until(Phase.CLOSED, limit=100)
    assert actions(stage) == [(ActionKind.DRAIN, "catalog-1"), (ActionKind.RESTORE, "catalog-1")]
    assert stage.only().closing == "expired"
    assert "paused" in stage.hold_reasons()


def test_hold_for_human_keeps_the_pod_until_expiry() -> None:
    stage = Stage(faults={"catalog-1": 0.5})
    stage.workloads = {workload_ref(): workload(annotations={names.HOLD_FOR_HUMAN: "true"})}
    stage.until(Phase.CLOSED, limit=100)
    assert ActionKind.EVICT not in {action_kind for action_kind, _ in actions(stage)}
    assert [one.reason for one in stage.told("page")] == ["held_for_human"]


def test_standing_hold_pages_once() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, picture={"peak": 0.0}).ticks(250)
    assert stage.hold_reasons() == {"headroom"}
    assert "scale catalog up" in stage.told("blocked")[0].text
    assert [one.reason for one in stage.told("page")] == ["blocked_too_long"]


def test_decisions_are_recorded_on_change_only() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, picture={"peak": 0.0}).ticks(60)
    assert len(stage.told("blocked")) == 1
