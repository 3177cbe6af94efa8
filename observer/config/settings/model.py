"""The settings of the daemon after reading: what ``observer.yaml`` says, with every default filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from observer.config.settings.auth import HttpAuth
from observer.config.settings.notifications import (
    AlertmanagerSettings,
    CloudEventSettings,
    LinkSettings,
    NotifySettings,
    OtlpSettings,
)
from observer.domain.settings import EngineSettings

SHIPPED: Final = "shipped"
"""The entry of ``policies`` for those that come with Observer."""


class Flavor(StrEnum):
    """Dialect of the metric server: which extra parameters it needs and how it says "partial"."""

    PROMETHEUS = "prometheus"
    THANOS = "thanos"
    MIMIR = "mimir"
    VICTORIAMETRICS = "victoriametrics"


class Profile(StrEnum):
    """Which metrics the mesh exports."""

    ISTIO = "istio"
    MIXER = "mixer"
    ENVOY = "envoy"
    WAYPOINT = "waypoint"


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """
    The metric source.

    ``labels`` renames labels of the profile (``{"pod": "kubernetes_pod_name"}``); ``selector`` is a label matcher
    list without braces that is added to every selector (``cluster="east"``); ``up_selector`` the same for ``up``.
    """

    url: str = "http://prometheus.istio-system:9090"
    flavor: Flavor = Flavor.PROMETHEUS
    profile: Profile = Profile.ISTIO
    labels: dict[str, str] = field(default_factory=dict)
    selector: str = ""
    up_selector: str = ""
    cuts_ms: tuple[float, ...] = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
    timeout: float = 4.0
    max_bytes: int = 268_435_456
    tenant: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)
    history_seconds: float = 86_400.0
    history_refresh: float = 600.0
    recheck_seconds: float = 600.0
    objective_refresh: float = 30.0


class KialiLogin(StrEnum):
    """How Kiali wants to know us; ``AUTO`` asks it. The token is that of ``auth.bearer_file``."""

    AUTO = "auto"
    ANONYMOUS = "anonymous"
    TOKEN = "token"  # noqa: S105  (the name of a way, no secret)
    HEADER = "header"
    OPENSHIFT = "openshift"


@dataclass(frozen=True, slots=True)
class JaegerSettings:
    """
    Traces of those that are suspected. Empty ``url`` = not used; it takes the base path (``http://tracing/jaeger``).

    ``window`` is how far back traces are looked for, ``refresh`` how long an answer is good for while somebody is
    suspected, ``traces`` how many of each service are asked for at once; ``cluster`` is this cluster's name in spans
    (``istio.cluster_id``), needed where several clusters report to one Jaeger.
    """

    url: str = ""
    cluster: str = ""
    window: float = 300.0
    refresh: float = 15.0
    traces: int = 100
    timeout: float = 4.0
    max_bytes: int = 67_108_864
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class KialiSettings:
    """
    The call graph. Empty ``url`` = not used; it takes the web root (``http://kiali.istio-system:20001/kiali``).

    ``cluster`` is this cluster's name in Kiali, needed where Kiali shows several; ``window`` is what the graph is
    counted over, ``refresh`` how often it is asked for, ``stale`` how old an answer may say it is.
    """

    url: str = ""
    login: KialiLogin = KialiLogin.AUTO
    cluster: str = ""
    window: float = 60.0
    refresh: float = 60.0
    stale: float = 120.0
    timeout: float = 8.0
    max_bytes: int = 33_554_432
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """The API server. Empty ``kubeconfig`` = in-cluster service account, else that file; ``namespaces`` empty = all."""

    kubeconfig: str = ""
    context: str = ""
    namespaces: tuple[str, ...] = ()
    timeout: float = 10.0
    page: int = 500
    istiod_namespace: str = "istio-system"
    istiod_selector: str = "app=istiod"


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Leadership. ``enabled: false`` only for a single replica that a person guarantees (the demo)."""

    enabled: bool = True
    name: str = "observer"
    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0
    identity: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """What is kept before an eviction, and how much of it."""

    path: str = "observer-data/evidence"
    logs: bool = True
    log_lines: int = 200
    max_bytes: int = 262_144
    redact: tuple[str, ...] = (r'(?i)(authorization|password|passwd|secret|token|api[-_]?key)("?\s*[:=]\s*)\S+',)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The listener. Empty ``cert_file`` = plain HTTP; ``client_ca_file`` = who signs certificates of callers."""

    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """
    ``POST /api/v1/alerts``: alerts may ask Observer to look. On only with a way to prove who calls.

    ``certificates`` are names of client certificates (mTLS), ``service_accounts`` users of Kubernetes tokens
    (``system:serviceaccount:monitoring:alertmanager``); ``alertmanager_url`` is where cut notifications are read again.
    """

    enabled: bool = False
    bearer_file: str = ""
    username: str = ""
    password_file: str = ""
    hmac_file: str = ""
    certificates: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    alertmanager_url: str = ""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """
    Sign-in with an OpenID provider. Empty ``issuer`` = not used; ``people.url`` must be set beside it.

    Names and groups go to the cluster's authorizer as ``prefix`` and the claim; ``timeout`` is in seconds.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid",)
    username_claim: str = "sub"
    groups_claim: str = "groups"
    prefix: str = "oidc:"
    ca_file: str = ""
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """
    Who may look and who may approve. ``url`` is where people reach the page (``https://observer.example.com``).

    ``kubernetes`` = tokens of the cluster open the door; ``local`` = a token is printed at start, good while the
    listener is on the loopback interface. ``session`` and ``idle`` are seconds: how long at all, and how long unused.
    """

    url: str = ""
    kubernetes: bool = False
    local: bool = True
    session: float = 28_800.0
    idle: float = 3600.0
    oidc: OidcSettings = field(default_factory=OidcSettings)


@dataclass(frozen=True, slots=True)
class GrafanaSettings:
    """
    Where acts are annotated. Empty ``url`` = nowhere; it takes the root path (``http://grafana.monitoring/grafana``).

    The token of ``auth.bearer_file`` is a service account's that may create and write annotations.
    """

    url: str = ""
    timeout: float = 4.0
    headers: dict[str, str] = field(default_factory=dict)
    auth: HttpAuth = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """What the loop sees and decides, for ``observer replay``. Empty ``path`` = nothing is recorded."""

    path: str = ""
    max_bytes: int = 67_108_864
    keep: int = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Everything ``observer run`` needs. ``engine.identity`` hashes what changes decisions.

    ``policies`` names files and directories of policies and objectives, and ``shipped`` those that come with Observer.
    """

    engine: EngineSettings = field(default_factory=EngineSettings)
    prometheus: PrometheusSettings = field(default_factory=PrometheusSettings)
    jaeger: JaegerSettings = field(default_factory=JaegerSettings)
    kiali: KialiSettings = field(default_factory=KialiSettings)
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)
    lease: LeaseSettings = field(default_factory=LeaseSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    cloudevents: CloudEventSettings = field(default_factory=CloudEventSettings)
    alertmanager: AlertmanagerSettings = field(default_factory=AlertmanagerSettings)
    notify: tuple[NotifySettings, ...] = ()
    otlp: OtlpSettings = field(default_factory=OtlpSettings)
    links: LinkSettings = field(default_factory=LinkSettings)
    grafana: GrafanaSettings = field(default_factory=GrafanaSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    cluster: str = ""
    journal: str = "sqlite+aiosqlite:///observer-data/journal.db"
    journal_password_file: str = ""
    audit: str = "observer-data/audit.jsonl"
    listen: str = "127.0.0.1:8090"
    log_level: str = "info"
    otlp_endpoint: str = ""
    own_namespace: str = "observer"
    policies: tuple[str, ...] = (SHIPPED,)
