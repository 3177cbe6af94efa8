"""The HTTP API of a simulated Kiali, in the ways of its versions and of its ways to log in."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from observer.simulator.fault_injection import FaultInjection, Handler
from observer.simulator.kiali.graph import MeshRates
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.prometheus.tsdb import TimeSeriesMemory

ROOT: Final = "/kiali"
COOKIE: Final = "kiali-token"
_KNOWN: Final = frozenset(
    [
        "namespaces",
        "graphType",
        "duration",
        "queryTime",
        "appenders",
        "responseTime",
        "throughputType",
        "includeIdleEdges",
        "injectServiceNodes",
        "waypoints",
        "boxBy",
        "rateGrpc",
        "rateHttp",
        "rateTcp",
        "ambientTraffic",
        "clusterName",
        "aggregate",
        "refreshInterval",
        "type",
        "rateInterval",
    ]
)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


@dataclass(slots=True)
class Ways:
    """
    Switches.

    Attributes:
        strategy: ``anonymous``, ``token``, ``header``, ``openshift`` or ``openid``; ``token`` is what lets in.
        told: whether ``/api/auth/info`` is there.
        flat: responses of the graph without ``flags`` and ``hosts`` (1.0).
        cluster: nodes tell their cluster (since 1.48).
        old_health: health by namespace only (before 1.82).
        aged: seconds by which the graph's timestamp lies behind. empty: the health cache is not filled.
        forbidden: namespaces that nobody may see.
    """

    strategy: str = "anonymous"
    token: str = ""
    answers: bool = True
    flat: bool = False
    cluster: bool = True
    old_health: bool = False
    aged: int = 0
    empty: bool = False
    version: str = "v2.31.0"
    forbidden: set[str] = field(default_factory=set)


class Refused(Exception):
    """An answer with this status and Kiali's error body."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class KialiApi:
    """
    Answers from what the simulated Prometheus remembers, as of ``now`` (Unix seconds), below ``/kiali``.

    Attributes:
        ways, fault_injection: switches.
        requests: every request seen, as (path, parameters), oldest first; the newest 1000.
        logins: how many times a token was exchanged for cookies.
    """

    def __init__(self, memory: TimeSeriesMemory, now: Callable[[], float]) -> None:
        self._memory, self._now = memory, now
        self.ways, self.fault_injection = Ways(), FaultInjection()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.logins = 0
        self._sessions: set[str] = set()

    def forget_sessions(self) -> None:
        """Every cookie is void, as after a restart."""
        self._sessions.clear()

    def app(self) -> web.Application:
        """A fresh application that serves this API."""
        app = web.Application(middlewares=[self._manners])
        app.router.add_get(f"{ROOT}/healthz", self._healthz)
        app.router.add_get(f"{ROOT}/api/auth/info", self._auth_info)
        app.router.add_post(f"{ROOT}/api/authenticate", self._authenticate)
        app.router.add_get(f"{ROOT}/api/status", self._status)
        app.router.add_get(f"{ROOT}/api/namespaces/graph", self._graph)
        app.router.add_get(f"{ROOT}/api/clusters/health", self._clusters_health)
        app.router.add_get(f"{ROOT}/api/namespaces/{{namespace}}/health", self._namespace_health)
        return app

    @web.middleware
    async def _manners(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.path.removeprefix(ROOT), dict(request.query)))
        del self.requests[:-1000]

        async def let_in(request: web.Request) -> web.StreamResponse:
            try:
                if not request.path.endswith(("/healthz", "/api/auth/info", "/api/authenticate")):
                    self._check(request)
                return await handler(request)
            except Refused as refused:
                return web.json_response({"error": refused.error, "detail": ""}, status=refused.status)

        return await self.fault_injection.spoil(request, let_in)

    def _check(self, request: web.Request) -> None:
        match self.ways.strategy:
            case "header" | "openshift":
                inside = request.headers.get("Authorization") == f"Bearer {self.ways.token}"
            case "token":
                # A token on the request itself is refused: this way knows cookies only.
                inside = request.cookies.get(COOKIE) in self._sessions and "Authorization" not in request.headers
            case "anonymous":
                inside = True
            case _:
                inside = False
        if not inside:
            raise Refused(401, "Unauthorized")
        if unknown := sorted(set(request.query) - _KNOWN):
            raise Refused(400, f"unknown query parameter {unknown[0]!r}")

    async def _healthz(self, _: web.Request) -> web.StreamResponse:
        return web.Response()

    async def _auth_info(self, _: web.Request) -> web.StreamResponse:
        if not self.ways.answers:
            raise Refused(404, "Not Found")
        return web.json_response({"strategy": self.ways.strategy, "sessionInfo": {}})

    async def _authenticate(self, request: web.Request) -> web.StreamResponse:
        given = (await request.post()).get("token", "")
        if self.ways.strategy != "token" or given != self.ways.token:
            raise Refused(401, "Token is not valid or is expired")
        session = secrets.token_hex(16)
        self._sessions.add(session)
        self.logins += 1
        answer = web.json_response({"username": "observer", "expiresOn": ""})
        answer.set_cookie(COOKIE, session, path=ROOT, httponly=True, samesite="Strict")
        return answer

    async def _status(self, _: web.Request) -> web.StreamResponse:
        status = {"Kiali version": self.ways.version, "Kiali state": "running"}
        return web.json_response({"status": status, "externalServices": [], "warningMessages": []})

    async def _graph(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("graphType", "workload") != "workload":
            raise Refused(400, "only the workload graph is simulated")
        namespaces = self._namespaces(request.query.get("namespaces", ""))
        at = self._instant(request)
        seconds = _seconds(request.query.get("duration", "10m"))
        elements = MeshRates(self._memory, at, seconds).graph(namespaces)
        if self.ways.flat:
            for edge in elements["edges"]:
                responses = edge["data"]["traffic"]["responses"]
                edge["data"]["traffic"]["responses"] = {code: response["flags"] for code, response in responses.items()}
        if not self.ways.cluster:
            for node in elements["nodes"]:
                del node["data"]["cluster"]
        body = {"timestamp": int(at) - self.ways.aged, "duration": seconds, "graphType": "workload"}
        return web.json_response({**body, "elements": elements})

    async def _clusters_health(self, request: web.Request) -> web.StreamResponse:
        if self.ways.old_health:
            raise Refused(404, "Not Found")
        health = self._health(request, self._namespaces(request.query.get("namespaces", "")))
        return web.json_response({"namespaceWorkloadHealth": health})

    async def _namespace_health(self, request: web.Request) -> web.StreamResponse:
        if not self.ways.old_health:
            raise Refused(404, "Not Found")
        namespace = request.match_info["namespace"]
        return web.json_response(self._health(request, self._namespaces(namespace)).get(namespace, {}))

    def _health(self, request: web.Request, namespaces: frozenset[str]) -> Obj:
        if request.query.get("type", "app") != "workload":
            raise Refused(400, "only health of workloads is simulated")
        if self.ways.empty:
            return {}
        seconds = _seconds(request.query.get("rateInterval", "1m"))
        return MeshRates(self._memory, self._instant(request), seconds).health(namespaces)

    def _namespaces(self, text: str) -> frozenset[str]:
        namespaces = frozenset(text.split(",")) - {""}
        if not namespaces:
            raise Refused(400, "namespaces must be given")
        if hidden := sorted(namespaces & self.ways.forbidden):
            raise Refused(403, f"Requested namespace [{hidden[0]}] is not accessible.")
        return namespaces

    def _instant(self, request: web.Request) -> float:
        text = request.query.get("queryTime", "")
        if text and not text.isdecimal():
            raise Refused(400, f"invalid queryTime {text!r}")
        return float(text) if text else self._now()


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]+)([smh])", text)
    if match is None:
        raise Refused(400, f"invalid duration {text!r}")
    return int(match[1]) * _SECONDS[match[2]]
