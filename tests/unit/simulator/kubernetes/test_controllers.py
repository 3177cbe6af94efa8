"""Deployments, ReplicaSets and pods that live by themselves."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from observer.simulator.kubernetes import objects
from observer.simulator.kubernetes import pods as kube_pods
from observer.simulator.kubernetes.deployments import limits, template_hash
from observer.simulator.kubernetes.status import Refused
from tests.support.kube_cluster import HandCluster, app, name_of, names_of

Obj = dict[str, Any]


def test_a_pod_starts_in_stages() -> None:
    cluster = HandCluster(app("cart", 1))
    cluster.controllers.tick()
    (pod,) = cluster.pods()
    assert pod["status"]["phase"] == "Pending"
    assert pod["spec"]["nodeName"] == "n1"
    assert "podIP" not in pod["status"]
    assert kube_pods.condition(pod, "PodScheduled") == "True"
    cluster.run(1.9, step=0.1)
    (pod,) = cluster.pods()
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["podIP"].startswith("198.18.")
    assert not kube_pods.is_ready(pod), "never ready before start_seconds"
    cluster.run(2.5)
    (pod,) = cluster.pods()
    assert kube_pods.is_ready(pod)
    assert {row["name"] for row in pod["status"]["containerStatuses"]} == {"app"}
    assert {row["name"]: row["ready"] for row in pod["status"]["initContainerStatuses"]} == {
        "istio-init": True,
        "istio-proxy": True,
    }
    assert all("running" in row["state"] for row in pod["status"]["containerStatuses"])


def test_pods_belong_to_their_deployment_by_two_steps() -> None:
    cluster = HandCluster(app("cart", 2))
    cluster.run(5)
    deployment = cluster.store.entry("deployments", "shop", "cart-v1").object
    (replicaset,) = cluster.store.list("replicasets", "shop")
    owner = kube_pods.controller_of(replicaset)
    assert owner is not None
    assert (owner["kind"], owner["uid"]) == ("Deployment", deployment["metadata"]["uid"])
    digest = template_hash(deployment["spec"]["template"])
    assert name_of(replicaset) == f"cart-v1-{digest}"
    for pod in cluster.pods():
        owner = kube_pods.controller_of(pod)
        assert owner is not None
        assert owner["uid"] == replicaset["metadata"]["uid"]
        assert pod["metadata"]["labels"]["pod-template-hash"] == digest


def test_sidecars_come_with_the_namespace_label_and_the_pods_consent() -> None:
    refusing = app("quiet", 1)
    refusing["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    cluster = HandCluster(app("cart", 1), refusing)
    cluster.run(1)
    assert kube_pods.has_sidecar(cluster.pods("cart")[0])
    assert cluster.pods("cart")[0]["metadata"]["labels"]["service.istio.io/canonical-name"] == "cart"
    assert not kube_pods.has_sidecar(cluster.pods("quiet")[0])
    plain = HandCluster(app("cart", 1), injected=False)
    plain.run(1)
    assert not kube_pods.has_sidecar(plain.pods("cart")[0])


def test_pods_spread_over_nodes_that_take_them() -> None:
    cluster = HandCluster(app("cart", 4), app("front", 4), nodes=2)
    cluster.run(1)
    assert Counter(pod["spec"]["nodeName"] for pod in cluster.pods("cart")) == {"n1": 2, "n2": 2}
    cluster.controllers.cordon("n1")
    cluster.controllers.scale("shop", "cart-v1", 6)
    cluster.run(1)
    assert Counter(pod["spec"]["nodeName"] for pod in cluster.pods("cart")) == {"n1": 2, "n2": 4}


def test_without_a_node_pods_wait() -> None:
    cluster = HandCluster(app("cart", 1), nodes=1)
    cluster.controllers.cordon("n1")
    cluster.run(2)
    (pod,) = cluster.pods()
    assert kube_pods.condition(pod, "PodScheduled") == "False"
    cluster.controllers.cordon("n1", on=False)
    cluster.run(5)
    assert len(cluster.ready()) == 1


def test_status_counts() -> None:
    cluster = HandCluster(app("cart", 3))
    cluster.run(6)
    status = cluster.status("deployments", "cart-v1")
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert [status[key] for key in counts] == [3, 3, 3, 3]
    assert "unavailableReplicas" not in status
    assert status["observedGeneration"] == 1
    assert {item["type"]: item["reason"] for item in status["conditions"]} == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "NewReplicaSetAvailable",
    }


def test_nothing_changes_when_everything_is_as_wanted() -> None:
    cluster = HandCluster(app("cart", 3))
    cluster.run(6)
    version = cluster.store.version
    cluster.run(5)
    assert cluster.store.version == version


def test_an_ended_pod_is_replaced_at_once() -> None:
    cluster = HandCluster(app("cart", 3))
    cluster.run(6)
    gone = cluster.ready()[0]
    cluster.controllers.delete_pod("shop", gone)
    cluster.controllers.tick()
    assert len(cluster.pods()) == 3
    assert gone not in names_of(cluster.pods())
    assert gone in names_of(cluster.pods(leaving=True)), "it ends within its grace, not at once"
    cluster.run(6)
    assert gone not in names_of(cluster.pods(leaving=True))
    assert len(cluster.ready()) == 3


def test_a_pod_with_a_finalizer_stays_until_it_is_taken_off() -> None:
    cluster = HandCluster(app("cart", 1))
    cluster.run(6)
    name = cluster.ready()[0]
    cluster.store.modify("pods", "shop", name, lambda new: new["metadata"].update(finalizers=["x/hold"]))
    cluster.controllers.delete_pod("shop", name)
    cluster.run(60, step=5)
    assert name in names_of(cluster.pods(leaving=True))
    cluster.store.modify("pods", "shop", name, lambda new: new["metadata"].pop("finalizers"))
    cluster.run(1)
    assert name not in names_of(cluster.pods(leaving=True))


def test_scaling_down_gives_up_the_least_useful_first() -> None:
    cluster = HandCluster(app("cart", 4))
    cluster.run(6)
    unready, cheap, *rest = cluster.ready()
    cluster.controllers.set_ready("shop", unready, False)
    costs = {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-10"}}
    cluster.store.modify("pods", "shop", cheap, lambda new: new["metadata"].update(costs))
    cluster.controllers.scale("shop", "cart-v1", 3)
    cluster.run(3)
    assert names_of(cluster.pods()) == {cheap, *rest}
    cluster.controllers.scale("shop", "cart-v1", 2)
    cluster.run(3)
    assert names_of(cluster.pods()) == set(rest)
    assert cluster.status("deployments", "cart-v1")["replicas"] == 2


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable"), [(4, "25%", "25%"), (4, 1, 0), (4, 0, 1), (1, "25%", "25%"), (10, "50%", 3)]
)
def test_a_rollout_stays_within_its_limits(replicas: int, surge: int | str, unavailable: int | str) -> None:
    cluster = HandCluster(app("cart", replicas, max_surge=surge, max_unavailable=unavailable))
    cluster.run(6)
    up, down = limits(cluster.store.entry("deployments", "shop", "cart-v1").object)

    def check() -> None:
        assert len(cluster.pods()) <= replicas + up
        assert len(cluster.ready()) >= replicas - down

    cluster.controllers.set_image("shop", "cart-v1", "shop.example/app:2")
    cluster.run(60, check=check)
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.pods()} == {"shop.example/app:2"}
    assert len(cluster.ready()) == replicas
    assert sorted(cluster.replicasets("cart").values()) == [0, replicas]
    progress = cluster.status("deployments", "cart-v1")["conditions"][1]
    assert progress["reason"] == "NewReplicaSetAvailable"


def test_a_rollout_says_that_it_is_under_way() -> None:
    cluster = HandCluster(app("cart", 4))
    cluster.run(6)
    cluster.controllers.set_image("shop", "cart-v1", "shop.example/app:2")
    cluster.controllers.tick()
    status = cluster.status("deployments", "cart-v1")
    assert status["observedGeneration"] == 2
    assert status["updatedReplicas"] < 4
    assert status["conditions"][1]["reason"] == "ReplicaSetUpdated"


def test_going_back_reuses_the_old_replicaset() -> None:
    cluster = HandCluster(app("cart", 2))
    cluster.run(6)
    (first,) = cluster.replicasets("cart")
    cluster.controllers.set_image("shop", "cart-v1", "shop.example/app:2")
    cluster.run(20)
    cluster.controllers.set_image("shop", "cart-v1", "shop.example/app:1")
    cluster.run(20)
    assert cluster.replicasets("cart")[first] == 2
    assert len(cluster.replicasets("cart")) == 2
    annotations = cluster.store.entry("deployments", "shop", "cart-v1").object["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"


def test_old_replicasets_are_removed_beyond_the_history_limit() -> None:
    deployment = app("cart", 1)
    deployment["spec"]["revisionHistoryLimit"] = 2
    cluster = HandCluster(deployment)
    for version in range(2, 7):
        cluster.run(15)
        cluster.controllers.set_image("shop", "cart-v1", f"shop.example/app:{version}")
    cluster.run(15)
    assert len(cluster.replicasets("cart")) == 3


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    cluster = HandCluster(app("cart", 2))
    cluster.run(6)
    cluster.store.modify("deployments", "shop", "cart-v1", lambda new: new["spec"].update(paused=True))
    cluster.controllers.set_image("shop", "cart-v1", "shop.example/app:2")
    cluster.controllers.scale("shop", "cart-v1", 3)
    cluster.run(10)
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.pods()} == {"shop.example/app:1"}
    assert len(cluster.ready()) == 3


def test_recreate_empties_before_it_fills() -> None:
    deployment = app("cart", 2)
    deployment["spec"]["strategy"] = {"type": "Recreate"}
    cluster = HandCluster(deployment)
    cluster.run(6)
    cluster.controllers.set_image("shop", "cart-v1", "shop.example/app:2")

    def check() -> None:
        assert len({pod["spec"]["containers"][0]["image"] for pod in cluster.pods(leaving=True)}) <= 1

    cluster.run(15, check=check)
    assert len(cluster.ready()) == 2


def test_a_missing_image_never_starts_and_ends_the_rollout_late() -> None:
    deployment = app("cart", 2, max_surge=1, max_unavailable=0)
    deployment["spec"]["progressDeadlineSeconds"] = 30
    cluster = HandCluster(deployment)
    cluster.run(6)
    cluster.controllers.missing_images.add("shop.example/app:2")
    cluster.controllers.set_image("shop", "cart-v1", "shop.example/app:2")
    cluster.run(10)
    waiting = [pod for pod in cluster.pods() if not kube_pods.is_ready(pod)]
    assert len(waiting) == 1
    row = kube_pods.status_of(waiting[0], "app")
    assert row is not None
    assert row["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert waiting[0]["status"]["phase"] == "Pending"
    assert len(cluster.ready()) == 2
    cluster.run(40, step=1)
    progress = cluster.status("deployments", "cart-v1")["conditions"][1]
    assert (progress["status"], progress["reason"]) == ("False", "ProgressDeadlineExceeded")
    cluster.controllers.missing_images.clear()
    cluster.run(20)
    assert cluster.status("deployments", "cart-v1")["conditions"][1]["reason"] == "NewReplicaSetAvailable"


def test_a_container_that_ends_comes_back_with_a_higher_count() -> None:
    cluster = HandCluster(app("cart", 1))
    cluster.run(6)
    name = cluster.ready()[0]
    cluster.controllers.restart_container("shop", name, "app", exit_code=137, reason="OOMKilled")
    (pod,) = cluster.pods()
    assert not kube_pods.is_ready(pod)
    cluster.run(6)
    (pod,) = cluster.pods()
    row = kube_pods.status_of(pod, "app")
    assert row is not None
    assert (name_of(pod), row["restartCount"]) == (name, 1)
    assert row["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert kube_pods.is_ready(pod)
    with pytest.raises(KeyError, match="no container nobody"):
        cluster.controllers.restart_container("shop", name, "nobody")


def test_a_failing_probe_lasts_until_it_is_told_otherwise() -> None:
    cluster = HandCluster(app("cart", 2))
    cluster.run(6)
    name = cluster.ready()[0]
    cluster.controllers.set_ready("shop", name, False)
    cluster.run(5)
    assert name not in cluster.ready()
    assert cluster.status("deployments", "cart-v1")["unavailableReplicas"] == 1
    cluster.controllers.set_ready("shop", name, True)
    cluster.run(1)
    assert name in cluster.ready()


def test_relabelling_releases_a_pod_and_starts_another() -> None:
    cluster = HandCluster(app("cart", 2))
    cluster.run(6)
    name = cluster.ready()[0]
    cluster.store.modify("pods", "shop", name, lambda new: new["metadata"]["labels"].update(app="quarantined"))
    cluster.run(6)
    assert len(cluster.ready("cart")) == 2
    orphan = cluster.store.entry("pods", "shop", name).object
    assert kube_pods.controller_of(orphan) is None
    cluster.store.modify("pods", "shop", name, lambda new: new["metadata"]["labels"].update(app="cart"))
    cluster.run(3)
    assert len(cluster.pods("cart")) == 2, "adopted again, one pod too many goes"


def test_what_lost_its_owner_is_collected() -> None:
    cluster = HandCluster(app("cart", 2))
    cluster.run(6)
    cluster.store.delete("deployments", "shop", "cart-v1")
    cluster.run(5)
    assert cluster.replicasets("cart") == {}
    assert cluster.pods(leaving=True) == []


def test_a_drained_node_is_left_by_its_pods() -> None:
    cluster = HandCluster(app("cart", 4))
    cluster.run(6)
    assert cluster.controllers.drain("n1") == []
    cluster.run(8)
    assert {pod["spec"]["nodeName"] for pod in cluster.pods()} == {"n2"}
    assert len(cluster.ready()) == 4
    assert cluster.store.entry("nodes", "", "n1").object["spec"]["unschedulable"] is True


def test_frozen_controllers_do_nothing() -> None:
    cluster = HandCluster(app("cart", 1))
    cluster.controllers.frozen.add("replicasets")
    cluster.run(5)
    assert cluster.pods() == []
    cluster.controllers.frozen.clear()
    cluster.run(5)
    assert len(cluster.ready()) == 1


def test_lives_are_told_as_events() -> None:
    cluster = HandCluster(app("cart", 1))
    cluster.run(6)
    name = cluster.ready()[0]
    cluster.controllers.delete_pod("shop", name)
    cluster.run(3)
    about = {event["reason"] for event in cluster.store.list("events") if event["regarding"]["name"] == name}
    assert {"Scheduled", "Started", "Killing"} <= about
    cluster.run(3700, step=30)
    assert cluster.events("Killing") == []


def test_deleting_another_incarnation_is_refused() -> None:
    cluster = HandCluster(app("cart", 1))
    cluster.run(6)
    with pytest.raises(Refused) as refused:
        cluster.controllers.delete_pod("shop", cluster.ready()[0], uid="older")
    assert refused.value.code == 409


def test_the_same_seed_gives_the_same_cluster() -> None:
    def story() -> list[Obj]:
        cluster = HandCluster(app("cart", 4), app("pay", 3))
        cluster.run(6)
        cluster.controllers.delete_pod("shop", cluster.ready("cart")[0])
        cluster.controllers.set_image("shop", "pay-v1", "shop.example/app:2")
        cluster.run(12)
        return cluster.store.list("pods")

    assert story() == story()


def test_a_whole_shop() -> None:
    shop = [("front", "v1", 3), ("pay", "v1", 3), ("pay", "v2", 2), ("load", "v1", 1)]
    cluster = HandCluster()
    for obj in objects.shop_objects(shop, ns="mall", nodes=()):
        cluster.store.add(obj)
    cluster.run(6)
    pods = cluster.store.list("pods", "mall")
    assert Counter(pod["metadata"]["labels"]["app"] for pod in pods) == {"front": 3, "pay": 5, "load": 1}
    assert names_of(cluster.store.list("services", "mall")) == {"front", "pay"}
    (istiod,) = cluster.store.list("pods", "istio-system")
    assert istiod["metadata"]["labels"]["app"] == "istiod"
    switch = cluster.store.entry("configmaps", "observer", "observer-control").object
    assert switch["data"] == {"paused": "false"}


def _keys(value: Any, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return {found for key, item in value.items() for found in (f"{prefix}.{key}", *_keys(item, f"{prefix}.{key}"))}
    if isinstance(value, list):
        return {found for item in value for found in _keys(item, f"{prefix}[]")}
    return set()


#: What the reflector reads, and what evidence shows: a pod of the simulator must have it where a real one has it.
READ_PATHS = {
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.uid",
    ".metadata.resourceVersion",
    ".metadata.creationTimestamp",
    ".metadata.ownerReferences[].uid",
    ".spec.nodeName",
    ".spec.containers[].name",
    ".spec.initContainers[].restartPolicy",
    ".status.phase",
    ".status.podIP",
    ".status.conditions[].lastTransitionTime",
    ".status.containerStatuses[].restartCount",
    ".status.containerStatuses[].state.running.startedAt",
    ".status.initContainerStatuses[].state.running.startedAt",
    ".status.startTime",
}


def test_a_pod_has_its_fields_where_a_real_one_has_them() -> None:
    cluster = HandCluster(app("cart", 1))
    cluster.run(6)
    assert _keys(cluster.pods()[0]) >= READ_PATHS
