"""``/healthz``, ``/readyz``, ``/metrics`` and the read-only JSON API that the command line asks."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from observer.domain.errors import ConfigError
from observer.runtime.operator_actions import OperatorActions
from observer.runtime.status import LoopStatus
from observer.web.acts import add_acts
from observer.web.alerts import PATH, Webhook
from observer.web.openapi import add_description
from observer.web.page.site import Site
from observer.web.people.door import AuthMiddleware
from observer.web.people.sign_in import SignIn, add_sign_in
from observer.web.problems import problem
from observer.web.reading import Queries
from observer.web.refusals import problems
from observer.web.routes import add_reading
from observer.web.shield import shielded
from observer.web.stream import Stream

ELSEWHERE: Final = "stop what listens there, or name another address: `listen` of the settings, --listen of `page`"


@dataclass(frozen=True, slots=True)
class People:
    """Who may come in, how, and what they may do; without ``desk`` there is nothing to be done, only to be read."""

    door: AuthMiddleware
    sign_in: SignIn
    desk: OperatorActions | None


def make_app(
    loop_status: LoopStatus,
    render: Callable[[], bytes],
    *,
    webhook: Webhook | None = None,
    reading: Queries | None = None,
    stream: Stream | None = None,
    people: People | None = None,
) -> web.Application:
    """
    ``render`` gives the Prometheus text of the self metrics; without ``webhook`` no alert is accepted, without
    ``reading`` there is neither page nor API for reading, without ``stream`` the page does not follow by itself,
    without ``people`` nobody is asked who they are and nothing can be written.
    """

    app = web.Application(middlewares=[problems, *((people.door.middleware,) if people is not None else ())])
    app.on_response_prepare.append(shielded)
    _add_state(app, loop_status, render)
    if reading is not None:
        add_reading(app, reading)
        Site(reading, people.desk if people is not None else None, live=stream is not None).add_to(app)
    if stream is not None:
        stream.add_to(app)
    if webhook is not None:
        app.router.add_post(PATH, webhook.handle)
    if people is not None:
        add_sign_in(app, people.sign_in)
        add_description(app)
    if people is not None and people.desk is not None:
        add_acts(app, people.desk)
    return app


def _add_state(app: web.Application, loop_status: LoopStatus, render: Callable[[], bytes]) -> None:
    """Probes, self metrics, and the state of the loop as the command line asks for it."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        ready, why = loop_status.ready()
        return web.Response(status=200 if ready else 503, text=f"{why}\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def status(_: web.Request) -> web.Response:
        return _json(loop_status.status())

    async def decisions(request: web.Request) -> web.Response:
        try:
            limit = int(request.query.get("limit", "100"))
        except ValueError:
            return problem(400, "limit must be a whole number")
        if not 1 <= limit <= 500:
            return problem(400, "limit must be from 1 to 500")
        return _json(list(loop_status.recent)[-limit:])

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/api/status", status)
    app.router.add_get("/api/decisions", decisions)


class Server:
    """Serves an application on ``host:port`` until cancelled; port 0 takes a free one (see ``address``)."""

    def __init__(self, app: web.Application, listen: str, *, tls: ssl.SSLContext | None = None) -> None:
        host, _, port = listen.rpartition(":")
        self._app, self._host, self._port = app, host.strip("[]") or "127.0.0.1", int(port)
        self._tls = tls
        self.address = ""

    async def run(self) -> None:
        """Serve until cancelled. Raises: ConfigError when nothing can listen there."""
        async with self.opened():
            await asyncio.Event().wait()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Serves within the block. Raises: ConfigError when nothing can listen there."""
        runner = web.AppRunner(self._app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port, ssl_context=self._tls)
            try:
                await site.start()
            except OSError as exc:
                raise ConfigError(f"listen {self._host}:{self._port}: {_why(exc)}", step=ELSEWHERE) from exc
            host, port = runner.addresses[0][:2]
            self.address = f"{'https' if self._tls else 'http'}://{host}:{port}"
            yield
        finally:
            await runner.cleanup()


def listener_tls(cert_file: str, key_file: str, client_ca_file: str) -> ssl.SSLContext | None:
    """
    How the listener speaks TLS; None without a certificate. Clients need one only for what asks for it.

    Raises: ConfigError for files that are no certificates.
    """
    if not cert_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert_file, key_file)
        if client_ca_file:
            context.load_verify_locations(client_ca_file)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"tls: certificates cannot be used: {exc}") from exc
    return context


def _why(exc: OSError) -> str:
    """asyncio puts the address where the reason should stand, and a resolver's numbers are not the system's."""
    number = exc.errno or 0
    return (os.strerror(number) if number > 0 else exc.strerror or str(exc)).lower()


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
