"""The API server on the wire: lists, watches, and every way in which it may misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from observer.simulator.kubernetes.api import API, make_app
from observer.simulator.kubernetes.faults import THROTTLED, Answer, Delay, Hang, KubeFaults, Reset
from observer.simulator.kubernetes.objects import config_map, namespace
from tests.support.kube_cluster import HandCluster, app, name_of

Obj = dict[str, Any]
PODS = "/api/v1/namespaces/shop/pods"
CONFIGS = "/api/v1/namespaces/shop/configmaps"


class Served(HandCluster):
    """A hand cluster with its API server on loopback."""

    def __init__(self, *objects: Obj) -> None:
        super().__init__(*objects)
        self.faults = KubeFaults(bookmark_seconds=3600)
        self.app = make_app(self.store, self.controllers, self.clock, faults=self.faults)
        self.http: TestClient[Any, Any] = TestClient(TestServer(self.app))

    async def get(self, path: str, **query: str) -> tuple[int, Obj]:
        """Status and JSON."""
        async with self.http.get(path, params=query) as response:
            return response.status, await response.json()

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[Stream]:
        """An open watch; everything by hand (no compression, no line reader)."""
        async with self.http.get(path, params={"watch": "1", **query}) as response:
            yield Stream(response)


class Stream:
    """Reads events off a watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.pieces: list[bytes] = []
        self._rest = b""

    async def event(self) -> Obj | None:
        """The next event; None when the stream ended in order."""
        while b"\n" not in self._rest:
            piece = await self.response.content.readany()
            if not piece:
                assert not self._rest, "the stream ended within a line"
                return None
            self.pieces.append(piece)
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        found: Obj = json.loads(line)
        return found

    async def told(self, count: int) -> list[tuple[str, str]]:
        """The next ``count`` events as ``(type, name)``."""
        found = [await self.event() for _ in range(count)]
        return [(event["type"], name_of(event["object"])) for event in found if event is not None]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    cluster = Served(app("cart", 3), app("front", 2))
    cluster.run(6)
    async with cluster.http:
        yield cluster


async def test_a_list_has_a_version_and_untyped_items(served: Served) -> None:
    status, body = await served.get(PODS, labelSelector="app=cart")
    assert status == 200
    assert (body["kind"], body["apiVersion"]) == ("PodList", "v1")
    assert body["metadata"] == {"resourceVersion": str(served.store.version)}
    assert len(body["items"]) == 3
    assert not {"kind", "apiVersion"} & body["items"][0].keys(), "as in a real list"
    stored = served.pods("cart")[0]
    assert body["items"][0] == {key: value for key, value in stored.items() if key not in ("kind", "apiVersion")}


async def test_an_empty_list(served: Served) -> None:
    assert (await served.get("/apis/policy/v1/poddisruptionbudgets"))[1]["items"] == []
    assert (await served.get(PODS, fieldSelector="spec.nodeName=nowhere"))[1]["items"] == []


async def test_lists_in_chunks_come_from_one_snapshot(served: Served) -> None:
    _, first = await served.get(PODS, limit="2")
    assert len(first["items"]) == 2
    assert first["metadata"]["remainingItemCount"] == 3
    before = {name_of(pod) for pod in served.pods()}
    served.controllers.scale("shop", "cart-v1", 6)
    served.run(3)
    names = {name_of(pod) for pod in first["items"]}
    token = first["metadata"]["continue"]
    while token:
        status, page = await served.get(PODS, **{"limit": "2", "continue": token})
        assert status == 200
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names |= {name_of(pod) for pod in page["items"]}
        token = page["metadata"].get("continue", "")
    assert names == before


async def test_an_expired_token_offers_a_fresh_one(served: Served) -> None:
    _, first = await served.get(PODS, limit="2")
    served.app[API].compact()
    query = {"limit": "500", "continue": first["metadata"]["continue"]}
    status, body = await served.get(PODS, **query)
    assert (status, body["reason"], body["code"]) == (410, "Expired", 410)
    status, rest = await served.get(PODS, **{**query, "continue": body["metadata"]["continue"]})
    assert status == 200
    assert len(rest["items"]) == 3
    assert (await served.get(PODS, **{"continue": "rubbish"}))[0] == 400


