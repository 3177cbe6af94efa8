"""Writes on the wire: what is stored, what is refused, and with which Status."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from observer.simulator.kubernetes.api import make_app
from observer.simulator.kubernetes.faults import KubeFaults
from observer.simulator.kubernetes.objects import config_map, disruption_budget, namespace, observer_home
from tests.support.kube_cluster import HandCluster, app

Obj = dict[str, Any]
SHOP = "/api/v1/namespaces/shop"
PODS = f"{SHOP}/pods"
CONFIGS = f"{SHOP}/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/observer/leases"
EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
JSON_PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


class Served(HandCluster):
    """A hand cluster with its API server on loopback."""

    def __init__(self, *objects: Obj) -> None:
        super().__init__(*objects)
        self.http: TestClient[Any, Any] = TestClient(
            TestServer(make_app(self.store, self.controllers, self.clock, faults=KubeFaults()))
        )

    async def ask(
        self, method: str, path: str, body: Any = None, *, content: str = "application/json", **query: str
    ) -> tuple[int, Obj]:
        """Status and JSON of the answer."""
        raw = None if body is None else json.dumps(body)
        headers = {"Content-Type": content, "User-Agent": "tester/1.0 (linux)"}
        async with self.http.request(method, path, data=raw, headers=headers, params=query) as response:
            return response.status, await response.json()

    @property
    def cart(self) -> str:
        """The path of a ready pod."""
        return f"{PODS}/{self.ready('cart')[0]}"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    cluster = Served(app("cart", 3), *observer_home())
    cluster.run(6)
    async with cluster.http:
        yield cluster


async def test_create(served: Served) -> None:
    status, made = await served.ask("POST", CONFIGS, config_map("shop", "a", {"x": "1"}))
    assert status == 201
    assert made["metadata"]["managedFields"][0]["manager"] == "tester"
    assert served.store.get("configmaps", "shop", "a") == made
    status, refused = await served.ask("POST", CONFIGS, config_map("shop", "a", {"x": "1"}))
    assert (status, refused["reason"]) == (409, "AlreadyExists")


async def test_a_dry_run_stores_nothing(served: Served) -> None:
    version = served.store.version
    await served.ask("POST", CONFIGS, config_map("shop", "a", {}), dryRun="All")
    await served.ask("PATCH", served.cart, {"metadata": {"labels": {"a": "b"}}}, content=MERGE, dryRun="All")
    await served.ask("DELETE", served.cart, {"dryRun": ["All"]})
    await served.ask("PUT", f"{DEPLOYMENTS}/cart-v1/scale", {"spec": {"replicas": 9}}, dryRun="All")
    assert served.store.version == version
    assert (await served.ask("POST", CONFIGS, config_map("shop", "a", {}), dryRun="Some"))[0] == 422


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"metadata": {"name": "Upper"}}, 422),
        ({"metadata": {}}, 422),
        ({"metadata": {"name": "a", "namespace": "other"}}, 400),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, 500),
        ({"metadata": {"name": "a"}, "kind": "Secret", "apiVersion": "v1"}, 400),
        ({"metadata": {"name": "a", "labels": {"x": 1}}}, 400),
        ({"metadata": {"name": "a", "labels": {"x": "with space"}}}, 422),
        ({"metadata": {"name": "a", "labels": {"x": "y" * 64}}}, 422),
        ({"metadata": {"name": "a", "labels": {"/x": "y"}}}, 422),
        ({"metadata": {"name": "a", "annotations": {"x": "y" * 300_000}}}, 422),
        ({"metadata": {"name": "a"}, "data": {"paused": False}}, 400),
        ([], 400),
    ],
)
async def test_what_is_not_created(served: Served, body: Any, code: int) -> None:
    status, refused = await served.ask("POST", CONFIGS, body)
    assert (status, refused["kind"], refused["code"]) == (code, "Status", code)
    assert served.store.list("configmaps", "shop") == []


async def test_a_body_that_is_no_json(served: Served) -> None:
    async with served.http.post(CONFIGS, data=b"{nope") as response:
        assert response.status == 400


async def test_update_needs_the_newest_version(served: Served) -> None:
    _, made = await served.ask("POST", CONFIGS, config_map("shop", "a", {"x": "1"}))
    changed = {**made, "data": {"x": "2"}}
    assert (await served.ask("PUT", f"{CONFIGS}/a", changed))[0] == 200
    status, refused = await served.ask("PUT", f"{CONFIGS}/a", changed)
    assert (status, refused["reason"]) == (409, "Conflict")
    assert refused["details"] == {"name": "a", "kind": "configmaps"}
    assert (await served.ask("PUT", f"{CONFIGS}/b", changed))[0] == 400
    assert (await served.ask("PUT", f"{CONFIGS}/b", config_map("shop", "b", {})))[0] == 404


async def test_a_lease_is_a_compare_and_swap_cell(served: Served) -> None:
    spec = {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "observer"}, "spec": spec}
    status, made = await served.ask("POST", LEASES, lease)
    assert status == 201
    mine = {**made, "spec": {**spec, "holderIdentity": "b"}}
    theirs = {**made, "spec": {**spec, "holderIdentity": "c"}}
    assert [(await served.ask("PUT", f"{LEASES}/observer", body))[0] for body in (mine, theirs)] == [200, 409]
    assert (await served.ask("GET", f"{LEASES}/observer"))[1]["spec"]["holderIdentity"] == "b"
    bad_time = {**lease, "metadata": {"name": "x"}, "spec": {**spec, "renewTime": "2026-01-01T00:00:00Z"}}
    assert (await served.ask("POST", LEASES, bad_time))[0] == 400
    bad_span = {**lease, "metadata": {"name": "x"}, "spec": {**spec, "leaseDurationSeconds": 0, "leaseTransitions": -1}}
    status, refused = await served.ask("POST", LEASES, bad_span)
    assert status == 422
    assert [cause["field"] for cause in refused["details"]["causes"]] == [
        "spec.leaseDurationSeconds",
        "spec.leaseTransitions",
    ]


async def test_a_drain_is_one_json_patch(served: Served) -> None:
    pod = served.pods("cart")[0]
    path = f"{PODS}/{pod['metadata']['name']}"
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": pod["metadata"]["uid"]},
        {"op": "test", "path": "/metadata/resourceVersion", "value": pod["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/metadata/labels/istio.io~1draining", "value": "true"},
        {"op": "add", "path": "/metadata/annotations/observer.dev~1drained", "value": "{}"},
    ]
    status, drained = await served.ask("PATCH", path, patch, content=JSON_PATCH, fieldManager="observer")
    assert status == 200
    assert drained["metadata"]["labels"]["istio.io/draining"] == "true"
    assert drained["metadata"]["managedFields"][0]["manager"] == "observer"
    status, refused = await served.ask("PATCH", path, patch, content=JSON_PATCH)
    assert (status, refused["reason"]) == (422, "Invalid")


async def test_merge_and_strategic_patches(served: Served) -> None:
    patch = {"metadata": {"labels": {"a": "b", "version": None}}}
    for content in (MERGE, STRATEGIC):
        status, pod = await served.ask("PATCH", served.cart, patch, content=content)
        assert status == 200
        assert pod["metadata"]["labels"]["a"] == "b"
        assert "version" not in pod["metadata"]["labels"]
    stale = {"metadata": {"resourceVersion": "1", "labels": {"a": "c"}}}
    assert (await served.ask("PATCH", served.cart, stale, content=MERGE))[0] == 409
    assert (await served.ask("PATCH", served.cart, {"metadata": {"uid": "x"}}, content=MERGE))[0] == 422
    assert (await served.ask("PATCH", served.cart, {"metadata": {"name": "x"}}, content=MERGE))[0] == 400
    assert (await served.ask("PATCH", served.cart, [], content=MERGE))[0] == 400
    assert (await served.ask("PATCH", served.cart, patch, content="application/json"))[0] == 415
    assert (await served.ask("PATCH", f"{PODS}/nobody", patch, content=MERGE))[0] == 404


async def test_a_pods_spec_stands(served: Served) -> None:
    patch = {"spec": {"nodeName": "n9"}}
    status, refused = await served.ask("PATCH", served.cart, patch, content=MERGE)
    assert status == 422
    assert "pod updates may not change fields other than" in refused["message"]
    image = {"spec": {"containers": [{"name": "app", "image": "x:2"}]}}
    assert (await served.ask("PATCH", served.cart, image, content=STRATEGIC))[0] == 200


async def test_status_is_written_only_through_its_subresource(served: Served) -> None:
    path = served.cart
    patch = {"status": {"phase": "Failed"}, "metadata": {"labels": {"a": "b"}}}
    _, pod = await served.ask("PATCH", path, patch, content=MERGE)
    assert (pod["status"]["phase"], pod["metadata"]["labels"]["a"]) == ("Running", "b")
    condition = {"type": "observer.dev/ready", "status": "False"}
    gate = {"status": {"conditions": [condition]}, "metadata": {"labels": {"a": "c"}}}
    _, pod = await served.ask("PATCH", f"{path}/status", gate, content=STRATEGIC)
    assert condition in pod["status"]["conditions"]
    assert len(pod["status"]["conditions"]) == 6, "merged by type"
    assert pod["metadata"]["labels"]["a"] == "c", "labels through both"


async def test_server_side_apply(served: Served) -> None:
    path = f"{CONFIGS}/a"
    body = config_map("shop", "a", {"x": "1"})
    assert (await served.ask("PATCH", path, body, content=APPLY))[0] == 422, "fieldManager is needed"
    status, made = await served.ask("PATCH", path, body, content=APPLY, fieldManager="observer")
    assert status == 201
    assert made["metadata"]["managedFields"][0]["operation"] == "Apply"
    other = config_map("shop", "a", {"x": "2"})
    status, refused = await served.ask("PATCH", path, other, content=APPLY, fieldManager="person")
    assert status == 409
    assert refused["details"]["causes"][0]["message"] == 'conflict with "observer"'
    status, forced = await served.ask("PATCH", path, other, content=APPLY, fieldManager="person", force="true")
    assert (status, forced["data"]) == (200, {"x": "2"})
    listed = {**body, "list": [1]}
    status, refused = await served.ask("PATCH", path, listed, content=APPLY, fieldManager="observer")
    assert (status, "lists is not simulated: .list" in refused["message"]) == (422, True)


async def test_scale(served: Served) -> None:
    path = f"{DEPLOYMENTS}/cart-v1/scale"
    _, scale = await served.ask("GET", path)
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 3},
        "app=cart,version=v1",
    )
    status, scale = await served.ask("PATCH", path, {"spec": {"replicas": 5}}, content=MERGE)
    assert (status, scale["spec"]["replicas"]) == (200, 5)
    served.run(6)
    assert len(served.ready("cart")) == 5
    assert served.status("deployments", "cart-v1")["observedGeneration"] == 2
    assert (await served.ask("PATCH", path, {"spec": {"replicas": -1}}, content=MERGE))[0] == 422


async def test_a_workload_whose_template_does_not_match(served: Served) -> None:
    wrong = app("pay", 1)
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    status, refused = await served.ask("POST", DEPLOYMENTS, wrong)
    assert (status, "does not match template" in refused["message"]) == (422, True)
    patch = {"spec": {"selector": {"matchLabels": {"app": "x"}}}}
    status, refused = await served.ask("PATCH", f"{DEPLOYMENTS}/cart-v1", patch, content=MERGE)
    assert (status, "field is immutable" in refused["message"]) == (422, True)


def eviction(path: str, **options: Any) -> Obj:
    """The body of an eviction."""
    name = path.rpartition("/")[2]
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "shop"},
        "deleteOptions": options,
    }


async def test_an_eviction_is_answered_with_a_status(served: Served) -> None:
    path = served.cart
    uid = (await served.ask("GET", path))[1]["metadata"]["uid"]
    status, body = await served.ask("POST", f"{path}/eviction", eviction(path, preconditions={"uid": uid}))
    assert (status, body["kind"], body["status"]) == (201, "Status", "Success")
    _, pod = await served.ask("GET", path)
    assert "deletionTimestamp" in pod["metadata"]
    served.run(3)
    assert (await served.ask("POST", f"{path}/eviction", eviction(path)))[0] == 404
    assert len(served.pods("cart")) == 3


async def test_preconditions_of_an_eviction(served: Served) -> None:
    path = served.cart
    for wrong in ({"uid": "older"}, {"resourceVersion": "1"}):
        status, body = await served.ask("POST", f"{path}/eviction", eviction(path, preconditions=wrong))
        assert (status, body["reason"]) == (409, "Conflict")
    assert "deletionTimestamp" not in (await served.ask("GET", path))[1]["metadata"]


async def test_a_budget_refuses_before_a_stale_uid_is_seen(served: Served) -> None:
    served.store.add(disruption_budget("shop", "cart", {"app": "cart"}, max_unavailable=0))
    served.run(1)
    path = served.cart
    status, body = await served.ask("POST", f"{path}/eviction", eviction(path, preconditions={"uid": "older"}))
    assert (status, body["reason"]) == (429, "TooManyRequests")
    assert body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert "retryAfterSeconds" not in body["details"]


async def test_a_dry_eviction_leaves_the_pod(served: Served) -> None:
    path = served.cart
    assert (await served.ask("POST", f"{path}/eviction", eviction(path, dryRun=["All"])))[0] == 201
    assert "deletionTimestamp" not in (await served.ask("GET", path))[1]["metadata"]


async def test_evictions_that_are_malformed(served: Served) -> None:
    path = f"{served.cart}/eviction"
    assert (await served.ask("POST", path, {**eviction(served.cart), "metadata": {"name": "other"}}))[0] == 400
    assert (await served.ask("POST", path, {**eviction(served.cart), "apiVersion": "policy/v2"}))[0] == 400
    assert [(await served.ask(method, path, {}))[0] for method in ("GET", "PUT", "DELETE")] == [405, 405, 405]


async def test_deleting_a_pod_takes_its_grace(served: Served) -> None:
    path = served.cart
    wrong = {"preconditions": {"uid": "older"}}
    assert (await served.ask("DELETE", path, wrong))[0] == 409
    status, pod = await served.ask("DELETE", path)
    assert (status, pod["metadata"]["deletionGracePeriodSeconds"]) == (200, 2)
    forced = served.cart
    assert forced != path
    assert (await served.ask("DELETE", forced, {"gracePeriodSeconds": 0}))[0] == 200
    assert (await served.ask("GET", forced))[0] == 404


async def test_deleting_other_things_is_answered_with_a_status(served: Served) -> None:
    await served.ask("POST", CONFIGS, config_map("shop", "a", {}))
    status, body = await served.ask("DELETE", f"{CONFIGS}/a")
    assert (status, body["status"], body["details"]["kind"]) == (200, "Success", "configmaps")
    assert (await served.ask("DELETE", f"{CONFIGS}/a"))[0] == 404
    assert (await served.ask("DELETE", SHOP))[0] == 422
    assert (await served.ask("DELETE", CONFIGS))[0] == 405


def event(**more: Any) -> Obj:
    """A proper events.k8s.io/v1 Event."""
    return {
        "metadata": {"name": "cart-1.1", "namespace": "shop"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Warning",
        "reason": "ObserverEvicted",
        "action": "Evict",
        "note": "5xx 7 %",
        "reportingController": "observer.dev/observer",
        "reportingInstance": "observer-0",
        "regarding": {"kind": "Pod", "namespace": "shop", "name": "cart-1"},
        **more,
    }


async def test_an_event_is_taken_and_seen_in_the_core_shape(served: Served) -> None:
    assert (await served.ask("POST", EVENTS, event()))[0] == 201
    _, core = await served.ask("GET", f"{SHOP}/events/cart-1.1")
    assert (core["message"], core["reportingComponent"], core["eventTime"]) == (
        "5xx 7 %",
        "observer.dev/observer",
        "2026-01-01T00:00:00.000000Z",
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"eventTime": None}, "eventTime"),
        ({"type": "Error"}, "type"),
        ({"reason": ""}, "reason"),
        ({"action": ""}, "action"),
        ({"reportingInstance": ""}, "reportingInstance"),
        ({"reportingController": ""}, "reportingController"),
        ({"reportingController": "not a name"}, "reportingController"),
        ({"reason": "r" * 129}, "reason"),
        ({"note": "n" * 1025}, "message"),
        ({"deprecatedCount": 1}, "count"),
        ({"regarding": {"kind": "Node", "name": "a"}}, "involvedObject.namespace"),
        ({"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}, "series.count"),
    ],
)
async def test_events_that_are_refused(served: Served, change: Obj, field: str) -> None:
    status, refused = await served.ask("POST", EVENTS, event(**change))
    assert (status, refused["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in refused["details"]["causes"]] == [field]


async def test_an_event_time_needs_microseconds(served: Served) -> None:
    assert (await served.ask("POST", EVENTS, event(eventTime="2026-01-01T00:00:00Z")))[0] == 400


async def test_events_about_cluster_wide_things_live_in_default(served: Served) -> None:
    served.store.add(namespace("default"))
    about = {"regarding": {"kind": "Node", "name": "n1"}, "metadata": {"name": "n1.1", "namespace": "default"}}
    path = EVENTS.replace("/shop/", "/default/")
    assert (await served.ask("POST", path, event(**about)))[0] == 201


async def test_only_the_series_of_an_event_moves(served: Served) -> None:
    await served.ask("POST", EVENTS, event())
    path = f"{EVENTS}/cart-1.1"
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:30.000000Z"}
    status, changed = await served.ask("PATCH", path, {"series": series}, content=MERGE)
    assert (status, changed["series"]["count"]) == (200, 2)
    status, refused = await served.ask("PATCH", path, {"note": "other"}, content=MERGE)
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "message")


async def test_core_events_are_taken_too(served: Served) -> None:
    core = {
        "metadata": {"name": "old.1", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart-1"},
        "message": "hello",
        "reason": "Tested",
        "type": "Normal",
        "count": 3,
    }
    assert (await served.ask("POST", f"{SHOP}/events", core))[0] == 201
    _, shown = await served.ask("GET", f"{EVENTS}/old.1")
    assert (shown["note"], shown["deprecatedCount"]) == ("hello", 3)
    _, patched = await served.ask("PATCH", f"{SHOP}/events/old.1", {"count": 4}, content=MERGE)
    assert (patched["count"], patched["kind"], patched["apiVersion"]) == (4, "Event", "v1")
    wrong = {**core, "metadata": {"name": "old.2", "namespace": "shop"}, "involvedObject": {"namespace": "other"}}
    assert (await served.ask("POST", f"{SHOP}/events", wrong))[0] == 422


async def test_a_pod_made_by_hand_lives_too(served: Served) -> None:
    bare = {
        "metadata": {"name": "bare", "labels": {"app": "bare"}},
        "spec": {"containers": [{"name": "app", "image": "x:1"}], "priorityClassName": "system-cluster-critical"},
    }
    status, made = await served.ask("POST", PODS, bare)
    assert (status, made["spec"]["priority"]) == (201, 2_000_000_000)
    served.run(6)
    assert served.ready("bare") == ["bare"]
    assert [item["name"] for item in served.pods("bare")[0]["spec"]["initContainers"]] == ["istio-init", "istio-proxy"]


async def test_a_deployment_needs_only_what_a_person_writes(served: Served) -> None:
    labels = {"app": "terse"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    terse = {"metadata": {"name": "terse"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    status, made = await served.ask("POST", DEPLOYMENTS, terse)
    assert (status, made["spec"]["replicas"], made["spec"]["progressDeadlineSeconds"]) == (201, 1, 600)
    assert made["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    served.run(6)
    assert len(served.ready("terse")) == 1
    service = {"metadata": {"name": "terse"}, "spec": {"selector": labels, "ports": [{"port": 80}]}}
    _, made = await served.ask("POST", f"{SHOP}/services", service)
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    budget = {"metadata": {"name": "terse"}, "spec": {"selector": {"matchLabels": labels}, "minAvailable": 1}}
    await served.ask("POST", "/apis/policy/v1/namespaces/shop/poddisruptionbudgets", budget)
    served.run(1)
    assert served.status("poddisruptionbudgets", "terse")["desiredHealthy"] == 1
    _, made = await served.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "new"}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "new"}
    _, made = await served.ask("POST", "/api/v1/nodes", {"metadata": {"name": "n9"}})
    served.run(1)
    assert made["spec"] == {}
