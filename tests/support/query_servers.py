"""Small servers that answer like a query API, well or badly, on the loopback interface."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from observer.config.settings.sources import PrometheusSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.history import PrometheusHistory
from observer.sources.prometheus.source import PrometheusSource

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
    assert isinstance(first, SourceUnavailable) is isinstance(second, SourceUnavailable)
    assert first.reason == second.reason
    assert SECRET not in f"{first}{second}"
    return first
