"""The whole engine over counters: detectors, brakes, experiment, eviction, verification."""

from __future__ import annotations

import pytest

from observer.domain.action import ActionKind
from observer.domain.decision import Verdict
from observer.domain.incident import Phase
from observer.engine.decide import open_actions
from observer.engine.memory import Memory
from tests.support.builders import catalog
from tests.support.counted_stage import Counted

FULL = [(ActionKind.DRAIN, "catalog-1"), (ActionKind.EVICT, "catalog-1")]


def actions(stage: Counted) -> list[tuple[ActionKind, str]]:
    return [(action_kind, name) for _, action_kind, name in stage.acts]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gray_pod_from_counters_to_verification(seed: int) -> None:
    stage = Counted(seed=seed).ticks(36)
    assert stage.acts == []
    stage.faults["catalog-1"] = 0.3
    stage.until(Phase.CLOSED, limit=80)
    assert [one.closing for one in stage.memory.incidents.values()] == ["fixed"]
    assert [act for act in actions(stage) if act[0] is not ActionKind.RESTORE][-1] == (ActionKind.EVICT, "catalog-1")
    assert {name for _, name in actions(stage)} == {"catalog-1"}
    quiet = len(stage.decisions)
    stage.ticks(30)
    assert [one.kind for one in stage.decisions[quiet:] if one.verdict is Verdict.ACT] == []


def test_slow_pod_from_counters_to_verification() -> None:
    stage = Counted(seed=4).ticks(36)
    stage.slow["catalog-2"] = 0.9
    stage.until(Phase.CLOSED, limit=80)
    assert [one.closing for one in stage.memory.incidents.values()] == ["fixed"]
    assert {name for _, name in actions(stage)} == {"catalog-2"}


def test_whole_workload_failing_removes_nobody() -> None:
    stage = Counted(seed=5).ticks(36)
    stage.faults |= {one.ref.name: 0.3 for one in catalog(4)}
    stage.ticks(40)
    assert stage.acts == []
    assert {"workload_failing", "correlated_failure"} & {one.reason for one in stage.told("suppressed")}


def test_quiet_half_hour_acts_on_nobody() -> None:
    stage = Counted(seed=6).ticks(360)
    assert stage.acts == []


def test_outage_of_the_metric_source_is_told_and_acts_on_nobody() -> None:
    stage = Counted(seed=8).ticks(36)
    stage.faults["catalog-1"] = 0.3
    stage.outage = True
    stage.ticks(20)
    assert stage.acts == []
    assert len(stage.told("blind")) == 1
    stage.outage = False
    stage.until(Phase.CLOSED, limit=80)
    assert [one.closing for one in stage.memory.incidents.values()] == ["fixed"]


def test_judges_know_what_the_ladder_has_in_hand() -> None:
    stage = Counted(seed=9).ticks(36)
    stage.faults["catalog-1"] = 0.3
    stage.until(Phase.EXPERIMENT)
    blocked = open_actions(stage.memory)
    drained = stage.named("catalog-1").ref
    assert blocked.drained == {drained}
    assert drained in blocked.label_writes
    assert blocked.services == {stage.named("catalog-1").service}
    assert open_actions(Memory()).drained == frozenset()
