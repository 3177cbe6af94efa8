"""Stories in which nobody may be killed, because the culprit is not a pod or there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.lab.harness.shop import pause
from tests.lab.harness.story import Story
from tests.lab.stack.shop import RATE

pytestmark = pytest.mark.lab


def test_all_bad(story: Story) -> None:
    """Every store pod fails: catalog, cart and front answer 502, and only store is named."""
    observer = story.observe()
    pods = story.shop.pods("store")
    for pod in pods:
        story.spoil(pod, err=0.3)
    told = story.decision("store is named", _suppresses_store, within=120)
    assert told["verdict"] in ("tell", "blocked")
    story.untouched(60)
    assert not [one for one in observer.decisions(story.began) if one["verdict"] == "act"]
    for pod in pods:
        story.shop.heal(pod)
    pause(45)
    story.drains_a_real_gray_pod()


def test_surge(story: Story) -> None:
    """Twice the load and no fault: nothing to do."""
    observer = story.observe()
    story.shop.load(2 * RATE)
    story.untouched(90)
    assert not [one for one in observer.decisions(story.began) if one["verdict"] == "act"]
    story.shop.load(RATE)
    pause(20)
    story.drains_a_real_gray_pod()


def test_rollout(story: Story) -> None:
    """A pod fails while its Deployment is rolled out: the rollout has the right of way."""
    story.observe()
    story.cluster.patch_deployment("catalog-v1", _slow_rollout())
    pause(5)
    leaving = story.shop.pods("catalog")[0]
    story.spoil(leaving, err=0.5)
    story.held("rollout")
    story.untouched(30)
    story.shop.heal(leaving)
    story.cluster.patch_deployment("catalog-v1", {"spec": {"paused": False, "minReadySeconds": 0}})
    story.lab.kubectl.rolled_out("shop", "catalog-v1")
    story.drains_a_real_gray_pod("cart")


def test_twelve_seconds(story: Story) -> None:
    """A fault that is over before anybody can be sure: it ended by itself, nobody is killed."""
    story.observe()
    pause(60)  # every pod has had the requests of the warm-up: what follows is judged from its first second
    pod = story.shop.pods("catalog")[1]
    story.shop.fault(pod, err=0.5)
    story.fitness.excuse([pod])
    story.allowed.add(pod.name)
    pause(12)
    story.shop.heal(pod)
    pause(3)
    assert story.metrics.served(pod.name, 20)[1] > 0.3, "the fault is not visible in Prometheus"
    story.decision("it ended by itself", lambda one: one["reason"] == "ended_by_itself", within=420)
    assert not story.evictions()
    story.drains_a_real_gray_pod("cart")


def test_bad_revision(story: Story) -> None:
    """Both pay-v2 pods fail, pay-v1 is well: the revision is named, no pod is taken for it."""
    story.observe()
    pods = story.shop.pods("pay", "v2")
    for pod in pods:
        story.spoil(pod, err=0.4)
    story.decision(
        "revision v2 of pay is named",
        lambda one: one["subject"].startswith("revision") and "pay" in one["subject"] and "v2" in one["subject"],
        within=120,
    )
    story.untouched(60)
    for pod in pods:
        story.shop.heal(pod)
    pause(45)
    story.drains_a_real_gray_pod()


def _slow_rollout() -> dict[str, object]:
    """One new pod at a time, each of which must be Ready for a minute before the next."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    template = {"metadata": {"annotations": {"story": "rollout"}}}
    return {"spec": {"minReadySeconds": 60, "strategy": strategy, "template": template}}


def _suppresses_store(decision: Mapping[str, Any]) -> bool:
    return decision["kind"] == "suppressed" and "store" in f"{decision['subject']} {decision['text']}"
