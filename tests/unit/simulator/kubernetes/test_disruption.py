"""PodDisruptionBudgets: their status, and which evictions they let pass."""

from __future__ import annotations

from typing import Any

import pytest

from observer.simulator.kubernetes.objects import disruption_budget
from observer.simulator.kubernetes.status import Refused
from tests.support.kube_cluster import HandCluster, app

Obj = dict[str, Any]


def budgeted(replicas: int = 4, **bounds: Any) -> HandCluster:
    """A ready ``cart`` with one budget over it."""
    cluster = HandCluster(app("cart", replicas), disruption_budget("shop", "cart", {"app": "cart"}, **bounds))
    cluster.run(6)
    return cluster


def refusal(cluster: HandCluster, name: str, **options: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        cluster.controllers.evict("shop", name, **options)
    return refused.value


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"min_available": 3}, (4, 3, 1)),
        ({"min_available": "50%"}, (4, 2, 2)),
        ({"min_available": "60%"}, (4, 3, 1)),
        ({"max_unavailable": 1}, (4, 3, 1)),
        ({"max_unavailable": "25%"}, (4, 3, 1)),
        ({"max_unavailable": 0}, (4, 4, 0)),
        ({"min_available": 9}, (4, 9, 0)),
    ],
)
def test_status(bounds: Obj, expected: tuple[int, int, int]) -> None:
    status = budgeted(**bounds).status("poddisruptionbudgets", "cart")
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == expected
    assert status["currentHealthy"] == 4
    assert status["observedGeneration"] == 1
    assert status["conditions"][0]["reason"] == ("SufficientPods" if expected[2] else "InsufficientPods")


def test_the_healthy_are_counted_again_when_they_change() -> None:
    cluster = budgeted(max_unavailable=1)
    cluster.controllers.set_ready("shop", cluster.ready()[0], False)
    cluster.run(1)
    assert cluster.status("poddisruptionbudgets", "cart")["disruptionsAllowed"] == 0
    assert cluster.status("poddisruptionbudgets", "cart")["currentHealthy"] == 3


def test_a_budget_lets_one_pass_and_the_next_wait() -> None:
    cluster = budgeted(max_unavailable=1)
    first, second, *_ = cluster.ready()
    cluster.controllers.evict("shop", first)
    refused = refusal(cluster, second)
    assert (refused.code, refused.reason, refused.retry_after) == (429, "TooManyRequests", 0)
    (cause,) = refused.details["causes"]
    assert cause["reason"] == "DisruptionBudget"
    cluster.controllers.tick()
    assert "needs 3 healthy pods and has 3 currently" in refusal(cluster, second).details["causes"][0]["message"]
    cluster.run(8)
    cluster.controllers.evict("shop", second)


def test_the_budget_is_judged_before_the_uid() -> None:
    cluster = budgeted(max_unavailable=0)
    assert refusal(cluster, cluster.ready()[0], uid="older").code == 429
    free = HandCluster(app("cart", 2))
    free.run(6)
    refused = refusal(free, free.ready()[0], uid="older")
    assert refused.code == 409
    assert "the UID in the precondition (older) does not match" in refused.message


def test_a_budget_that_is_not_processed_yet_asks_to_come_back() -> None:
    cluster = budgeted(max_unavailable=1)
    cluster.controllers.frozen.add("poddisruptionbudgets")
    cluster.store.modify("poddisruptionbudgets", "shop", "cart", lambda new: new["spec"].update(maxUnavailable=2))
    refused = refusal(cluster, cluster.ready()[0])
    assert (refused.code, refused.retry_after) == (429, 10)
    assert "still being processed" in refused.details["causes"][0]["message"]


def test_several_budgets_are_a_server_error() -> None:
    cluster = budgeted(max_unavailable=1)
    cluster.store.add(disruption_budget("shop", "other", {"app": "cart"}, max_unavailable=1))
    assert refusal(cluster, cluster.ready()[0]).code == 500


def test_a_dry_run_spends_nothing() -> None:
    cluster = budgeted(max_unavailable=1)
    before = cluster.store.version
    cluster.controllers.evict("shop", cluster.ready()[0], dry_run=True)
    assert cluster.store.version == before


def test_unready_pods_pass_only_while_the_budget_is_met() -> None:
    cluster = budgeted(replicas=4, min_available=3)
    sick, *_ = cluster.ready()
    cluster.controllers.set_ready("shop", sick, False)
    cluster.run(1)
    assert cluster.status("poddisruptionbudgets", "cart")["disruptionsAllowed"] == 0
    cluster.controllers.evict("shop", sick)

    cluster = budgeted(replicas=4, min_available=4)
    sick, *_ = cluster.ready()
    cluster.controllers.set_ready("shop", sick, False)
    cluster.run(1)
    assert refusal(cluster, sick).code == 429


def test_always_allow_lets_unready_pods_pass() -> None:
    cluster = budgeted(min_available=4, policy="AlwaysAllow")
    sick, *_ = cluster.ready()
    cluster.controllers.set_ready("shop", sick, False)
    cluster.run(1)
    cluster.controllers.evict("shop", sick)


def test_pending_and_leaving_pods_need_no_budget() -> None:
    cluster = HandCluster(app("cart", 1), disruption_budget("shop", "cart", {"app": "cart"}, max_unavailable=0))
    cluster.controllers.tick()
    (pod,) = cluster.pods()
    cluster.controllers.evict("shop", pod["metadata"]["name"])
    cluster.controllers.evict("shop", pod["metadata"]["name"])
    cluster.run(3)
    assert pod["metadata"]["name"] not in {item["metadata"]["name"] for item in cluster.pods(leaving=True)}


def test_bare_pods_do_not_raise_the_expectation() -> None:
    cluster = budgeted(replicas=2, max_unavailable=1)
    bare = {
        "metadata": {"name": "bare", "namespace": "shop", "labels": {"app": "cart"}},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
        "status": {"phase": "Pending"},
    }
    cluster.controllers.frozen.add("replicasets")
    cluster.store.create("pods", bare)
    cluster.run(1)
    assert cluster.status("poddisruptionbudgets", "cart")["expectedPods"] == 2


def test_draining_a_node_leaves_what_a_budget_holds() -> None:
    cluster = budgeted(max_unavailable=1)
    on_node = [pod["metadata"]["name"] for pod in cluster.pods() if pod["spec"]["nodeName"] == "n1"]
    held = cluster.controllers.drain("n1")
    assert len(on_node) == 2
    assert len(held) == 1
    assert set(held) < set(on_node)
