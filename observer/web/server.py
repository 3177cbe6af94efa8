"""``/healthz``, ``/readyz``, ``/metrics`` and the read-only JSON API that the command line asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from observer.runtime.state import Watcher


def make_app(watcher: Watcher, render: Callable[[], bytes]) -> web.Application:
    """``render`` gives the Prometheus text of the self metrics."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        ready, why = watcher.ready()
        return web.Response(status=200 if ready else 503, text=f"{why}\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def status(_: web.Request) -> web.Response:
        return _json(watcher.status())

    async def decisions(request: web.Request) -> web.Response:
        try:
            limit = int(request.query.get("limit", "100"))
        except ValueError:
            return _json({"error": "limit must be a whole number"}, status=400)
        if not 1 <= limit <= 500:
            return _json({"error": "limit must be from 1 to 500"}, status=400)
        return _json(list(watcher.recent)[-limit:])

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/api/status", status)
    app.router.add_get("/api/decisions", decisions)
    return app


class Server:
    """Serves an application on ``host:port`` until cancelled; port 0 takes a free one (see ``address``)."""

    def __init__(self, app: web.Application, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._app, self._host, self._port = app, host.strip("[]") or "127.0.0.1", int(port)
        self.address = ""

    async def run(self) -> None:
        runner = web.AppRunner(self._app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.address = f"http://{host}:{port}"
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
