"""The simulated API server and a real one say the same, word by word where anybody reads the words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.kube_wire import APPLY, JSON_PATCH, MERGE, STRATEGIC, Wire, wire
from tests.support.kube_worlds import PATIENCE, SIDES, pod_spec

Obj = dict[str, Any]
LEASES, EVENTS, POLICY = "coordination.k8s.io/v1", "events.k8s.io/v1", "policy/v1"


@pytest.fixture(params=SIDES)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with wire(request.param) as found:
        yield found


def told(status: Obj) -> tuple[int, str]:
    """Code and reason of a Status; some refusals have none."""
    assert status["kind"] == "Status"
    assert status["apiVersion"] == "v1"
    assert status["status"] == "Failure"
    return status["code"], status.get("reason", "")


def fields(status: Obj) -> set[str]:
    """Fields that a Status blames."""
    return {cause["field"] for cause in status["details"]["causes"]}


async def test_what_is_not_there(server: Wire) -> None:
    code, status = await server.ask("GET", server.path("pods", "nobody"))
    assert (code, told(status)) == (404, (404, "NotFound"))
    assert status["message"] == 'pods "nobody" not found'
    assert status["details"] == {"name": "nobody", "kind": "pods"}
    _, status = await server.ask("GET", server.path("leases", "nobody", LEASES))
    assert status["message"] == 'leases.coordination.k8s.io "nobody" not found'
    assert status["details"] == {"name": "nobody", "group": "coordination.k8s.io", "kind": "leases"}


async def test_a_birth(server: Wire) -> None:
    made = await server.config_map("a", x="1")
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"x": "1"})
    assert made["metadata"].keys() >= {"uid", "resourceVersion", "creationTimestamp", "managedFields"}
    code, status = await server.ask("POST", server.path("configmaps"), {"metadata": {"name": "a"}})
    assert (code, told(status)) == (409, (409, "AlreadyExists"))
    assert status["message"] == 'configmaps "a" already exists'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"metadata": {"name": "Upper"}}, 422),
        ({"metadata": {}}, 422),
        ({"metadata": {"name": "b", "namespace": "kube-system"}}, 400),
        ({"metadata": {"name": "b", "resourceVersion": "5"}}, 500),
        ({"metadata": {"name": "b", "labels": {"x": 1}}}, 400),
        ({"metadata": {"name": "b", "labels": {"x": "with space"}}}, 422),
        ({"metadata": {"name": "b", "labels": {"x": "y" * 64}}}, 422),
        ({"metadata": {"name": "b", "annotations": {"x": "y" * 300_000}}}, 422),
        ({"metadata": {"name": "b"}, "data": {"paused": False}}, 400),
    ],
)
async def test_what_is_not_stored(server: Wire, body: Obj, code: int) -> None:
    found, status = await server.ask("POST", server.path("configmaps"), body)
    assert (found, told(status)[0]) == (code, code), status


async def test_the_older_version_loses(server: Wire) -> None:
    made = await server.config_map("a", x="1")
    path = server.path("configmaps", "a")
    assert (await server.ask("PUT", path, {**made, "data": {"x": "2"}}))[0] == 200
    code, status = await server.ask("PUT", path, {**made, "data": {"x": "3"}})
    assert (code, told(status)) == (409, (409, "Conflict"))
    assert "the object has been modified" in status["message"]


async def test_nothing_changed_nothing_written(server: Wire) -> None:
    made = await server.config_map("a", x="1")
    _, same = await server.ask("PATCH", server.path("configmaps", "a"), {"data": {"x": "1"}}, content=MERGE)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_json_patch(server: Wire) -> None:
    made = await server.config_map("a", x="1")
    path = server.path("configmaps", "a")
    same = {"op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"]}
    add = {"op": "add", "path": "/metadata/labels", "value": {"istio.io/draining": "true"}}
    code, patched = await server.ask("PATCH", path, [same, add], content=JSON_PATCH, fieldManager="observer")
    assert (code, patched["metadata"]["labels"]) == (200, {"istio.io/draining": "true"})
    assert "observer" in {entry["manager"] for entry in patched["metadata"]["managedFields"]}
    remove = {"op": "remove", "path": "/metadata/labels/istio.io~1draining"}
    code, patched = await server.ask("PATCH", path, [remove], content=JSON_PATCH)
    assert (code, patched["metadata"].get("labels")) == (200, None)
    for wrong in (
        [{**same, "value": "older"}, add],
        [remove],
        [{"op": "test", "path": "/data/nothing", "value": "1"}],
        [{"op": "replace", "path": "/nothing/below", "value": "1"}],
        [{"op": "frob", "path": "/data/x"}],
        [{"op": "add", "path": "/metadata/annotations/x", "value": "1"}],
    ):
        code, status = await server.ask("PATCH", path, wrong, content=JSON_PATCH)
        assert (code, told(status)) == (422, (422, "Invalid")), (wrong, status)
        assert status["message"] == "the server rejected our request due to an error in our request"
    replace = {"op": "replace", "path": "/data/nothing", "value": "1"}
    _, patched = await server.ask("PATCH", path, [replace], content=JSON_PATCH)
    assert patched["data"] == {"x": "1", "nothing": "1"}


async def test_patches_that_are_none(server: Wire) -> None:
    await server.config_map("a", x="1")
    path = server.path("configmaps", "a")
    assert (await server.ask("PATCH", path, {"op": "add"}, content=JSON_PATCH))[0] == 400
    assert (await server.ask("PATCH", path, {"data": {}}, content="application/json"))[0] == 415
    assert (await server.ask("PATCH", path, {"metadata": {"name": "b"}}, content=MERGE))[0] == 400
    code, status = await server.ask("PATCH", path, {"metadata": {"uid": "other"}}, content=MERGE)
    assert (code, told(status), fields(status)) == (422, (422, "Invalid"), {"metadata.uid"})
    code, status = await server.ask("PATCH", path, {"metadata": {"resourceVersion": "1"}}, content=MERGE)
    assert (code, told(status)) == (409, (409, "Conflict"))


async def test_merge_and_strategic_patch(server: Wire) -> None:
    await server.config_map("a", x="1", y="2")
    path = server.path("configmaps", "a")
    _, patched = await server.ask("PATCH", path, {"data": {"x": None, "z": "3"}}, content=MERGE)
    assert patched["data"] == {"y": "2", "z": "3"}
    _, patched = await server.ask("PATCH", path, {"data": {"y": None}}, content=STRATEGIC)
    assert patched["data"] == {"z": "3"}


async def test_server_side_apply(server: Wire) -> None:
    path = server.path("configmaps", "a")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    code, status = await server.ask("PATCH", path, body, content=APPLY)
    assert (code, told(status)[1]) == (422, "Invalid")
    code, made = await server.ask("PATCH", path, body, content=APPLY, fieldManager="observer")
    assert (code, made["data"]) == (201, {"x": "1"})
    entry = made["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["fieldsV1"]) == (
        "observer",
        "Apply",
        {"f:data": {"f:x": {}}},
    )
    other = {**body, "data": {"x": "2"}}
    code, status = await server.ask("PATCH", path, other, content=APPLY, fieldManager="person")
    assert (code, told(status)) == (409, (409, "Conflict"))
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "observer"', "field": ".data.x"}
    ]
    code, forced = await server.ask("PATCH", path, other, content=APPLY, fieldManager="person", force="true")
    assert (code, forced["data"]) == (200, {"x": "2"})
    emptied = {**body, "data": {}}
    code, left = await server.ask("PATCH", path, emptied, content=APPLY, fieldManager="person", force="true")
    assert (code, left.get("data")) == (200, None)


async def test_a_dry_run(server: Wire) -> None:
    body = {"metadata": {"name": "a"}, "data": {"x": "1"}}
    code, made = await server.ask("POST", server.path("configmaps"), body, dryRun="All")
    assert (code, made["data"]) == (201, {"x": "1"})
    assert (await server.ask("GET", server.path("configmaps", "a")))[0] == 404
    assert (await server.ask("POST", server.path("configmaps"), body, dryRun="Some"))[0] == 422


async def test_a_list_in_chunks(server: Wire) -> None:
    path = server.path("leases", group=LEASES)
    for name in ("a", "b", "c", "d", "e"):
        await server.ask("POST", path, {"metadata": {"name": name}})
    names: list[str] = []
    left: list[int] = []
    query = {"limit": "2"}
    versions = set()
    while query:
        code, page = await server.ask("GET", path, **query)
        assert (code, page["kind"], page["apiVersion"]) == (200, "LeaseList", LEASES)
        assert not {"kind", "apiVersion"} & page["items"][0].keys()
        versions.add(page["metadata"]["resourceVersion"])
        names += [item["metadata"]["name"] for item in page["items"]]
        left.append(page["metadata"].get("remainingItemCount", 0))
        await server.ask("POST", path, {"metadata": {"name": f"between-{len(names)}"}})
        token = page["metadata"].get("continue", "")
        query = {"limit": "2", "continue": token} if token else {}
    assert names == ["a", "b", "c", "d", "e"], "one snapshot"
    assert (len(versions), left) == (1, [3, 1, 0])
    assert (await server.ask("GET", path, **{"continue": "rubbish"}))[0] == 400


async def test_lists_from_the_future(server: Wire) -> None:
    _, page = await server.ask("GET", server.path("configmaps"))
    ahead = str(int(page["metadata"]["resourceVersion"]) + 1_000_000)
    code, status = await server.ask("GET", server.path("configmaps"), resourceVersion=ahead)
    assert (code, told(status)) == (504, (504, "Timeout"))
    assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_selectors(server: Wire) -> None:
    path = server.path("configmaps")
    for name in ("a", "b"):
        await server.ask("POST", path, {"metadata": {"name": name, "labels": {"app": name}}})
    for query in (
        {"labelSelector": "app in (a,c)"},
        {"fieldSelector": "metadata.name=a"},
        {"labelSelector": "app,app!=b"},
    ):
        _, page = await server.ask("GET", path, **query)
        assert [item["metadata"]["name"] for item in page["items"]] == ["a"], query
    code, status = await server.ask("GET", path, fieldSelector="data.x=1")
    assert (code, told(status)) == (400, (400, "BadRequest"))
    assert (await server.ask("GET", path, labelSelector="a b"))[0] == 400


async def test_a_watch(server: Wire) -> None:
    path = server.path("configmaps")
    _, page = await server.ask("GET", path)
    version = page["metadata"]["resourceVersion"]
    await server.ask("POST", path, {"metadata": {"name": "a", "labels": {"app": "x"}}})
    query = {"resourceVersion": version, "labelSelector": "app=x", "timeoutSeconds": "30"}
    async with server.watch(path, **query) as events, asyncio.timeout(PATIENCE):
        first = await anext(events)
        assert (first["type"], first["object"]["kind"]) == ("ADDED", "ConfigMap")
        await server.ask("PATCH", f"{path}/a", {"data": {"x": "1"}}, content=MERGE)
        assert (await anext(events))["type"] == "MODIFIED"
        await server.ask("PATCH", f"{path}/a", {"metadata": {"labels": None}}, content=MERGE)
        left = await anext(events)
        assert (left["type"], left["object"]["metadata"]["labels"]) == ("DELETED", {"app": "x"})
        _, now = await server.ask("GET", f"{path}/a")
        assert left["object"]["metadata"]["resourceVersion"] == now["metadata"]["resourceVersion"]
        await server.ask("PATCH", f"{path}/a", {"metadata": {"labels": {"app": "x"}}}, content=MERGE)
        assert (await anext(events))["type"] == "ADDED"
        await server.ask("DELETE", f"{path}/a")
        assert (await anext(events))["type"] == "DELETED"


async def test_a_watch_ends_with_a_bookmark_when_asked(server: Wire) -> None:
    path = server.path("leases", group=LEASES)
    _, page = await server.ask("GET", path)
    query = {"allowWatchBookmarks": "true", "timeoutSeconds": "3"}
    async with server.watch(path, resourceVersion=page["metadata"]["resourceVersion"], **query) as events:
        seen = [event async for event in events]
    assert {event["type"] for event in seen} == {"BOOKMARK"}
    assert seen[-1]["object"]["kind"] == "Lease"
    assert int(seen[-1]["object"]["metadata"]["resourceVersion"]) >= int(page["metadata"]["resourceVersion"])


async def test_a_watch_from_the_future_is_silent(server: Wire) -> None:
    path = server.path("leases", group=LEASES)
    _, page = await server.ask("GET", path)
    ahead = str(int(page["metadata"]["resourceVersion"]) + 1_000_000)
    async with server.watch(path, resourceVersion=ahead, timeoutSeconds="2") as events:
        assert [event async for event in events] == []


async def test_a_watch_from_before_the_history(server: Wire) -> None:
    async with server.watch("/api/v1/nodes", resourceVersion="1", timeoutSeconds="2") as events:
        seen = [event async for event in events]
    if seen and seen[0]["type"] == "ERROR":  # a young server still has its whole history
        assert told(seen[0]["object"]) == (410, "Expired")
        assert seen[0]["object"]["message"].startswith("too old resource version: 1 (")
        assert len(seen) == 1


async def test_a_streaming_list(server: Wire) -> None:
    await server.config_map("a", x="1")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    path = server.path("configmaps")
    names = []
    async with server.watch(path, timeoutSeconds="30", **query) as events, asyncio.timeout(PATIENCE):
        async for event in events:
            if event["type"] == "BOOKMARK":
                assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
                break
            names.append(event["object"]["metadata"]["name"])
    assert "a" in names
    code, status = await server.ask("GET", path, watch="1", resourceVersionMatch="NotOlderThan")
    assert (code, told(status)) == (422, (422, "Invalid"))
    code, status = await server.ask("GET", path, watch="1", sendInitialEvents="true")
    assert (code, told(status)) == (422, (422, "Invalid"))


async def test_a_lease(server: Wire) -> None:
    path = server.path("leases", group=LEASES)
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}
    code, made = await server.ask("POST", path, {"metadata": {"name": "a"}, "spec": spec})
    assert (code, made["spec"]["renewTime"]) == (201, "2026-01-01T00:00:00.000000Z")
    late = {"metadata": {"name": "b"}, "spec": {**spec, "renewTime": "2026-01-01T00:00:00Z"}}
    assert (await server.ask("POST", path, late))[0] == 400
    wrong = {"metadata": {"name": "b"}, "spec": {**spec, "leaseDurationSeconds": 0, "leaseTransitions": -1}}
    code, status = await server.ask("POST", path, wrong)
    assert (code, fields(status)) == (422, {"spec.leaseDurationSeconds", "spec.leaseTransitions"})


def event(namespace: str, **more: Any) -> Obj:
    """A proper events.k8s.io/v1 Event."""
    return {
        "metadata": {"name": "cart-1.1", "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Warning",
        "reason": "Tested",
        "action": "Test",
        "note": "a note",
        "reportingController": "observer.dev/observer",
        "reportingInstance": "observer-0",
        "regarding": {"kind": "Pod", "namespace": namespace, "name": "cart-1"},
        **more,
    }


async def test_a_lease_may_be_born_by_an_update(server: Wire) -> None:
    path = server.path("leases", "a", LEASES)
    code, made = await server.ask("PUT", path, {"metadata": {"name": "a", "resourceVersion": "1"}})
    assert (code, made["metadata"]["name"]) == (201, "a"), "even one that names an older version"
    code, status = await server.ask("PUT", path, {"metadata": {"name": "a", "resourceVersion": "1"}})
    assert (code, told(status)) == (409, (409, "Conflict"))
    code, status = await server.ask("PUT", path, {"metadata": {"name": "a", "uid": "other"}})
    assert (code, told(status)) == (409, (409, "Conflict"))
    assert (await server.ask("PUT", server.path("configmaps", "a"), {"metadata": {"name": "a"}}))[0] == 404


async def test_an_event_in_both_shapes(server: Wire) -> None:
    code, made = await server.ask("POST", server.path("events", group=EVENTS), event(server.namespace))
    assert (code, made["apiVersion"]) == (201, "events.k8s.io/v1")
    _, core = await server.ask("GET", server.path("events", "cart-1.1"))
    assert (core["apiVersion"], core["message"], core["involvedObject"]["name"]) == ("v1", "a note", "cart-1")
    assert (core["reportingComponent"], core["source"], core["firstTimestamp"]) == ("observer.dev/observer", {}, None)
    _, found = await server.ask("GET", server.path("events"), fieldSelector="involvedObject.name=cart-1")
    assert len(found["items"]) == 1
    _, found = await server.ask("GET", server.path("events", group=EVENTS), fieldSelector="regarding.name=cart-1")
    assert len(found["items"]) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "Error"}, "type"),
        ({"reason": ""}, "reason"),
        ({"action": ""}, "action"),
        ({"reportingInstance": ""}, "reportingInstance"),
        ({"reportingController": ""}, "reportingController"),
        ({"reportingController": "not a name"}, "reportingController"),
        ({"eventTime": None}, "eventTime"),
        ({"reason": "r" * 129}, "reason"),
        ({"note": "n" * 1025}, "message"),
        ({"deprecatedCount": 1}, "count"),
        ({"regarding": {"kind": "Node", "name": "n"}}, "involvedObject.namespace"),
        ({"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}, "series.count"),
    ],
)
async def test_events_that_are_refused(server: Wire, change: Obj, field: str) -> None:
    path = server.path("events", group=EVENTS)
    code, status = await server.ask("POST", path, event(server.namespace, **change))
    assert (code, told(status)) == (422, (422, "Invalid")), status
    assert field in fields(status)


async def test_the_series_of_an_event(server: Wire) -> None:
    path = server.path("events", group=EVENTS)
    await server.ask("POST", path, event(server.namespace))
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:30.000000Z"}
    code, changed = await server.ask("PATCH", f"{path}/cart-1.1", {"series": series}, content=MERGE)
    assert (code, changed["series"]["count"]) == (200, 2)
    code, status = await server.ask("PATCH", f"{path}/cart-1.1", {"note": "other"}, content=MERGE)
    assert (code, fields(status)) == (422, {"message"})
    assert (await server.ask("POST", path, event(server.namespace, eventTime="2026-01-01T00:00:00Z")))[0] == 400


async def bare_pod(server: Wire, name: str) -> Obj:
    """A Ready pod of nobody's."""
    body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": pod_spec()}
    code, made = await server.ask("POST", server.path("pods"), body)
    assert code == 201, made
    async with asyncio.timeout(PATIENCE):
        while True:
            _, pod = await server.ask("GET", server.path("pods", name))
            if {"type": "Ready", "status": "True"}.items() <= _condition(pod, "Ready").items():
                return pod
            await asyncio.sleep(0.1)


