"""What only a Jaeger of its own can show: both APIs, pages instead of answers, credentials, paths, a broken circuit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from observer.config.settings.sources import HttpAuth, JaegerSettings
from observer.domain.circuit import FAILURES, FIRST_PAUSE
from observer.domain.errors import ConfigError, SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.simulator.jaeger.api import PAGE, JaegerApi
from observer.simulator.mesh.sidecars import Outcomes
from observer.simulator.mesh.spans import SpanRecorder
from observer.simulator.scenarios.world import World
from observer.sources.jaeger.probe import probe
from observer.sources.jaeger.source import JaegerSource
from tests.support.fakes import FakeClock
from tests.support.neighbour_worlds import lived
from tests.support.query_servers import SECRET, serving
from tests.support.trace_bodies import SIDECAR, v3

pytestmark = pytest.mark.integration

CATALOG = frozenset({ServiceRef("shop", "catalog")})


@asynccontextmanager
async def traced() -> AsyncIterator[tuple[World, JaegerSettings]]:
    world, _ = await lived(40.0)
    async with world:
        address, _ = await world.serve_neighbours()
        yield world, JaegerSettings(url=address, timeout=20.0)


async def reason(settings: JaegerSettings) -> str:
    """How a question fails; no message tells a secret."""
    source = JaegerSource(settings, FakeClock())
    with pytest.raises((SourceUnavailable, SourceProtocolError)) as caught:
        await source.traces(1e9, 60.0, CATALOG, 10)
    await source.close()
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value, (SourceUnavailable, SourceProtocolError))
    return caught.value.reason


@pytest.mark.parametrize("page", [True, False])
async def test_a_server_of_the_old_api_is_told_from_one_with_a_page_for_everything(page: bool) -> None:
    async with traced() as (world, settings):
        world.jaeger.version.v3, world.jaeger.version.v1, world.jaeger.version.page = False, True, page
        source = JaegerSource(settings, world.clock)
        found = await source.traces(world.clock.now(), 60.0, CATALOG, 5)
        assert source.api_version == "v1" and found.spans
        assert [path for path, _ in world.jaeger.requests] == ["/api/v3/services", "/api/services", "/api/traces"]
        await source.close()


@pytest.mark.parametrize("page", [True, False])
async def test_a_server_without_either_is_no_jaeger(page: bool) -> None:
    async with traced() as (world, settings):
        world.jaeger.version.v3, world.jaeger.version.page = False, page
        assert await reason(settings) == "protocol"


async def test_what_the_server_speaks_is_found_out_again_after_a_failure() -> None:
    async with traced() as (world, settings):
        source, now = JaegerSource(settings, world.clock), world.clock.now()
        await source.traces(now, 60.0, CATALOG, 5)
        assert source.api_version == "v3"
        world.jaeger.version.v3, world.jaeger.version.v1 = False, True
        with pytest.raises(SourceProtocolError):
            await source.traces(now, 60.0, CATALOG, 5)
        assert source.api_version == ""
        assert (await source.traces(now, 60.0, CATALOG, 5)).spans
        assert source.api_version == "v1"
        await source.close()


async def test_the_services_are_asked_for_once_a_minute() -> None:
    async with traced() as (world, settings):
        clock = FakeClock(world.clock.now())
        source = JaegerSource(settings, clock)
        for _ in range(3):
            await source.traces(clock.at, 60.0, CATALOG, 5)
        asked = [path for path, _ in world.jaeger.requests]
        assert asked == ["/api/v3/services", *["/api/v3/traces"] * 3]
        clock.at += 61.0
        await source.services()
        assert [path for path, _ in world.jaeger.requests].count("/api/v3/services") == 2
        await source.close()


async def test_a_base_path_is_part_of_the_address() -> None:
    api = JaegerApi(SpanRecorder(1.0, 1, [], Outcomes(), {}), lambda: 1e9, base="/jaeger")

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=PAGE, content_type="text/html")

    runner = web.AppRunner(api.app())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        source = JaegerSource(JaegerSettings(url=f"{address}/jaeger/"), FakeClock())
        assert await source.services() == frozenset()
        await source.close()
        assert await reason(JaegerSettings(url=address)) == "protocol"
    finally:
        await runner.cleanup()
    async with serving(handler) as server:
        assert await reason(JaegerSettings(url=f"http://127.0.0.1:{server.port}")) == "protocol"


async def test_a_search_that_fails_on_the_way_is_partial() -> None:
    for old in (False, True):
        async with traced() as (world, settings):
            world.jaeger.version.v3, world.jaeger.version.v1 = not old, old
            world.jaeger.version.partial = True
            source = JaegerSource(settings, world.clock)
            with pytest.raises(SourceUnavailable) as caught:
                await source.traces(world.clock.now(), 60.0, CATALOG, 5)
            assert caught.value.reason == "partial"
            await source.close()


@pytest.mark.parametrize(
    ("named", "seen"), [("", None), ("east", {"cart", "cart@west"}), ("west", {"cart@east", "cart"})]
)
async def test_spans_of_several_clusters_need_a_name(named: str, seen: set[str] | None) -> None:
    def found(name: str) -> web.Response:
        body = v3({**SIDECAR, "istio.cluster_id": name}, spanId=name)
        return web.Response(body=body, content_type="application/json")

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/services"):
            return web.json_response({"services": ["cart.shop", "front.shop"]})
        return found("east" if request.query["query.service_name"] == "cart.shop" else "west")

    async with serving(answer) as server:
        settings = JaegerSettings(url=str(server.make_url("/")), cluster=named)
        source = JaegerSource(settings, FakeClock())
        both = frozenset({ServiceRef("shop", "cart"), ServiceRef("shop", "front")})
        if seen is None:
            with pytest.raises(
                SourceProtocolError, match=r"several clusters \(east, west\): name .* in jaeger.cluster"
            ):
                await source.traces(1e9, 60.0, both, 10)
        else:
            spans = (await source.traces(1e9, 60.0, both, 10)).spans
            assert {span.service for span in spans} == seen
            assert sum(bool(span.pod) for span in spans) == 1
        await source.close()


async def test_many_services_are_cut_and_said() -> None:
    searched = []

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/api/v3/services":
            return web.json_response({"services": [f"s{i}.shop" for i in range(30)]})
        searched.append(request.query["query.service_name"])
        return web.json_response({"error": {"httpCode": 404, "message": "No traces found"}}, status=404)

    async with serving(handler) as server:
        source = JaegerSource(JaegerSettings(url=f"http://127.0.0.1:{server.port}"), FakeClock())
        wanted = frozenset(ServiceRef("shop", f"s{i}") for i in range(30))
        found = await source.traces(1e9, 60.0, wanted, 5)
        await source.close()
    assert found.spans == () and found.truncated
    assert len(searched) == len(set(searched)) == 20


@pytest.mark.parametrize("way", ["bearer", "basic"])
async def test_credentials_come_from_files_and_are_read_again(tmp_path: Path, way: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({"services": []})

    auth = (
        HttpAuth(bearer_file=str(secret))
        if way == "bearer"
        else HttpAuth(username="observer", password_file=str(secret))
    )
    async with serving(handler) as server:
        clock = FakeClock()
        settings = JaegerSettings(url=f"http://127.0.0.1:{server.port}", auth=auth, headers={"X-Tenant": "a"})
        source = JaegerSource(settings, clock)
        await source.services()
        secret.write_text("the second\n")
        clock.at += 61.0
        await source.services()
        await source.close()
    assert len(set(seen)) == 2 and all(one.startswith("Bearer " if way == "bearer" else "Basic ") for one in seen)


async def test_a_redirect_elsewhere_gets_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    arrived = []

    async def thief(request: web.Request) -> web.Response:
        arrived.append(request.headers)
        return web.json_response({"services": []})

    async with serving(thief) as other:

        async def handler(request: web.Request) -> web.Response:
            raise web.HTTPFound(f"http://127.0.0.1:{other.port}{request.path}")

        async with serving(handler) as server:
            auth = HttpAuth(bearer_file=str(tmp_path / "token"))
            assert await reason(JaegerSettings(url=f"http://127.0.0.1:{server.port}", auth=auth)) == "redirected"
    assert arrived == []


@pytest.mark.parametrize(
    ("auth", "url", "message"),
    [
        (HttpAuth(), "ftp://jaeger", "jaeger.url: ftp://jaeger is not"),
        (HttpAuth(), "http://a:b@jaeger", "credentials belong in files named under jaeger.auth"),
        (HttpAuth(), "http://jaeger?x=1", "jaeger.url: takes a path prefix"),
        (HttpAuth(username="a", bearer_file="b"), "http://jaeger", "jaeger.auth: give either"),
        (HttpAuth(key_file="k"), "http://jaeger", "jaeger.auth: key_file needs cert_file"),
    ],
)
def test_settings_that_can_never_work_are_refused_by_name(auth: HttpAuth, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        JaegerSource(JaegerSettings(url=url, auth=auth), FakeClock())


async def test_nobody_there_opens_the_circuit_and_an_answer_closes_it() -> None:
    async with traced() as (world, settings):
        clock = FakeClock(world.clock.now())
        world.jaeger.fault_injection.status = 500
        source = JaegerSource(settings, clock)
        for _ in range(FAILURES + 2):
            with pytest.raises(SourceUnavailable):
                await source.traces(clock.at, 60.0, CATALOG, 5)
        assert source.circuit.state.value == "open"
        assert len(world.jaeger.requests) == FAILURES  # then nobody was asked any more
        world.jaeger.fault_injection.status = 0
        clock.at += FIRST_PAUSE
        assert (await source.traces(clock.at, 60.0, CATALOG, 5)).spans
        assert source.circuit.state.value == "closed"
        await source.close()


async def test_doctor_finds_a_good_jaeger_good() -> None:
    async with traced() as (world, settings):
        services = frozenset(ServiceRef("shop", name) for name in ("front", "catalog", "cart", "pay", "store"))
        found = {one.name: one for one in await probe(settings, services=services, clock=world.clock)}
    assert {one.ok for one in found.values()} == {True}
    assert set(found) == {f"jaeger {x}" for x in ("reachable", "version", "services matched", "fresh", "pods")}
    assert "v3" in found["jaeger version"].detail and "100% of 5" in found["jaeger services matched"].detail
    assert not any(one.remedy for one in found.values())


async def test_doctor_names_services_without_spans() -> None:
    async with traced() as (world, settings):
        wanted = frozenset({ServiceRef("shop", "front"), ServiceRef("shop", "gone"), ServiceRef("back", "store")})
        found = {one.name: one for one in await probe(settings, services=wanted, clock=world.clock)}
        strange = {
            one.name: one
            for one in await probe(settings, services=frozenset({ServiceRef("x", "y")}), clock=world.clock)
        }
        none = {one.name: one for one in await probe(settings, services=frozenset(), clock=world.clock)}
    matched = found["jaeger services matched"]
    assert matched.ok is None and "33% of 3" in matched.detail and "back/store, shop/gone" in matched.detail
    assert "Telemetry" in matched.remedy
    assert strange["jaeger services matched"].ok is False and "jaeger fresh" not in strange
    assert none["jaeger services matched"].ok is None


async def test_doctor_notices_that_spans_are_old_or_of_the_future() -> None:
    async with traced() as (world, settings):
        clock, services = FakeClock(world.clock.now() + 3600.0), frozenset({ServiceRef("shop", "front")})
        quiet = {one.name: one for one in await probe(settings, services=services, clock=clock)}
        clock.at = world.clock.now() - 10.0
        ahead = {one.name: one for one in await probe(settings, services=services, clock=clock)}
    assert quiet["jaeger fresh"].ok is None and "sampling" in quiet["jaeger fresh"].remedy
    assert ahead["jaeger fresh"].ok is False and "clocks" in ahead["jaeger fresh"].remedy


@pytest.mark.parametrize(("status", "word"), [(401, "jaeger.auth"), (404, "base path"), (500, "network policy")])
async def test_doctor_says_what_to_do_when_jaeger_does_not_answer(status: int, word: str) -> None:
    async with traced() as (world, settings):
        world.jaeger.fault_injection.status = status
        (found,) = await probe(settings, services=CATALOG, clock=world.clock)
    assert found.ok is False and word in found.remedy


async def test_doctor_says_nothing_of_a_jaeger_that_is_not_used() -> None:
    assert await probe(JaegerSettings(), services=CATALOG, clock=FakeClock()) == []
