"""People for tests: an application behind the door, an authorizer that can be told, and an OpenID provider."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

from observer.actions import plan_of
from observer.config.settings.model import OidcSettings
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.approval import Plan
from observer.domain.decision import Decision
from observer.domain.errors import SourceUnavailable
from observer.domain.ids import PodRef, Target
from observer.domain.incident import Incident, Phase
from observer.domain.person import Identity
from observer.runtime.inbox import ApprovalCache
from observer.runtime.operator_actions import OperatorActions
from observer.runtime.status import LoopStatus
from observer.telemetry.metrics import SelfMetrics
from observer.web.people.auth import OPEN, AuthMiddleware, SignInMethods, csrf_token, person_of
from observer.web.people.oidc import Provider
from observer.web.people.sessions import LocalToken, Roles, Sessions, Throttle
from observer.web.people.sign_in import SignIn, add_sign_in
from observer.web.problems import problems
from observer.web.routes import OPEN as ROUTES_OPEN
from observer.web.routes import Services, add_routes
from tests.support.alerts import StoppedClock
from tests.support.approvals import MemoryApprovals
from tests.support.builders import enforce, incident_of
from tests.support.fakes import FakeActuator, FakeLease, FakeSwitch

LOCAL = "the-token-of-this-start"
TOKENS = {f"{name}.of.cluster": Identity(name, ("staff",)) for name in ("vera", "arno", "ada", "nemo")}
GRANTS = {"vera": {"get"}, "arno": {"approve"}, "ada": {"admin"}, "oidc:olga": {"approve"}}
INCIDENT = "1a2b3c"


@dataclass
class Cluster:
    """Tokens and roles as the API server would tell them; ``broken`` answers nothing."""

    tokens: dict[str, Identity] = field(default_factory=lambda: dict(TOKENS))
    grants: dict[str, set[str]] = field(default_factory=lambda: {key: set(value) for key, value in GRANTS.items()})
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    async def identified(self, token: str) -> Identity | None:
        self._there()
        return self.tokens.get(token)

    async def allowed(self, identity: Identity, verb: str) -> bool:
        self._there()
        self.asked.append(f"{identity.name} {verb}")
        return verb in self.grants.get(identity.name, ())

    def _there(self) -> None:
        if self.broken:
            raise SourceUnavailable("nobody answers")


@dataclass
class PeopleWorld:
    """The application with everything that tests look at or break."""

    client: TestClient[web.Request, web.Application]
    clock: StoppedClock
    cluster: Cluster
    door: AuthMiddleware
    desk: OperatorActions
    keeper: ApprovalCache
    policies: MemoryApprovals
    actuator: FakeActuator
    switch: FakeSwitch
    lease: FakeLease
    incidents: dict[str, Incident]
    told: list[Decision]

    async def ask(self, method: str, path: str, token: str = "", **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, body (JSON where it is some) and headers; redirects are not followed."""
        headers = ({"Authorization": f"Bearer {token}"} if token else {}) | dict(options.pop("headers", {}))
        async with self.client.request(method, path, headers=headers, allow_redirects=False, **options) as answer:
            text = await answer.text()
            body = await answer.json(content_type=None) if "json" in answer.content_type and text else text
            return answer.status, body, answer.headers

    def waits(self, action_kind: ActionKind = ActionKind.EVICT) -> Plan:
        """Something waits for a word in the incident."""
        plan = plan_of(Action(action_kind, INCIDENT, Target.of(self.pod)), seconds=300.0)
        self.keeper.wanted((plan,))
        return plan

    @property
    def pod(self) -> PodRef:
        pod = self.incidents[INCIDENT].culprit.pod
        assert pod is not None
        return pod

    async def sign_in(self, token: str) -> str:
        """A browser signs in; returns the session's token for unsafe requests."""
        status, _, _ = await self.ask("POST", "/sign-in", data={"token": token}, headers=self.own_origin())
        assert status == 303
        _, me, _ = await self.ask("GET", "/api/v1/me")
        return str(me["csrf"])

    def own_origin(self) -> dict[str, str]:
        return {"Origin": f"http://{self.client.host}:{self.client.port}"}


