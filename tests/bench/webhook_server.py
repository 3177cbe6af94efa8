"""``python -m tests.bench.webhook_server FOLDER``: the webhook over a real SQLite journal, as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from observer.journal.store import SqlJournal
from observer.runtime.clock import SystemClock
from observer.web.alert_webhook import Acceptor, Webhook
from observer.web.routes import ALERTS as PATH
from observer.web.server import Server
from tests.support.alerts import bearer

VOID = "/void"
"""Answers 202 and keeps nothing: what the same server costs without the disk."""


async def serve(folder: Path) -> None:
    """Writes its address to ``FOLDER/address`` once it listens; runs until it is killed."""
    journal = await SqlJournal.open(f"sqlite+aiosqlite:///{folder / 'journal.db'}")
    acceptor = Acceptor(journal.alerts, accepted=lambda: None)
    hook = Webhook(acceptor, [bearer(folder)], SystemClock(), counted=lambda _: None)

    async def void(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"accepted": 0}, status=202)

    app = web.Application()
    app.router.add_post(PATH, hook.handle)
    app.router.add_post(VOID, void)
    server = Server(app, "127.0.0.1:0")
    async with asyncio.TaskGroup() as group:
        group.create_task(acceptor.run())
        group.create_task(server.run())
        while not server.address:
            await asyncio.sleep(0.01)
        (folder / "address.new").write_text(server.address)
        (folder / "address.new").rename(folder / "address")


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
