"""The door to the API server against servers that misbehave on the wire."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from observer.domain.errors import ConfigError
from observer.kube.client import KubeApi
from observer.kube.credentials import KubeConfig, ServiceAccount
from observer.kube.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    LimitKind,
    NotFound,
    ServerError,
    StatusError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from tests.support.kube_sim import connected, serving, write_kubeconfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def talking_to(folder: Path, handler: Handler, *, timeout: float = 5.0, **user: str) -> AsyncIterator[KubeApi]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serving(app) as url, connected(folder, url, timeout=timeout, **user) as api:
        yield api


def status(code: int, reason: str = "", message: str = "no", **details: object) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return web.json_response(body, status=code)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: status(401, "Unauthorized"), Unauthorized),
        (lambda: status(403, "Forbidden"), Forbidden),
        (lambda: status(404, "NotFound"), NotFound),
        (lambda: status(409, "Conflict"), Conflict),
        (lambda: status(410, "Expired"), Gone),
        (lambda: status(422, "Invalid"), Invalid),
        (lambda: status(500, "InternalError"), ServerError),
        (lambda: status(504, "Timeout"), ServerError),
        (lambda: web.Response(status=503, text="no endpoints"), ServerError),
        (lambda: status(400, "BadRequest"), StatusError),
    ],
)
async def test_every_error_status_is_an_error_of_its_own_class(
    tmp_path: Path, answer: Callable[[], web.Response], expected: type[KubeError]
) -> None:
    """The library hands a 403 back as an ordinary answer when it is not asked to decode it."""

    async def handler(_: web.Request) -> web.Response:
        return answer()

    async with talking_to(tmp_path, handler) as api:
        with pytest.raises(expected) as raised:
            await api.request("GET", "/api/v1/pods")
    assert type(raised.value) is expected


async def test_the_two_senders_of_429_are_told_apart(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/budget":
            return status(429, "TooManyRequests", causes=[{"reason": "DisruptionBudget"}], retryAfterSeconds=10)
        return web.Response(status=429, text="Too many requests, please try again later.", headers={"Retry-After": "7"})

    async with talking_to(tmp_path, handler) as api:
        with pytest.raises(TooManyRequests) as budget:
            await api.request("POST", "/budget", body={})
        with pytest.raises(TooManyRequests) as priority:
            await api.request("POST", "/priority", body={})
    assert (budget.value.kind, budget.value.retry_after) == (LimitKind.PDB, 10)
    assert (priority.value.kind, priority.value.retry_after) == (LimitKind.PRIORITY, 7)
    assert priority.value.message == "Too many requests, please try again later."


async def test_a_hanging_server_is_unavailable_within_the_limit(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with talking_to(tmp_path, handler, timeout=0.2) as api:
        with pytest.raises(Unavailable, match=r"no complete answer within 0\.2 s"):
            await api.request("GET", "/api/v1/pods")


async def test_an_answer_that_stops_half_way_is_unavailable(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"kind":')
        assert request.transport is not None
        request.transport.close()
        return response

    async with talking_to(tmp_path, handler) as api:
        with pytest.raises(Unavailable):
            await api.request("GET", "/api/v1/pods")


async def test_nobody_listening_is_unavailable(tmp_path: Path) -> None:
    async with serving(web.Application()) as url:
        pass
    async with connected(tmp_path, url) as api:
        with pytest.raises(Unavailable):
            await api.request("GET", "/api/v1/pods")


async def test_an_answer_has_a_greatest_size_also_when_it_is_packed(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"0" * 1_000_000), headers={"Content-Encoding": "gzip"})

    async with talking_to(tmp_path, handler) as api:
        assert len((await api.request("GET", "/x")).body) == 1_000_000
        with pytest.raises(BadAnswer):
            await api.request("GET", "/x", max_bytes=10_000)


async def test_body_content_type_and_query_arrive(tmp_path: Path) -> None:
    seen: list[tuple[str, str, object, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.content_type, await request.json(), request.query_string))
        return web.json_response({"ok": True}, status=201)

    async with talking_to(tmp_path, handler) as api:
        answer = await api.request(
            "PATCH", "/x", query={"dryRun": "All"}, body=[{"op": "test"}], content_type="application/json-patch+json"
        )
        await api.request("POST", "/x", body={})
    assert (answer.status, answer.body) == (201, b'{"ok": true}')
    assert seen == [
        ("PATCH", "application/json-patch+json", [{"op": "test"}], "dryRun=All"),
        ("POST", "application/json", {}, ""),
    ]


async def test_a_token_that_was_replaced_is_read_again_and_the_request_repeated(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n", encoding="utf-8")
    accepted = {"Bearer old"}
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({}) if seen[-1] in accepted else status(401, "Unauthorized")

    async with talking_to(tmp_path, handler, tokenFile=str(token)) as api:
        await api.request("GET", "/x")
        token.write_text("new\n", encoding="utf-8")
        accepted.clear()
        accepted.add("Bearer new")
        await api.request("POST", "/x", body={"once": True})
        assert seen == ["Bearer old", "Bearer old", "Bearer new"]
        accepted.clear()
        with pytest.raises(Unauthorized):
            await api.request("GET", "/x")
        assert len(seen) == 4, "credentials were read a moment ago: no second try"


async def test_a_watch_reads_a_replaced_token_too(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old", encoding="utf-8")

    async def handler(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != "Bearer new":
            token.write_text("new", encoding="utf-8")
            return status(401, "Unauthorized")
        return web.Response(body=b"one\ntwo\n")

    async with talking_to(tmp_path, handler, tokenFile=str(token)) as api:
        assert [line async for line in api.stream("/x", {}, quiet=1)] == [b"one", b"two"]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_lines_do_not_follow_chunks(tmp_path: Path, size: int) -> None:
    text = b'{"a":1}\n{"b":"\xc3\xbc"}\n\n{"c":3}\n'

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(text), size):
            await response.write(text[start : start + size])
            await asyncio.sleep(0)
        return response

    async with talking_to(tmp_path, handler) as api:
        lines = [line async for line in api.stream("/x", {"watch": "1"}, quiet=2)]
    assert lines == [b'{"a":1}', b'{"b":"\xc3\xbc"}', b'{"c":3}']


async def test_a_silent_stream_and_a_cut_one_are_unavailable(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\nsec")
        if request.path == "/silent":
            await asyncio.sleep(30)
        assert request.transport is not None
        request.transport.abort()
        return response

    async with talking_to(tmp_path, handler) as api:
        for path in ("/silent", "/cut"):
            lines = api.stream(path, {}, quiet=0.3)
            assert await anext(lines) == b"first"
            with pytest.raises(Unavailable):
                await anext(lines)


async def test_a_stream_that_ends_inside_a_line_is_not_an_orderly_end(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b'{"type":"ADDED"}\n{"type":"DEL')

    async with talking_to(tmp_path, handler) as api:
        with pytest.raises(Unavailable, match="middle of a line"):
            [line async for line in api.stream("/x", {}, quiet=1)]


async def test_a_refused_stream_says_why(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return status(410, "Expired", "too old resource version")

    async with talking_to(tmp_path, handler) as api:
        with pytest.raises(Gone, match="too old resource version"):
            [line async for line in api.stream("/x", {}, quiet=1)]


@pytest.mark.parametrize(
    "text",
    ["", "a: [", "clusters: 3", '{"current-context": "x", "contexts": [], "clusters": [], "users": []}', "- 1\n- 2"],
)
async def test_a_kubeconfig_that_makes_no_sense_is_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="broken"):
        await KubeApi(KubeConfig(str(path))).request("GET", "/x")


async def test_a_context_that_does_not_exist_is_a_config_error(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="config"):
        await KubeApi(KubeConfig(path, "elsewhere")).request("GET", "/x")


async def test_outside_a_pod_the_service_account_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="inside a pod"):
        await KubeApi(ServiceAccount(tmp_path)).request("GET", "/x")


async def test_the_service_account_gives_address_and_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes_asyncio.client import Configuration

    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "198.19.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("first\n", encoding="utf-8")
    (tmp_path / "ca.crt").write_text("a certificate", encoding="utf-8")
    account, configuration = ServiceAccount(tmp_path), Configuration()
    await account.load(configuration)
    assert (configuration.host, configuration.api_key["BearerToken"]) == ("https://198.19.0.1:443", "Bearer first")
    (tmp_path / "token").write_text("second\n", encoding="utf-8")
    await account.load(configuration)
    assert configuration.api_key["BearerToken"] == "Bearer second"


def test_making_a_client_does_not_load_the_library() -> None:
    """``observer --help`` must stay fast."""
    code = (
        "import sys\n"
        "from observer.kube.client import KubeApi\n"
        "from observer.sources.kubernetes.cluster import KubernetesCluster\n"
        "from observer.actuators import drain, evict, kill_switch, lease_store, restore\n"
        "KubeApi.of(kubeconfig='x')\n"
        "print('kubernetes_asyncio' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