async def test_any_version_ignores_the_limit(served: Served) -> None:
    _, body = await served.get(PODS, limit="2", resourceVersion="0")
    assert len(body["items"]) == 5


async def test_a_version_from_the_future(served: Served) -> None:
    status, body = await served.get(PODS, resourceVersion=str(served.store.version + 10))
    assert status == 504
    assert body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    served.faults.watch_ahead = 1
    assert (await served.get(PODS))[0] == 504
    assert (await served.get(PODS))[0] == 200


async def test_get_shows_one_object_with_its_type(served: Served) -> None:
    name = served.ready("cart")[0]
    status, pod = await served.get(f"{PODS}/{name}")
    assert (status, pod["kind"], name_of(pod)) == (200, "Pod", name)
    status, missing = await served.get(f"{PODS}/nobody")
    assert status == 404
    assert missing["details"] == {"name": "nobody", "kind": "pods"}
    assert missing["message"] == 'pods "nobody" not found'


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/frobs",
        "/api/v2/pods",
        "/apis/apps/v1beta1/deployments",
        "/apis/policy/v1/pods",
        "/api/v1/pods/a",
        "/api/v1/namespaces/shop/nodes",
        "/api/v1/namespaces/shop/pods/a/exec",
        "/nothing",
    ],
)
async def test_unknown_paths(served: Served, path: str) -> None:
    status, body = await served.get(path)
    assert (status, body["kind"], body["reason"]) == (404, "Status", "NotFound")


