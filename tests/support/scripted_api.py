"""A daemon's reading API that says what a test wants it to say."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

AT = 1_795_000_000.0


def _decision(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "d1", "at": AT - 30, "kind": "drain", "verdict": "act", "subject": "pod shop/cart-1",
        "reason": "evidence", "text": "Drain cart-1.", "severity": "info", "mode": "enforce", "incident": "i1",
        "action": "drain", "pod": "shop/cart-1", "service": "shop/cart", "workload": "shop/Deployment/cart",
        "action_id": "a1", "blocked_by": [], "outcome": None, "figures": {}, "config": "abc",
    }  # fmt: skip
    return row | changes


OVERVIEW: Mapping[str, Any] = {
    "at": AT, "tick": 512, "tick_seconds": 5.0, "complete": True, "offset": 0, "matching": 2, "incidents_open": 1,
    "control": {"mode": "enforce", "paused": False, "reason": "", "leader": True, "term": 3, "halted": ""},
    "states": {"healthy": 1, "blocked": 1},
    "action_required": [{"kind": "look", "text": "pay-2: action blocked", "incident": "i1", "since": AT - 60}],
    "incidents": [
        {"id": "i1", "subject": "pod bank/pay-2", "namespace": "bank", "workload": "bank/Deployment/pay",
         "service": "bank/pay", "symptom": "errors", "phase": "suspected", "tier": "evict", "opened": AT - 120,
         "closed": None, "bad_rate": 0.31, "peer_bad_rate": 0.002, "evidence_score": 21.5, "outcome": "",
         "headline": "pay-2 fails", "drain_verdict": None, "verification": None, "evidence_at": "",
         "blocked": [{"reason": "disruption_budget", "since": AT - 60}]},
    ],
    "interventions": [_decision()],
    "namespaces": [],
    "workloads": [
        {"namespace": "bank", "kind": "Deployment", "name": "pay", "state": "blocked", "headline": "pay-2 is blocked",
         "mode": "enforce", "enabled": True, "ready": 3, "pods": 4, "desired": 4, "requests": 81.25,
         "error_rate": 0.08, "budget_left": -0.25, "burn": 14.0, "incidents": ["i1"]},
        {"namespace": "shop", "kind": "Deployment", "name": "cart", "state": "healthy", "headline": "",
         "mode": "shadow", "enabled": False, "ready": 2, "pods": 2, "desired": None, "requests": None,
         "error_rate": None, "budget_left": None, "burn": None, "incidents": []},
    ],
}  # fmt: skip

DECISIONS: Mapping[str, Any] = {
    "decisions": [
        _decision(
            at=AT - 60,
            verdict="blocked",
            kind="blocked",
            text="pay-2 would be drained, but is not.",
            blocked_by=[
                {"guard": "disruption", "reason": "disruption_budget", "detail": "0 allowed", "refused": False}
            ],
        )
    ],
    "next": "",
}

STATUS: Mapping[str, Any] = {
    "mode": "shadow", "paused": False, "paused_reason": "", "leader": True, "term": 3, "ticks": 9, "complete_ticks": 9,
    "complete": True, "last_tick": AT, "config": "abc", "halted": "", "gaps": [], "incidents": [], "circuits": [],
    "overdrawn": [], "policies": {"identity": "", "workloads": {}, "conflicting": {}},
    "reload": {"ok": True, "at": 0.0, "detail": "", "needs_restart": []},
}  # fmt: skip


@dataclass
class Daemon:
    """``token`` = who does not show it is asked who he is; ``status`` other than 200 is what everybody gets."""

    current: dict[str, Any] = field(default_factory=dict)
    overview: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(dict(OVERVIEW)))
    status: int = 200
    token: str = ""
    text: str | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def app(self) -> web.Application:
        """What the server serves."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, dict(request.query)))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"status": 401, "title": "Unauthorized", "detail": "sign in"}, status=401)
        if self.text is not None:
            return web.Response(text=self.text, status=self.status)
        if self.status != 200:
            problem = {"status": self.status, "title": "Not now", "detail": "no tick has ended yet"}
            return web.json_response(problem, status=self.status)
        known = {
            "/api/v1/overview": self.overview,
            "/api/v1/decisions": DECISIONS,
            "/api/v1/status": {**STATUS, **self.current},
        }
        found = known.get(request.path)
        return web.json_response(found) if found is not None else web.Response(status=404, text="404: Not Found")


@asynccontextmanager
async def daemon(**changes: Any) -> AsyncIterator[Daemon]:
    """One that answers on the loopback interface."""
    one = Daemon(**changes)
    async with TestServer(one.app()) as server:
        one.url = f"http://127.0.0.1:{server.port}"
        yield one


@contextmanager
def threaded(**changes: Any) -> Iterator[Daemon]:
    """The same in a thread of its own, for commands that run a loop themselves."""
    ready, stop, loop = Event(), asyncio.Event(), asyncio.new_event_loop()
    found: list[Daemon] = []

    async def serve() -> None:
        async with daemon(**changes) as one:
            found.append(one)
            ready.set()
            await stop.wait()

    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(30)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