def _condition(pod: Obj, kind: str) -> Obj:
    found = (item for item in pod["status"].get("conditions", ()) if item["type"] == kind)
    return next(found, {})


def eviction(name: str, **options: Any) -> Obj:
    """The body of an eviction."""
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options}


async def test_evictions(server: Wire) -> None:
    pod = await bare_pod(server, "a")
    path = server.path("pods", "a")
    code, status = await server.ask("POST", f"{path}/eviction", eviction("b"))
    assert (code, told(status)) == (400, (400, "BadRequest"))
    for wrong in ({"uid": "older"}, {"resourceVersion": "1"}):
        code, status = await server.ask("POST", f"{path}/eviction", eviction("a", preconditions=wrong))
        assert (code, told(status)) == (409, (409, "Conflict")), status
    code, status = await server.ask("POST", f"{path}/eviction", eviction("a", dryRun=["All"]))
    assert (code, status["status"]) == (201, "Success")
    assert "deletionTimestamp" not in (await server.ask("GET", path))[1]["metadata"]
    right = {"uid": pod["metadata"]["uid"]}
    code, status = await server.ask("POST", f"{path}/eviction", eviction("a", preconditions=right))
    assert (code, status["kind"], status["status"], status["code"]) == (201, "Status", "Success", 201)
    assert (await server.ask("POST", server.path("pods", "z/eviction"), eviction("z")))[0] == 404


