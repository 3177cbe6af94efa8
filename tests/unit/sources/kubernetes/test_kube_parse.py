"""Wire to domain, field by field."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from observer.domain.cluster import Node
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.sources.kubernetes import parse, wire

AT = "2026-01-01T00:00:00Z"
T0 = 1_767_225_600.0
OWNER = {"kind": "ReplicaSet", "name": "cart-abc", "uid": "rs1", "controller": True}


def read(shape: type[Any], body: dict[str, Any]) -> Any:
    return msgspec.json.decode(json.dumps(body).encode(), type=shape)


def meta(**changes: Any) -> dict[str, Any]:
    return {
        "name": "cart-1",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "9",
        "creationTimestamp": AT,
    } | changes


def pod(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **changes: Any) -> Any:
    return read(wire.PodWire, {"metadata": meta(**changes), "spec": spec or {}, "status": status or {}})


def deployment(**changes: Any) -> Any:
    body = {"metadata": meta(name="cart", generation=3), "spec": {}, "status": {"observedGeneration": 3}}
    return read(wire.DeploymentWire, {key: value | changes.get(key, {}) for key, value in body.items()})


def test_a_running_pod() -> None:
    found = parse.pod(
        pod(
            {
                "nodeName": "n1",
                "priorityClassName": "high",
                "containers": [{"name": "app"}, {"name": "istio-proxy"}],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
            {
                "phase": "Running",
                "podIP": "198.18.0.1",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z"}],
                "containerStatuses": [
                    {"name": "app", "restartCount": 2, "state": {"running": {"startedAt": "2026-01-01T00:00:03Z"}}},
                    {"name": "istio-proxy", "restartCount": 1, "state": {"running": {"startedAt": AT}}},
                ],
                "initContainerStatuses": [{"name": "init", "restartCount": 4, "state": {"terminated": {}}}],
            },
            labels={"app": "cart", "version": "v2", "pod-template-hash": "abc"},
            annotations={"a": "b", "long": "x" * 2000},
            ownerReferences=[{**OWNER, "controller": False, "name": "other"}, OWNER],
        ),
        WorkloadRef("shop", "Deployment", "cart"),
        ("cart",),
    )
    assert (found.node, found.ip, found.phase, found.priority_class) == ("n1", "198.18.0.1", "Running", "high")
    assert (found.ready, found.ready_since, found.created, found.started) == (True, T0 + 9, T0, T0 + 3)
    assert (found.restarts, found.waiting, found.deleting, found.sidecar) == (7, "", False, True)
    assert (found.owner_kind, found.owner_name, found.owner_uid) == ("ReplicaSet", "cart-abc", "rs1")
    assert (found.service, found.revision, found.template) == (ServiceRef("shop", "cart"), "v2", "abc")
    assert (found.selects, found.local_volumes, dict(found.annotations)) == (("cart",), False, {"a": "b"})


def test_a_pod_that_waits_or_leaves() -> None:
    waiting = {
        "containerStatuses": [{"state": {"running": {}}}, {"state": {"waiting": {"reason": "ImagePullBackOff"}}}]
    }
    found = parse.pod(pod({}, waiting), None, ())
    assert (found.waiting, found.ready, found.ready_since, found.started) == ("ImagePullBackOff", False, None, None)
    assert parse.pod(pod(deletionTimestamp=AT), None, ()).deleting
    unready = {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": AT}]}
    assert parse.pod(pod({}, unready), None, ()).ready_since is None


def test_a_native_sidecar_and_a_host_path() -> None:
    found = parse.pod(
        pod({"initContainers": [{"name": "istio-proxy"}], "volumes": [{"hostPath": {"path": "/"}}]}), None, ()
    )
    assert (found.sidecar, found.local_volumes) == (True, True)


@pytest.mark.parametrize(
    ("labels", "name", "revision"),
    [
        ({"service.istio.io/canonical-name": "a", "app.kubernetes.io/name": "b", "app": "c"}, "a", "latest"),
        ({"app.kubernetes.io/name": "b", "app": "c"}, "b", "latest"),
        ({"app": "c"}, "c", "latest"),
        ({}, "cart", "latest"),
        ({"app": ""}, "cart", "latest"),
        ({"service.istio.io/canonical-revision": "r", "version": "v"}, "cart", "r"),
        ({"app.kubernetes.io/version": "k", "version": "v"}, "cart", "k"),
        ({"version": "v"}, "cart", "v"),
    ],
)
def test_service_and_revision_as_istio_names_them(labels: dict[str, str], name: str, revision: str) -> None:
    found = parse.pod(pod(labels=labels), WorkloadRef("shop", "Deployment", "cart"), ())
    assert (found.service.name, found.revision) == (name, revision)


def test_without_a_workload_the_pod_is_its_own_service() -> None:
    assert parse.pod(pod(), None, ()).service == ServiceRef("shop", "cart-1")


def owned_by(kind: str, uid: str = "rs1") -> dict[str, Any]:
    return {"uid": uid, "ownerReferences": [{"kind": kind, "name": "cart", "controller": True}]}


@pytest.mark.parametrize(
    ("owner", "replica_set", "expected"),
    [
        (None, None, None),
        ({"kind": "StatefulSet", "name": "db", "uid": "s", "controller": True}, None, ("StatefulSet", "db")),
        (OWNER, owned_by("Deployment"), ("Deployment", "cart")),
        (OWNER, owned_by("Rollout"), ("Rollout", "cart")),
        (OWNER, {"uid": "rs1"}, ("ReplicaSet", "cart-abc")),
        (OWNER, owned_by("Deployment", "another"), ("ReplicaSet", "cart-abc")),
        (OWNER, None, ("ReplicaSet", "cart-abc")),
    ],
)
def test_the_workload_is_what_a_person_edits(
    owner: dict[str, Any] | None, replica_set: dict[str, Any] | None, expected: tuple[str, str] | None
) -> None:
    """An unknown ReplicaSet is named itself: its Deployment is not guessed from its name."""
    above = read(wire.Meta, meta(name="cart-abc") | replica_set) if replica_set else None
    found = parse.workload_of(pod(ownerReferences=[owner] if owner else None).metadata, above)
    assert found == (WorkloadRef("shop", *expected) if expected else None)


def replica_set(name: str, revision: str, created: str = AT) -> Any:
    annotations = {"deployment.kubernetes.io/revision": revision}
    return read(wire.ReplicaSetWire, {"metadata": meta(name=name, annotations=annotations, creationTimestamp=created)})


def test_the_newest_replica_set_is_by_revision_not_by_age() -> None:
    """After a roll-back the current one is the older object."""
    old, young = replica_set("a", "12", AT), replica_set("b", "11", "2026-01-02T00:00:00Z")
    assert parse.newest_replica_set([old, young]) is old
    assert parse.newest_replica_set([]) is None
    assert parse.newest_replica_set([replica_set("a", "x"), replica_set("b", "x")]).metadata.name == "b"  # type: ignore[union-attr]


def test_a_deployment() -> None:
    wanted = {"replicas": 4, "paused": True, "progressDeadlineSeconds": 30}
    status = {"observedGeneration": 2, "replicas": 5, "updatedReplicas": 1, "availableReplicas": 3}
    found = parse.workload(deployment(spec=wanted, status=status), replica_set("a", "1", "2026-01-01T01:00:00Z"), 4.5)
    assert (found.desired, found.replicas, found.updated, found.available) == (4, 5, 1, 3)
    assert (found.observed, found.paused, found.progress_deadline, found.usual_start) == (False, True, 30.0, 4.5)
    assert found.progressing_since == T0 + 3600
    assert parse.workload(deployment(), None, None).progressing_since == T0


@pytest.mark.parametrize(("reason", "moving"), [("ReplicaSetUpdated", True), ("NewReplicaSetAvailable", False)])
def test_a_roll_back_progresses_from_its_last_step(reason: str, moving: bool) -> None:
    condition = {"type": "Progressing", "reason": reason, "lastUpdateTime": "2026-01-01T05:00:00Z"}
    found = parse.workload(deployment(status={"conditions": [condition]}), replica_set("a", "1"), None)
    assert found.progressing_since == (T0 + 5 * 3600 if moving else T0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, ("argo",)),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, ("argo",)),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x", "helm.toolkit.fluxcd.io/name": "y"}}, ("flux",)),
        ({"ownerReferences": [{"kind": "Canary", "name": "cart"}]}, ("flagger",)),
        ({"managedFields": [{"manager": "keda-operator"}, {"manager": "flagger"}]}, ("flagger", "keda")),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "managedFields": [{"manager": "helm"}]}, ()),
    ],
)
def test_other_controllers_are_recognised(changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert parse.managers(read(wire.ManagedMeta, meta(**changes))) == expected


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], None),
        ([("kubectl-client-side-apply", "", "2026-01-01T00:00:01Z")], None),
        ([("kubectl-edit", "", "2026-01-01T02:00:00Z")], T0 + 7200),
        ([("kubectl", "scale", "2026-01-01T02:00:00Z")], T0 + 7200),
        ([("an-unknown-tool", "", "2026-01-01T02:00:00Z")], T0 + 7200),
        ([("kubectl-edit", "", "2026-01-01T02:00:00Z"), ("kubectl-rollout", "", "2026-01-01T03:00:00Z")], T0 + 10800),
        ([("kube-controller-manager", "", "2026-01-01T02:00:00Z")], None),
        ([("kube-controller-manager", "status", "2026-01-01T02:00:00Z")], None),
        ([("kubectl-edit", "status", "2026-01-01T02:00:00Z")], None),
        ([("argocd-controller", "", "2026-01-01T02:00:00Z"), ("observer", "", "2026-01-01T02:00:00Z")], None),
        ([("kubectl-edit", "", None)], None),
    ],
)
def test_an_edit_is_by_nobody_known_and_after_creation(
    edits: list[tuple[str, str, str | None]], expected: float | None
) -> None:
    fields = [{"manager": manager, "subresource": sub, "time": at} for manager, sub, at in edits]
    assert parse.touched(read(wire.ManagedMeta, meta(managedFields=fields)), T0) == expected


@pytest.mark.parametrize(
    ("spec", "changes", "draining"),
    [
        ({}, {}, False),
        ({"unschedulable": True}, {}, True),
        ({"taints": [{"key": "ToBeDeletedByClusterAutoscaler"}]}, {}, True),
        ({"taints": [{"key": "karpenter.sh/disrupted"}]}, {}, True),
        ({"taints": [{"key": "node-role.kubernetes.io/control-plane"}]}, {}, False),
        ({}, {"deletionTimestamp": AT}, True),
    ],
)
def test_a_node_that_leaves(spec: dict[str, Any], changes: dict[str, Any], draining: bool) -> None:
    labels = {"topology.kubernetes.io/zone": "z"}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    body = {"metadata": meta(name="n1", labels=labels, **changes), "spec": spec, "status": status}
    assert parse.node(read(wire.NodeWire, body)) == Node("n1", "z", True, draining)


def test_a_node_without_a_word_is_not_ready() -> None:
    assert parse.node(read(wire.NodeWire, {"metadata": meta(name="n1")})) == Node("n1", "", False, False)


@pytest.mark.parametrize(("observed", "current"), [(2, False), (3, True), (4, True)])
def test_a_budget_whose_status_lags_is_not_current(observed: int, current: bool) -> None:
    status = {"disruptionsAllowed": 2, "observedGeneration": observed}
    body = {"metadata": meta(name="keep", generation=3), "spec": {"selector": {}}, "status": status}
    found = parse.budget(read(wire.BudgetWire, body), frozenset({"cart-1"}))
    assert (found.current, found.disruptions_allowed, found.pods) == (current, 2, frozenset({"cart-1"}))


def scaler(desired: int, *, uid: str = "h1", scaled: str | None = None) -> Any:
    target = {"kind": "Deployment", "name": "cart"}
    status = {"desiredReplicas": desired, "currentReplicas": 2} | ({"lastScaleTime": scaled} if scaled else {})
    body = {"metadata": meta(uid=uid), "spec": {"scaleTargetRef": target}, "status": status}
    return read(wire.AutoscalerWire, body)


def test_a_shrink_is_seen_as_it_happens() -> None:
    assert parse.shrank_at(scaler(4), scaler(3), None, 50.0) == 50.0
    assert parse.shrank_at(scaler(3), scaler(4), 20.0, 50.0) == 20.0
    assert parse.shrank_at(scaler(4), scaler(4), None, 50.0) is None


def test_at_first_sight_the_last_scaling_counts_as_a_shrink() -> None:
    assert parse.shrank_at(None, scaler(4, scaled=AT), None, 50.0) == T0
    assert parse.shrank_at(None, scaler(4), None, 50.0) is None
    assert parse.shrank_at(scaler(9, uid="h0"), scaler(4), 20.0, 50.0) is None


def test_null_is_as_good_as_absent() -> None:
    body = {"metadata": {"name": "p", "labels": None, "annotations": None, "ownerReferences": None}}
    spec = {"containers": None, "initContainers": None, "volumes": None}
    status = {"conditions": None, "containerStatuses": None}
    found = parse.pod(read(wire.PodWire, {**body, "spec": spec, "status": status}), None, ())
    assert (found.labels, found.annotations, found.created, found.phase) == ({}, {}, 0.0, "")
