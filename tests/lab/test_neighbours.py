"""Stories with people and other controllers in them: they always have the right of way."""

from __future__ import annotations

import time

import pytest

from tests.lab.harness.cluster import DRAIN_LABEL, Pod, eventually
from tests.lab.harness.shop import pause
from tests.lab.harness.story import Story
from tests.lab.stack.images import REGISTRY, TAG
from tests.lab.stack.shop import NAMESPACE

pytestmark = pytest.mark.lab

_BUDGETS = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
_GIVEN_BACK_SECONDS = 15.0


def test_forbidding_budget(story: Story) -> None:
    """A PodDisruptionBudget that allows no disruption forbids drain and eviction."""
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "catalog"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "catalog"}}},
    }
    story.cluster.call("POST", _BUDGETS, budget).raise_for_status()
    story.observe()
    pod = story.shop.pods("catalog")[1]
    story.spoil(pod, err=0.5)
    told = story.held("disruption_budget")
    assert told["verdict"] == "blocked"
    story.untouched(30)
    story.allowed.add(pod.name)
    story.cluster.call("DELETE", f"{_BUDGETS}/catalog").raise_for_status()
    story.drained(pod, within=180)


def test_opt_out(story: Story) -> None:
    """A pod whose owner said no is never touched, however gray it is."""
    pod = story.shop.pods("catalog")[1]
    story.cluster.patch_pod(pod, {"annotations": {"observer.dev/opt-out": "true"}})
    story.observe()
    story.spoil(pod, err=0.5)
    story.held("opt_out")
    story.untouched(30)
    story.shop.heal(pod)
    story.drains_a_real_gray_pod("cart")


def test_person_takes_label_off(story: Story) -> None:
    """The label is gone while Observer's annotation stays: a person took the pod, and it is theirs."""
    story.observe(escalation={"hold_for_human": True})
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.5)
    story.drained(pod)
    story.cluster.patch_pod(pod, {"labels": {DRAIN_LABEL: None}})
    taken = time.time()
    story.decision("a person took it", lambda one: one["reason"].startswith("person") and one["at"] >= taken, within=60)
    pause(60)
    again = story.witness.first(lambda one: one.pod.uid == pod.uid and one.pod.drained, since=taken + 2)
    assert again is None, "drained again against a person's will"
    assert not story.evictions()
    story.drains_a_real_gray_pod("cart")


def test_scaled_down_while_drained(story: Story) -> None:
    """Replicas go while a pod is drained: the drained one is given back first."""
    story.observe(escalation={"hold_for_human": True})
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.5)
    story.drained(pod)
    story.shop.scale("catalog-v1", 2)
    _given_back_or_gone(story, pod)
    assert not story.evictions()
    story.drains_a_real_gray_pod("cart")


def test_node_drained_while_drained(story: Story) -> None:
    """A node is drained while a pod is out: the floor is looked at again before anything else."""
    story.observe(escalation={"hold_for_human": True})
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.5)
    story.drained(pod)
    others = [other for other in story.shop.pods("catalog") if other.uid != pod.uid]
    story.cluster.cordon(others[0].node, on=True)
    for other in others[:2]:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{other.name}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": other.name}}
        story.cluster.call("POST", path, body).raise_for_status()
    story.fitness.excuse(others)
    _given_back_or_gone(story, pod)
    assert not story.evictions()
    story.cluster.cordon(others[0].node, on=False)
    eventually(story.shop.ready, "the shop is complete again", within=90)
    story.shop.heal(pod)
    story.drains_a_real_gray_pod("cart")


def test_killed_while_drained(story: Story) -> None:
    """Observer dies with a pod drained and comes back: it goes on, exactly once."""
    observer = story.observe()
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.3)
    story.drained(pod)
    observer.kill()
    pause(3)
    observer.start()
    eventually(lambda: observer.status()["leader"], "it leads again once the old Lease has run out", within=60)

    def ended() -> bool:
        now = story.cluster.pod(pod.name)
        return now is None or now.uid != pod.uid or now.deleting or not now.drained

    eventually(ended, f"{pod.name} is finished or given back", within=360, every=1)
    pause(20)
    assert len(story.evictions()) <= 1, "evicted more than once"
    if story.evictions():
        story.verified(pod)
    else:
        story.drained(pod, within=240)


def test_image_missing(story: Story) -> None:
    """The replacement cannot start: one eviction, then the workload is frozen and a person is called."""
    story.observe(escalation={"default_start": "10s"})
    with story.shop.image_missing(f"{REGISTRY}/app:{TAG}"):
        pod = story.shop.pods("catalog")[1]
        story.gray(pod, err=0.5)
        story.evicted(pod)
        story.verified(pod, "worse", within=300)
        another = next(one for one in story.shop.pods("catalog") if one.ready)  # the replacement has nothing to spoil
        story.spoil(another, err=0.5)
        story.untouched(60)
        assert len(story.evictions()) == 1, "a second eviction into a hole"
        story.shop.heal(another)
    pages = [one for one in story.daemon.decisions(story.began) if one["severity"] == "page"]
    assert pages, "nobody was called"


def test_delete_races_eviction(story: Story) -> None:
    """A person deletes the pod just as Observer is about to: the heir is never touched."""
    story.observe()
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.5)
    story.drained(pod)
    story.cluster.delete_pod(pod)
    story.fitness.excuse([pod])
    eventually(lambda: story.witness.leaving(pod.uid), "the pod leaves", within=15)
    story.untouched(60)
    assert len(story.evictions()) <= 1
    eventually(story.shop.ready, "the heir serves", within=60)
    story.drains_a_real_gray_pod("cart")


def _given_back_or_gone(story: Story, pod: Pod) -> None:
    """The label goes before the workload falls below its floor, unless the pod itself was the one to go."""

    def done() -> bool:
        now = story.cluster.pod(pod.name)
        return now is None or now.uid != pod.uid or now.deleting or not now.drained

    eventually(done, f"{pod.name} is given back", within=_GIVEN_BACK_SECONDS, every=0.2)