async def test_an_eviction_that_a_budget_forbids(server: Wire) -> None:
    await bare_pod(server, "a")
    budgets = server.path("poddisruptionbudgets", group=POLICY)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    await server.ask("POST", budgets, {"metadata": {"name": "one"}, "spec": spec})
    async with asyncio.timeout(PATIENCE):
        while (await server.ask("GET", f"{budgets}/one"))[1].get("status", {}).get("currentHealthy") != 1:
            await asyncio.sleep(0.1)
    path = server.path("pods", "a/eviction")
    code, status = await server.ask("POST", path, eviction("a", preconditions={"uid": "older"}))
    assert (code, told(status)) == (429, (429, "TooManyRequests"))
    assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert status["details"] == {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget one needs 1 healthy pods and has 1 currently",
            }
        ]
    }
    await server.ask("POST", budgets, {"metadata": {"name": "two"}, "spec": spec})
    async with asyncio.timeout(PATIENCE):
        while (await server.ask("POST", path, eviction("a")))[0] == 429:
            await asyncio.sleep(0.1)
    code, status = await server.ask("POST", path, eviction("a"))
    assert (code, told(status)) == (500, (500, ""))
    assert "more than one PodDisruptionBudget" in status["message"]


async def test_a_lost_race_still_costs_the_budget(server: Wire) -> None:
    await bare_pod(server, "a")
    budgets = server.path("poddisruptionbudgets", group=POLICY)
    spec = {"minAvailable": 0, "selector": {"matchLabels": {"app": "a"}}}
    await server.ask("POST", budgets, {"metadata": {"name": "one"}, "spec": spec})
    async with asyncio.timeout(PATIENCE):
        while (await server.ask("GET", f"{budgets}/one"))[1].get("status", {}).get("disruptionsAllowed") != 1:
            await asyncio.sleep(0.1)
    path = server.path("pods", "a/eviction")
    code, status = await server.ask("POST", path, eviction("a", preconditions={"resourceVersion": "1"}))
    assert (code, told(status)) == (409, (409, "Conflict"))
    assert "the ResourceVersion in the precondition (1) does not match" in status["message"]
    code, status = await server.ask("POST", path, eviction("a"))
    assert (code, told(status)) == (429, (429, "TooManyRequests")), "paid although nothing was evicted"


