"""
The settings file, section by section: which keys there are and what each may hold.

Defaults and field names live in the dataclasses alone; here stands only what a person may write into each field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, cast, get_args, get_origin

import pydantic
from pydantic import BaseModel, ConfigDict, Strict, create_model, model_validator
from pydantic_core import PydanticCustomError

from observer import actions
from observer.config.documents.durations import format_duration
from observer.config.documents.values import (
    above,
    check_journal,
    check_label_selector,
    check_listen,
    check_matchers,
    check_pattern,
    choice,
    count,
    dns_label,
    headers,
    http_url,
    many,
    mapping,
    number,
    readable_file,
    seconds,
    size,
    text,
    word,
)
from observer.config.settings import consistency
from observer.config.settings.auth import HttpAuth
from observer.config.settings.model import (
    EvidenceSettings,
    Flavor,
    GrafanaSettings,
    JaegerSettings,
    KialiLogin,
    KialiSettings,
    KubernetesSettings,
    LeaseSettings,
    OidcSettings,
    PeopleSettings,
    Profile,
    PrometheusSettings,
    RecordingSettings,
    Settings,
    TlsSettings,
    WebhookSettings,
)
from observer.config.settings.notifications import (
    AlertmanagerSettings,
    CloudEventSettings,
    LinkSettings,
    NotifySettings,
    OtlpSettings,
)
from observer.config.settings.outlet_keys import OUTLETS
from observer.domain.action import ActionKind, Mode
from observer.domain.settings import (
    DetectionSettings,
    EngineSettings,
    EscalationSettings,
    GuardSettings,
    ImpactSettings,
)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
Switch = Annotated[bool, Strict()]

_DETECTION = {
    "tests": count(1, 10_000_000),
    "false_annotate_per_day": above(0, 1e6),
    "false_drain_per_month": above(0, 1e5),
    "false_evict_per_month": above(0, 1e4),
    "false_node_per_month": above(0, 1e3),
    "effect_sizes": many(above(1, 65_536)),
    "acting_effect_size": above(1, 1024),
    "bin_cap": above(0, 100),
    "caller_cap": above(0, 100),
    "min_bins": count(1, 100),
    "reported_share": above(0, 1),
    "warm_up_seconds": seconds(0, HOUR),
    "warm_up_requests": number(0, 1e9),
    "overdispersion_cap": number(1, 1000),
    "group_margin": number(0, 100),
    "bad_share": above(0, 1),
    "young_revision": seconds(0, DAY),
    "fade_seconds": seconds(1, HOUR),
}
_IMPACT = {
    "error_rate": above(0, 1),
    "error_ratio": number(1, 1000),
    "latency_ratio": number(1, 1000),
    "latency_excess_ms": number(0, 600_000),
}
_ESCALATION = {
    "actions": many(choice(ActionKind, actions.selectable)),
    "effective_share": above(0, 0.5),
    "effective_within": seconds(1, 10 * MINUTE),
    "experiment_odds": above(1, 1e6),
    "experiment_seconds": seconds(1, HOUR),
    "experiment_requests": above(0, 1e9),
    "drain_seconds": seconds(10, DAY),
    "readmit_seconds": seconds(1, HOUR),
    "verify_requests": above(0, 1e9),
    "verify_odds": above(1, 1e6),
    "verify_seconds": seconds(1, DAY),
    "start_factor": number(1, 100),
    "default_start": seconds(1, HOUR),
    "cleared_seconds": seconds(1, DAY),
    "hold_for_human": Switch,
}
_GUARDS = {
    "in_flight_per_workload": count(1, 100),
    "serving_share": above(0, 1),
    "serving_min": count(1, 10_000),
    "namespace_actions": count(1, 10_000),
    "namespace_window": seconds(1, 7 * DAY),
    "cluster_actions": count(1, 100_000),
    "cluster_window": seconds(1, 7 * DAY),
    "cluster_share": above(0, 1),
    "breaker_bad_share": above(0, 1),
    "breaker_bad_min": count(1, 10_000),
    "breaker_useless_share": above(0, 1),
    "breaker_last": count(1, 1000),
    "backoff_seconds": seconds(1, DAY),
    "backoff_max": seconds(1, 7 * DAY),
    "same_symptom_seconds": seconds(0, 7 * DAY),
    "freeze_after": count(1, 1000),
    "freeze_window": seconds(1, 30 * DAY),
    "autoscaler_quiet": seconds(0, DAY),
    "person_quiet": seconds(0, 7 * DAY),
    "kubernetes_stale": seconds(1, 10 * MINUTE),
    "blocked_max": seconds(1, 7 * DAY),
    "refused_namespaces": many(dns_label()),
    "allow_singletons": Switch,
    "allow_statefulsets": Switch,
    "allow_local_volumes": Switch,
}
_AUTH = {
    "username": text(empty=True),
    "password_file": readable_file(),
    "bearer_file": readable_file(),
    "ca_file": readable_file(),
    "cert_file": readable_file(),
    "key_file": readable_file(),
    "insecure_skip_verify": Switch,
}
_PROMETHEUS = {
    "url": http_url(),
    "flavor": choice(Flavor),
    "profile": choice(Profile),
    "labels": mapping(text(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$")),
    "selector": text(check_matchers, empty=True),
    "up_selector": text(check_matchers, empty=True),
    "cuts_ms": many(above(0, 600_000)),
    "timeout": seconds(0.1, 5 * MINUTE),
    "max_bytes": size(1 << 16, 1 << 32),
    "tenant": text(empty=True),
    "headers": headers(),
    "auth": HttpAuth,
    "history_seconds": seconds(10 * MINUTE, 7 * DAY),
    "history_refresh": seconds(10, DAY),
    "objective_refresh": seconds(10, 300),
    "recheck_seconds": seconds(MINUTE, HOUR),
}
_JAEGER = {
    "url": http_url(empty=True),
    "cluster": text(empty=True),
    "window": seconds(10, DAY),
    "refresh": seconds(1, HOUR),
    "traces": count(1, 1000),
    "timeout": seconds(0.1, 5 * MINUTE),
    "max_bytes": size(1 << 16, 1 << 32),
    "headers": headers(),
    "auth": HttpAuth,
}
_KIALI = {
    "url": http_url(empty=True),
    "login": choice(KialiLogin),
    "cluster": text(empty=True),
    "window": seconds(10, DAY),
    "refresh": seconds(5, HOUR),
    "stale": seconds(10, DAY),
    "timeout": seconds(0.1, 5 * MINUTE),
    "max_bytes": size(1 << 16, 1 << 32),
    "headers": headers(),
    "auth": HttpAuth,
}
_KUBERNETES = {
    "kubeconfig": readable_file(),
    "context": text(empty=True),
    "namespaces": many(dns_label()),
    "timeout": seconds(0.1, 5 * MINUTE),
    "page": count(1, 10_000),
    "istiod_namespace": dns_label(),
    "istiod_selector": text(check_label_selector),
}
_LEASE = {
    "enabled": Switch,
    "name": dns_label(),
    "duration": seconds(1, 10 * MINUTE),
    "renew_deadline": seconds(0.5, 10 * MINUTE),
    "retry": seconds(0.1, 5 * MINUTE),
    "identity": text(empty=True),
}
_EVIDENCE = {
    "path": text(),
    "logs": Switch,
    "log_lines": count(1, 100_000),
    "max_bytes": size(1024, 1 << 30),
    "redact": many(text(check_pattern)),
}
_RECORDING = {
    "path": text(empty=True),
    "max_bytes": size(1 << 16, 1 << 34),
    "keep": count(1, 10_000),
}
_TLS = {
    "cert_file": readable_file(),
    "key_file": readable_file(),
    "client_ca_file": readable_file(),
}
_WEBHOOK = {
    "enabled": Switch,
    "bearer_file": readable_file(),
    "username": text(empty=True),
    "password_file": readable_file(),
    "hmac_file": readable_file(),
    "certificates": many(text()),
    "service_accounts": many(text(pattern="^system:serviceaccount:[^:]+:[^:]+$")),
    "alertmanager_url": http_url(empty=True),
}
_OIDC = {
    "issuer": http_url(empty=True),
    "client_id": text(empty=True),
    "client_secret_file": readable_file(),
    "scopes": many(text(pattern="^[!#-\\[\\]-~]+$")),
    "username_claim": text(),
    "groups_claim": text(),
    "prefix": text(),
    "ca_file": readable_file(),
    "timeout": seconds(0.1, MINUTE),
}
_PEOPLE = {
    "url": http_url(empty=True),
    "kubernetes": Switch,
    "local": Switch,
    "session": seconds(MINUTE, 7 * DAY),
    "idle": seconds(MINUTE, 7 * DAY),
    "oidc": OidcSettings,
}
_GRAFANA = {
    "url": http_url(empty=True),
    "timeout": seconds(0.1, 5 * MINUTE),
    "headers": headers(),
    "auth": HttpAuth,
}
_ENGINE = {
    "mode": choice(Mode),
    "tick": seconds(0.2, 5 * MINUTE),
    "detection": DetectionSettings,
    "impact": ImpactSettings,
    "escalation": EscalationSettings,
    "guards": GuardSettings,
}
_FILE = {
    "prometheus": PrometheusSettings,
    "jaeger": JaegerSettings,
    "kiali": KialiSettings,
    "kubernetes": KubernetesSettings,
    "lease": LeaseSettings,
    "evidence": EvidenceSettings,
    "recording": RecordingSettings,
    "webhook": WebhookSettings,
    "people": PeopleSettings,
    "cloudevents": CloudEventSettings,
    "alertmanager": AlertmanagerSettings,
    "notify": many(NotifySettings),
    "otlp": OtlpSettings,
    "links": LinkSettings,
    "grafana": GrafanaSettings,
    "tls": TlsSettings,
    "cluster": text(empty=True),
    "journal": text(check_journal),
    "journal_password_file": readable_file(),
    "audit": text(),
    "listen": text(check_listen),
    "log_level": word("debug", "info", "warning", "error"),
    "otlp_endpoint": http_url(empty=True),
    "own_namespace": dns_label(),
    "policies": many(text()),
}

KEYS: dict[type, dict[str, Any]] = {
    DetectionSettings: _DETECTION,
    ImpactSettings: _IMPACT,
    EscalationSettings: _ESCALATION,
    GuardSettings: _GUARDS,
    HttpAuth: _AUTH,
    PrometheusSettings: _PROMETHEUS,
    JaegerSettings: _JAEGER,
    KialiSettings: _KIALI,
    KubernetesSettings: _KUBERNETES,
    LeaseSettings: _LEASE,
    EvidenceSettings: _EVIDENCE,
    RecordingSettings: _RECORDING,
    WebhookSettings: _WEBHOOK,
    OidcSettings: _OIDC,
    PeopleSettings: _PEOPLE,
    GrafanaSettings: _GRAFANA,
    TlsSettings: _TLS,
    EngineSettings: _ENGINE,
    Settings: _FILE,
    **OUTLETS,
}
"""What may be written into each dataclass. The keys of ``EngineSettings`` stand at the top of the file."""

DERIVED = {
    EngineSettings: {"identity"},
    Settings: {"engine"},
    GuardSettings: {"own_namespace"},
}
"""Fields that no file sets: they follow from others."""


class Section(BaseModel):
    """A mapping of the file: strict types, no unknown keys, the rules between its own fields checked last."""

    model_config = ConfigDict(strict=True, extra="forbid")
    reads: ClassVar[type | None] = None

    @model_validator(mode="after")
    def _agree(self) -> Section:
        rule = consistency.RULES.get(self.reads) if self.reads else None
        if rule and (faults := list(rule(build(self)))):
            raise PydanticCustomError("disagreement", "several", {"faults": faults})
        return self


@cache
def section(kind: type) -> type[Section]:
    """The model that reads ``kind``."""
    model = create_model(kind.__name__, __base__=Section, **_definitions(kind))
    model.reads = kind
    return model


@cache
def file_model() -> type[Section]:
    """The model of the whole file: engine keys first."""
    return create_model("Observer", __base__=Section, **(_definitions(EngineSettings) | _definitions(Settings)))


def build(model: Section) -> Any:
    """The dataclass of a validated section; keys that the file left out take the dataclass's own defaults."""
    if model.reads is None:
        raise TypeError(f"{type(model).__name__} is no single section")
    return model.reads(**given(model, model.reads))


