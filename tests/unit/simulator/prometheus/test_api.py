"""The HTTP API of the simulated Prometheus: answers, refusals, misbehaviour."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from observer.simulator.prometheus.api import PrometheusApi
from tests.support.mesh import START, Rig

Client = TestClient[Any, Any]


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.run(12)
    return rig


@pytest.fixture
def api(rig: Rig) -> PrometheusApi:
    return PrometheusApi([rig.scraper], lambda: rig.mesh.now)


@pytest.fixture
async def client(api: PrometheusApi) -> AsyncIterator[Client]:
    async with TestClient(TestServer(api.app())) as client:
        yield client


async def test_get_and_form_post_answer_alike(client: Client) -> None:
    asked = {"query": 'up{pod="front-0"}', "time": str(START + 10.5)}
    by_post = await (await client.post("/api/v1/query", data=asked)).json()
    by_get = await (await client.get("/api/v1/query", params=asked)).json()
    assert by_post == by_get
    assert by_post == {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {
                    "metric": {
                        "__name__": "up",
                        "instance": "10.0.0.8:15020",
                        "job": "mesh",
                        "namespace": "shop",
                        "pod": "front-0",
                    },
                    "value": [START + 10.5, "1"],
                }
            ],
        },
    }


async def test_without_a_time_it_is_now(client: Client) -> None:
    body = await (await client.get("/api/v1/query", params={"query": "1"})).json()
    assert body["data"] == {"resultType": "scalar", "result": [START + 12, "1"]}


async def test_an_empty_answer_is_an_empty_vector(client: Client) -> None:
    body = await (await client.get("/api/v1/query", params={"query": "nothere"})).json()
    assert body == {"status": "success", "data": {"resultType": "vector", "result": []}}


async def test_infinity_is_spelled_as_prometheus_spells_it(client: Client) -> None:
    text = await (await client.get("/api/v1/query", params={"query": 'up{pod="front-0"} / 0'})).text()
    assert '"+Inf"]' in text
    text = await (await client.get("/api/v1/query", params={"query": '(up{pod="front-0"} - 1) / 0'})).text()
    assert '"NaN"]' in text


async def test_a_range_is_a_sorted_matrix_of_present_points(client: Client) -> None:
    asked = {"query": "up", "start": str(START - 5), "end": str(START + 2), "step": "1"}
    body = await (await client.post("/api/v1/query_range", data=asked)).json()
    assert body["data"]["resultType"] == "matrix"
    found = body["data"]["result"]
    assert [one["metric"]["instance"] for one in found] == sorted(one["metric"]["instance"] for one in found)
    assert all(at >= START - 3 for one in found for at, _ in one["values"])
    assert all(one["values"][-1] == [START + 2, "1"] for one in found)


async def test_a_range_selector_in_an_instant_query_gives_raw_samples(client: Client) -> None:
    body = await (await client.get("/api/v1/query", params={"query": 'up{pod="front-0"}[3s]'})).json()
    assert body["data"]["resultType"] == "matrix"
    assert len(body["data"]["result"][0]["values"]) == 3


@pytest.mark.parametrize(
    ("path", "asked", "status", "kind", "words"),
    [
        ("query", {"query": "sum("}, 400, "bad_data", 'invalid parameter "query"'),
        ("query", {}, 400, "bad_data", "no expression found"),
        ("query", {"query": "up", "time": "soon"}, 400, "bad_data", 'cannot parse "soon" to a valid timestamp'),
        ("query", {"query": "avg(up)"}, 422, "execution", "avg"),
        ("query", {"query": "up * on (pod) up"}, 422, "execution", "on()"),
        ("query_range", {"query": "up", "start": "1", "end": "2"}, 400, "bad_data", '"step"'),
        ("query_range", {"query": "up", "start": "2", "end": "1", "step": "1"}, 400, "bad_data", "before start time"),
        ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}, 400, "bad_data", "zero or negative"),
        ("query_range", {"query": "up", "start": "1", "end": "2", "step": "x"}, 400, "bad_data", "valid duration"),
        ("query_range", {"query": "up", "start": "0", "end": "11002", "step": "1"}, 400, "bad_data", "11,000 points"),
        ("query_range", {"query": "up[5m]", "start": "0", "end": "2", "step": "1"}, 400, "bad_data", "range vector"),
        ("series", {}, 400, "bad_data", "match[]"),
    ],
)
async def test_refusals(client: Client, path: str, asked: dict[str, str], status: int, kind: str, words: str) -> None:
    answer = await client.get(f"/api/v1/{path}", params=asked)
    body = await answer.json()
    assert (answer.status, body["status"], body["errorType"]) == (status, "error", kind)
    assert words in body["error"]


async def test_eleven_thousand_points_are_allowed(client: Client) -> None:
    asked = {"query": "up", "start": "0", "end": "11000", "step": "1s"}
    assert (await client.get("/api/v1/query_range", params=asked)).status == 200


async def test_rfc_3339_times_and_durations_are_read(client: Client, rig: Rig) -> None:
    asked = {"query": "up", "start": "1970-01-12T13:46:45Z", "end": "1970-01-12T13:46:50.5+00:00", "step": "500ms"}
    body = await (await client.get("/api/v1/query_range", params=asked)).json()
    assert len(body["data"]["result"][0]["values"]) == 12


async def test_series_labels_values_targets_and_health(client: Client) -> None:
    series = await (await client.post("/api/v1/series", data={"match[]": 'up{pod=~"store.*"}'})).json()
    assert [one["pod"] for one in series["data"]] == ["store-0", "store-1", "store-2", "store-3"]
    pods = await (await client.get("/api/v1/label/pod/values")).json()
    assert pods["data"] == ["front-0", "load-0", "store-0", "store-1", "store-2", "store-3"]
    names = await (await client.get("/api/v1/label/__name__/values")).json()
    assert "istio_requests_total" in names["data"]
    labels = await (await client.get("/api/v1/labels", params={"match[]": "up"})).json()
    assert labels["data"] == ["__name__", "instance", "job", "namespace", "pod"]
    targets = await (await client.get("/api/v1/targets", params={"state": "active"})).json()
    assert {one["health"] for one in targets["data"]["activeTargets"]} == {"up"}
    info = await (await client.get("/api/v1/status/buildinfo")).json()
    assert info["data"]["version"].startswith("3.")
    assert (await client.get("/-/ready")).status == (await client.get("/-/healthy")).status == 200


async def test_warnings_and_partial_answers(client: Client, api: PrometheusApi) -> None:
    api.misbehaviour.warnings = ["results truncated due to limit"]
    api.misbehaviour.infos = ["metric might not be a counter"]
    api.misbehaviour.partial = True
    body = await (await client.get("/api/v1/query", params={"query": "up"})).json()
    assert body["warnings"] == ["results truncated due to limit"]
    assert body["infos"] == ["metric might not be a counter"]
    assert body["isPartial"] is True


async def test_unavailable_is_plain_text(client: Client, api: PrometheusApi) -> None:
    api.misbehaviour.unavailable = True
    answer = await client.get("/api/v1/query", params={"query": "up"})
    assert (answer.status, answer.content_type, await answer.text()) == (503, "text/plain", "Service Unavailable")
    assert (await client.get("/-/ready")).status == 503
    assert (await client.get("/-/healthy")).status == 200


async def test_truncated_and_garbage_bodies(client: Client, api: PrometheusApi) -> None:
    api.misbehaviour.truncate = 10
    with pytest.raises(json.JSONDecodeError):
        json.loads(await (await client.get("/api/v1/query", params={"query": "up"})).text())
    api.misbehaviour.truncate, api.misbehaviour.garbage = 0, True
    assert (await (await client.get("/api/v1/query", params={"query": "up"})).text()).startswith("<html>")


async def test_redirects_lead_away(client: Client, api: PrometheusApi) -> None:
    api.misbehaviour.redirect = "http://elsewhere.example/api/v1/query"
    answer = await client.get("/api/v1/query", params={"query": "up"}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (307, "http://elsewhere.example/api/v1/query")


async def test_shuffled_order_holds_the_same_series(client: Client, api: PrometheusApi) -> None:
    asked = {"query": "up", "time": str(START + 10)}
    plain = (await (await client.get("/api/v1/query", params=asked)).json())["data"]["result"]
    api.misbehaviour.shuffle = True
    mixed = [(await (await client.get("/api/v1/query", params=asked)).json())["data"]["result"] for _ in range(5)]
    assert any(one != plain for one in mixed)
    assert all(sorted(one, key=str) == sorted(plain, key=str) for one in mixed)


async def test_slow_answers_come_after_the_callers_patience(client: Client, api: PrometheusApi) -> None:
    api.misbehaviour.delay = 30.0
    with pytest.raises(TimeoutError):
        await client.get("/api/v1/query", params={"query": "up"}, timeout=aiohttp.ClientTimeout(total=0.05))


async def test_errors_to_order(client: Client, api: PrometheusApi) -> None:
    api.misbehaviour.error = ("timeout", "query timed out in expression evaluation")
    answer = await client.get("/api/v1/query", params={"query": "up"})
    assert (answer.status, (await answer.json())["errorType"]) == (503, "timeout")


async def test_requests_are_remembered(client: Client, api: PrometheusApi) -> None:
    await client.post("/api/v1/query", data={"query": "up", "time": "5"}, headers={"X-Scope-OrgID": "me"})
    assert api.requests == [("/api/v1/query", {"query": "up", "time": "5"})]
    assert api.headers["X-Scope-OrgID"] == "me"