async def test_a_pods_spec_stands_and_its_status_is_apart(server: Wire) -> None:
    await bare_pod(server, "a")
    path = server.path("pods", "a")
    code, status = await server.ask("PATCH", path, {"spec": {"hostname": "other"}}, content=MERGE)
    assert (code, told(status)) == (422, (422, "Invalid"))
    assert "pod updates may not change fields other than" in status["message"]
    _, pod = await server.ask("PATCH", path, {"status": {"phase": "Failed"}}, content=MERGE)
    assert pod["status"]["phase"] == "Running"
    gate = {"status": {"conditions": [{"type": "observer.dev/ready", "status": "True"}]}}
    code, pod = await server.ask("PATCH", f"{path}/status", gate, content=STRATEGIC)
    assert code == 200
    assert _condition(pod, "observer.dev/ready")["status"] == "True"
    assert _condition(pod, "Ready")["status"] == "True", "merged by type"


async def test_deleting_a_pod(server: Wire) -> None:
    pod = await bare_pod(server, "a")
    path = server.path("pods", "a")
    code, status = await server.ask("DELETE", path, {"preconditions": {"uid": "older"}})
    assert (code, told(status)) == (409, (409, "Conflict"))
    code, leaving = await server.ask("DELETE", path, {"gracePeriodSeconds": 1})
    assert (code, leaving["metadata"]["deletionGracePeriodSeconds"]) == (200, 1)
    assert leaving["metadata"]["uid"] == pod["metadata"]["uid"]
    made = await server.config_map("a", x="1")
    code, status = await server.ask("DELETE", server.path("configmaps", "a"))
    assert (code, status["status"]) == (200, "Success")
    assert status["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}


async def test_words_about_logs(server: Wire) -> None:
    await bare_pod(server, "a")
    path = server.path("pods", "a/log")
    code, status = await server.ask("GET", path, container="nobody")
    assert (code, told(status)) == (400, (400, "BadRequest"))
    assert status["message"] == "container nobody is not valid for pod a"
    code, status = await server.ask("GET", server.path("pods", "z/log"))
    assert code == 404


async def test_methods_that_are_not_there(server: Wire) -> None:
    await server.config_map("a", x="1")
    code, status = await server.ask("POST", server.path("configmaps", "a"), {"metadata": {"name": "a"}})
    assert (code, told(status)) == (405, (405, "MethodNotAllowed"))
    code, status = await server.ask("GET", "/api/v1/frobs")
    assert code == 404
