"""The settings of the daemon after reading: what ``observer.yaml`` says, with every default filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from observer.config.documents.values import FILE, HEADERS, JOURNAL, LISTEN, NAME, PATTERN, URL, Check, Words
from observer.config.settings.notifications import (
    AlertmanagerSettings,
    CloudEventSettings,
    LinkSettings,
    NotifySettings,
    OtlpSettings,
)
from observer.config.settings.sources import (
    MORE_HEADERS,
    HttpAuth,
    JaegerSettings,
    KialiSettings,
    KubernetesSettings,
    PrometheusSettings,
)
from observer.domain.settings import BYTES, EngineSettings, Setting, seconds

SHIPPED: Final = "shipped"
"""The entry of ``policies`` for those that come with Observer."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_SCOPE = Check(pattern="^[!#-\\[\\]-~]+$")
_ACCOUNT = Check(pattern="^system:serviceaccount:[^:]+:[^:]+$")


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Leadership: only the holder of the Lease acts."""

    enabled: Annotated[bool, Setting("false only for a single replica that a person guarantees, as in the demo.")] = (
        True
    )
    name: Annotated[str, Setting("Name of the Lease."), NAME] = "observer"
    duration: Annotated[
        float, seconds("A Lease that was not renewed for so long may be taken by another replica.", 1, 10 * _MINUTE)
    ] = 15.0
    renew_deadline: Annotated[
        float, seconds("A holder that could not renew it for so long stops acting.", 0.5, 10 * _MINUTE)
    ] = 10.0
    retry: Annotated[float, seconds("Time between two attempts.", 0.1, 5 * _MINUTE)] = 2.0
    identity: Annotated[str, Setting("Name of this replica; empty = host name and a random part.")] = ""


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """What is kept of a pod before it is evicted, and how much of it."""

    path: Annotated[str, Setting("Folder for it.")] = "observer-data/evidence"
    logs: Annotated[bool, Setting("Keep the last lines of each container's log.")] = True
    log_lines: Annotated[int, Setting("Lines of each log.", ge=1, le=100_000)] = 200
    max_bytes: Annotated[int, Setting("Largest piece that is kept.", ge=1024, le=1 << 30, unit=BYTES)] = 262_144
    redact: Annotated[
        tuple[Annotated[str, PATTERN], ...], Setting("Regular expressions; what they match is blotted out of logs.")
    ] = (r'(?i)(authorization|password|passwd|secret|token|api[-_]?key)("?\s*[:=]\s*)\S+',)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The listener. Empty ``cert_file`` = plain HTTP."""

    cert_file: Annotated[str, Setting("Certificate (PEM) of the listener; empty = plain HTTP."), FILE] = ""
    key_file: Annotated[str, Setting("Key (PEM) of that certificate."), FILE] = ""
    client_ca_file: Annotated[str, Setting("Certificates of authorities (PEM) that sign those of callers."), FILE] = ""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """``POST /api/v1/alerts``: alerts may ask Observer to look. On only with a way to prove who calls."""

    enabled: Annotated[
        bool, Setting("Take alerts of Alertmanager; Observer finds by its own evidence or not at all.")
    ] = False
    bearer_file: Annotated[str, Setting("File that holds the token of a caller."), FILE] = ""
    username: Annotated[str, Setting("User of a caller with HTTP basic authentication; needs password_file.")] = ""
    password_file: Annotated[str, Setting("File that holds its password."), FILE] = ""
    hmac_file: Annotated[
        str, Setting("File that holds the key with which callers sign the body (HMAC-SHA-256)."), FILE
    ] = ""
    certificates: Annotated[
        tuple[str, ...], Setting("Names of client certificates that may call; needs tls.client_ca_file.")
    ] = ()
    service_accounts: Annotated[
        tuple[Annotated[str, _ACCOUNT], ...],
        Setting(
            "Kubernetes users that may call: system:serviceaccount:monitoring:alertmanager. Observer "
            "then needs create on tokenreviews."
        ),
    ] = ()
    alertmanager_url: Annotated[str, Setting("Where alerts are read that a truncated notification left out."), URL] = ""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Sign-in with an OpenID provider. Empty ``issuer`` = not used."""

    issuer: Annotated[
        str, Setting("Address of the provider: https://sign-in.example.com; empty = not used. Needs people.url."), URL
    ] = ""
    client_id: Annotated[str, Setting("Name by which the provider knows Observer.")] = ""
    client_secret_file: Annotated[str, Setting("File that holds the secret of that client."), FILE] = ""
    scopes: Annotated[tuple[Annotated[str, _SCOPE], ...], Setting("Scopes that are asked for.")] = ("openid",)
    username_claim: Annotated[
        str,
        Setting(
            "Claim that names a person; email needs the scope email, and counts only when the provider verified it."
        ),
    ] = "sub"
    groups_claim: Annotated[str, Setting("Claim that names the groups of a person.")] = "groups"
    prefix: Annotated[
        str, Setting("Put before names and groups, so that nobody is named like one of the cluster's own.")
    ] = "oidc:"
    ca_file: Annotated[
        str, Setting("Certificates of authorities (PEM) that the provider's is checked against."), FILE
    ] = ""
    timeout: Annotated[float, seconds("Longest time that one request may take.", 0.1, _MINUTE)] = 10.0


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """Who may look, approve and resume; docs/people.md has the roles."""

    url: Annotated[str, Setting("Where people reach the page: https://observer.example.com."), URL] = ""
    kubernetes: Annotated[
        bool,
        Setting(
            "Let people in with tokens of the cluster; Observer needs create on tokenreviews and subjectaccessreviews."
        ),
    ] = False
    local: Annotated[bool, Setting("Print a token at start, good while the listener is on the loopback interface.")] = (
        True
    )
    session: Annotated[float, seconds("How long a session lasts at most.", _MINUTE, 7 * _DAY)] = 28_800.0
    idle: Annotated[float, seconds("How long a session lasts that is not used.", _MINUTE, 7 * _DAY)] = 3600.0
    oidc: Annotated[OidcSettings, Setting("Sign-in with an OpenID provider.")] = field(default_factory=OidcSettings)


@dataclass(frozen=True, slots=True)
class GrafanaSettings:
    """Where actions are annotated. Empty ``url`` = nowhere."""

    url: Annotated[
        str, Setting("Address with its root path: http://grafana.monitoring/grafana; empty = no annotations."), URL
    ] = ""
    timeout: Annotated[float, seconds("Longest time that one request may take.", 0.1, 5 * _MINUTE)] = 4.0
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[
        HttpAuth, Setting("How Observer says who it is; a service account's token that may write annotations.")
    ] = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """What the loop sees and decides, for ``observer replay``. Empty ``path`` = nothing is recorded."""

    path: Annotated[str, Setting("File that is recorded to; empty = nothing is.")] = ""
    max_bytes: Annotated[int, Setting("Largest size of one file.", ge=1 << 16, le=1 << 34, unit=BYTES)] = 67_108_864
    keep: Annotated[int, Setting("Files that are kept; the oldest go.", ge=1, le=10_000)] = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything ``observer run`` needs. The keys of ``engine`` stand at the top of the file, beside the others."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    prometheus: Annotated[PrometheusSettings, Setting("The metric source.")] = field(default_factory=PrometheusSettings)
    jaeger: Annotated[
        JaegerSettings,
        Setting(
            "Optional: traces of suspects, to tell culprits from victims. A failure here is reported "
            "and never stops Observer."
        ),
    ] = field(default_factory=JaegerSettings)
    kiali: Annotated[KialiSettings, Setting("Optional: the call graph.")] = field(default_factory=KialiSettings)
    kubernetes: Annotated[KubernetesSettings, Setting("The API server.")] = field(default_factory=KubernetesSettings)
    lease: Annotated[LeaseSettings, Setting("Only the holder of the Lease acts; the others observe and say so.")] = (
        field(default_factory=LeaseSettings)
    )
    evidence: Annotated[EvidenceSettings, Setting("What is kept of a pod before it is evicted.")] = field(
        default_factory=EvidenceSettings
    )
    recording: Annotated[RecordingSettings, Setting("What the loop sees and decides, for `observer replay`.")] = field(
        default_factory=RecordingSettings
    )
    webhook: Annotated[
        WebhookSettings,
        Setting(
            "POST /api/v1/alerts: alerts of Alertmanager may ask Observer to look. On only with a way "
            "to prove who calls: bearer_file, username and password_file, hmac_file, certificates or "
            "service_accounts."
        ),
    ] = field(default_factory=WebhookSettings)
    people: Annotated[
        PeopleSettings,
        Setting(
            "Who may look, approve and resume; docs/people.md has the roles. A listener that other "
            "machines reach needs one of kubernetes and oidc, else Observer does not start."
        ),
    ] = field(default_factory=PeopleSettings)
    cloudevents: Annotated[
        CloudEventSettings,
        Setting(
            "Optional: every decision as a CloudEvent 1.0 over HTTP; docs/events.md has the types, "
            "`observer schema cloudevents` their schema. Only the holder of the Lease sends."
        ),
    ] = field(default_factory=CloudEventSettings)
    alertmanager: Annotated[AlertmanagerSettings, Setting("Optional: pages and silences in Alertmanager.")] = field(
        default_factory=AlertmanagerSettings
    )
    notify: Annotated[
        tuple[NotifySettings, ...],
        Setting(
            "Optional: receivers of notifications. Decisions of one group that come close together are "
            "one message; a page waits for none."
        ),
    ] = ()
    otlp: Annotated[OtlpSettings, Setting("What goes to otlp_endpoint; needs pip install 'observer[otlp]'.")] = field(
        default_factory=OtlpSettings
    )
    links: Annotated[
        LinkSettings,
        Setting(
            "Addresses that go with everything that people get. {incident} {decision} {trace_id} {kind} "
            "{namespace} {pod} {workload} {workload_kind} {service} {cluster} {at_ms} {from_ms} {to_ms} "
            "are filled; an empty field drops the link."
        ),
    ] = field(default_factory=LinkSettings)
    grafana: Annotated[
        GrafanaSettings, Setting("Optional: actions, verifications and restores become annotations in Grafana.")
    ] = field(default_factory=GrafanaSettings)
    tls: Annotated[TlsSettings, Setting("The listener; without a certificate it speaks plain HTTP.")] = field(
        default_factory=TlsSettings
    )
    cluster: Annotated[str, Setting("Name of this cluster, part of the identity of its objectives.")] = ""
    journal: Annotated[
        str,
        Setting(
            "Where incidents and actions are kept: sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/DATABASE."
        ),
        JOURNAL,
    ] = "sqlite+aiosqlite:///observer-data/journal.db"
    journal_password_file: Annotated[str, Setting("File that holds the password of that database."), FILE] = ""
    audit: Annotated[str, Setting("File that every decision is appended to.")] = "observer-data/audit.jsonl"
    listen: Annotated[str, Setting("host:port of page, API and metrics; port 0 lets the system choose."), LISTEN] = (
        "127.0.0.1:8090"
    )
    log_level: Annotated[str, Setting("Least level that is logged."), Words(("debug", "info", "warning", "error"))] = (
        "info"
    )
    otlp_endpoint: Annotated[
        str, Setting("Collector that gets traces and metrics, as otlp says: http://collector:4318; empty = none."), URL
    ] = ""
    own_namespace: Annotated[str, Setting("Namespace of Observer itself, which it never touches."), NAME] = "observer"
    policies: Annotated[
        tuple[str, ...],
        Setting(
            "Health policies and objectives: files, directories, and the word shipped for those that "
            "come with Observer; [] = none. `observer check --effective NAMESPACE/WORKLOAD` prints what "
            "holds, and from where."
        ),
    ] = (SHIPPED,)
