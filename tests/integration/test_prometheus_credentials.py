"""Who the metric server takes us for: tokens, passwords, certificates, tenants, and where they are never sent."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from observer.config.settings.sources import Flavor, HttpAuth, PrometheusSettings
from observer.domain.errors import ConfigError, SourceProtocolError, SourceUnavailable
from observer.sources.prometheus.history import PrometheusHistory
from observer.sources.prometheus.source import PrometheusSource
from tests.support.query_servers import AT, CART, SECRET, answer, failure, serving, settings_for, up

pytestmark = pytest.mark.integration


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


THANOS_STORE_GONE = {
    "status": "success",
    "data": {"resultType": "vector", "result": []},
    "warnings": ["No StoreAPIs matched for this query", "receive series from Addr: 10.0.0.9:10901: context deadline"],
}
MIMIR_NO_TENANT = (401, "text/plain", "no org id\n")
MIMIR_TOO_MANY = (
    422,
    "application/json",
    json.dumps(
        {
            "status": "error",
            "errorType": "execution",
            "error": "the query hit the maximum number of chunks limit (err-mimir-max-chunks-per-query)",
        }
    ),
)
MIMIR_SHARDS = (
    503,
    "application/json",
    json.dumps({"status": "error", "errorType": "internal", "error": "too many unhealthy instances in the ring"}),
)
THANOS_STRICT = (
    422,
    "application/json",
    json.dumps({"status": "error", "errorType": "execution", "error": "expanding series: proxy Series(): no store"}),
)


async def test_a_store_that_thanos_could_not_reach_makes_the_answer_partial() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(THANOS_STORE_GONE)

    async with serving(handler) as server:
        failed = await failure(settings_for(server, flavor=Flavor.THANOS))

    assert failed.reason == "partial"
    assert "StoreAPIs" in str(failed)


@pytest.mark.parametrize(
    ("flavor", "recorded", "reason", "said"),
    [
        (Flavor.MIMIR, MIMIR_NO_TENANT, "denied", "no org id"),
        (Flavor.MIMIR, MIMIR_TOO_MANY, "protocol", "max-chunks-per-query"),
        (Flavor.MIMIR, MIMIR_SHARDS, "busy", "unhealthy instances"),
        (Flavor.THANOS, THANOS_STRICT, "protocol", "no store"),
    ],
)
async def test_what_the_dialects_refuse_has_a_reason_and_their_own_words(
    flavor: Flavor, recorded: tuple[int, str, str], reason: str, said: str
) -> None:
    status, kind, body = recorded

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, content_type=kind, text=body)

    async with serving(handler) as server:
        failed = await failure(settings_for(server, flavor=flavor, tenant="team"))

    assert failed.reason == reason
    assert said in str(failed)


async def test_the_second_question_carries_what_the_dialect_needs_too() -> None:
    seen: list[tuple[dict[str, str], dict[str, Any]]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), dict(await request.post())))
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": []}})

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server, flavor=Flavor.THANOS, tenant="team"))
        found = await source.recheck(AT, 600.0, 5.0, frozenset({("shop", "cart-1")}))
        await source.close()

    assert found == ()
    (headers, form), *more = seen
    assert not more
    assert headers["THANOS-TENANT"] == "team"
    assert {"dedup": "true", "partial_response": "false", "step": "5"}.items() <= form.items()


async def test_a_second_answer_with_warnings_is_refused() -> None:
    async def handler(request: web.Request) -> web.Response:
        body = {**THANOS_STORE_GONE, "data": {"resultType": "matrix", "result": []}}
        return web.json_response(body)

    async with serving(handler) as server:
        source = PrometheusSource(settings_for(server, flavor=Flavor.THANOS))
        with pytest.raises(SourceUnavailable, match="partial answer"):
            await source.recheck(AT, 600.0, 5.0, frozenset({("shop", "cart-1")}))
        await source.close()