async def test_a_watch_tells_what_happened_since(served: Served) -> None:
    start = str(served.store.version)
    served.store.add(config_map("shop", "a", {}))
    served.store.modify("configmaps", "shop", "a", lambda new: new.update(data={"x": "1"}))
    async with served.watch(CONFIGS, resourceVersion=start) as stream:
        assert await stream.told(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        served.store.add(namespace("other"))
        served.store.add(config_map("other", "a", {}))
        served.store.delete("configmaps", "shop", "a")
        assert await stream.told(1) == [("DELETED", "a")]


async def test_a_watch_without_a_version_begins_with_what_there_is(served: Served) -> None:
    async with served.watch(PODS, labelSelector="app=front") as stream:
        assert await stream.told(2) == [("ADDED", name) for name in served.ready("front")]
        served.controllers.delete_pod("shop", served.ready("front")[0])
        assert (await stream.told(1))[0][0] == "MODIFIED"


async def test_selectors_of_a_watch_see_pods_come_and_go(served: Served) -> None:
    name = served.ready("cart")[0]
    version = str(served.store.version)
    async with served.watch(PODS, resourceVersion=version, labelSelector="istio.io/draining") as stream:
        served.store.modify(
            "pods", "shop", name, lambda new: new["metadata"]["labels"].update({"istio.io/draining": "1"})
        )
        served.store.modify("pods", "shop", name, lambda new: new["metadata"].update(annotations={"a": "b"}))
        served.store.modify("pods", "shop", name, lambda new: new["metadata"]["labels"].pop("istio.io/draining"))
        events = [await stream.event() for _ in range(3)]
    assert [event["type"] for event in events if event] == ["ADDED", "MODIFIED", "DELETED"]
    last = events[2]
    assert last is not None
    assert last["object"]["metadata"]["labels"]["istio.io/draining"] == "1", "a leaver is shown as it last was"
    assert last["object"]["metadata"]["resourceVersion"] == str(served.store.version)


@pytest.mark.parametrize("as_status", [False, True])
async def test_a_watch_from_forgotten_history(served: Served, as_status: bool) -> None:
    start = str(served.store.version)
    served.store.add(config_map("shop", "a", {}))
    served.app[API].compact()
    served.faults.gone_as_status = as_status
    async with served.watch(CONFIGS, resourceVersion=start) as stream:
        assert stream.response.status == (410 if as_status else 200)
        if as_status:
            body = await stream.response.json()
        else:
            event = await stream.event()
            assert event is not None
            assert event["type"] == "ERROR"
            body = event["object"]
            assert await stream.event() is None
    assert (body["kind"], body["code"], body["reason"]) == ("Status", 410, "Expired")


async def test_a_watch_from_the_future_waits_for_it(served: Served) -> None:
    ahead = str(served.store.version + 2)
    async with served.watch(CONFIGS, resourceVersion=ahead) as stream:
        await _open(served, 1)
        for name in ("a", "b", "c"):
            served.store.add(config_map("shop", name, {}))
        assert await stream.told(1) == [("ADDED", "c")]


async def test_a_server_behind_its_peers_says_so_in_the_stream(served: Served) -> None:
    served.faults.watch_ahead = 1
    async with served.watch(PODS, resourceVersion=str(served.store.version)) as stream:
        event = await stream.event()
    assert event is not None
    assert (event["type"], event["object"]["code"]) == ("ERROR", 504)


async def test_bookmarks(served: Served) -> None:
    served.faults.bookmark_seconds = 10
    version = str(served.store.version)
    async with served.watch(CONFIGS, resourceVersion=version, allowWatchBookmarks="true") as stream:
        served.run(0)
        await _open(served, 1)
        served.clock.advance(11)
        event = await stream.event()
    assert event is not None
    assert event["type"] == "BOOKMARK"
    assert event["object"]["kind"] == "ConfigMap"
    assert event["object"]["metadata"]["resourceVersion"] == str(served.store.version)


async def test_a_watch_ends_in_order_after_its_time(served: Served) -> None:
    version = str(served.store.version)
    query = {"resourceVersion": version, "timeoutSeconds": "1", "allowWatchBookmarks": "true"}
    async with served.watch(CONFIGS, **query) as stream:
        last = await stream.event()
        assert last is not None
        assert last["type"] == "BOOKMARK"
        assert await stream.event() is None
    await _open(served, 0)


async def test_a_streaming_list(served: Served) -> None:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with served.watch(PODS, **query) as stream:
        events = [await stream.event() for _ in range(6)]
    kinds = [event["type"] for event in events if event]
    assert kinds == ["ADDED"] * 5 + ["BOOKMARK"]
    assert events[5] is not None
    assert events[5]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize(
    ("streaming", "query"),
    [
        (False, {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}),
        (True, {"sendInitialEvents": "true"}),
        (True, {"resourceVersionMatch": "NotOlderThan"}),
    ],
)
async def test_streaming_lists_that_are_forbidden(served: Served, streaming: bool, query: dict[str, str]) -> None:
    served.faults.streaming_lists = streaming
    status, body = await served.get(PODS, watch="1", **query)
    assert (status, body["reason"]) == (422, "Invalid")


async def test_lines_may_be_split_anywhere(served: Served) -> None:
    served.faults.chunk = 100
    async with served.watch(PODS) as stream:
        told = await stream.told(5)
    assert [kind for kind, _ in told] == ["ADDED"] * 5
    assert len(stream.pieces) > 5


async def test_an_error_in_an_open_stream(served: Served) -> None:
    async with served.watch(CONFIGS, resourceVersion=str(served.store.version)) as stream:
        await _open(served, 1)
        served.faults.fail_stream("configmaps", 500, "InternalError", "etcdserver: no leader")
        event = await stream.event()
        assert event is not None
        assert (event["type"], event["object"]["message"]) == ("ERROR", "etcdserver: no leader")
        assert await stream.event() is None


async def test_watches_lose_their_connection(served: Served) -> None:
    async with served.watch(CONFIGS, resourceVersion=str(served.store.version)) as stream:
        await _open(served, 1)
        served.faults.cut_watches()
        with pytest.raises(aiohttp.ClientError):
            await stream.event()
    await _open(served, 0)


async def test_a_muted_watch_says_nothing(served: Served) -> None:
    served.faults.mute_watches = True
    async with served.watch(CONFIGS, resourceVersion=str(served.store.version)) as stream:
        await _open(served, 1)
        served.store.add(config_map("shop", "a", {}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.event(), 0.6)


async def test_a_slow_reader_holds_up_nobody(served: Served) -> None:
    version = str(served.store.version)
    async with (
        served.watch(CONFIGS, resourceVersion=version) as slow,
        served.watch(CONFIGS, resourceVersion=version) as quick,
    ):
        await _open(served, 2)
        for index in range(60):
            served.store.add(config_map("shop", f"a{index}", {"x": "y" * 100_000}))
        assert len(await quick.told(60)) == 60
        assert not slow.pieces
        assert len(await slow.told(60)) == 60


async def test_tokens_decide_who_is_asking(served: Served) -> None:
    served.faults.tokens = {"right": "observer"}
    for header, expected in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer right"}, 200),
    ):
        async with served.http.get(PODS, headers=header) as response:
            assert response.status == expected
            assert (await response.json())["kind"] == ("PodList" if expected == 200 else "Status")
    assert served.app[API].calls[-1].user == "observer"
    async with served.http.get("/healthz") as response:
        assert await response.text() == "ok"


async def test_a_right_can_be_taken_and_given_back(served: Served) -> None:
    rule = served.faults.forbid("list", "pods")
    status, body = await served.get(PODS)
    assert (status, body["reason"]) == (403, "Forbidden")
    assert body["message"] == (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "shop"'
    )
    assert (await served.get(f"{PODS}/{served.ready()[0]}"))[0] == 200
    rule.times = 0
    assert (await served.get(PODS))[0] == 200


async def test_scripted_answers_are_used_up(served: Served) -> None:
    served.faults.on("get", "pods", Answer(500, "etcdserver: request timed out"), times=2)
    name = served.ready()[0]
    assert [(await served.get(f"{PODS}/{name}"))[0] for _ in range(3)] == [500, 500, 200]


async def test_api_priority_answers_in_plain_text(served: Served) -> None:
    served.faults.on("list", "*", THROTTLED, times=1)
    async with served.http.get(PODS) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "1"
        assert response.content_type == "text/plain"
        assert await response.text() == "Too many requests, please try again later.\n"


@pytest.mark.parametrize("after", [False, True])
async def test_a_reset_before_or_after_the_work(served: Served, after: bool) -> None:
    served.faults.on("create", "configmaps", Reset(after=after), times=1)
    with pytest.raises(aiohttp.ClientError):
        await served.http.post(CONFIGS, json=config_map("shop", "a", {}))
    assert (served.store.get("configmaps", "shop", "a") is not None) is after


async def test_a_hanging_server_does_nothing(served: Served) -> None:
    served.faults.on("create", "configmaps", Hang(seconds=0.5), times=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await served.http.post(CONFIGS, json=config_map("shop", "a", {}))
    served.faults.on("list", "configmaps", Hang(seconds=0.05), times=1)
    with pytest.raises(aiohttp.ClientError):
        await served.http.get(CONFIGS)
    assert served.store.get("configmaps", "shop", "a") is None


async def test_a_late_answer_is_right(served: Served) -> None:
    served.faults.on("list", "pods", Delay(0.05), times=1)
    assert (await served.get(PODS))[0] == 200
    served.faults.on("list", "pods", Delay(0.05))
    served.faults.clear()
    assert served.faults.effect("list", "pods", "shop", "") is None


async def test_events_are_shown_in_both_shapes(served: Served) -> None:
    name = served.ready("cart")[0]
    _, core = await served.get(
        "/api/v1/namespaces/shop/events", fieldSelector=f"involvedObject.name={name},reason=Started"
    )
    _, new = await served.get(
        "/apis/events.k8s.io/v1/namespaces/shop/events", fieldSelector=f"regarding.name={name},reason=Started"
    )
    (old_shape,), (new_shape,) = core["items"], new["items"]
    assert old_shape["message"] == new_shape["note"] == "Container started"
    assert old_shape["involvedObject"] == new_shape["regarding"]
    assert old_shape["source"] == {"component": "kubelet"}
    _, one = await served.get(f"/api/v1/namespaces/shop/events/{name_of(old_shape)}")
    assert (one["apiVersion"], one["message"]) == ("v1", "Container started")


async def test_logs(served: Served) -> None:
    name = served.ready("cart")[0]
    pod = served.store.entry("pods", "shop", name).object
    for index in range(5):
        served.app[API].logs.write(pod["metadata"]["uid"], "app", f"line {index}")

    async def log(**query: str) -> tuple[int, str]:
        async with served.http.get(f"{PODS}/{name}/log", params=query) as response:
            return response.status, await response.text()

    assert await log(container="app", tailLines="2") == (200, "line 3\nline 4\n")
    assert await log(container="app", limitBytes="6") == (200, "line 0")
    assert (await log())[1].startswith("line 0\n"), "the only container needs no name"
    assert (await log(container="istio-proxy"))[0] == 200
    assert (await log(container="nobody"))[0] == 400
    status, text = await log(container="app", previous="true")
    assert status == 400
    assert "previous terminated container" in text


async def test_discovery(served: Served) -> None:
    assert (await served.get("/api"))[1]["versions"] == ["v1"]
    groups = {group["name"] for group in (await served.get("/apis"))[1]["groups"]}
    assert {"apps", "policy", "events.k8s.io", "coordination.k8s.io"} <= groups
    rows = {row["name"]: row for row in (await served.get("/api/v1"))[1]["resources"]}
    assert rows["pods/eviction"]["kind"] == "Eviction"
    assert rows["nodes"]["namespaced"] is False
    assert (await served.get("/apis/apps"))[1]["preferredVersion"]["groupVersion"] == "apps/v1"
    assert {row["name"] for row in (await served.get("/apis/apps/v1"))[1]["resources"]} >= {
        "deployments",
        "deployments/scale",
    }
    assert (await served.get("/version"))[1]["gitVersion"] == "v1.35.4"
    assert (await served.get("/apis/nothing/v1"))[0] == 404


async def test_reviews(served: Served) -> None:
    served.faults.tokens = {"right": "observer", "": "anybody"}
    served.faults.forbid("delete", "pods")

    async def ask(path: str, spec: Obj) -> Obj:
        async with served.http.post(path, json={"spec": spec}) as response:
            assert response.status == 201
            return dict((await response.json())["status"])

    tokens = "/apis/authentication.k8s.io/v1/tokenreviews"
    assert (await ask(tokens, {"token": "right"}))["user"]["username"] == "observer"
    assert (await ask(tokens, {"token": "wrong"}))["authenticated"] is False
    access = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("delete", False), ("list", True)):
        attributes = {"verb": verb, "resource": "pods", "namespace": "shop"}
        assert await ask(access, {"resourceAttributes": attributes}) == {"allowed": allowed}


async def test_every_call_is_remembered(served: Served) -> None:
    await served.get(PODS, limit="1")
    async with served.http.delete(f"{PODS}/{served.ready()[0]}", headers={"User-Agent": "kubectl/1"}):
        pass
    listed, deleted = served.app[API].calls
    assert (listed.verb, listed.resource, listed.namespace, listed.query, listed.code) == (
        "list",
        "pods",
        "shop",
        {"limit": "1"},
        200,
    )
    assert [call.agent for call in served.app[API].deletes()] == ["kubectl/1"]
    assert deleted.code == 200


async def _open(served: Served, count: int) -> None:
    """Wait until so many watches are open."""
    async with asyncio.timeout(5):
        while served.app[API].watches.open != count:
            await asyncio.sleep(0.01)
