"""The way in and out: a form for a token, a link to the OpenID provider, and who one is."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.person import Identity, Role
from observer.web import bare_pages as pages
from observer.web.people.auth import SIGN_IN, SIGN_OUT, AuthMiddleware, place_at
from observer.web.people.oidc import NotBegunHere, Provider, SignInFailed
from observer.web.problems import ApiProblem, form_of

log = structlog.get_logger(__name__)

OIDC: Final = f"{SIGN_IN}/oidc"
BACK: Final = f"{OIDC}/back"
STARTED: Final = "observer-signing-in"
"""Cookie of a sign-in under way. It must come along from the provider's site, so it is ``Lax``; it opens nothing."""


class SignIn:
    """Handlers; ``provider`` is None without OpenID."""

    def __init__(self, auth: AuthMiddleware, provider: Provider | None = None) -> None:
        self._auth, self._provider = auth, provider

    async def page(self, request: web.Request) -> web.Response:
        """The form."""
        return self._page(request.query.get("next", ""))

    async def token(self, request: web.Request) -> web.StreamResponse:
        """A token in a form opens a session."""
        if not self._auth.same_origin(request):
            raise ApiProblem(403, "other_origin", "this sign-in comes from another site")
        form = await form_of(request)
        wanted, given = form.get("next", ""), form.get("token", "").strip()
        bearer = await self._auth.person(given, place_at(request, "form")) if given else None
        if bearer is None:
            return self._page(wanted, "This token is not known.", status=401)
        await self._welcome(*bearer)
        answer = pages.led_to(inside(wanted))
        self._open(answer, *bearer)
        return answer

    async def oidc(self, request: web.Request) -> web.StreamResponse:
        """To the provider."""
        provider = self._known_provider()
        try:
            where, browser = await provider.begin(inside(request.query.get("next", "")))
        except (SourceUnavailable, SourceProtocolError) as exc:
            log.warning("sign_in_provider_unavailable", detail=str(exc))
            return self._page("", "The sign-in provider does not answer. Try again.", status=503)
        answer = pages.led_to(where)
        answer.set_cookie(
            STARTED, browser, max_age=600, path=OIDC, httponly=True, secure=self._auth.secure, samesite="Lax"
        )
        return answer

    async def back(self, request: web.Request) -> web.StreamResponse:
        """From the provider."""
        provider, place = self._known_provider(), place_at(request, "oidc")
        if (wait := self._auth.throttle.wait(place)) > 0:
            raise ApiProblem(429, "too_many_failures", "too many failed sign-ins", {"Retry-After": f"{wait + 1:.0f}"})
        try:
            identity, wanted = await provider.end(request.query, request.cookies.get(STARTED, ""))
        except SignInFailed as exc:
            if not isinstance(exc, NotBegunHere):
                self._auth.throttle.failed(place)
            log.info("sign_in_failed", place=place, by="oidc", detail=str(exc))
            return self._page("", f"Sign-in failed: {exc}.", status=401)
        except (SourceUnavailable, SourceProtocolError) as exc:
            log.warning("sign_in_provider_unavailable", detail=str(exc))
            return self._page("", "The sign-in provider does not answer. Try again.", status=503)
        await self._welcome(identity, "oidc")
        # No redirect: the browser would follow it on behalf of the provider's site and leave the strict cookie behind.
        answer = pages.html(pages.going_on(inside(wanted)))
        answer.del_cookie(STARTED, path=OIDC)
        self._open(answer, identity, "oidc")
        return answer

    async def out(self, request: web.Request) -> web.StreamResponse:
        """Ends the session."""
        self._auth.sessions.close(request.cookies.get(self._auth.cookie, ""))
        answer = pages.led_to(SIGN_IN)
        answer.del_cookie(self._auth.cookie, path="/", secure=self._auth.secure, httponly=True, samesite="Strict")
        return answer

    async def _welcome(self, identity: Identity | None, by: str) -> None:
        """Whoever may not even read gets no session. Raises: Refused."""
        person = await self._auth.known(identity, by)
        if not person.may(Role.VIEWER):
            raise ApiProblem(403, "forbidden", f"{person.name} may not read here: grant get on observers.observer.dev")
        log.info("signed_in", who=person.name, by=by, roles=sorted(role.value for role in person.roles))

    def _open(self, answer: web.StreamResponse, identity: Identity | None, by: str) -> None:
        secret, _ = self._auth.sessions.open(identity, by)
        answer.set_cookie(
            self._auth.cookie, secret, path="/", httponly=True, secure=self._auth.secure, samesite="Strict"
        )

    def _known_provider(self) -> Provider:
        if self._provider is None:
            raise web.HTTPNotFound(text="no OpenID provider is set up\n")
        return self._provider

    def _page(self, wanted: str, message: str = "", *, status: int = 200) -> web.Response:
        ways = self._auth.ways
        body = pages.sign_in(
            inside(wanted),
            message,
            token=ways.identities is not None or ways.local is not None,
            oidc=OIDC if ways.oidc else "",
        )
        return pages.html(body, status=status)


def inside(wanted: str) -> str:
    """The page that was asked for, if it is one of ours; else the first."""
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and wanted.isprintable()
    return wanted if ours and "\\" not in wanted else "/"


def add_sign_in(app: web.Application, sign_in: SignIn) -> None:
    """Serve the way in and out."""
    app.router.add_get(SIGN_IN, sign_in.page)
    app.router.add_post(SIGN_IN, sign_in.token)
    app.router.add_get(OIDC, sign_in.oidc)
    app.router.add_get(BACK, sign_in.back)
    app.router.add_post(SIGN_OUT, sign_in.out)
