"""Puts routes, pages and sign-in into one application, and serves it."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from observer.domain.errors import ConfigError
from observer.runtime.operator_actions import OperatorActions
from observer.runtime.status import LoopStatus
from observer.web.alert_webhook import Webhook
from observer.web.openapi import description
from observer.web.page.site import Site
from observer.web.people import auth
from observer.web.people.sign_in import SignIn, add_sign_in
from observer.web.problems import problems
from observer.web.queries import Queries
from observer.web.routes import OPEN, Services, add_routes
from observer.web.stream import Stream

ELSEWHERE: Final = "stop what listens there, or name another address: `listen` of the settings, --listen of `page`"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""No script or style stands inside our pages."""
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class People:
    """Who may come in, how, and what they may do; without ``operator`` nothing can be done, only read."""

    auth: auth.AuthMiddleware
    sign_in: SignIn
    operator: OperatorActions | None


def make_app(
    status: LoopStatus,
    metrics: Callable[[], bytes],
    *,
    webhook: Webhook | None = None,
    queries: Queries | None = None,
    stream: Stream | None = None,
    people: People | None = None,
) -> web.Application:
    """
    ``metrics`` gives the Prometheus text of the self metrics; without ``webhook`` no alert is accepted, without
    ``queries`` there is neither page nor API for reading, without ``stream`` the page does not follow by itself,
    without ``people`` nobody is asked who they are and nothing can be written.
    """
    app = web.Application(middlewares=[problems, *((people.auth.middleware,) if people is not None else ())])
    app[auth.OPEN] = OPEN
    app.on_response_prepare.append(_protected)
    operator = people.operator if people is not None else None
    document = msgspec.json.encode(description()) if people is not None else None
    add_routes(app, Services(status, metrics, queries, stream, operator, webhook, document))
    if queries is not None:
        Site(queries, operator, live=stream is not None).add_to(app)
    if stream is not None:
        stream.end_with(app)
    if people is not None:
        add_sign_in(app, people.sign_in)
    return app


async def _protected(_: web.Request, response: web.StreamResponse) -> None:
    """What a browser may do with an answer, errors and streams too; stricter headers stay as they are."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


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
