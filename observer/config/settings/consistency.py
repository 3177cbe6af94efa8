"""Rules between the settings of one section: what disagrees, and with what."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from observer.config.documents.declarations import Disagreement, Rule
from observer.config.documents.durations import format_duration
from observer.config.settings.model import (
    GrafanaSettings,
    LeaseSettings,
    OidcSettings,
    PeopleSettings,
    Settings,
    TlsSettings,
    WebhookSettings,
)
from observer.config.settings.notifications import CloudEventSettings, NotifyKind, NotifySettings
from observer.config.settings.sources import HttpAuth, JaegerSettings, KialiLogin, KialiSettings, PrometheusSettings
from observer.domain.settings import DetectionSettings, EscalationSettings, GuardSettings


def _detection(it: DetectionSettings) -> Iterator[Disagreement]:
    if not it.effect_sizes or any(a >= b for a, b in pairwise(it.effect_sizes)):
        yield Disagreement("effect_sizes", "must be a non-empty list that rises strictly")
    if it.effect_sizes and it.acting_effect_size > max(it.effect_sizes):
        yield Disagreement("acting_effect_size", f"must not be above the largest effect size, {max(it.effect_sizes):g}")
    if it.caller_cap > it.bin_cap:
        yield Disagreement("caller_cap", f"must not be above bin_cap, {it.bin_cap:g}")
    a_month = it.false_annotate_per_day * 30
    if not a_month >= it.false_drain_per_month >= it.false_evict_per_month >= it.false_node_per_month:
        yield Disagreement(
            "false_evict_per_month",
            f"the more harm an action does, the fewer false ones may be allowed: {a_month:g} annotations, "
            f"{it.false_drain_per_month:g} drains, {it.false_evict_per_month:g} evictions, "
            f"{it.false_node_per_month:g} nodes a month",
        )


def _escalation(it: EscalationSettings) -> Iterator[Disagreement]:
    if not it.actions:
        yield Disagreement("actions", "must name at least one action", "[annotate] only notes")
    if len(set(it.actions)) != len(it.actions):
        yield Disagreement("actions", "names an action twice")
    needed = it.effective_within + it.experiment_seconds
    if it.drain_seconds <= needed:
        yield Disagreement(
            "drain_seconds",
            f"must be longer than effective_within + experiment_seconds = {format_duration(needed)}",
            "else the drain expires before its experiment can end",
        )


def _guards(it: GuardSettings) -> Iterator[Disagreement]:
    if it.backoff_max < it.backoff_seconds:
        yield Disagreement("backoff_max", f"must be at least backoff_seconds, {format_duration(it.backoff_seconds)}")
    if it.cluster_actions < it.namespace_actions:
        yield Disagreement("cluster_actions", f"must be at least namespace_actions, {it.namespace_actions}")


def _together(it: object, *keys: str) -> Iterator[Disagreement]:
    """Two keys of which neither works alone."""
    given = [key for key in keys if getattr(it, key)]
    missing = [key for key in keys if key not in given]
    if given and missing:
        yield Disagreement(given[0], f"needs {missing[0]} beside it")


def _auth(it: HttpAuth) -> Iterator[Disagreement]:
    yield from _together(it, "cert_file", "key_file")
    yield from _together(it, "username", "password_file")
    if it.username and it.bearer_file:
        yield Disagreement("bearer_file", "cannot be used together with username")
    if it.ca_file and it.insecure_skip_verify:
        yield Disagreement("insecure_skip_verify", "makes ca_file meaningless", "remove one of the two")


def _prometheus(it: PrometheusSettings) -> Iterator[Disagreement]:
    if not it.cuts_ms or any(a >= b for a, b in pairwise(it.cuts_ms)):
        yield Disagreement("cuts_ms", "must be a non-empty list that rises strictly")
    yield from _certificates(it)


def _certificates(
    it: PrometheusSettings | JaegerSettings | KialiSettings | GrafanaSettings | CloudEventSettings | NotifySettings,
) -> Iterator[Disagreement]:
    if it.url.startswith("http://") and (it.auth.cert_file or it.auth.ca_file):
        yield Disagreement("url", "is http, so the certificates of auth would not be used", "https://...")


def _kiali(it: KialiSettings) -> Iterator[Disagreement]:
    yield from _certificates(it)
    if it.login in (KialiLogin.TOKEN, KialiLogin.HEADER, KialiLogin.OPENSHIFT) and not it.auth.bearer_file:
        yield Disagreement("login", f"is {it.login.value}, which needs auth.bearer_file", "a service account's token")
    if it.stale < it.refresh:
        yield Disagreement("stale", f"must be at least refresh, {format_duration(it.refresh)}")


def _webhook(it: WebhookSettings) -> Iterator[Disagreement]:
    yield from _together(it, "username", "password_file")
    ways = (it.bearer_file, it.username, it.hmac_file, it.certificates, it.service_accounts)
    if it.enabled and not any(ways):
        yield Disagreement(
            "enabled",
            "needs a way to prove who calls: bearer_file, username and password_file, hmac_file, certificates or "
            "service_accounts",
            "nobody may start work without saying who it is",
        )


def _oidc(it: OidcSettings) -> Iterator[Disagreement]:
    if not it.issuer:
        return
    if not it.client_id:
        yield Disagreement("issuer", "needs client_id beside it", "as the provider knows Observer")
    parts = urlsplit(it.issuer)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        yield Disagreement("issuer", "must be https", "else anybody on the way can say who people are")
    if "openid" not in it.scopes:
        yield Disagreement("scopes", "must contain openid")
    if it.prefix.startswith("system:"):
        yield Disagreement("prefix", "must not begin with system:", "these names belong to the cluster itself")


def _people(it: PeopleSettings) -> Iterator[Disagreement]:
    if it.idle > it.session:
        yield Disagreement("idle", f"must not be longer than session, {format_duration(it.session)}")
    if it.oidc.issuer and not it.url:
        yield Disagreement("url", "is needed for oidc", "the provider sends people back there")
    parts = urlsplit(it.url)
    if parts.path.strip("/"):
        yield Disagreement("url", "takes scheme and host only", "https://observer.example.com")


def _tls(it: TlsSettings) -> Iterator[Disagreement]:
    yield from _together(it, "cert_file", "key_file")
    if it.client_ca_file and not it.cert_file:
        yield Disagreement("client_ca_file", "needs cert_file and key_file beside it")


def _lease(it: LeaseSettings) -> Iterator[Disagreement]:
    if it.duration <= it.renew_deadline:
        yield Disagreement(
            "duration",
            f"must be longer than renew_deadline, {format_duration(it.renew_deadline)}",
            "else two replicas may act at once",
        )
    if it.renew_deadline <= 1.2 * it.retry:
        yield Disagreement(
            "renew_deadline",
            f"must be longer than 1.2 x retry = {format_duration(1.2 * it.retry)}",
            "else one miss loses it",
        )


def _notify(it: NotifySettings) -> Iterator[Disagreement]:
    yield from _one_address(it)
    if not it.url and not it.url_file:
        yield Disagreement("name", f"{it.name} has no address", "url_file names a file that holds it")
    if it.url and it.kind is not NotifyKind.WEBHOOK:
        yield Disagreement("url", f"is a secret for {it.kind.value}", "write it into a file and name that in url_file")


def _one_address(it: CloudEventSettings | NotifySettings) -> Iterator[Disagreement]:
    if it.url and it.url_file:
        yield Disagreement("url_file", "cannot be used together with url")
    yield from _certificates(it)


RULES: Final[Mapping[type, Rule]] = {
    DetectionSettings: _detection,
    EscalationSettings: _escalation,
    GuardSettings: _guards,
    HttpAuth: _auth,
    PrometheusSettings: _prometheus,
    JaegerSettings: _certificates,
    KialiSettings: _kiali,
    LeaseSettings: _lease,
    WebhookSettings: _webhook,
    OidcSettings: _oidc,
    PeopleSettings: _people,
    GrafanaSettings: _certificates,
    TlsSettings: _tls,
    CloudEventSettings: _one_address,
    NotifySettings: _notify,
}
"""By the dataclass they judge; asked only when each of its values is good by itself."""


def host_of(listen: str) -> str:
    """The host of ``host:port``, without brackets; an empty one means 127.0.0.1."""
    return listen.rpartition(":")[0].strip("[]") or "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether a listener on this host is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def exposed(settings: Settings) -> str:
    """Why the listener must not be opened like this; empty when it may."""
    people = settings.people
    if is_loopback(host_of(settings.listen)) or people.kubernetes or people.oidc.issuer:
        return ""
    return f"{settings.listen} is reached from other machines, but nobody has to sign in"


EXPOSED_HINT = "people.kubernetes: true or people.oidc.issuer, or listen on 127.0.0.1"
