"""The webhook of alerts: who may call, where what is accepted is kept, and who answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from observer.app.cluster_access import ClusterAccess
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.config.settings.model import WebhookSettings
    from observer.ports.stores import AlertInbox
    from observer.runtime.alerts import AlertCache
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.alert_webhook import Acceptor, ReadAgain, Webhook
    from observer.web.webhook_auth import Authenticator


@dataclass(frozen=True, slots=True)
class AlertWebhook:
    """What accepts alerts and what hands them to the loop."""

    webhook: Webhook
    acceptor: Acceptor
    keeper: AlertCache

    def tasks(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Names and bodies of what runs beside the loop."""
        return [("alerts", self.acceptor.run), ("inbox", self.keeper.run)]


def mailbox(hands: ClusterAccess, inbox: AlertInbox, metrics: SelfMetrics) -> AlertWebhook | None:
    """None when the webhook is off. Raises: ConfigError when nobody could prove who calls."""
    from observer.runtime.alerts import AlertCache
    from observer.web.alert_webhook import Acceptor, Webhook

    wanted = hands.settings.webhook
    if not wanted.enabled:
        return None
    keeper = AlertCache(inbox, hands.clock)
    acceptor = Acceptor(inbox, accepted=keeper.accepted)
    webhook = Webhook(
        acceptor, ways(hands, wanted), hands.clock, read_again=read_again(hands), counted=metrics.alerts_received
    )
    return AlertWebhook(webhook, acceptor, keeper)


def ways(hands: ClusterAccess, wanted: WebhookSettings) -> Sequence[Authenticator]:
    """The ways to prove who calls that the settings name."""
    from observer.kube.reviews import KubeTokenReviews
    from observer.web.webhook_auth import Basic, BearerToken, ClientCertificate, SecretFile, ServiceAccountToken, Signed

    found: list[Authenticator] = []
    if wanted.bearer_file:
        found.append(BearerToken(SecretFile(wanted.bearer_file, "webhook.bearer_file")))
    if wanted.username:
        found.append(Basic(wanted.username, SecretFile(wanted.password_file, "webhook.password_file")))
    if wanted.hmac_file:
        found.append(Signed(SecretFile(wanted.hmac_file, "webhook.hmac_file"), hands.clock))
    if wanted.certificates:
        if not hands.settings.tls.client_ca_file:
            raise ConfigError("webhook.certificates: needs tls.client_ca_file, the authority that signs them")
        found.append(ClientCertificate(wanted.certificates))
    if wanted.service_accounts:
        found.append(ServiceAccountToken(KubeTokenReviews(hands.api, hands.clock), wanted.service_accounts))
    return found


def read_again(hands: ClusterAccess) -> ReadAgain | None:
    """Alertmanager's own API, where the settings name it."""
    from observer.sources.alertmanager import AlertmanagerApi

    url = hands.settings.webhook.alertmanager_url
    return AlertmanagerApi(url).firing if url else None
