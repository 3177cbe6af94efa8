"""List and watch against the simulated API server, which misbehaves as told, and against scripted answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web

from observer.domain.cluster import ResourceKind
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.simulator.kubernetes import objects as kube_objects
from observer.simulator.kubernetes.api import API
from observer.simulator.kubernetes.faults import Answer, Hang, Plain, Reset
from observer.sources.kubernetes.reflector import Reflector
from observer.sources.kubernetes.wire import NamespaceWire
from tests.support.kube_sim import QuickClock, SimulatedKube, connected, running, serving, simulated_kube, until


class Kept:
    """Records what a reflector says."""

    def __init__(self) -> None:
        self.objects: dict[str, NamespaceWire] = {}
        self.lists: list[int] = []
        self.puts: list[str] = []
        self.alive_at = 0
        self.refused: list[str] = []

    def replace(self, scope: str, objects: list[NamespaceWire]) -> None:
        self.lists.append(len(objects))
        self.objects = {one.metadata.name: one for one in objects}

    def put(self, scope: str, one: NamespaceWire) -> None:
        self.puts.append(one.metadata.name)
        self.objects[one.metadata.name] = one

    def drop(self, scope: str, one: NamespaceWire) -> None:
        self.objects.pop(one.metadata.name, None)

    def alive(self, scope: str) -> None:
        self.alive_at += 1

    def denied(self, scope: str, why: str) -> None:
        self.refused.append(why)

    @property
    def names(self) -> set[str]:
        return set(self.objects)


def reflector(api: KubeApi, retained: Kept, clock: QuickClock, **changes: Any) -> Reflector[NamespaceWire]:
    settings: dict[str, Any] = {"page": 2, "timeout": 2.0, "watch_seconds": 1, "grace": 0.5} | changes
    path = paths.collection("/api/v1", "namespaces")
    return Reflector(
        api, ResourceKind.NAMESPACES, path, NamespaceWire, retained, clock=clock, random=Random(1), **settings
    )


@asynccontextmanager
async def followed(
    folder: Path, count: int = 5, **changes: Any
) -> AsyncIterator[tuple[SimulatedKube, Kept, QuickClock]]:
    """A server with ``count`` namespaces and a reflector that follows them."""
    clock, retained = QuickClock(), Kept()
    async with (
        simulated_kube([kube_objects.namespace(f"n{i}") for i in range(count)], speed=1.0) as kube,
        connected(folder, kube.url, timeout=2.0) as api,
        running(reflector(api, retained, clock, **changes).run),
    ):
        await until(lambda: retained.lists or kube.faults.rules)
        yield kube, retained, clock


async def test_lists_in_pages_and_then_follows(tmp_path: Path) -> None:
    async with followed(tmp_path) as (kube, retained, _):
        assert retained.lists == [5]
        assert [call.query.get("limit") for call in kube.asked("list", "namespaces")] == ["2", "2", "2"]
        await until(lambda: kube.asked("watch", "namespaces"))
        kube.store.add(kube_objects.namespace("born"))
        await until(lambda: "born" in retained.names)
        kube.store.modify("namespaces", "", "born", lambda obj: obj["metadata"].update(labels={"a": "b"}))
        await until(lambda: retained.objects["born"].metadata.labels == {"a": "b"})
        kube.store.delete("namespaces", "", "born")
        await until(lambda: "born" not in retained.names)
        assert retained.lists == [5]


async def test_a_watch_that_ends_in_order_goes_on_from_where_it_was(tmp_path: Path) -> None:
    async with followed(tmp_path) as (kube, retained, _):
        await until(lambda: len(kube.asked("watch", "namespaces")) >= 3)
        kube.store.add(kube_objects.namespace("born"))
        await until(lambda: "born" in retained.names)
        assert retained.lists == [5]
        assert retained.alive_at >= 3, "an orderly end proves that the watch was alive"


async def test_bookmarks_move_the_version_on(tmp_path: Path) -> None:
    async with followed(tmp_path) as (kube, retained, _):
        kube.faults.bookmark_seconds = 0.05
        await until(lambda: kube.asked("watch", "namespaces"))
        for i in range(5):  # the version moves although no namespace changes
            kube.store.add(kube_objects.config_map("n0", f"c{i}", {}))
        newest = int(kube.store.list("configmaps")[-1]["metadata"]["resourceVersion"])
        await until(lambda: int(kube.asked("watch", "namespaces")[-1].query["resourceVersion"]) >= newest)
        assert retained.lists == [5]


@pytest.mark.parametrize("chunk", [1, 7, 100])
async def test_events_arrive_whole_whatever_the_chunks(tmp_path: Path, chunk: int) -> None:
    async with followed(tmp_path) as (kube, retained, _):
        kube.faults.chunk = chunk
        for i in range(4):
            kube.store.add(kube_objects.namespace(f"born{i}"))
        await until(lambda: {f"born{i}" for i in range(4)} <= retained.names)
        assert retained.lists == [5]


@pytest.mark.parametrize("as_status", [True, False])
async def test_410_in_both_forms_means_list_again(tmp_path: Path, as_status: bool) -> None:
    async with followed(tmp_path) as (kube, retained, clock):
        kube.faults.gone_as_status = as_status
        await until(lambda: kube.asked("watch", "namespaces"))
        kube.faults.cut_watches()
        for i in range(3):
            kube.store.add(kube_objects.namespace(f"while-away{i}"))
        kube.app[API].compact()
        await until(lambda: "while-away2" in retained.names)
        assert len(retained.lists) == 2
        assert clock.slept, "it waited before it listed again"


@pytest.mark.parametrize(("code", "reason"), [(410, "Expired"), (500, "InternalError"), (504, "Timeout"), (429, "")])
async def test_any_error_inside_a_watch_means_list_again(tmp_path: Path, code: int, reason: str) -> None:
    async with followed(tmp_path) as (kube, retained, clock):
        await until(lambda: kube.asked("watch", "namespaces"))
        kube.faults.fail_stream("namespaces", code, reason)
        await until(lambda: len(retained.lists) == 2)
        assert clock.slept
        kube.store.add(kube_objects.namespace("after"))
        await until(lambda: "after" in retained.names)


async def test_a_version_from_the_future_is_waited_out(tmp_path: Path) -> None:
    """504 "Too large resource version", as after a restart of the API server with an older cache."""
    async with followed(tmp_path) as (kube, retained, clock):
        kube.faults.watch_ahead = 2
        await until(lambda: kube.faults.watch_ahead == 0)
        kube.store.add(kube_objects.namespace("after"))
        await until(lambda: "after" in retained.names)
        assert clock.slept


async def test_a_cut_connection_needs_no_list(tmp_path: Path) -> None:
    async with followed(tmp_path) as (kube, retained, _):
        await until(lambda: kube.asked("watch", "namespaces"))
        kube.faults.cut_watches()
        kube.store.add(kube_objects.namespace("meanwhile"))
        await until(lambda: "meanwhile" in retained.names)
        assert retained.lists == [5]


async def test_a_half_open_connection_is_given_up(tmp_path: Path) -> None:
    """The server has forgotten us and the socket does not know: nothing comes, not even the end."""
    async with followed(tmp_path) as (kube, retained, _):
        kube.faults.mute_watches = True
        kube.faults.cut_watches()
        count = len(kube.asked("watch", "namespaces"))
        await until(lambda: len(kube.asked("watch", "namespaces")) > count)
        alive = retained.alive_at
        kube.store.add(kube_objects.namespace("unseen"))
        await asyncio.sleep(0.3)
        assert retained.alive_at == alive, "silence is no sign of life"
        kube.faults.mute_watches = False
        await until(lambda: "unseen" in retained.names)


async def test_an_expired_continue_token_is_answered_by_one_whole_list(tmp_path: Path) -> None:
    clock, retained = QuickClock(), Kept()
    asked: list[dict[str, str]] = []
    page = {"metadata": {"resourceVersion": "7", "continue": "token"}, "items": [{"metadata": {"name": "a"}}]}
    whole = {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": n}} for n in "abc"]}
    expired = {"kind": "Status", "code": 410, "reason": "Expired", "metadata": {"continue": "mixed-instants"}}

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(dict(request.query))
        if "watch" in request.query:
            await asyncio.sleep(30)
        if "continue" in request.query:
            return web.json_response(expired, status=410)
        return web.json_response(page if "limit" in request.query else whole)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serving(app) as url, connected(tmp_path, url) as api, running(reflector(api, retained, clock).run):
        await until(lambda: any("watch" in query for query in asked))
    assert retained.names == {"a", "b", "c"}
    assert asked[:3] == [{"limit": "2"}, {"limit": "2", "continue": "token"}, {}]
    assert asked[3]["resourceVersion"] == "9"


@pytest.mark.parametrize(
    "lines",
    [
        [b"this is no JSON"],
        [b'{"type":"ADDED","object":{"metadata":{"name":3}}}'],
        [b'{"type":"SURPRISE","object":{}}'],
        [b'{"type":"ERROR","object":[]}'],
        [b'{"type":"ADDED"}'],
        [b"\xff\xfe"],
    ],
)
async def test_nonsense_in_a_watch_means_list_again(tmp_path: Path, lines: list[bytes]) -> None:
    clock, retained = QuickClock(), Kept()
    watches = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": None})
        watches += 1
        if watches == 1:
            return web.Response(body=b"\n".join(lines) + b"\n")
        await asyncio.sleep(30)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serving(app) as url, connected(tmp_path, url) as api, running(reflector(api, retained, clock).run):
        await until(lambda: watches == 2)
    assert retained.lists == [0, 0]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"items": []}', b'{"metadata": {}, "items": [{}]}'])
async def test_a_list_that_is_none_is_never_taken_for_an_empty_one(tmp_path: Path, body: bytes) -> None:
    clock, retained = QuickClock(), Kept()

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serving(app) as url, connected(tmp_path, url) as api, running(reflector(api, retained, clock).run):
        await until(lambda: len(clock.slept) >= 3)
    assert retained.lists == []
    assert retained.alive_at == 0


async def test_waits_grow_and_are_spread(tmp_path: Path) -> None:
    clock, retained = QuickClock(), Kept()
    async with serving(web.Application()) as url:
        pass
    async with connected(tmp_path, url) as api, running(reflector(api, retained, clock).run):
        await until(lambda: len(clock.slept) >= 12)
    assert clock.slept[0] < 1.0
    assert max(clock.slept) <= 15.0, "the longest wait is bounded"
    assert min(clock.slept[6:]) >= 5.0
    assert len(set(clock.slept)) == len(clock.slept)


@pytest.mark.parametrize(
    "effect", [Answer(403), Answer(404), Answer(401)], ids=["no permission", "not served", "not accepted"]
)
async def test_what_may_not_be_seen_is_told_and_tried_again(tmp_path: Path, effect: Answer) -> None:
    clock, retained = QuickClock(), Kept()
    async with (
        simulated_kube([kube_objects.namespace("n0")]) as kube,
        connected(tmp_path, kube.url) as api,
    ):
        rule = kube.faults.on("list", "namespaces", effect)
        async with running(reflector(api, retained, clock).run):
            await until(lambda: len(retained.refused) >= 2)
            assert retained.lists == []
            rule.times = 0
            await until(lambda: retained.names == {"n0"})


@pytest.mark.parametrize("effect", [Reset(), Hang(0.3), Answer(500), Answer(503), Plain(429, "later", retry_after=1)])
async def test_a_list_that_fails_is_asked_again(tmp_path: Path, effect: Any) -> None:
    clock, retained = QuickClock(), Kept()
    async with (
        simulated_kube([kube_objects.namespace("n0")]) as kube,
        connected(tmp_path, kube.url, timeout=1.0) as api,
    ):
        kube.faults.on("list", "namespaces", effect, times=2)
        async with running(reflector(api, retained, clock).run):
            await until(lambda: retained.names == {"n0"})
    assert len([wait for wait in clock.slept if wait > 0]) >= 1
    assert retained.refused == []


async def test_a_request_to_wait_is_honoured_up_to_a_minute(tmp_path: Path) -> None:
    clock, retained = QuickClock(), Kept()
    async with (
        simulated_kube([kube_objects.namespace("n0")]) as kube,
        connected(tmp_path, kube.url) as api,
    ):
        kube.faults.on("list", "namespaces", Plain(429, "later", retry_after=100_000), times=1)
        async with running(reflector(api, retained, clock).run):
            await until(lambda: retained.names == {"n0"})
    assert clock.slept[0] == 60.0


async def test_selectors_go_with_list_and_watch(tmp_path: Path) -> None:
    async with followed(tmp_path, selectors={"labelSelector": "a=b"}) as (kube, retained, _):
        await until(lambda: kube.asked("watch", "namespaces"))
        calls = [*kube.asked("list", "namespaces"), *kube.asked("watch", "namespaces")]
        assert {call.query["labelSelector"] for call in calls} == {"a=b"}
        assert retained.lists == [0]
        kube.store.add(kube_objects.namespace("chosen", {"a": "b"}))
        await until(lambda: retained.names == {"chosen"})
