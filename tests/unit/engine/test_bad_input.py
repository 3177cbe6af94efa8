"""
What sources do wrong, in front of a pod that is really sick: a clear word, and no act while it lasts.

Every case begins when the pod is about to be acted on, so that "no act" can fail: without the fault the drain comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from observer.domain.action import ActionKind
from observer.domain.cluster import ResourceKind
from observer.domain.counts import CounterFrame
from observer.domain.incident import Phase
from observer.domain.snapshot import Gap
from tests.support.builders import NOW
from tests.support.counted_stage import Counted

Lie = Callable[["Lied", CounterFrame], CounterFrame]


@dataclass
class Lied(Counted):
    """The counters pass through ``lie`` on their way; ``turn`` counts the ticks in which they did."""

    lie: Lie | None = None
    turn: int = 0
    first: CounterFrame | None = field(default=None)

    def _frame(self) -> CounterFrame:
        frame = super()._frame()
        if self.lie is None:
            return frame
        self.turn += 1
        self.first = self.first or frame
        return self.lie(self, frame)


def warm(**changes: Any) -> Lied:
    """Twelve quiet ticks, then the pod begins to fail: left alone it is drained some ticks later."""
    stage = Lied(**changes).ticks(12)
    assert stage.decisions == []
    stage.faults = {"catalog-1": 0.4}
    return stage


def acts(stage: Lied) -> list[ActionKind]:
    return [action_kind for _, action_kind, _ in stage.acts]


def blind_reasons(stage: Lied) -> set[str]:
    return {one.reason for one in stage.told("blind")}


def test_without_anything_wrong_the_pod_is_acted_on() -> None:
    assert acts(warm().ticks(12))[:1] == [ActionKind.DRAIN]


@pytest.mark.parametrize(
    "reason", ["unreachable", "timeout", "partial", "protocol", "denied", "too_large", "redirected"]
)
def test_a_source_that_does_not_answer_is_named_and_nothing_is_done(reason: str) -> None:
    stage = warm(outage=False)
    stage.outage, stage.gaps = True, (Gap("prometheus", reason, "what it said"),)
    stage.ticks(12)

    assert acts(stage) == []
    assert blind_reasons(stage) == {f"prometheus_{reason}"}
    assert "what it said" in stage.told("blind")[0].text

    stage.outage, stage.gaps = False, ()
    stage.ticks(14)
    assert stage.told("recovered") and acts(stage)[:1] == [ActionKind.DRAIN]


def back_and_forth(stage: Lied, frame: CounterFrame) -> CounterFrame:
    """Every other answer comes from a server that remembers less and scraped earlier."""
    if stage.turn % 2 or stage.first is None:
        return frame
    return replace(frame, requests=stage.first.requests, buckets=stage.first.buckets, scraped=frame.scraped - 6.0)


def counters_only_back_and_forth(stage: Lied, frame: CounterFrame) -> CounterFrame:
    """The same with scrape times that look right."""
    if stage.turn % 2 or stage.first is None:
        return frame
    return replace(frame, requests=stage.first.requests, buckets=stage.first.buckets)


def in_the_future(_: Lied, frame: CounterFrame) -> CounterFrame:
    return replace(frame, scraped=frame.scraped + 3600.0)


def standing_still(stage: Lied, frame: CounterFrame) -> CounterFrame:
    return replace(stage.first or frame, at=frame.at)


def not_numbers(_: Lied, frame: CounterFrame) -> CounterFrame:
    return replace(frame, requests=np.full_like(frame.requests, np.nan))


def nobody(_: Lied, frame: CounterFrame) -> CounterFrame:
    """Another cluster's server: an answer in good form about none of our pods."""
    return replace(frame, pods=tuple(("elsewhere", name) for _, name in frame.pods))


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (back_and_forth, {"prometheus_replicas_disagree"}),
        (counters_only_back_and_forth, {"prometheus_replicas_disagree"}),
        (in_the_future, {"prometheus_stale"}),
        (standing_still, {"prometheus_stale"}),
        (not_numbers, set()),
        (nobody, {"prometheus_stale"}),
    ],
)
def test_a_source_that_lies_leads_to_no_act(lie: Lie, said: set[str]) -> None:
    stage = warm()
    stage.lie = lie
    stage.ticks(16)

    assert acts(stage) == []
    assert said <= blind_reasons(stage)


@pytest.mark.parametrize("seconds", [-7200.0, -20.0, 1800.0])
def test_a_clock_that_jumps_makes_a_new_beginning(seconds: float) -> None:
    stage = warm()
    stage.ticks(2)
    before = len(stage.acts)
    stage.at += seconds
    stage.ticks(2)

    assert len(stage.acts) == before == 0
    if seconds < 0:
        assert {"prometheus_clock", "clock_went_back"} & blind_reasons(stage)


@pytest.mark.parametrize("kind", list(ResourceKind))
def test_a_kind_that_may_not_be_read_holds_every_act_and_is_named(kind: ResourceKind) -> None:
    stage = warm()
    stage.view = {"fresh": {one: 1e12 for one in ResourceKind if one is not kind}}
    stage.ticks(12)

    assert acts(stage) == []
    told = [hold for one in stage.decisions for hold in one.blocked_by if hold.reason == "kubernetes_not_synced"]
    assert told and kind.value in told[0].detail


def test_a_name_that_is_used_again_is_another_pod() -> None:
    stage = warm()
    stage.until(Phase.SUSPECTED)
    old = stage.named("catalog-1")
    replacement = replace(old, ref=replace(old.ref, uid="heir"), created=stage.at, started=stage.at)
    stage.pods = [replacement if one is old else one for one in stage.pods]
    stage.faults = {}
    stage.ticks(12)

    assert acts(stage) == []
    assert {one.closing for one in stage.memory.incidents.values()} == {"pod_gone"}


@pytest.mark.parametrize("restarted", [True, False])
def test_counters_that_begin_anew_are_no_errors(restarted: bool) -> None:
    stage = Lied().ticks(12)
    reset = stage.named("catalog-1")
    if restarted:
        stage.change("catalog-1", restarts=1, started=stage.at)
    stage.totals[reset.ref] = np.zeros_like(stage.totals[reset.ref])
    stage.totals[reset.ref][1] = 0.0
    stage.ticks(12)

    assert stage.decisions == []
    assert stage.at > NOW
