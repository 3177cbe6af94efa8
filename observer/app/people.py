"""Who may look and act: ways to sign in, sessions, roles, and the desk that does what people ask for."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from observer.app.cluster_access import ClusterAccess
from observer.config.settings.consistency import EXPOSED_HINT, exposed, host_of, is_loopback
from observer.config.settings.model import Settings
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.runtime.approvals import ApprovalCache
    from observer.runtime.operator_actions import OperatorActions
    from observer.runtime.tick import Loop
    from observer.web.people.auth import SignInMethods
    from observer.web.people.oidc import Provider
    from observer.web.server import People

Say = Callable[[str], None]
"""Tells whoever started us something that must not be logged."""


def people(hands: ClusterAccess, approvals: ApprovalCache, loop: Loop, say: Say) -> People:
    """Raises: ConfigError when others could reach the listener and nobody had to say who they are."""
    from observer.web.people.auth import AuthMiddleware
    from observer.web.people.sessions import Sessions, Throttle
    from observer.web.people.sign_in import SignIn
    from observer.web.server import People

    settings = hands.settings
    if why := exposed(settings):
        raise ConfigError(f"listen: {why} ({EXPOSED_HINT})")
    wanted = settings.people
    sessions = Sessions(hands.clock, lasts=wanted.session, idle=wanted.idle)
    secure = bool(settings.tls.cert_file) or wanted.url.startswith("https://")
    door = AuthMiddleware(ways(hands, say), sessions, Throttle(hands.clock), secure=secure, place=wanted.url)
    return People(door, SignIn(door, provider(hands)), desk(hands, approvals, loop))


def ways(hands: ClusterAccess, say: Say) -> SignInMethods:
    """The ways to prove who one is that the settings name."""
    from observer.kube.reviews import KubeAccessReviews, KubeTokenReviews
    from observer.web.people.auth import SignInMethods
    from observer.web.people.sessions import LocalToken, Roles

    settings, wanted = hands.settings, hands.settings.people
    local, names = None, frozenset[str]()
    if is_loopback(host := host_of(settings.listen)):
        names = frozenset({"localhost", "127.0.0.1", "::1", host, urlsplit(wanted.url).hostname or host})
        if wanted.local:
            local, token = LocalToken.made()
            say(f"token for this start, for {page(settings)}/sign-in or in a file for --token-file: {token}")
    return SignInMethods(
        identities=KubeTokenReviews(hands.api, hands.clock) if wanted.kubernetes else None,
        roles=Roles(KubeAccessReviews(hands.api), hands.clock),
        local=local,
        oidc=bool(wanted.oidc.issuer),
        hosts=names,
    )


def page(settings: Settings) -> str:
    """Where people reach us."""
    scheme = "https" if settings.tls.cert_file else "http"
    return settings.people.url.rstrip("/") or f"{scheme}://{settings.listen}"


def provider(hands: ClusterAccess) -> Provider | None:
    """None without OpenID. Raises: ConfigError without the library that it needs."""
    wanted = hands.settings.people
    if not wanted.oidc.issuer:
        return None
    try:
        import joserfc  # noqa: F401  (asked for only to say at once what is missing)
    except ImportError as exc:
        raise ConfigError("people.oidc: needs joserfc: pip install 'observer[oidc]'") from exc
    from observer.web.people.oidc import Provider
    from observer.web.people.sign_in import BACK

    return Provider(wanted.oidc, f"{wanted.url.rstrip('/')}{BACK}", hands.clock)


def desk(hands: ClusterAccess, approvals: ApprovalCache, loop: Loop) -> OperatorActions:
    """What a person may do."""
    from observer.actuators.drain import DrainActuator
    from observer.runtime.operator_actions import OperatorActions

    return OperatorActions(
        approvals=approvals,
        restore=DrainActuator(hands.api, by=hands.settings.lease.identity or socket.gethostname()),
        switch=hands.switch,
        lease=hands.lease,
        clock=hands.clock,
        incidents=lambda: loop.memory.incidents,
        record=loop.record_operator_action,
        mode=lambda: hands.settings.engine.mode,
    )
