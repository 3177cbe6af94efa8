"""What the listener serves: the page with its API and sign-in, and the webhook that accepts alerts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from observer.app.cluster_access import ClusterAccess
from observer.app.notifications import links_of
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.config.settings.model import Settings, WebhookSettings
    from observer.journal.store import SqlJournal
    from observer.ports.sources import Clock
    from observer.ports.stores import AlertInbox
    from observer.runtime.inbox import AlertCache, ApprovalCache
    from observer.runtime.operator_actions import OperatorActions
    from observer.runtime.status import LoopStatus
    from observer.runtime.tick import Loop
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.alert_webhook import Acceptor, ReadAgain, Webhook
    from observer.web.people.auth import SignInMethods
    from observer.web.people.oidc import Provider
    from observer.web.queries import Queries, ViewCache
    from observer.web.server import People, Server
    from observer.web.stream import Stream
    from observer.web.webhook_auth import Authenticator

Say = Callable[[str], None]
"""Tells whoever started us something that must not be logged."""


def people(access: ClusterAccess, approvals: ApprovalCache, loop: Loop, say: Say) -> People:
    """Raises: ConfigError when others could reach the listener and nobody had to say who they are."""
    from observer.config.settings.consistency import EXPOSED_HINT, exposed
    from observer.web.people.auth import AuthMiddleware
    from observer.web.people.sessions import Sessions, Throttle
    from observer.web.people.sign_in import SignIn
    from observer.web.server import People

    settings = access.settings
    if why := exposed(settings):
        raise ConfigError(f"listen: {why} ({EXPOSED_HINT})")
    wanted = settings.people
    sessions = Sessions(access.clock, lasts=wanted.session, idle=wanted.idle)
    secure = bool(settings.tls.cert_file) or wanted.url.startswith("https://")
    middleware = AuthMiddleware(
        sign_in_methods(access, say), sessions, Throttle(access.clock), secure=secure, place=wanted.url
    )
    return People(middleware, SignIn(middleware, provider(access)), operator_actions(access, approvals, loop))


def sign_in_methods(access: ClusterAccess, say: Say) -> SignInMethods:
    """The ways to prove who one is that the settings name."""
    from observer.config.settings.consistency import host_of, is_loopback
    from observer.kube.reviews import KubeAccessReviews, KubeTokenReviews
    from observer.web.people.auth import SignInMethods
    from observer.web.people.sessions import LocalToken, Roles

    settings, wanted = access.settings, access.settings.people
    local, names = None, frozenset[str]()
    if is_loopback(host := host_of(settings.listen)):
        names = frozenset({"localhost", "127.0.0.1", "::1", host, urlsplit(wanted.url).hostname or host})
        if wanted.local:
            local, token = LocalToken.made()
            say(f"token for this start, for {page(settings)}/sign-in or in a file for --token-file: {token}")
    return SignInMethods(
        identities=KubeTokenReviews(access.api, access.clock) if wanted.kubernetes else None,
        roles=Roles(KubeAccessReviews(access.api), access.clock),
        local=local,
        oidc=bool(wanted.oidc.issuer),
        hosts=names,
    )


def page(settings: Settings) -> str:
    """Where people reach us."""
    scheme = "https" if settings.tls.cert_file else "http"
    return settings.people.url.rstrip("/") or f"{scheme}://{settings.listen}"


def provider(access: ClusterAccess) -> Provider | None:
    """None without OpenID. Raises: ConfigError without the library that it needs."""
    wanted = access.settings.people
    if not wanted.oidc.issuer:
        return None
    try:
        import joserfc  # noqa: F401  (asked for only to say at once what is missing)
    except ImportError as exc:
        raise ConfigError("people.oidc: needs joserfc: pip install 'observer[oidc]'") from exc
    from observer.web.people.oidc import Provider
    from observer.web.people.sign_in import BACK

    return Provider(wanted.oidc, f"{wanted.url.rstrip('/')}{BACK}", access.clock)


def operator_actions(access: ClusterAccess, approvals: ApprovalCache, loop: Loop) -> OperatorActions:
    """What a person may do."""
    from observer.actuators.restore import RestoreActuator
    from observer.runtime.operator_actions import OperatorActions

    return OperatorActions(
        approvals=approvals,
        restore=RestoreActuator(access.api),
        switch=access.switch,
        lease=access.lease,
        clock=access.clock,
        incidents=lambda: loop.memory.incidents,
        record=loop.record_operator_action,
        mode=lambda: access.settings.engine.mode,
    )


def show(
    settings: Settings, loop_status: LoopStatus, clock: Clock, journal: SqlJournal, metrics: SelfMetrics
) -> tuple[ViewCache, Queries, Stream]:
    """What draws the picture after each tick, what people read of it, and what tells them to read again."""
    from observer.web.page.render import built
    from observer.web.queries import Queries, ViewCache
    from observer.web.stream import Stream

    views = ViewCache(loop_status, clock)
    stream = Stream(views, counted=metrics.stream)
    queries = Queries(
        views, journal.archive, clock, links_of=links_of(settings), plots=built(), listeners=stream.listeners
    )
    return views, queries, stream


def make_server(
    settings: Settings,
    loop_status: LoopStatus,
    metrics: SelfMetrics,
    webhook: AlertWebhook | None,
    queries: Queries,
    persons: People | None = None,
    stream: Stream | None = None,
) -> Server:
    """The listener with everything that it answers."""
    from observer.web.server import Server, listener_tls, make_app

    tls = settings.tls
    app = make_app(
        loop_status,
        metrics.render,
        webhook=webhook.webhook if webhook is not None else None,
        queries=queries,
        stream=stream,
        people=persons,
    )
    return Server(app, settings.listen, tls=listener_tls(tls.cert_file, tls.key_file, tls.client_ca_file))


@dataclass(frozen=True, slots=True)
class AlertWebhook:
    """What accepts alerts and what hands them to the loop."""

    webhook: Webhook
    acceptor: Acceptor
    inbox: AlertCache

    def tasks(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Names and bodies of what runs beside the loop."""
        return [("alerts", self.acceptor.run), ("inbox", self.inbox.run)]


