"""Stories in which Observer must act: one pod passes its probes and fails its callers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.harness.cluster import Pod, eventually
from tests.lab.harness.shop import pause
from tests.lab.harness.story import Story
from tests.lab.stack.lab import Lab
from tests.lab.stack.telemetry import reload_prometheus, write_scrape_configuration

pytestmark = pytest.mark.lab


def whole_story(story: Story, culprit: Pod, service: str, **fault: float) -> dict[str, Any]:
    """Drained, callers' errors gone, evicted, replaced, verified; and nothing else in the shop has changed."""
    before = story.picture()
    story.gray(culprit, **fault)
    story.drained(culprit)
    if fault.get("err"):
        eventually(lambda: callers_are_well(story, service), f"callers of {service} see no errors", within=60, every=1)
    story.evicted(culprit)
    told = story.verified(culprit)
    assert [write.name for write in story.evictions()] == [culprit.name]
    after = story.picture()
    assert {name: after[name] for name in before if name != culprit.name and name in after} == {
        name: seen for name, seen in before.items() if name != culprit.name
    }
    assert culprit.name not in after
    assert len(after) == len(before), "the replacement is missing"
    return told


def callers_are_well(story: Story, service: str) -> bool:
    requests, failed = story.metrics.called(service, 10)
    return requests > 1.0 and failed == 0.0


def test_gray_pod(story: Story) -> None:
    """One catalog pod of four fails 30 % of its requests with green probes."""
    observer = story.observe()
    culprit = story.shop.pods("catalog")[1]
    whole_story(story, culprit, "catalog", err=0.3)
    acts = [one["kind"] for one in observer.ask("why", f"pod/shop/{culprit.name}")["decisions"]]
    steps = [kind for kind in acts if kind in ("drain", "restore", "evict", "verified")]
    assert (steps[0], steps[-2], steps[-1]) == ("drain", "evict", "verified"), steps
    assert steps.count("evict") == 1, steps
    # That nobody behind the front is to blame for what it inherits may be told there, too: it touches nobody.
    told = [event for event in story.cluster.events() if event["reason"] != "ObserverSuppressed"]
    regarding = {event["regarding"]["name"] for event in told}
    assert regarding <= {culprit.name, "catalog-v1"}
    assert culprit.name in regarding
    retained = observer.ask("why", f"pod/shop/{culprit.name}")["evidence"]
    assert retained, "no evidence was kept before the eviction"


def test_faint_pod(story: Story) -> None:
    """The same at 8 %: slower to prove, no less certain."""
    story.observe()
    culprit = story.shop.pods("catalog")[2]
    story.gray(culprit, err=0.08)
    story.drained(culprit, within=300)
    story.evicted(culprit, within=420)
    story.verified(culprit, within=420)
    assert [write.name for write in story.evictions()] == [culprit.name]


def test_slow_pod(story: Story) -> None:
    """No error at all: one cart pod takes 250 ms longer."""
    story.observe()
    culprit = story.shop.pods("cart")[0]
    whole_story(story, culprit, "cart", delay=0.25)


def test_two_replicas(story: Story) -> None:
    """With one sibling only, it takes the sibling and the history to convict. The story itself scales cart down."""
    story.shop.load(5.0)
    story.shop.scale("cart-v1", 2)
    eventually(story.shop.ready, "two cart pods are left", within=60)
    story.observe(guards={"person_quiet": "1s"})
    pause(60)
    culprit = story.shop.pods("cart")[0]
    whole_story(story, culprit, "cart", err=0.5)


@pytest.fixture
def mapped_labels(lab: Lab, story: Story) -> Iterator[None]:
    """A scrape configuration that copies pod labels: our own label makes new series of the drained pod."""
    write_scrape_configuration(lab.places, map_pod_labels=True)
    reload_prometheus()
    pause(15)
    story.began = time.time()
    story.fitness.begin()
    yield
    write_scrape_configuration(lab.places)
    reload_prometheus()


@pytest.mark.usefixtures("mapped_labels")
def test_mapped_pod_labels(story: Story) -> None:
    """Writing the label restarts the pod's series; the story ends as it always does."""
    story.observe()
    whole_story(story, story.shop.pods("catalog")[0], "catalog", err=0.3)