def given(model: Section, kind: type) -> dict[str, Any]:
    """Constructor arguments for ``kind`` from the keys that the file gave."""
    return {name: _frozen(getattr(model, name)) for name in KEYS[kind] if name in model.model_fields_set}


def _frozen(value: Any) -> Any:
    if isinstance(value, Section):
        return build(value)
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _definitions(kind: type) -> dict[str, Any]:
    known = {item.name: item for item in fields(kind)}
    return {name: _definition(type_, known[name]) for name, type_ in KEYS[kind].items()}


def _definition(type_: Any, item: Field[Any]) -> Any:
    if isinstance(type_, type) and type_ in KEYS:
        return (section(type_), pydantic.Field(default=None, json_schema_extra={"default": {}}))
    inner = get_args(type_)[0] if get_origin(type_) is list else None
    if isinstance(inner, type) and inner in KEYS:
        type_ = many(section(inner))
    default = item.default if item.default is not MISSING else cast("Callable[[], Any]", item.default_factory)()
    return (type_, pydantic.Field(default=default, json_schema_extra={"default": spelled(type_, default)}))


def spelled(type_: Any, default: Any) -> Any:
    """A value as a person would write it into the file."""
    if isinstance(default, StrEnum):
        return default.value
    if isinstance(default, tuple):
        return [spelled(None, item) for item in default]
    if isinstance(default, float) and "duration" in str(getattr(type_, "__metadata__", "")):
        return format_duration(default)
    return default
