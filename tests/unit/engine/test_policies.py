"""Each workload is decided about by its own policy; the settings hold where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.action import ActionKind, Mode
from observer.domain.decision import Verdict
from observer.domain.incident import Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.policy import EffectivePolicies, EffectivePolicy, StandingHold
from observer.domain.settings import EngineSettings, EscalationSettings, GuardSettings, ImpactSettings
from observer.domain.suspect import Tier
from observer.engine.slo.impact import weigh
from tests.support.builders import (
    catalog,
    cluster,
    enforce,
    judgement,
    pod,
    snapshot,
    suspect,
    workload,
    workload_ref,
)
from tests.support.counted_stage import Counted
from tests.support.stage import Stage

SHADOW = EngineSettings(identity="test")


def policies(app: str = "catalog", *, settings: EngineSettings | None = None, **changes: Any) -> EffectivePolicies:
    """One workload's policy: the settings' but for what is given."""
    policy = replace(EffectivePolicy.of(settings or enforce()), identity="policy-1", names=("one",), **changes)
    return EffectivePolicies("book-1", {workload_ref(app): policy})


@pytest.mark.parametrize("seed", [11, 12])
def test_a_book_that_repeats_the_settings_changes_no_byte(seed: int) -> None:
    settings = enforce()
    same = EffectivePolicies("book", {workload_ref(): EffectivePolicy.of(settings)})
    stories = []
    for ruled in (EffectivePolicies(), same):
        stage = Counted(seed=seed, settings=settings, policies=ruled).ticks(36)
        stage.faults["catalog-1"] = 0.3
        stories.append(stage.ticks(60).decisions)

    assert repr(stories[0]) == repr(stories[1])
    assert any(one.verdict is Verdict.ACT for one in stories[0])


def test_one_workload_is_enforced_and_its_neighbour_stays_in_shadow() -> None:
    pods = [*catalog(4), *(pod(f"cart-{n}", app="cart") for n in range(1, 5))]
    roomy = replace(SHADOW, guards=replace(GuardSettings(), cluster_share=1.0))
    stage = Stage(pods=pods, settings=roomy, policies=policies(mode=Mode.ENFORCE, settings=SHADOW))
    stage.faults |= {"catalog-1": 0.5, "cart-1": 0.5}
    stage.ticks(6)

    assert {(action_kind, name) for _, action_kind, name in stage.acts} == {
        (ActionKind.DRAIN, "catalog-1"),
        (ActionKind.EVICT, "catalog-1"),
    }
    would = [one for one in stage.decisions if one.verdict is Verdict.WOULD]
    assert {one.subject for one in would} == {"pod shop/cart-1"}
    assert {(one.mode, one.config) for one in would} == {(Mode.SHADOW, "test")}
    drained = [one for one in stage.decisions if one.verdict is Verdict.ACT]
    assert {(one.mode, one.config) for one in drained} == {(Mode.ENFORCE, "policy-1")}


@pytest.mark.parametrize("at_once", ["tick", "look"])
def test_a_drained_pod_comes_back_when_its_policy_leaves_enforce(at_once: str) -> None:
    stage = Stage(settings=SHADOW, policies=policies(mode=Mode.ENFORCE, settings=SHADOW))
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.EXPERIMENT)

    stage.policies = policies(mode=Mode.SHADOW, settings=SHADOW)
    stage.tick() if at_once == "tick" else stage.watch_event()

    assert [(action_kind, name) for _, action_kind, name in stage.acts][-1] == (ActionKind.RESTORE, "catalog-1")
    assert stage.only().closing == "mode"


@pytest.mark.parametrize(("sent", "now"), [(Mode.DRY_RUN, Mode.ENFORCE), (Mode.ENFORCE, Mode.DRY_RUN)])
def test_an_unanswered_act_is_looked_up_under_its_own_id_when_the_mode_changed(sent: Mode, now: Mode) -> None:
    stage = Stage(policies=policies(mode=sent), answer=lambda act: Outcome(act.id, Result.UNKNOWN, "no_answer"))
    stage.faults["catalog-1"] = 0.5
    while not any(one.verdict is Verdict.ACT for one in stage.decisions):
        stage.tick()

    stage.policies = policies(mode=now)
    stage.ticks(5)

    ids = {one.action.id for one in stage.decisions if one.action is not None}
    assert len(ids) == 1
    assert {one.reason for one in stage.decisions if one.action is not None} == {"suspicion", "look_up"}


def test_a_drain_lasts_as_long_as_the_workloads_policy_says() -> None:
    stage = Stage(policies=policies(escalation=replace(EscalationSettings(), drain_seconds=777.0)))
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.DRAINING)

    act = next(one for one in stage.decisions if one.verdict is Verdict.ACT)
    assert act.action is not None and act.action.expires == act.at + 777.0


def test_an_eviction_waits_for_a_persons_word_and_no_longer_than_it_counts() -> None:
    stage = Stage(policies=policies(approvals=frozenset({ActionKind.EVICT})))
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.DRAINED).ticks(2)

    assert stage.hold_reasons() >= {"approval_needed"}
    pages = [one for one in stage.told("page") if one.reason == "approval_needed_evict"]
    assert len(pages) == 1 and pages[0].severity == "page"
    wanted = next(word for word in pages[0].text.rstrip(".").split() if len(word) == 24)

    stage.picture = {"approvals": {wanted: stage.at - 1.0}}
    assert ActionKind.EVICT not in [action_kind for _, action_kind, _ in stage.ticks(1).acts]
    stage.picture = {"approvals": {wanted: stage.at + 60.0}, "paused": True}
    assert ActionKind.EVICT not in [action_kind for _, action_kind, _ in stage.ticks(1).acts]
    stage.picture = {"approvals": {wanted: stage.at + 60.0}}
    assert [action_kind for _, action_kind, _ in stage.ticks(1).acts][-1] is ActionKind.EVICT


def test_a_standing_hold_keeps_hands_off_and_gives_back_all_the_same() -> None:
    stage = Stage(policies=policies(holds=(StandingHold("sale", source="platform"),)))
    stage.faults["catalog-1"] = 0.5
    stage.ticks(10)

    assert stage.acts == []
    assert "policy_hold" in stage.hold_reasons()


def test_a_rung_that_the_policy_leaves_out_is_never_taken() -> None:
    stage = Stage(policies=policies(escalation=replace(EscalationSettings(), actions=(ActionKind.ANNOTATE,))))
    stage.faults["catalog-1"] = 0.5
    stage.ticks(20)

    assert stage.acts == []


def test_the_impact_gate_is_the_workloads_own() -> None:
    pods = catalog(4)
    one = suspect(pods[0], Tier.EVICT)
    view = cluster(pods, [workload()])
    strict = policies(impact=replace(ImpactSettings(), error_rate=0.999))

    found = weigh(judgement(suspects=[one]), snapshot(view), strict)

    assert one.impact and not found.suspects[0].impact
    assert replace(found.suspects[0], impact=True, impact_reason=one.impact_reason) == one
    assert weigh(judgement(suspects=[one]), snapshot(view), policies("cart")).suspects == (one,)
