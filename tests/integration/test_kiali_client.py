"""What only a Kiali of its own can show: ways to log in, sessions that end, old pictures, several clusters."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from observer.config.settings.sources import HttpAuth, KialiLogin, KialiSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.simulator.scenarios.world import World
from observer.sources.kiali.probe import probe
from observer.sources.kiali.source import KialiSource
from tests.support.fakes import FakeClock
from tests.support.graph_bodies import AT, calls, graph, http, workload
from tests.support.neighbour_worlds import lived
from tests.support.query_servers import SECRET, serving

pytestmark = pytest.mark.integration

SHOP = frozenset({"shop"})
SERVICES = frozenset(ServiceRef("shop", name) for name in ("front", "catalog", "cart", "pay", "store"))


@asynccontextmanager
async def console(**ways: Any) -> AsyncIterator[tuple[World, KialiSettings]]:
    world, _ = await lived(40.0)
    for name, value in ways.items():
        setattr(world.kiali.ways, name, value)
    async with world:
        _, address = await world.serve_neighbours()
        yield world, KialiSettings(url=address, timeout=20.0)


@pytest.fixture
def token(tmp_path: Path) -> HttpAuth:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    return HttpAuth(bearer_file=str(tmp_path / "token"))


async def reason(settings: KialiSettings, at: float = 1e9) -> str:
    """How a question fails; no message tells a secret."""
    source = KialiSource(settings, FakeClock(at))
    with pytest.raises((SourceUnavailable, SourceProtocolError)) as caught:
        await source.graph(at, 60.0, SHOP)
    await source.close()
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value, (SourceUnavailable, SourceProtocolError))
    return f"{caught.value.reason}: {caught.value}"


@pytest.mark.parametrize("strategy", ["anonymous", "token", "header", "openshift"])
@pytest.mark.parametrize("named", [True, False])
async def test_each_way_in_is_found_or_taken_as_told(token: HttpAuth, strategy: str, named: bool) -> None:
    async with console(strategy=strategy, token=SECRET) as (world, settings):
        login = KialiLogin(strategy) if named else KialiLogin.AUTO
        source = KialiSource(replace(settings, login=login, auth=token), world.clock)
        for _ in range(2):
            assert (await source.graph(world.clock.now(), 60.0, SHOP)).edges
        assert source.login == strategy
        assert world.kiali.logins == (1 if strategy == "token" else 0)
        asked = [path for path, _ in world.kiali.requests]
        assert asked.count("/api/auth/info") == (0 if named else 1)
        await source.close()


@pytest.mark.parametrize(("auth", "login"), [(True, "header"), (False, "anonymous")])
async def test_a_server_that_does_not_say_gets_the_token_if_there_is_one(
    token: HttpAuth, auth: bool, login: str
) -> None:
    async with console(strategy=login, token=SECRET, answers=False) as (world, settings):
        source = KialiSource(replace(settings, auth=token if auth else HttpAuth()), world.clock)
        assert (await source.graph(world.clock.now(), 60.0, SHOP)).edges
        assert source.login == login
        await source.close()


async def test_a_session_that_ended_is_begun_again_once(token: HttpAuth) -> None:
    async with console(strategy="token", token=SECRET) as (world, settings):
        source = KialiSource(replace(settings, auth=token), world.clock)
        await source.graph(world.clock.now(), 60.0, SHOP)
        world.kiali.forget_sessions()
        assert (await source.graph(world.clock.now(), 60.0, SHOP)).edges
        assert world.kiali.logins == 2
        world.kiali.ways.token = "another"
        world.kiali.forget_sessions()
        with pytest.raises(SourceUnavailable, match="logging in: HTTP 401: Token is not valid") as caught:
            await source.graph(world.clock.now(), 60.0, SHOP)
        assert caught.value.reason == "denied"
        await source.close()


async def test_a_changed_way_in_is_found_out_after_the_refusal(token: HttpAuth) -> None:
    async with console(strategy="anonymous", token=SECRET) as (world, settings):
        source = KialiSource(replace(settings, auth=token), world.clock)
        await source.graph(world.clock.now(), 60.0, SHOP)
        world.kiali.ways.strategy = "token"
        with pytest.raises(SourceUnavailable):
            await source.graph(world.clock.now(), 60.0, SHOP)
        assert (await source.graph(world.clock.now(), 60.0, SHOP)).edges
        await source.close()


@pytest.mark.parametrize(
    ("strategy", "login", "word"),
    [
        ("openid", KialiLogin.AUTO, "wants people to log in ('openid')"),
        ("token", KialiLogin.AUTO, "wants a token (token) and auth.bearer_file is empty"),
        ("header", KialiLogin.HEADER, "wants a token (header)"),
        ("header", KialiLogin.ANONYMOUS, "HTTP 401: Unauthorized"),
    ],
)
async def test_whoever_is_not_let_in_is_told_why(strategy: str, login: KialiLogin, word: str) -> None:
    async with console(strategy=strategy, token=SECRET) as (_, settings):
        assert (told := await reason(replace(settings, login=login))).startswith("denied: ") and word in told


async def test_a_login_without_a_cookie_is_no_login(token: HttpAuth) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"strategy": "token"})

    async with serving(handler) as server:
        settings = KialiSettings(url=f"http://127.0.0.1:{server.port}", auth=token)
        assert await reason(settings) == "protocol: logging in gave no cookie"


async def test_cookies_in_parts_are_sent_back_and_deleted_ones_are_not(token: HttpAuth) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/info"):
            return web.json_response({"strategy": "token"})
        if request.method == "POST":
            answer = web.json_response({})
            for name, value in (("kiali-token", "a"), ("kiali-token-1", "b"), ("old", "")):
                answer.set_cookie(name, value, path="/kiali", httponly=True)
            return answer
        seen.append(dict(request.cookies))
        return web.json_response(json.loads(graph([], [])))

    async with serving(handler) as server:
        source = KialiSource(KialiSettings(url=f"http://127.0.0.1:{server.port}/kiali", auth=token), FakeClock(AT))
        await source.graph(AT, 60.0, SHOP)
        await source.close()
    assert seen == [{"kiali-token": "a", "kiali-token-1": "b"}]


@pytest.mark.parametrize("body", ["[]", "{}", "<html>"])
async def test_a_way_in_that_cannot_be_read_is_refused(body: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    async with serving(handler) as server:
        told = await reason(KialiSettings(url=f"http://127.0.0.1:{server.port}"))
        assert told.startswith("protocol: malformed /api/auth/info")


async def test_an_old_picture_is_no_picture() -> None:
    async with console(aged=600) as (world, settings):
        told = await reason(settings, world.clock.now())
        assert told.startswith("stale: the graph is old (600 s)")


async def test_a_namespace_that_is_hidden_is_named() -> None:
    async with console(forbidden={"shop"}) as (world, settings):
        assert "Requested namespace [shop] is not accessible" in await reason(settings, world.clock.now())


async def test_a_wrong_web_root_is_said() -> None:
    async with console() as (world, settings):
        wrong = replace(settings, url=settings.url.removesuffix("/kiali"), login=KialiLogin.ANONYMOUS)
        assert "web root" in await reason(wrong, world.clock.now())


async def test_a_page_instead_of_an_answer_is_said() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async with serving(handler) as server:
        assert "text/html" in await reason(KialiSettings(url=f"http://127.0.0.1:{server.port}"))


async def test_several_clusters_need_a_name() -> None:
    nodes = [workload(f"{name}-v1", name, cluster=where) for where in ("east", "west") for name in ("front", "cart")]
    good = http("1.00", {"200": {"-": "100.0"}})
    body = graph(nodes, [calls(nodes[0], nodes[1], good), calls(nodes[2], nodes[3], good)])

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with serving(handler) as server:
        settings = KialiSettings(url=f"http://127.0.0.1:{server.port}", login=KialiLogin.ANONYMOUS)
        assert "several clusters (east, west): name this one in kiali.cluster" in await reason(settings, AT)
        source = KialiSource(replace(settings, cluster="west"), FakeClock(AT))
        (edge,) = (await source.graph(AT, 60.0, SHOP)).edges
        assert edge.requests == 60.0
        await source.close()


async def test_an_empty_health_tells_of_nobody() -> None:
    for old in (False, True):
        async with console(empty=True, old_health=old) as (world, settings):
            source = KialiSource(settings, world.clock)
            assert await source.health(world.clock.now(), 60.0, SHOP) == {}
            await source.close()


async def test_the_old_route_of_health_is_remembered() -> None:
    async with console(old_health=True) as (world, settings):
        source = KialiSource(settings, world.clock)
        for _ in range(2):
            assert await source.health(world.clock.now(), 60.0, SHOP)
        asked = [path for path, _ in world.kiali.requests]
        assert asked.count("/api/clusters/health") == 1
        assert asked.count("/api/namespaces/shop/health") == 2
        await source.close()


async def test_doctor_finds_a_good_kiali_good() -> None:
    async with console() as (world, settings):
        found = {one.name: one for one in await probe(settings, services=SERVICES, clock=world.clock)}
    assert {one.ok for one in found.values()} == {True}, found
    words = ("reachable", "version", "fresh", "services matched", "health")
    assert set(found) == {f"kiali {word}" for word in words}
    assert "v2.31.0" in found["kiali version"].detail and "100% of 5" in found["kiali services matched"].detail


async def test_doctor_tells_what_a_kiali_does_not_know() -> None:
    async with console(empty=True, version="") as (world, settings):
        wanted = frozenset({ServiceRef("shop", "front"), ServiceRef("shop", "gone")})
        found = {one.name: one for one in await probe(settings, services=wanted, clock=world.clock)}
    assert {name for name, one in found.items() if one.ok is None} == {
        "kiali version",
        "kiali services matched",
        "kiali health",
    }
    assert (
        "50% of 2" in found["kiali services matched"].detail and "shop/gone" in found["kiali services matched"].detail
    )


@pytest.mark.parametrize(
    ("ways", "word"),
    [({"strategy": "openid"}, "kiali.login"), ({"aged": 900}, "clocks"), ({"forbidden": {"shop"}}, "namespaces")],
)
async def test_doctor_says_what_to_do(ways: dict[str, Any], word: str) -> None:
    async with console(**ways) as (world, settings):
        found = await probe(settings, services=SERVICES, clock=world.clock)
    assert [one.ok for one in found] == [False] and word in found[0].remedy


async def test_doctor_says_nothing_of_a_kiali_that_is_not_used() -> None:
    assert await probe(KialiSettings(), services=SERVICES, clock=FakeClock()) == []