def alert_webhook(access: ClusterAccess, store: AlertInbox, metrics: SelfMetrics) -> AlertWebhook | None:
    """None when the webhook is off. Raises: ConfigError when nobody could prove who calls."""
    from observer.runtime.inbox import AlertCache
    from observer.web.alert_webhook import Acceptor, Webhook

    wanted = access.settings.webhook
    if not wanted.enabled:
        return None
    inbox = AlertCache(store, access.clock)
    acceptor = Acceptor(store, accepted=inbox.accepted)
    webhook = Webhook(
        acceptor,
        _callers(access, wanted),
        access.clock,
        read_again=_read_again(access),
        counted=metrics.alerts_received,
    )
    return AlertWebhook(webhook, acceptor, inbox)


def _callers(access: ClusterAccess, wanted: WebhookSettings) -> Sequence[Authenticator]:
    """The ways to prove who calls that the settings name."""
    from observer.kube.reviews import KubeTokenReviews
    from observer.web.webhook_auth import Basic, BearerToken, ClientCertificate, SecretFile, ServiceAccountToken, Signed

    callers: list[Authenticator] = []
    if wanted.bearer_file:
        callers.append(BearerToken(SecretFile(wanted.bearer_file, "webhook.bearer_file")))
    if wanted.username:
        callers.append(Basic(wanted.username, SecretFile(wanted.password_file, "webhook.password_file")))
    if wanted.hmac_file:
        callers.append(Signed(SecretFile(wanted.hmac_file, "webhook.hmac_file"), access.clock))
    if wanted.certificates:
        if not access.settings.tls.client_ca_file:
            raise ConfigError("webhook.certificates: needs tls.client_ca_file, the authority that signs them")
        callers.append(ClientCertificate(wanted.certificates))
    if wanted.service_accounts:
        callers.append(ServiceAccountToken(KubeTokenReviews(access.api, access.clock), wanted.service_accounts))
    return callers


def _read_again(access: ClusterAccess) -> ReadAgain | None:
    """Alertmanager's own API, where the settings name it."""
    from observer.sources.alertmanager import AlertmanagerApi

    url = access.settings.webhook.alertmanager_url
    return AlertmanagerApi(url).firing if url else None
