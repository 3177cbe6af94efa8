"""Settings of what is asked: the metric source, traces, the call graph, the API server; and how Observer signs in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from observer.config.documents.values import FILE, HEADERS, LABEL_SELECTOR, MATCHERS, NAME, URL, Check
from observer.domain.settings import BYTES, Setting, seconds

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
ONE_REQUEST: Final = seconds("Longest time that one request may take.", 0.1, _MINUTE)
MORE_HEADERS: Final = Setting("HTTP headers that go with every request; none that carries a secret.")
LOGIN: Final = Setting("How Observer says who it is, and how it checks the server.")
_ONE_QUERY: Final = seconds("Longest time that one query may take.", 0.1, 5 * _MINUTE)
_ONE_ANSWER: Final = Setting("Largest answer that is read.", ge=1 << 16, le=1 << 32, unit=BYTES)
_LABEL = Check(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$")


@dataclass(frozen=True, slots=True)
class HttpAuth:
    """Credentials for an HTTP peer; secrets only ever come from files, which are read again when they change."""

    username: Annotated[str, Setting("User of HTTP basic authentication; needs password_file.")] = ""
    password_file: Annotated[str, Setting("File that holds its password."), FILE] = ""
    bearer_file: Annotated[str, Setting("File that holds a bearer token."), FILE] = ""
    ca_file: Annotated[
        str, Setting("Certificates of authorities (PEM) that the server's is checked against."), FILE
    ] = ""
    cert_file: Annotated[str, Setting("Certificate (PEM) that is shown to the server; needs key_file."), FILE] = ""
    key_file: Annotated[str, Setting("Key (PEM) of that certificate."), FILE] = ""
    insecure_skip_verify: Annotated[bool, Setting("Do not check the server's certificate.")] = False


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
    """The metric source."""

    url: Annotated[str, Setting("Address of Prometheus, or of what speaks like it."), URL] = (
        "http://prometheus.istio-system:9090"
    )
    flavor: Annotated[
        Flavor,
        Setting("What the metric server is: which parameters it needs and how it says that an answer is partial."),
    ] = Flavor.PROMETHEUS
    profile: Annotated[Profile, Setting("Which metrics the mesh exports.")] = Profile.ISTIO
    labels: Annotated[
        dict[str, Annotated[str, _LABEL]],
        Setting("Where your labels have other names than the profile: {pod: kubernetes_pod_name}."),
    ] = field(default_factory=dict)
    selector: Annotated[str, Setting('Label matchers that are added to every query: cluster="east".'), MATCHERS] = ""
    up_selector: Annotated[str, Setting("The same for the series up."), MATCHERS] = ""
    cuts_ms: Annotated[
        tuple[Annotated[float, Setting(gt=0, le=600_000)], ...],
        Setting(
            "Latencies, in milliseconds, at which requests are told apart; each should be a bucket of the histogram."
        ),
    ] = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
    timeout: Annotated[float, _ONE_QUERY] = 4.0
    max_bytes: Annotated[int, _ONE_ANSWER] = 268_435_456
    tenant: Annotated[str, Setting("Tenant that the server is asked for (X-Scope-OrgID).")] = ""
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[HttpAuth, LOGIN] = field(default_factory=HttpAuth)
    history_seconds: Annotated[
        float, seconds("How far back the usual rates and error rates are looked up.", 10 * _MINUTE, 7 * _DAY)
    ] = 86_400.0
    history_refresh: Annotated[float, seconds("How often they are looked up anew.", 10, _DAY)] = 600.0
    recheck_seconds: Annotated[
        float,
        seconds("How far back a suspect is looked at a second time, by caller and response flag.", _MINUTE, _HOUR),
    ] = 600.0
    objective_refresh: Annotated[float, seconds("How often the objectives are counted.", 10, 300)] = 30.0


class KialiLogin(StrEnum):
    """How Kiali wants to know us; ``AUTO`` asks it. The token is that of ``auth.bearer_file``."""

    AUTO = "auto"
    ANONYMOUS = "anonymous"
    TOKEN = "token"  # noqa: S105  (the name of a way, no secret)
    HEADER = "header"
    OPENSHIFT = "openshift"


@dataclass(frozen=True, slots=True)
class JaegerSettings:
    """Traces of suspects. Empty ``url`` = not used."""

    url: Annotated[
        str, Setting("Address with its base path: http://tracing.istio-system/jaeger; empty = no traces."), URL
    ] = ""
    cluster: Annotated[
        str, Setting("This cluster's name in spans (istio.cluster_id), where several clusters report to one Jaeger.")
    ] = ""
    window: Annotated[float, seconds("How far back traces are looked for.", 10, _DAY)] = 300.0
    refresh: Annotated[float, seconds("How long an answer is good for while somebody is suspected.", 1, _HOUR)] = 15.0
    traces: Annotated[int, Setting("Traces of each service that are asked for at once.", ge=1, le=1000)] = 100
    timeout: Annotated[float, _ONE_QUERY] = 4.0
    max_bytes: Annotated[int, _ONE_ANSWER] = 67_108_864
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[HttpAuth, LOGIN] = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class KialiSettings:
    """The call graph. Empty ``url`` = not used."""

    url: Annotated[
        str,
        Setting(
            "Address with its web root: http://kiali.istio-system:20001/kiali; empty = the graph comes "
            "from the callers' own counters."
        ),
        URL,
    ] = ""
    login: Annotated[
        KialiLogin, Setting("How Kiali wants to know Observer; auto asks it. All but anonymous need auth.bearer_file.")
    ] = KialiLogin.AUTO
    cluster: Annotated[str, Setting("This cluster's name in Kiali, where it shows several.")] = ""
    window: Annotated[float, seconds("Time that the graph is counted over.", 10, _DAY)] = 60.0
    refresh: Annotated[float, seconds("How often the graph is asked for.", 5, _HOUR)] = 60.0
    stale: Annotated[float, seconds("An older answer counts as none.", 10, _DAY)] = 120.0
    timeout: Annotated[float, _ONE_QUERY] = 8.0
    max_bytes: Annotated[int, _ONE_ANSWER] = 33_554_432
    headers: Annotated[dict[str, str], MORE_HEADERS, HEADERS] = field(default_factory=dict)
    auth: Annotated[HttpAuth, LOGIN] = field(default_factory=HttpAuth)


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """The API server."""

    kubeconfig: Annotated[
        str, Setting("File with the way to the cluster; empty = the service account of the pod."), FILE
    ] = ""
    context: Annotated[str, Setting("Context of that file; empty = its current one.")] = ""
    namespaces: Annotated[
        tuple[Annotated[str, NAME], ...], Setting("Namespaces that are watched; empty = all that may be listed.")
    ] = ()
    timeout: Annotated[float, seconds("Longest time that one request may take.", 0.1, 5 * _MINUTE)] = 10.0
    page: Annotated[int, Setting("Objects that are listed at once.", ge=1, le=10_000)] = 500
    istiod_namespace: Annotated[str, Setting("Namespace of istiod."), NAME] = "istio-system"
    istiod_selector: Annotated[str, Setting("Labels of its pods."), LABEL_SELECTOR] = "app=istiod"
