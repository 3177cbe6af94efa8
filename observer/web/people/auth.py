"""
Before any handler runs, who asks is known, and no other site can ask in a person's name.

A bearer token proves a program (or ``observer approve``), a cookie a browser. What a cookie proves counts for an
unsafe method only together with the session's own token and an ``Origin`` that is ours.
"""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.person import EVERYTHING, NOBODY, Identity, Person, Role
from observer.web.people.sessions import LocalToken, Roles, Session, Sessions, Throttle
from observer.web.problems import API, FORM, ApiProblem, form_of

log = structlog.get_logger(__name__)

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
OPEN: Final = web.AppKey("open", frozenset[str])
"""Paths that answer everybody: those of the table of routes without a role, and the way in."""
OPEN_BELOW: Final = (f"{SIGN_IN}/", "/static/")
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf"
SAFE: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_FORMS: Final = frozenset({FORM, "application/json"})
_PERSON: Final = web.RequestKey("person", Person)
_SESSION: Final = web.RequestKey("session", Session)
_SESSIONS: Final = web.RequestKey("sessions", Sessions)


class Identities(Protocol):
    """Whose token is it? None = nobody's. Raises ``SourceUnavailable`` when it cannot be found out."""

    async def identified(self, token: str) -> Identity | None: ...


@dataclass(frozen=True, slots=True)
class SignInMethods:
    """
    How people prove who they are; without any, whoever reaches the loopback interface may read.

    ``hosts`` are the names under which a listener on loopback may be asked; empty = any name (it asks for sign-in).
    """

    identities: Identities | None = None
    roles: Roles | None = None
    local: LocalToken | None = None
    oidc: bool = False
    hosts: frozenset[str] = frozenset()

    @property
    def open_reading(self) -> bool:
        return self.identities is None and not self.oidc


class AuthMiddleware:
    """Asks who it is, before any handler. ``secure`` = cookies only over TLS; ``place`` is where people reach us (``https://host``)."""

    def __init__(
        self, ways: SignInMethods, sessions: Sessions, throttle: Throttle, *, secure: bool, place: str = ""
    ) -> None:
        self.ways, self.sessions, self.throttle = ways, sessions, throttle
        self.secure = secure
        self._place = urlsplit(place).netloc.lower()

    @property
    def cookie(self) -> str:
        """The name pins it to this host and to TLS where there is TLS."""
        return "__Host-observer" if self.secure else "observer-session"

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
            check_spelling(request)
            self._check_host(request)
            if not _open(request):
                await self._enter(request)
            return await handler(request)

        return authenticate

    async def person(self, token: str, place: str) -> tuple[Identity | None, str] | None:
        """
        Whose bearer token it is, and how that was proven; None = nobody's, which is counted against ``place``.

        Raises: Refused 429 after too many failures, 503 when nobody can tell.
        """
        if (wait := self.throttle.wait(place)) > 0:
            text = f"too many failed sign-ins; try again in {math.ceil(wait)} s"
            raise ApiProblem(429, "too_many_failures", text, {"Retry-After": f"{math.ceil(wait)}"})
        if self.ways.local is not None and self.ways.local.is_it(token):
            return None, "local token"
        if self.ways.identities is not None and token.count(".") == 2:
            try:
                identity = await self.ways.identities.identified(token)
            except (SourceUnavailable, SourceProtocolError) as exc:
                log.warning("sign_in_not_checked", detail=str(exc))
                raise _cannot_tell() from exc
            if identity is not None:
                return identity, "TokenReview"
        self.throttle.failed(place)
        log.info("sign_in_failed", place=place)
        return None

    async def known(self, identity: Identity | None, by: str) -> Person:
        """With the roles that hold now. Raises: Refused 503."""
        if identity is None:
            return Person("local", by, EVERYTHING)
        if self.ways.roles is None:
            return Person(identity.name, by)
        try:
            return Person(identity.name, by, await self.ways.roles.of(identity))
        except (SourceUnavailable, SourceProtocolError) as exc:
            log.warning("roles_not_known", detail=str(exc))
            raise _cannot_tell() from exc

    def same_origin(self, request: web.Request) -> bool:
        """The browser says that the request comes from a page of ours, or it is no browser (it says nothing)."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None:
            return place_of(origin) in {request.host.lower(), self._place} - {""}
        return request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}

    async def _enter(self, request: web.Request) -> None:
        kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if kind.lower() == "bearer" and token.strip():
            bearer = await self.person(token.strip(), place_at(request, "header"))
            if bearer is None:
                raise _unknown(request, "the token is not known")
            request[_PERSON] = await self.known(*bearer)
        elif (session := self.sessions.find(request.cookies.get(self.cookie, ""))) is not None:
            request[_PERSON] = await self.known(session.identity, session.by)
            request[_SESSION] = session
            request[_SESSIONS] = self.sessions
            if request.method not in SAFE:
                await self._check_intent(request, session)
        elif self.ways.open_reading and request.method in SAFE:
            request[_PERSON] = Person("", "nobody asked", frozenset({Role.VIEWER}))
        else:
            raise _unknown(request, "sign in first")
        require(request, Role.VIEWER)

    async def _check_intent(self, request: web.Request, session: Session) -> None:
        if not self.same_origin(request):
            raise ApiProblem(403, "other_origin", "this request comes from another site")
        if request.content_type not in _FORMS:
            raise ApiProblem(415, "unsupported_media_type", f"send {' or '.join(sorted(_FORMS))}")
        given = request.headers.get(CSRF_HEADER, "")
        if not given and request.content_type == FORM:
            given = (await form_of(request)).get(CSRF_FIELD, "")
        if not given.isascii() or not hmac.compare_digest(given.encode(), session.csrf.encode()):
            raise ApiProblem(403, "csrf", f"repeat the session's token in {CSRF_HEADER} or the form field {CSRF_FIELD}")

    def _check_host(self, request: web.Request) -> None:
        """A name of another site that leads to our loopback address is that site's trick (DNS rebinding)."""
        try:
            name = urlsplit(f"//{request.host}").hostname or ""
        except ValueError as exc:
            raise ApiProblem(400, "bad_request", "the Host header names no host") from exc
        if self.ways.hosts and name not in self.ways.hosts:
            raise ApiProblem(421, "misdirected_request", "this listener is not known under that name")


