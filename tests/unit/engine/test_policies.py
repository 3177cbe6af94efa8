"""Each workload is decided about by its own policy; the settings hold where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.action import Mode, Rung
from observer.domain.decision import Verdict
from observer.domain.incident import Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.policy import AppliedPolicy, PolicyBook, StandingHold
from observer.domain.settings import EngineSettings, GuardSettings, ImpactSettings, LadderSettings
from observer.domain.suspect import Tier
from observer.engine.ruled import weigh
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
from tests.support.stage import Stage
from tests.support.traffic import Counted

SHADOW = EngineSettings(identity="test")


def book(app: str = "catalog", *, settings: EngineSettings | None = None, **changes: Any) -> PolicyBook:
    """One workload's policy: the settings' but for what is given."""
    policy = replace(AppliedPolicy.of(settings or enforce()), identity="policy-1", names=("one",), **changes)
    return PolicyBook("book-1", {workload_ref(app): policy})


@pytest.mark.parametrize("seed", [11, 12])
def test_a_book_that_repeats_the_settings_changes_no_byte(seed: int) -> None:
    settings = enforce()
    same = PolicyBook("book", {workload_ref(): AppliedPolicy.of(settings)})
    stories = []
    for ruled in (PolicyBook(), same):
        stage = Counted(seed=seed, settings=settings, book=ruled).ticks(36)
        stage.faults["catalog-1"] = 0.3
        stories.append(stage.ticks(60).decisions)

    assert repr(stories[0]) == repr(stories[1])
    assert any(one.verdict is Verdict.ACT for one in stories[0])


def test_one_workload_is_enforced_and_its_neighbour_stays_in_shadow() -> None:
    pods = [*catalog(4), *(pod(f"cart-{n}", app="cart") for n in range(1, 5))]
    roomy = replace(SHADOW, guards=replace(GuardSettings(), cluster_share=1.0))
    stage = Stage(pods=pods, settings=roomy, book=book(mode=Mode.ENFORCE, settings=SHADOW))
    stage.faults |= {"catalog-1": 0.5, "cart-1": 0.5}
    stage.ticks(6)

    assert {(rung, name) for _, rung, name in stage.acts} == {(Rung.DRAIN, "catalog-1"), (Rung.EVICT, "catalog-1")}
    would = [one for one in stage.decisions if one.verdict is Verdict.WOULD]
    assert {one.subject for one in would} == {"pod shop/cart-1"}
    assert {(one.mode, one.config) for one in would} == {(Mode.SHADOW, "test")}
    drained = [one for one in stage.decisions if one.verdict is Verdict.ACT]
    assert {(one.mode, one.config) for one in drained} == {(Mode.ENFORCE, "policy-1")}


@pytest.mark.parametrize("at_once", ["tick", "look"])
def test_a_drained_pod_comes_back_when_its_policy_leaves_enforce(at_once: str) -> None:
    stage = Stage(settings=SHADOW, book=book(mode=Mode.ENFORCE, settings=SHADOW))
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.EXPERIMENT)

    stage.book = book(mode=Mode.SHADOW, settings=SHADOW)
    stage.tick() if at_once == "tick" else stage.watch_event()

    assert [(rung, name) for _, rung, name in stage.acts][-1] == (Rung.RESTORE, "catalog-1")
    assert stage.only().closing == "mode"


@pytest.mark.parametrize(("sent", "now"), [(Mode.DRY_RUN, Mode.ENFORCE), (Mode.ENFORCE, Mode.DRY_RUN)])
def test_an_unanswered_act_is_looked_up_under_its_own_id_when_the_mode_changed(sent: Mode, now: Mode) -> None:
    stage = Stage(book=book(mode=sent), answer=lambda act: Outcome(act.id, Result.UNKNOWN, "no_answer"))
    stage.faults["catalog-1"] = 0.5
    while not any(one.verdict is Verdict.ACT for one in stage.decisions):
        stage.tick()

    stage.book = book(mode=now)
    stage.ticks(5)

    ids = {one.action.id for one in stage.decisions if one.action is not None}
    assert len(ids) == 1
    assert {one.reason for one in stage.decisions if one.action is not None} == {"suspicion", "look_up"}


def test_a_drain_lasts_as_long_as_the_workloads_policy_says() -> None:
    stage = Stage(book=book(ladder=replace(LadderSettings(), drain_seconds=777.0)))
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.DRAINING)

    act = next(one for one in stage.decisions if one.verdict is Verdict.ACT)
    assert act.action is not None and act.action.expires == act.at + 777.0


def test_an_eviction_waits_for_a_persons_word_and_no_longer_than_it_counts() -> None:
    stage = Stage(book=book(approvals=frozenset({Rung.EVICT})))
    stage.faults["catalog-1"] = 0.5
    stage.until(Phase.DRAINED).ticks(2)

    assert stage.hold_reasons() >= {"approval_needed"}
    pages = [one for one in stage.told("page") if one.reason == "approval_needed_evict"]
    assert len(pages) == 1 and pages[0].severity == "page"
    wanted = next(word for word in pages[0].text.rstrip(".").split() if len(word) == 24)

    stage.picture = {"approvals": {wanted: stage.at - 1.0}}
    assert Rung.EVICT not in [rung for _, rung, _ in stage.ticks(1).acts]
    stage.picture = {"approvals": {wanted: stage.at + 60.0}, "paused": True}
    assert Rung.EVICT not in [rung for _, rung, _ in stage.ticks(1).acts]
    stage.picture = {"approvals": {wanted: stage.at + 60.0}}
    assert [rung for _, rung, _ in stage.ticks(1).acts][-1] is Rung.EVICT


def test_a_standing_hold_keeps_hands_off_and_gives_back_all_the_same() -> None:
    stage = Stage(book=book(holds=(StandingHold("sale", source="platform"),)))
    stage.faults["catalog-1"] = 0.5
    stage.ticks(10)

    assert stage.acts == []
    assert "policy_hold" in stage.hold_reasons()


def test_a_rung_that_the_policy_leaves_out_is_never_taken() -> None:
    stage = Stage(book=book(ladder=replace(LadderSettings(), rungs=(Rung.ANNOTATE,))))
    stage.faults["catalog-1"] = 0.5
    stage.ticks(20)

    assert stage.acts == []


def test_the_impact_gate_is_the_workloads_own() -> None:
    pods = catalog(4)
    one = suspect(pods[0], Tier.EVICT)
    view = cluster(pods, [workload()])
    strict = book(impact=replace(ImpactSettings(), error_rate=0.999))

    found = weigh(judgement(suspects=[one]), snapshot(view), strict)

    assert one.impact and not found.suspects[0].impact
    assert replace(found.suspects[0], impact=True, impact_reason=one.impact_reason) == one
    assert weigh(judgement(suspects=[one]), snapshot(view), book("cart")).suspects == (one,)
