"""Stories in which Observer loses sight or reach: it tells so, and does no harm meanwhile."""

from __future__ import annotations

import time

import pytest

from tests.lab.harness.cluster import eventually
from tests.lab.harness.proxy import frozen
from tests.lab.harness.shop import pause
from tests.lab.harness.story import Story
from tests.lab.stack.places import ISTIO_NAMESPACE, OBSERVER_NAMESPACE

pytestmark = pytest.mark.lab

_CART = 'istio_requests_total{reporter="source",destination_canonical_service="cart"'
_LOST = f'sum(increase({_CART},response_flags!="-"}}[12m])) / sum(increase({_CART}}}[12m]))'
"""The part of the calls to cart that got lost in the minutes that Observer takes for usual."""
_ISTIOD = f"/apis/apps/v1/namespaces/{ISTIO_NAMESPACE}/deployments/istiod"


def test_blind_prometheus(story: Story) -> None:
    """Prometheus goes away while a pod is gray: blindness is told, nobody is evicted, then it goes on."""
    observer = story.observe()
    story.fitness.ignore_scrapes()
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.1)
    stopping = time.time()  # it answers nobody long before its process has ended
    story.lab.daemons.stop("prometheus")
    story.decision("it is blind", lambda one: one["kind"] == "blind" and one["at"] >= stopping, within=60)
    # The decision is told within the tick, what the tick saw when it ends.
    eventually(lambda: not observer.status()["complete"], "the tick counts as incomplete", within=2, every=0.1)
    assert observer.figure("observer_gaps_total") > 0
    story.untouched(45)
    assert not story.evictions(), "evicted while blind"
    story.lab.daemons.again("prometheus")
    eventually(lambda: observer.status()["complete"], "ticks are complete again", within=90)
    story.shop.fault(pod, err=0.5)
    story.drained(pod, within=240)


def test_blind_istiod(story: Story) -> None:
    """Without istiod no drain takes effect and no replacement gets a sidecar: everything is held."""
    story.observe()
    story.cluster.patch(_ISTIOD, {"spec": {"replicas": 0}})
    eventually(lambda: not story.cluster.pods(namespace=ISTIO_NAMESPACE), "istiod is gone", within=60)
    pod = story.shop.pods("catalog")[1]
    story.spoil(pod, err=0.5)
    story.held("mesh_unhealthy")
    story.untouched(30)
    story.allowed.add(pod.name)
    story.cluster.patch(_ISTIOD, {"spec": {"replicas": 1}})
    story.drained(pod, within=240)


def test_blind_frozen_envoy(story: Story) -> None:
    """
    One Envoy answers nobody: told as unreached within 30 s, and nobody is killed by guess.

    Where many calls got lost lately for another reason (a story before this one), Observer is right to say nothing.
    """
    eventually(lambda: story.metrics.value(_LOST) < 0.01, "few calls got lost lately", within=780, every=5)
    observer = story.observe()
    pod = story.shop.pods("cart")[0]
    story.fitness.excuse([pod])
    with frozen(story.lab, pod):
        story.decision("a pod is unreached", lambda one: one["kind"] == "unreached", within=30)
        story.untouched(20)
    assert not [one for one in observer.decisions(story.began) if one["verdict"] == "act"]
    eventually(story.shop.calm, "the thawed pod serves again", within=120, every=2)
    pause(30)
    story.drains_a_real_gray_pod()


def test_api_server_restart(story: Story) -> None:
    """The API server goes away in the middle of a watch, while a pod is drained: the story goes on to its end."""
    story.observe()
    story.fitness.ignore_scrapes()
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.3)
    story.drained(pod)
    story.lab.daemons.stop("apiserver", patience=20)
    pause(5)
    story.lab.daemons.again("apiserver")
    eventually(lambda: story.cluster.call("GET", "/readyz").ok, "the API server is back", within=60)
    story.evicted(pod, within=300)
    story.verified(pod)
    assert len(story.evictions()) == 1


def test_other_leader(story: Story) -> None:
    """Somebody else holds the Lease: Observer watches, says so and writes nothing until the Lease is free."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{OBSERVER_NAMESPACE}/leases"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "observer"},
        "spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 240, "leaseTransitions": 7},
    }
    story.cluster.call("POST", path, lease).raise_for_status()
    observer = story.start()
    eventually(lambda: observer.complete_ticks() >= 30, "30 complete ticks", within=180)
    pod = story.shop.pods("catalog")[1]
    story.spoil(pod, err=0.5)
    story.untouched(60)
    told = observer.status()
    assert not told["leader"]
    assert told["mode"] == "enforce"
    suspects = [one for one in observer.decisions(story.began) if pod.name in one["subject"]]
    assert suspects, "a standby must go on judging"
    story.allowed.add(pod.name)
    story.cluster.call("DELETE", f"{path}/observer").raise_for_status()
    story.drained(pod, within=180)