def place_at(request: web.Request, way: str) -> str:
    """
    What failed sign-ins are counted by: the peer that the connection shows, and the way in. Behind one proxy that is
    everybody's address, so a program with an old token must not keep people from the form or the provider. What a
    header says about addresses further off anybody can write, so it counts nothing.
    """
    return f"{request.remote or ''} {way}"


def check_spelling(request: web.Request) -> None:
    """Raises: Refused for a header that says who asks, or where from, in what no standard lets it be written."""
    for name in (hdrs.AUTHORIZATION, hdrs.COOKIE, hdrs.ORIGIN, hdrs.HOST):
        if not request.headers.get(name, "").isascii():
            raise ApiProblem(400, "bad_request", f"the header {name} holds what is not ASCII")


def place_of(origin: str) -> str:
    """Host and port of an origin, in lower case; empty when it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def person_of(request: web.Request) -> Person:
    """Who asks; NOBODY where nobody has to say."""
    person: Person = request.get(_PERSON, NOBODY)
    return person


def csrf_token(request: web.Request) -> str:
    """For the hidden field ``csrf`` of a form; empty without a session."""
    session = session_of(request)
    return session.csrf if session is not None else ""


def session_of(request: web.Request) -> Session | None:
    """The browser's session; None for programs and strangers."""
    return request.get(_SESSION)


def still_in(request: web.Request) -> bool:
    """Asked again during a long answer: the session that it was begun with is not over (programs have none)."""
    session, sessions = session_of(request), request.get(_SESSIONS)
    return session is None or sessions is None or sessions.lives(session)


def require(request: web.Request, role: Role) -> Person:
    """Who asks, if they have this role. Raises: Refused 403."""
    person = person_of(request)
    if not person.may(role):
        named = f"{person.name} is" if person.name else "you are"
        raise ApiProblem(403, "forbidden", f"{named} no {role.value}")
    return person


def _open(request: web.Request) -> bool:
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else ""
    return path in request.app[OPEN] or path == SIGN_IN or path.startswith(OPEN_BELOW)


def _unknown(request: web.Request, why: str) -> web.HTTPException:
    asks_page = request.method in SAFE and "text/html" in request.headers.get(hdrs.ACCEPT, "")
    if asks_page and not request.path.startswith(API):
        return web.HTTPSeeOther(f"{SIGN_IN}?next={quote(request.path_qs, safe='')}")
    return ApiProblem(HTTPStatus.UNAUTHORIZED, "unauthorized", why, {"WWW-Authenticate": "Bearer"})


def _cannot_tell() -> ApiProblem:
    return ApiProblem(503, "cannot_tell", "who you are cannot be checked now; try again", {"Retry-After": "5"})
