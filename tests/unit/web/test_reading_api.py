"""The reading API tells what the engine decided, page by page, with tags, and says what is wrong with a question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from observer.engine.guards.order import GUARDS
from observer.web.routes import ROUTES
from observer.web.server import make_app
from tests.support.page_world import PageWorld

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    found = await PageWorld.open(tmp_path_factory.mktemp("page"))
    await found.until("closed")
    yield found
    await found.close()


@pytest_asyncio.fixture(loop_scope="module")
async def client(world: PageWorld) -> AsyncIterator[TestClient[Any, Any]]:
    app = make_app(world.loop_status, bytes, queries=world.queries)
    async with TestClient(TestServer(app)) as found:
        yield found


async def got(client: TestClient[Any, Any], path: str, status: int = 200) -> Any:
    async with client.get(path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def test_the_overview_names_what_is_wrong_what_was_done_and_what_is_wanted(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/v1/overview")

    assert found["complete"] and found["control"]["mode"] == "enforce"
    assert found["states"] == {"blocked": 1, "suspected": 1, "degraded": 1, "overdrawn": 1, "healthy": 6}
    assert [(row["name"], row["state"]) for row in found["workloads"][:3]] == [
        ("checkout", "blocked"), ("cart", "suspected"), ("sessions", "degraded"),
    ]  # fmt: skip
    assert [(ask["kind"], "checkout-00-0" in ask["text"]) for ask in found["action_required"]] == [("approve", True)]
    assert [one["kind"] for one in found["interventions"][:3]] == ["closed", "verified", "replaced"]
    assert found["namespaces"][0]["namespace"] == "shop"
    assert found["namespaces"][0]["states"] == {"blocked": 1, "suspected": 1, "healthy": 4}
    burning = next(row for row in found["workloads"] if row["name"] == "sessions")
    assert burning["budget_left"] == pytest.approx(-0.2) and burning["burn"] == 4.0


async def test_an_overdrawn_budget_is_never_shown_as_healthy(client: TestClient[Any, Any], world: PageWorld) -> None:
    found = await got(client, "/api/v1/overview?state=overdrawn")
    assert [(row["name"], row["headline"]) for row in found["workloads"]] == [
        ("prices", "Prices answers: its error budget is overdrawn by 30 %")
    ]
    stock = next(one for one in found["namespaces"] if one["namespace"] == "stock")
    assert (stock["worst"], stock["states"]) == ("overdrawn", {"overdrawn": 1, "healthy": 1})
    everything = await got(client, "/api/v1/overview")
    spent = {row["state"] for row in everything["workloads"] if (row["budget_left"] or 0.0) < 0.0}
    assert spent == {"degraded", "overdrawn"}
    assert (await got(client, "/api/v1/workloads/stock/prices"))["workload"]["state"] == "overdrawn"
    assert (await got(client, "/api/v1/status"))["overdrawn"] == [
        {"service": "stock/prices", "objective": "Prices answers", "budget_left": -0.3},
        {"service": "users/sessions", "objective": "Sessions answers", "budget_left": -0.2},
    ]


async def test_workloads_are_chosen_and_paged(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/v1/overview?namespace=stock&limit=1&offset=1")
    assert (found["matching"], [row["name"] for row in found["workloads"]]) == (2, ["warehouse"])
    found = await got(client, "/api/v1/overview?state=healthy&q=cat")
    assert [row["name"] for row in found["workloads"]] == ["catalog"]


async def test_one_workload_shows_its_pods_and_what_was_decided(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/v1/workloads/shop/checkout")
    sick = found["pods"][0]
    assert (sick["name"], sick["ready"], len(found["pods"])) == ("checkout-00-0", True, 6)
    assert 0.2 < sick["error_rate"] < 0.4 and found["pods"][1]["error_rate"] < 0.01
    assert sick["incident"] == found["incidents"][0]["id"] == found["workload"]["incidents"][0]
    assert "page" in {one["kind"] for one in found["decisions"]} and found["policies"] == [
        "platform-default",
        "shop-checkout",
    ]
    assert "no workload" in (await got(client, "/api/v1/workloads/shop/nobody", 404))["detail"]


async def test_an_incident_is_told_from_evidence_to_proof(client: TestClient[Any, Any]) -> None:
    rows = (await got(client, "/api/v1/incidents?which=closed"))["incidents"]
    assert [(one["subject"], one["outcome"]) for one in rows] == [("pod shop/catalog-00-0", "fixed")]
    found = await got(client, f"/api/v1/incidents/{rows[0]['id']}")
    kinds = ["suspected", "drain", "drain_effective", "drain_verdict", "evict", "replaced", "verified", "closed"]
    assert [one["kind"] for one in found["timeline"] if one["kind"] in kinds] == kinds
    assert found["guard_review"]["action"] == "evict" and all(one["allowed"] for one in found["guard_review"]["guards"])
    assert (found["experiment"]["verdict"], found["verification"]["verdict"]) == ("dropped", "fixed")
    assert found["verification"]["replacement"] == "shop/catalog-00-1"
    first = found["attribution"]["ranked"][0]
    assert (first["cause"], first["culprit"]) == ("pod shop/catalog-00-0", True) and first["probability"] > 0.9
    assert first["lines"] and sum(one["probability"] for one in found["attribution"]["ranked"]) == pytest.approx(1.0)
    assert {one["to"] for one in found["links"]} == {"jaeger", "kiali", "grafana"}
    assert {one["name"] for one in found["graph"]["nodes"]} >= {"catalog", "prices", "warehouse", "frontend"}
    before = [one for one in found["points"] if one["evidence_score"] is None]
    assert before and max(one["own"] for one in before[:3]) < 0.01
    assert max(one["own"] or 0.0 for one in found["points"]) > 0.1


async def test_what_waits_for_a_person_names_the_one_act_that_it_is_for(client: TestClient[Any, Any]) -> None:
    row = (await got(client, "/api/v1/incidents?which=open"))["incidents"][-1]
    ids = {one["subject"]: one["id"] for one in (await got(client, "/api/v1/incidents?which=open"))["incidents"]}
    found = await got(client, f"/api/v1/incidents/{ids['pod shop/checkout-00-0']}")
    held = found["guard_review"]["guards"][0]
    assert (held["guard"], held["allowed"]) == ("approval", False)
    page, _, anchor = held["explained"].partition("#")
    assert anchor in (REFERENCE / page).read_text() and anchor == held["reason"]
    assert found["approval"]["action"] == "drain" and found["approval"]["plan"] in held["detail"]
    assert len(found["guard_review"]["guards"]) == len(GUARDS) and row["phase"] == "suspected"
    assert (await got(client, f"/api/v1/incidents/{ids['pod shop/cart-00-0']}"))["approval"] is None
    assert "no incident" in (await got(client, "/api/v1/incidents/nothing", 404))["detail"]


async def test_decisions_are_paged_to_the_end_without_a_gap(client: TestClient[Any, Any], world: PageWorld) -> None:
    seen, before = [], ""
    while True:
        page = await got(client, f"/api/v1/decisions?limit=4&before={before}")
        seen += [one["id"] for one in page["decisions"]]
        before = page["next"]
        if not before:
            break
    assert sorted(seen) == sorted(one.id for one in world.decisions) and len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ("verdict=act", {"drain", "evict"}),
        ("verdict=blocked", {"blocked"}),
        ("kind=verified&namespace=shop", {"verified"}),
        ("namespace=stock", set()),
        ("namespace=sho_", set()),
        ("q=was+Ready", {"replaced"}),
        ("q=was_Ready%25", set()),
        ("subject=pod+shop/cart-00-0", {"suspected", "drain"}),
    ],
)
async def test_decisions_are_searched(client: TestClient[Any, Any], asked: str, kinds: set[str]) -> None:
    found = await got(client, f"/api/v1/decisions?{asked}")
    assert {one["kind"] for one in found["decisions"]} == kinds


async def test_policies_tell_what_holds_and_what_came_of_it(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/v1/policies?workload=shop/cart")
    assert [(row["name"], row["mode"]) for row in found["rows"]] == [("cart", "shadow")]
    values = {one["path"]: one for one in found["effective"]["values"]}
    assert values["objectives"]["file"].endswith("platform.yaml") and values["objectives"]["line"] > 0
    counts = found["interventions"]
    assert counts["acted"] == {"drain": 1, "evict": 1} and counts["would"] == {"drain": 1}
    assert counts["reasons"] == {"approval_needed": 1} and counts["verified"] == {"fixed": 1}
    assert "no workload" in (await got(client, "/api/v1/policies?workload=shop/nobody", 404))["detail"]


async def test_the_graph_is_cut_around_a_service(client: TestClient[Any, Any]) -> None:
    found = await got(client, "/api/v1/graph?around=users/accounts")
    assert {one["name"] for one in found["nodes"]} == {"accounts", "checkout", "sessions"}
    whole = await got(client, "/api/v1/graph?limit=3")
    assert len(whole["calls"]) == 3 and whole["calls_total"] == 13
    assert {one["callee"] for one in whole["calls"]} == {"shop/catalog", "shop/cart", "shop/checkout"}


async def test_sources_say_how_fresh_they_are(client: TestClient[Any, Any]) -> None:
    found = {one["name"]: one for one in (await got(client, "/api/v1/sources"))["sources"]}
    assert (found["prometheus"]["state"], found["kubernetes/pods"]["state"]) == ("ok", "ok")
    assert (found["kiali"]["state"], found["jaeger"]["state"]) == ("ok", "off")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("overview?limit=0", "limit"),
        ("overview?limit=many", "limit"),
        ("overview?state=ill", "state"),
        ("overview?colour=red", "colour"),
        ("overview?limit=1&limit=2", "limit: given more than once"),
        ("decisions?before=yesterday", "before"),
        ("decisions?before=nan~x", "before"),
        ("decisions?q=%00", "q"),
        ("incidents?which=some", "which"),
        ("graph?around=accounts", "around"),
        ("graph?depth=9", "depth"),
        ("sources?x=1", "x"),
    ],
)
async def test_a_bad_question_is_told_what_to_mend(client: TestClient[Any, Any], path: str, says: str) -> None:
    async with client.get(f"/api/v1/{path}") as answer:
        found = await answer.json(content_type=None)
        assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert says in found["detail"] and found["title"] == "Bad Request"


async def test_what_the_caller_has_is_not_sent_again(client: TestClient[Any, Any]) -> None:
    async with client.get("/api/v1/decisions") as answer:
        tag = answer.headers["ETag"]
    async with client.get("/api/v1/decisions", headers={"If-None-Match": f'"other", W/{tag}'}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with client.get("/api/v1/decisions?limit=1", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 200


async def test_before_the_first_tick_it_asks_to_come_again(tmp_path: Path) -> None:
    world = await PageWorld.open(tmp_path)
    app = make_app(world.loop_status, bytes, queries=world.queries)
    async with TestClient(TestServer(app)) as client, client.get("/api/v1/overview") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    await world.close()


async def test_a_journal_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    world = await PageWorld.open(tmp_path, sick=0)
    await world.tick()
    async with world.journal._engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE incidents")
    async with TestClient(TestServer(make_app(world.loop_status, bytes, queries=world.queries))) as client:
        assert "journal" in (await got(client, "/api/v1/incidents", 503))["detail"]
        assert "incidents" in (await got(client, "/api/v1/sources"))["journal"]
        assert (await got(client, "/api/v1/overview"))["states"]
    await world.close()


async def test_every_route_is_described_and_its_answer_has_a_schema() -> None:
    cached = [route for route in ROUTES if route.cached]
    models = [route.answer for route in ROUTES if isinstance(route.answer, type)]
    assert len(cached) == 8 and len(msgspec.json.schema_components(models)[0]) == len(models)
    for route in cached:
        assert route.summary and route.answer.__doc__ and route.query and route.query.__doc__
        assert (404 in route.errors) >= bool(route.parameters)