@asynccontextmanager
async def people_world(
    *,
    kubernetes: bool = True,
    local: bool = True,
    secure: bool = False,
    hosts: frozenset[str] = frozenset(),
    oidc: OidcSettings | None = None,
    place: str = "",
) -> AsyncIterator[PeopleWorld]:
    clock, cluster, told = StoppedClock(), Cluster(), list[Decision]()
    policies, switch, lease, actuator = MemoryApprovals(), FakeSwitch(), FakeLease(), FakeActuator()
    incident = replace(incident_of("cart-1", app="cart", phase=Phase.DRAINED), id=INCIDENT)
    incidents = {INCIDENT: incident}
    keeper = ApprovalCache(policies, clock)

    async def record(decision: Decision) -> None:
        told.append(decision)

    desk = OperatorActions(
        approvals=keeper,
        restore=actuator,
        switch=switch,
        lease=lease,
        clock=clock,
        incidents=lambda: incidents,
        record=record,
        mode=lambda: Mode.ENFORCE,
    )
    ways = SignInMethods(
        identities=cluster if kubernetes else None,
        roles=Roles(cluster, clock),
        local=LocalToken(LOCAL) if local else None,
        oidc=oidc is not None,
        hosts=hosts,
    )
    door = AuthMiddleware(
        ways, Sessions(clock, lasts=28_800.0, idle=3600.0), Throttle(clock), secure=secure, place=place
    )
    provider = Provider(oidc, f"{place}/sign-in/oidc/back", clock) if oidc is not None else None
    app = web.Application(middlewares=[problems, door.middleware])
    add_sign_in(app, SignIn(door, provider))
    app[OPEN] = ROUTES_OPEN
    add_routes(app, Services(LoopStatus(enforce(), clock, SelfMetrics()), bytes, operator=desk))

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"{person_of(request).name}|{csrf_token(request)}")

    app.router.add_get("/", page)
    async with TestClient(TestServer(app)) as client:
        yield PeopleWorld(
            client, clock, cluster, door, desk, keeper, policies, actuator, switch, lease, incidents, told
        )


@dataclass
class Issuer:
    """An OpenID provider of our own; ``claims`` and ``signed_by`` bend the next ID token."""

    url: str = ""
    keys: list[Any] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    drop: set[str] = field(default_factory=set)
    algorithm: str = "RS256"
    signed_by: Any = None
    asked: dict[str, str] = field(default_factory=dict)
    exchanges: list[dict[str, str]] = field(default_factory=list)
    authorization: str = ""
    key_reads: int = 0
    calls_itself: str = ""
    broken: bool = False
    methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])

    def rotate(self) -> None:
        """The next tokens are signed by a key that nobody has seen."""
        self.keys = [RSAKey.generate_key(2048, {"kid": f"key-{len(self.keys)}-{time.monotonic_ns()}"})]

    def authorize(self, where: str) -> dict[str, str]:
        """What a browser brings back after the person said yes."""
        parts = urlsplit(where)
        self.asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        return {"code": "code-1", "state": self.asked["state"], "iss": self.url}

    def id_token(self, now: float) -> str:
        claims = {
            "iss": self.url,
            "aud": self.asked["client_id"],
            "sub": "olga",
            "iat": int(now),
            "exp": int(now) + 300,
            "nonce": self.asked["nonce"],
            "groups": ["staff"],
        } | self.claims
        key = self.signed_by or self.keys[0]
        kid = getattr(key, "kid", None) or "none"
        retained = {name: value for name, value in claims.items() if name not in self.drop}
        return jwt.encode({"alg": self.algorithm, "kid": kid}, retained, key, algorithms=[self.algorithm])


@asynccontextmanager
async def issuing(clock: StoppedClock) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    issuer.rotate()

    async def description(_: web.Request) -> web.Response:
        if issuer.broken:
            return web.Response(status=500)
        return web.json_response(
            {
                "issuer": issuer.calls_itself or issuer.url,
                "authorization_endpoint": f"{issuer.url}/authorize",
                "token_endpoint": f"{issuer.url}/token/",
                "jwks_uri": f"{issuer.url}/keys",
                "token_endpoint_auth_methods_supported": issuer.methods,
            }
        )

    async def keys(_: web.Request) -> web.Response:
        issuer.key_reads += 1
        return web.json_response({"keys": [key.as_dict(private=False) for key in issuer.keys]})

    async def token(request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        issuer.exchanges.append(form)
        issuer.authorization = request.headers.get("Authorization", "")
        if form["code"] != "code-1":
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": issuer.id_token(clock.now()), "token_type": "Bearer"})

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", description)
    app.router.add_get("/keys", keys)
    app.router.add_post("/token/", token)
    async with TestServer(app) as server:
        issuer.url = f"http://{server.host}:{server.port}"
        yield issuer
