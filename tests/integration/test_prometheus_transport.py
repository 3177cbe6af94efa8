"""Everything a metric server may do wrong, over real sockets: no answer is taken for more than it is."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from aiohttp import web

from observer.config.settings.sources import PrometheusSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.sources.prometheus.history import PrometheusHistory
from observer.sources.prometheus.source import PrometheusSource
from tests.support.query_servers import AT, CART, answer, failure, serving, settings_for, up

pytestmark = pytest.mark.integration


STATUSES = [
    (400, '{"status":"error","errorType":"bad_data","error":"parse error"}', "protocol", "bad_data: parse error"),
    (401, "no org id", "denied", "HTTP 401: no org id"),
    (403, "{}", "denied", "HTTP 403"),
    (404, "404 page not found", "protocol", "path prefix"),
    (422, '{"status":"error","errorType":"execution","error":"too many samples"}', "protocol", "too many samples"),
    (429, "slow down", "busy", "slow down"),
    (499, '{"status":"error","errorType":"canceled","error":"x"}', "unreachable", "canceled"),
    (500, '{"status":"error","errorType":"internal","error":"boom"}', "unreachable", "internal: boom"),
    (502, "<html>bad gateway</html>", "unreachable", "HTTP 502"),
    (503, "Service Unavailable", "busy", "not ready"),
    (503, '{"status":"error","errorType":"timeout","error":"query timed out"}', "timeout", "query timed out"),
    (504, "", "timeout", "HTTP 504"),
    (500, '{"error":["not","a","text"]}', "unreachable", "HTTP 500"),
]


@pytest.mark.parametrize(("status", "body", "reason", "said"), STATUSES)
async def test_every_refusal_has_its_reason(status: int, body: str, reason: str, said: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async with serving(handler) as server:
        failed = await failure(settings_for(server))

    assert failed.reason == reason
    assert said in str(failed)


@pytest.mark.parametrize("extra", [{"warnings": ["store-1 did not answer"]}, {"isPartial": True}])
async def test_a_partial_answer_is_no_answer(extra: dict[str, Any]) -> None:
    async def handler(_: web.Request) -> web.Response:
        return answer(up(), **extra)

    async with serving(handler) as server:
        failed = await failure(settings_for(server))

    assert isinstance(failed, SourceUnavailable)
    assert failed.reason == "partial"


@pytest.mark.parametrize(
    "extra",
    [{"infos": ["PromQL info: x"]}, {"warnings": ["PromQL info: metric might not be a counter"]}, {"warnings": []}],
)
async def test_infos_are_no_warnings(extra: dict[str, Any]) -> None:
    async def handler(_: web.Request) -> web.Response:
        return answer(up(), isPartial=False, stats={"seriesFetched": "12"}, **extra)

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server))
        frame = await source.counters(AT)
        await source.close()

    assert frame.scraped.tolist() == [AT - 0.5]


@pytest.mark.parametrize(
    "body",
    [
        '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"na',
        "<html>log in</html>",
        "",
        "null",
        "[]",
        '{"status":"error","data":null}',
        '{"status":"success"}',
        '{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}',
        '{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}',
        '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"two"]}]}}',
        '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":1},"value":[1,"2"]}]}}',
    ],
)
async def test_a_malformed_answer_is_a_protocol_error(body: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server))
        with pytest.raises(SourceProtocolError):
            await source.counters(AT)
        await source.close()


async def test_a_login_page_is_no_answer() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="<html>please log in</html>", content_type="text/html")

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server))
        with pytest.raises(SourceProtocolError, match="text/html instead of JSON"):
            await source.counters(AT)
        await source.close()


async def test_odd_numbers_are_unknown_not_zero() -> None:
    def counted(pod: str, value: str) -> dict[str, Any]:
        return {"metric": {"namespace": "shop", "pod": pod, "response_code": "200"}, "value": [AT, value]}

    async def handler(request: web.Request) -> web.Response:
        query = (await request.post())["query"]
        if "istio_requests_total" in str(query):
            values = {"inf": "+Inf", "nan": "NaN", "minus": "-1", "down": "-Inf", "good": "7"}
            return answer(*(counted(pod, value) for pod, value in values.items()))
        return answer(up("good"), up("nan", "NaN")) if "up{" in str(query) else answer()

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server))
        frame = await source.counters(AT)
        await source.close()

    rows = {pod: row.tolist() for (_, pod), row in zip(frame.pods, frame.requests, strict=True)}
    assert rows["good"] == [7.0, 0.0, 0.0]
    assert all(rows[pod][0] != rows[pod][0] for pod in ("inf", "nan", "minus", "down"))
    scraped = dict(zip(frame.pods, frame.scraped.tolist(), strict=True))
    assert scraped[("shop", "good")] == AT - 0.5
    assert scraped[("shop", "nan")] != scraped[("shop", "nan")]


async def test_a_slow_server_is_given_up_in_time() -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return answer()

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server, timeout=0.2))
        with pytest.raises(SourceUnavailable) as raised:
            await source.counters(AT)
        await source.close()

    assert raised.value.reason == "timeout"


async def test_a_trickling_server_is_given_up_in_time() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server, timeout=0.3))
        with pytest.raises(SourceUnavailable) as raised:
            await source.counters(AT)
        await source.close()

    assert raised.value.reason == "timeout"


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_huge_answer_is_refused(chunked: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if not chunked:
            return web.Response(body=b" " * 300_000, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(300):
            await response.write(b" " * 1000)
        return response

    async with serving(handler) as server:
        failed = await failure(settings_for(server, max_bytes=100_000))

    assert failed.reason == "too_large"


async def test_a_compressed_bomb_is_measured_unpacked() -> None:
    async def handler(_: web.Request) -> web.Response:
        body = gzip.compress(b" " * 5_000_000)
        return web.Response(body=body, content_type="application/json", headers={"Content-Encoding": "gzip"})

    async with serving(handler) as server:
        failed = await failure(settings_for(server, max_bytes=100_000))

    assert failed.reason == "too_large"


async def test_a_closed_port_is_unreachable() -> None:
    failed = await failure(PrometheusSettings(url="http://127.0.0.1:1", timeout=2.0))

    assert failed.reason == "unreachable"
    assert "http://127.0.0.1:1" in str(failed)


async def test_a_connection_cut_in_the_middle_is_unreachable() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"status":')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(handler) as server:
        failed = await failure(settings_for(server))

    assert failed.reason == "unreachable"


async def test_every_question_of_a_tick_is_asked_at_the_same_instant_as_a_form() -> None:
    seen: list[tuple[str, str, dict[str, Any]]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.query_string, dict(await request.post())))
        return answer()

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server, url=f"http://127.0.0.1:{server.port}/prefix/"))
        await source.counters(AT + 0.1234)
        await source.callers(AT + 0.1234, frozenset({CART}))
        await source.close()

    assert [(method, query) for method, query, _ in seen] == [("POST", "")] * 5
    assert {form["time"] for *_, form in seen} == {"1700000000.123"}
    assert {form["timeout"] for *_, form in seen} == {"2000ms"}


async def test_history_asks_by_form_too_with_explicit_dates() -> None:
    seen: list[tuple[str, str, dict[str, Any]]] = []

    async def handler(request: web.Request) -> web.Response:
        form = dict(await request.post())
        seen.append((request.path, request.query_string, form))
        if "query_range" in request.path:
            return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": []}})
        return answer({"metric": {}, "value": [AT, "3"]})

    async with serving(handler) as server:
        history = PrometheusHistory(settings_for(server))
        assert await history.baselines(AT, 3600.0, {("shop", "cart-1"): CART}) == {}
        await history.close()

    ranges = [form for path, _, form in seen if path.endswith("query_range")]
    assert {query for _, query, _ in seen} == {""}
    assert [(form["start"], form["end"], form["step"]) for form in ranges] == [
        (str(int(AT) - 3585), str(int(AT)), "15")
    ] * 2


async def test_the_first_failure_ends_the_other_questions() -> None:
    async def handler(request: web.Request) -> web.Response:
        if "up{" in str((await request.post())["query"]):
            return web.json_response({"status": "error", "errorType": "execution", "error": "no"}, status=422)
        await asyncio.sleep(30)
        return answer()

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server, timeout=20.0))
        with pytest.raises(SourceProtocolError, match="execution: no"):
            await asyncio.wait_for(source.counters(AT), 10.0)
        await source.close()
