"""The page as HTML: it names what the API names, escapes what others wrote, and carries strict headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from observer.domain.decision import Decision, Verdict
from observer.domain.kinds import Kind
from observer.domain.snapshot import Gap
from observer.engine.guards.order import GUARDS
from observer.web.models.parameters import OverviewQuery
from observer.web.models.rows import State
from observer.web.page import render, site
from observer.web.page.render import GLYPHS, environment
from observer.web.server import CSP, make_app
from tests.support.page_world import TOKEN, PageWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = ("/", "/incidents", "/graph", "/decisions", "/policies", "/sources", "/workloads/shop/checkout")
Client = TestClient[Any, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    found = await PageWorld.open(tmp_path_factory.mktemp("page"))
    await found.until("closed")
    yield found
    await found.close()


@pytest_asyncio.fixture(loop_scope="module")
async def client(world: PageWorld) -> AsyncIterator[Client]:
    app = make_app(world.loop_status, bytes, queries=world.queries, people=world.people())
    async with TestClient(TestServer(app)) as found:
        yield found


async def text(client: Client, path: str, status: int = 200, **headers: str) -> str:
    async with client.get(path, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        return await answer.text()


async def test_every_page_reads_and_none_holds_script_or_style(client: Client) -> None:
    for path in PAGES:
        async with client.get(path) as answer:
            page = await answer.text()
            assert (answer.status, answer.headers["Content-Security-Policy"]) == (200, CSP)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "unsafe" not in CSP and "style=" not in page and "<style" not in page and " on" + "click" not in page
        assert page.count("<script") == page.count('<script src="/static/') and page.count("<h1") == 1
        assert '<a class="skip" href="#main">' in page and 'lang="en"' in page


async def test_errors_carry_the_same_headers(client: Client) -> None:
    for path in ("/nowhere", "/api/v1/nowhere", "/static/nothing.js"):
        async with client.get(path) as answer:
            assert answer.status in (401, 404) and "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_the_overview_says_what_it_wants_first(client: Client) -> None:
    page = await text(client, "/")
    assert "Action required: 1" in page and "Review and approve" in page
    assert page.index(">Action required<") < page.index("What is wrong") < page.index("What Observer did")
    assert "catalog-00-0: fixed, 40 s after it was first suspected." in page
    assert "No workload fits." in await text(client, "/?q=nobody&namespace=&state=")


async def test_an_incident_shows_evidence_brakes_and_proof_without_a_script(client: Client, world: PageWorld) -> None:
    page = await text(client, f"/incidents/{world.incident('catalog-00-0')}")
    assert "Did it help? Fixed" in page and f"Guards about evict: 0 blocked, {len(GUARDS)} allowed" in page
    assert page.index("Likely causes") < page.index("<b>pod shop/catalog-00-0</b>") < page.index("Guards about evict")
    assert page.count("<polyline") >= 4 and "https://kiali.example.test/kiali/console/" in page
    blocked = await text(client, f"/incidents/{world.incident('checkout-00-0')}")
    assert f"1 blocked, {len(GUARDS) - 1} allowed" in blocked and "Review and approve: drain" in blocked


async def test_what_a_script_asks_for_is_the_live_part_alone_and_tagged(client: Client) -> None:
    async with client.get("/", headers={"X-Live": "1"}) as answer:
        page, tag = await answer.text(), answer.headers["ETag"]
    assert "<html" not in page and "csrf" not in page and "data-live" in page
    async with client.get("/", headers={"X-Live": "1", "If-None-Match": tag}) as answer:
        assert answer.status == 304


async def test_what_others_wrote_is_text(client: Client, world: PageWorld) -> None:
    evil = "<img src=x onerror=alert(1)>\"'"
    one = Decision(
        "evil", world.clock.now(), Kind.PAGE, Verdict.TELL, f"pod shop/{evil}", evil, evil, figures={evil: evil}
    )
    await world.journal.record(one)
    page = await text(client, "/decisions?q=onerror")
    assert "<img" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page


async def test_faults_and_missing_things_are_pages_too(client: Client) -> None:
    assert "limit" in await text(client, "/?limit=none", 400)
    assert "no workload" in await text(client, "/workloads/shop/nobody", 404)
    assert "no incident" in await text(client, "/incidents/nobody", 404)


async def test_before_the_first_tick_the_page_says_so(tmp_path: Path) -> None:
    world = await PageWorld.open(tmp_path)
    async with TestClient(TestServer(make_app(world.loop_status, bytes, queries=world.queries))) as client:
        assert "has just started" in await text(client, "/", 503)
    await world.close()


async def test_blindness_a_pause_and_a_missing_source_are_said(tmp_path: Path) -> None:
    world = await PageWorld.open(tmp_path, sick=0)
    await world.ticks(20)
    await world.switch.write(paused=True, who="kim", reason="release")
    world.gaps = (Gap("prometheus", "timeout", "no answer within 4 s"), Gap("kiali", "denied", "HTTP 403"))
    await world.tick()
    async with TestClient(TestServer(make_app(world.loop_status, bytes, queries=world.queries))) as client:
        page = await text(client, "/")
        assert "Action required: 2" in page and "only restores still run: kim: release" in page
        assert (
            "no actions until it recovers: prometheus: timeout" in page
            and "8 unknown" in page
            and "1 overdrawn" in page
        )
        assert "healthy" not in page.split('id="live-ns"')[1].split("</section>")[0]
        assert "HTTP 403" in await text(client, "/sources")
    await world.close()


async def test_without_the_scripts_of_others_the_page_says_so(client: Client, world: PageWorld) -> None:
    assert "This build has no plots" in await text(client, "/sources")
    assert "drawn.js" not in await text(client, "/graph")


async def test_static_files_are_kept_by_browsers_and_nothing_else_is_served(client: Client) -> None:
    page = await text(client, "/")
    address = page.split('<script src="')[1].split('"')[0]
    async with client.get(address) as answer:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
        assert "immutable" in answer.headers["Cache-Control"]
    for path in ("/static/../site.py", "/static/%2e%2e/site.py", "/static/site.py", "/static/vendor/..%2fpage.js"):
        async with client.get(path) as answer:
            assert answer.status in (401, 404)


async def test_forms_need_a_sign_in_and_show_the_plan(client: Client, world: PageWorld) -> None:
    key = world.incident("checkout-00-0")
    page = await text(client, f"/incidents/{key}/approve")
    assert "Drain pod shop/checkout-00-0" in page and "istio.io/draining" in page and "not signed in" in page
    origin = {"Origin": f"http://{client.host}:{client.port}"}
    async with client.post("/sign-in", data={"token": TOKEN}, headers=origin, allow_redirects=False) as answer:
        assert answer.status == 303
    page = await text(client, f"/incidents/{key}/approve")
    assert "not signed in" not in page and 'name="csrf" value=""' not in page
    assert "Nothing waits" in await text(client, f"/incidents/{world.incident('cart-00-0')}/approve")
    assert "no pod to restore" in await text(client, f"/incidents/{key}/undo")
    assert "no incident" in await text(client, "/incidents/nobody/approve", 404)
    assert "No action is taken from now on" in await text(client, "/pause")


async def test_a_page_of_one_tick_is_rendered_once_for_all(client: Client, world: PageWorld) -> None:
    first = await text(client, "/incidents")
    known = world.memory
    world.memory = replace(known, incidents={})  # not drawn before the next tick
    assert await text(client, "/incidents") == first
    world.memory = known


async def test_a_build_is_whole_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "SCRIPTS", (*render.SCRIPTS, "missing.js"))
    assert not render.built()


@pytest.mark.parametrize(
    ("states", "said", "shown"),
    [
        ({"healthy": 3}, "All quiet", "s-healthy"),
        ({"healthy": 3, "unknown": 1}, "Quiet as far as can be seen; 1 workload is not seen", "s-unknown"),
        ({"overdrawn": 1, "healthy": 2}, "Nobody is suspected; 1 workload has an overdrawn budget", "s-overdrawn"),
        ({"overdrawn": 2, "unknown": 1}, "Nobody is suspected; 2 workloads have an overdrawn budget", "s-overdrawn"),
        ({"degraded": 1, "overdrawn": 1}, "Nobody is suspected; 1 not well", "s-degraded"),
    ],
)
async def test_nothing_is_called_quiet_that_is_not(
    world: PageWorld, states: dict[str, int], said: str, shown: str
) -> None:
    seen = await world.queries.overview(OverviewQuery())
    calm = msgspec.structs.replace(seen, action_required=(), incidents_open=0, incidents=(), states=states)
    page = environment().get_template("overview.html").render(view=calm, query=OverviewQuery(), now=calm.at)
    bar, sentence = page.split("</h1>")[0].split("<h1>")
    assert sentence.strip() == said and f"verdictbar {shown}" in bar


async def test_every_state_has_a_word_a_shape_of_its_own_and_a_colour(client: Client) -> None:
    page = await text(client, "/")
    assert '<span class="state s-overdrawn"><span aria-hidden="true">⊖</span> overdrawn</span>' in page
    assert len(set(GLYPHS.values())) == len(GLYPHS) == len(State)
    css = await text(client, page.split('<link rel="stylesheet" href="')[1].split('"')[0])
    for state in State:
        assert f"<option>{state}</option>" in page and f".s-{state} " in css
        assert css.count(f"--{state}: ") == 2, "light and dark"


async def test_the_pages_that_are_kept_are_bounded_in_characters(
    world: PageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = site.Site(world.queries, None)
    app = web.Application()
    found.add_to(app)
    async with TestClient(TestServer(app)) as client:
        first = await text(client, "/incidents")
        retained = sum(map(len, found._cache.values()))
        assert 0 < retained < len(first)
        monkeypatch.setattr(site, "CACHED_CHARACTERS", 3 * retained)
        for number in range(1, 40):
            page = await text(client, f"/incidents?limit={number}")
            assert "<h1" in page, "what is not kept is shown all the same"
        held = sum(len(key) + len(page) for key, page in found._cache.items())
        assert retained < held <= 3 * retained
        await world.tick()
        await text(client, "/sources")
        assert list(found._cache) == ["/sources"], "the next tick begins anew"


async def test_the_pages_that_are_kept_are_few_megabytes() -> None:
    assert site.CACHED_CHARACTERS <= 16 * 2**20
