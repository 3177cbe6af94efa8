"""Each scene of the recorded day: what its fault demands, and whether the decisions of Observer came to that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from observer.cli.demo_day import BY_ITSELF, FIXED, DecisionCollector, ExpectedOutcome, missed, scenes
from observer.domain.action import ActionKind
from observer.domain.decision import Decision
from observer.domain.ids import PodRef
from observer.domain.outcome import Result
from tests.support.receivers import POD, acted, told

NAMED = f"pod {POD}"
OTHER = PodRef("shop", "cart-2", "u2")
STORY = (
    acted(ActionKind.DRAIN),
    acted(ActionKind.EVICT),
    told("verified", reason="fixed"),
    told("closed", reason="fixed"),
)
INHERITED = told("suppressed", subject="service shop/front", figures={"blamed": "workload shop/store"})


def test_every_scene_demands_a_verdict_of_its_own_fault() -> None:
    world: Any = SimpleNamespace(pods_of=lambda service: [f"{service}-1", f"{service}-2"])
    asked = [(scene.ask(scene.make(world, scene.at)), scene) for scene in scenes()]
    assert len(asked) == 12 and [scene.at for _, scene in asked] == sorted(scene.at for _, scene in asked)
    for demand, scene in asked:
        kind, _, name = demand.named.partition(" shop/")
        hit = scene.make(world, scene.at).where
        assert (kind == "pod") is bool(hit.pods)
        assert hit.pods == {name} if hit.pods else name.startswith(hit.service), scene.text
        assert kind == "workload" or demand.endings
        assert FIXED in demand.endings or kind != "pod"


def test_a_pod_that_was_replaced_and_proven_is_all_that_is_wanted() -> None:
    assert missed(ExpectedOutcome(NAMED, (FIXED,)), STORY) == []


def test_a_suspicion_of_somebody_else_that_fades_is_no_fault() -> None:
    node = told("closed", subject="node n1", reason=BY_ITSELF)
    assert missed(ExpectedOutcome(NAMED, (FIXED,)), [*STORY, node]) == []


@pytest.mark.parametrize(
    ("heard", "wrong"),
    [
        ((), "no end instead of fixed"),
        ((*STORY, acted(ActionKind.DRAIN, pod=OTHER)), "cart-2 was touched (drain)"),
        ((*STORY, acted(ActionKind.EVICT, pod=OTHER)), "cart-2 was touched (evict)"),
        ((*STORY, told("closed", subject=f"pod {OTHER}", reason="x")), "cart-2 was suspected, too: x"),
        ((STORY[0], *STORY[2:]), "called fixed, but never replaced"),
        ((acted(ActionKind.EVICT, Result.REFUSED), *STORY[2:]), "called fixed, but never replaced"),
        ((*STORY[:2], STORY[3]), "called fixed, but not verified"),
        ((*STORY[:2], told("closed", reason="not_fixed")), "not_fixed instead of fixed"),
    ],
)
def test_what_is_missing_is_said(heard: tuple[Decision, ...], wrong: str) -> None:
    found = missed(ExpectedOutcome(NAMED, (FIXED,)), heard)
    assert len(found) == 1 and wrong in found[0]


def test_a_common_cause_is_named_and_nobody_is_touched() -> None:
    store = ExpectedOutcome("workload shop/store")
    assert missed(store, [INHERITED]) == []
    assert missed(store, []) == ["workload shop/store was never named as the cause"]
    assert "cart-1 was touched (evict)" in missed(store, [INHERITED, acted(ActionKind.EVICT)])[0]
    bad = ExpectedOutcome("revision shop/pay-v2", (BY_ITSELF,))
    over = told("closed", subject="revision shop/pay-v2", reason=BY_ITSELF)
    assert missed(bad, [over]) == [] and missed(bad, [over, acted(ActionKind.DRAIN)])


async def test_what_was_heard_in_one_scene_is_not_of_the_next() -> None:
    listener = DecisionCollector()
    await listener.publish(STORY[0])
    assert listener.taken() == [STORY[0]] and listener.taken() == []
    await listener.close()
