"""Everything a metric server may do wrong, over real sockets: no answer is taken for more than it is."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer.config.model import Flavor, HttpAuth, PrometheusSettings
from observer.domain.errors import ConfigError, SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.sources.prometheus import PrometheusSource
from observer.sources.prometheus.history import PrometheusHistory

pytestmark = pytest.mark.integration

AT = 1_700_000_000.0
CART = ServiceRef("shop", "cart")
SECRET = "hunter2-very-secret"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(*result: Any, **extra: Any) -> web.Response:
    body = {"status": "success", "data": {"resultType": "vector", "result": list(result)}, **extra}
    return web.json_response(body)


def up(pod: str = "cart-1", value: str = "1699999999.5") -> dict[str, Any]:
    return {"metric": {"namespace": "shop", "pod": pod}, "value": [AT, value]}


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    try:
        yield server
    finally:
        await server.close()


def settings_for(server: TestServer, **changes: Any) -> PrometheusSettings:
    return replace(PrometheusSettings(url=f"{server.scheme}://127.0.0.1:{server.port}", timeout=2.0), **changes)


async def failure(settings: PrometheusSettings) -> SourceUnavailable | SourceProtocolError:
    """How the hot path fails; history must fail for the same reason and neither may tell a secret."""
    source, history = PrometheusSource(settings), PrometheusHistory(settings)
    with pytest.raises((SourceUnavailable, SourceProtocolError)) as hot:
        await source.counters(AT)
    with pytest.raises((SourceUnavailable, SourceProtocolError)) as slow:
        await history.baselines(AT, 3600.0, {("shop", "cart-1"): CART})
    await source.close()
    await history.close()
    first, second = hot.value, slow.value
    assert isinstance(first, (SourceUnavailable, SourceProtocolError))
    assert isinstance(second, (SourceUnavailable, SourceProtocolError))
    assert (type(first), first.reason) == (type(second), second.reason)
    assert SECRET not in f"{first}{second}"
    return first


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


async def test_a_redirect_to_another_host_gets_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    arrived: list[Any] = []

    async def thief(request: web.Request) -> web.Response:
        arrived.append(request.headers)
        return answer(up())

    async with serving(thief) as other:

        async def handler(request: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{other.port}/api/v1/query?token={SECRET}")

        async with serving(handler) as server:
            failed = await failure(settings_for(server, auth=HttpAuth(bearer_file=str(tmp_path / "token"))))
        named = f"redirected to http://127.0.0.1:{other.port}: not followed"

    assert (failed.reason, str(failed)) == ("redirected", named)
    assert arrived == []


async def test_a_redirect_within_the_same_origin_is_followed_once() -> None:
    async def handler(request: web.Request) -> web.Response:
        if not request.path.startswith("/prometheus/"):
            raise web.HTTPPermanentRedirect(f"/prometheus{request.path}")
        assert (await request.post())["query"]
        return answer(up())

    async def circle(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(request.path)

    async with serving(handler) as server, serving(circle) as round_and_round:
        source = PrometheusSource(settings_for(server))
        frame = await source.counters(AT)
        await source.close()
        failed = await failure(settings_for(round_and_round))

    assert frame.pods == (("shop", "cart-1"),)
    assert failed.reason == "redirected"


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


FLAVORS = [
    (Flavor.PROMETHEUS, "", {}, {}),
    (Flavor.MIMIR, "a|b", {"X-Scope-OrgID": "a|b"}, {}),
    (Flavor.THANOS, "team", {"THANOS-TENANT": "team"}, {"dedup": "true", "partial_response": "false"}),
    (
        Flavor.VICTORIAMETRICS,
        "7:3",
        {"AccountID": "7", "ProjectID": "3"},
        {"deny_partial_response": "1", "nocache": "1"},
    ),
]


@pytest.mark.parametrize(("flavor", "tenant", "headers", "form"), FLAVORS)
async def test_each_dialect_gets_its_tenant_and_its_parameters(
    flavor: Flavor, tenant: str, headers: dict[str, str], form: dict[str, str]
) -> None:
    seen: list[tuple[dict[str, str], dict[str, Any]]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), dict(await request.post())))
        return answer()

    async with serving(handler) as server:
        settings = settings_for(server, flavor=flavor, tenant=tenant, headers={"X-Extra": "1"})
        source, history = PrometheusSource(settings), PrometheusHistory(settings)
        await source.counters(AT)
        await history.baselines(AT, 600.0, {("shop", "cart-1"): CART})
        await source.close()
        await history.close()

    assert len(seen) == 4
    for sent, fields in seen:
        assert {"X-Extra": "1", **headers}.items() <= sent.items()
        assert form.items() <= fields.items()
        assert ("X-Scope-OrgID" in sent) is ("X-Scope-OrgID" in headers)


async def test_a_bearer_token_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    token, seen = tmp_path / "token", []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return answer()

    token.write_text("first\n")
    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server, auth=HttpAuth(bearer_file=str(token))))
        await source.callers(AT, frozenset({CART}))
        fresh = tmp_path / "fresh"
        fresh.write_text("second")
        os.utime(fresh, (time.time(), time.time() + 5))
        fresh.rename(token)
        await source.callers(AT, frozenset({CART}))
        token.unlink()
        with pytest.raises(SourceUnavailable, match="cannot be read") as raised:
            await source.counters(AT)
        await source.close()

    assert seen == ["Bearer first"] * 2 + ["Bearer second"] * 2
    assert raised.value.reason == "denied"


async def test_basic_credentials_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET)

    async def handler(request: web.Request) -> web.Response:
        expected = "Basic " + base64.b64encode(f"observer:{SECRET}".encode()).decode()
        return answer() if request.headers.get("Authorization") == expected else web.Response(status=401)

    async with serving(handler) as server:
        good = HttpAuth(username="observer", password_file=str(tmp_path / "password"))
        source = PrometheusSource(settings_for(server, auth=good))
        assert (await source.counters(AT)).pods == ()
        await source.close()
        failed = await failure(settings_for(server))

    assert failed.reason == "denied"


def certificate(folder: Path, name: str, issuer: str = "") -> None:
    """Write ``name``.pem and ``name``.key, signed by ``issuer`` or, for an authority, by itself."""
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    signed = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"] if issuer else ["-addext", "keyUsage=keyCertSign"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
    made = ["openssl", "req", "-x509", "-days", "2", *key, "-out", f"{name}.pem", *subject, *signed]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)


@pytest.mark.needs("openssl")
async def test_mutual_tls(tmp_path: Path) -> None:
    certificate(tmp_path, "authority")
    for name in ("server", "client"):
        certificate(tmp_path, name, "authority")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "authority.pem"))
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED

    async def handler(_: web.Request) -> web.Response:
        return answer(up())

    def auth(**more: Any) -> HttpAuth:
        return HttpAuth(ca_file=str(tmp_path / "authority.pem"), **more)

    async with serving(handler, context) as server:
        ours = auth(cert_file=str(tmp_path / "client.pem"), key_file=str(tmp_path / "client.key"))
        source = PrometheusSource(settings_for(server, auth=ours))
        history = PrometheusHistory(settings_for(server, auth=ours))
        frame = await source.counters(AT)
        with pytest.raises(SourceProtocolError):  # It speaks of vectors where a range was asked.
            await history.baselines(AT, 600.0, {("shop", "cart-1"): CART})
        await source.close()
        await history.close()
        without = await failure(settings_for(server, auth=auth()))
        stranger = await failure(settings_for(server))
        missing = await failure(settings_for(server, auth=auth(cert_file=str(tmp_path / "absent.pem"))))

    assert frame.pods == (("shop", "cart-1"),)
    assert (without.reason, stranger.reason, missing.reason) == ("unreachable", "unreachable", "denied")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "prometheus:9090"}, "not an http or https address"),
        ({"url": f"http://user:{SECRET}@host"}, "credentials belong in files"),
        ({"url": "http://host/?x=1"}, "no query"),
        ({"url": "http://host:99999"}, "Port out of range"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "not a header"),
        ({"headers": {"X A": "1"}}, "not a header"),
        ({"auth": HttpAuth(username="a", bearer_file="b")}, "either username or bearer_file"),
        ({"auth": HttpAuth(key_file="b")}, "key_file needs cert_file"),
        ({"labels": {"colour": "x"}}, "unknown colour; known are"),
        ({"labels": {"pod": ""}}, "pod cannot be left out"),
    ],
)
def test_settings_that_can_never_work_are_refused_at_once(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        PrometheusSource(replace(PrometheusSettings(), **changes))

    assert SECRET not in str(raised.value)


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
