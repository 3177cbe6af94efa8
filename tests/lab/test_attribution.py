"""Stories of who is to blame: a dependency's pod, a revision, a node. Whoever merely suffers is never touched."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.lab.harness.cluster import eventually
from tests.lab.harness.fitness import LEAST_SCRAPES
from tests.lab.harness.shop import pause
from tests.lab.harness.story import Story
from tests.lab.stack.loss import losing
from tests.lab.stack.places import JAEGER

pytestmark = pytest.mark.lab

_LOST: Final = 0.3
"""Part of the packets between pods that a bad node loses: connections live, answers come late or not at all."""


def test_dependency_pod(story: Story) -> None:
    """One store pod fails, so catalog, cart and front burn: it is evicted, and nobody else is touched."""
    observer = story.observe(jaeger={"url": JAEGER})
    culprit = story.shop.pods("store")[1]
    before = story.picture()
    story.gray(culprit, err=0.5)
    for service in ("catalog", "cart", "front"):
        eventually(lambda name=service: story.metrics.called(name, 10)[1] > 0.0, f"{service} burns", within=45)
    story.drained(culprit)
    story.evicted(culprit)
    story.verified(culprit)
    assert [write.name for write in story.evictions()] == [culprit.name]
    decisions = observer.decisions(story.began)
    assert {one["subject"] for one in decisions if one["verdict"] == "act"} == {f"pod shop/{culprit.name}"}
    evict = next(one for one in decisions if one["kind"] == "evict")
    _named(evict, f"pod shop/{culprit.name}", 20 / 21)
    assert evict["figures"]["attribution_inherited"] < 0.5
    after = story.picture()
    assert {name for name in before if name not in after} == {culprit.name}
    assert not any(drained for _, drained in after.values())


def test_revision_is_named(story: Story) -> None:
    """Both pay-v2 pods fail: the revision is to blame, going back is suggested, no pod is killed."""
    observer = story.observe(jaeger={"url": JAEGER})
    pods = story.shop.pods("pay", "v2")
    for pod in pods:
        story.spoil(pod, err=0.4)
    told = story.decision("pay-v2 is to be rolled back", lambda one: _suggests(one, "roll_back"), within=180)
    _named(told, "revision shop/pay-v2", 5 / 6)
    story.untouched(60)
    assert not [one for one in observer.decisions(story.began) if one["verdict"] == "act"]
    for pod in pods:
        story.shop.heal(pod)
    pause(45)
    story.drains_a_real_gray_pod()


def test_node_is_named(story: Story) -> None:
    """Node n2 loses packets between pods, and only those: the node is to blame, no pod is killed for it."""
    observer = story.observe(jaeger={"url": JAEGER})
    story.fitness.ignore_pace()
    with losing("n2", _LOST):
        began = story.faulted = time.time()
        told = story.decision("n2 is to be cordoned", lambda one: _suggests(one, "cordon_node"), within=420)
        print(f"\n    n2 named {told['at'] - began:.1f} s after the fault", flush=True)
        _named(told, "node n2", 5 / 6)
        story.untouched(60)
    assert not [one for one in observer.decisions(story.began) if one["verdict"] == "act"]
    whole = 'min(sum_over_time(up{job="mesh"}[60s])) / 60'
    assert story.metrics.value(whole) >= LEAST_SCRAPES, "scrapes were lost as well"
    pause(60)
    story.drains_a_real_gray_pod("cart", node="n1")


def _suggests(decision: Mapping[str, Any], what: str) -> bool:
    return bool(decision["kind"] == "suggested" and decision["reason"] == what)


def _named(decision: Mapping[str, Any], cause: str, least: float) -> None:
    """This cause is the likeliest, and so likely at least; the figures are told to people who watch."""
    figures = decision["figures"]
    print(f"\n    blame: {figures['attribution_ranked']}; {figures['attribution_evidence']}", flush=True)
    assert figures["attribution"] == cause, figures["attribution_ranked"]
    assert figures["attribution_probability"] >= least, figures["attribution_ranked"]
