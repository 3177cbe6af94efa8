"""
Which series a mesh exports, as data: metric names, matchers and label names of each generation.

Nothing else in this package spells a mesh's metric or label. ``PrometheusSettings.labels`` renames any role below,
because scrape configurations rename ``pod`` and the Telemetry API renames, drops or adds the mesh's own labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from observer.config.settings.sources import Profile
from observer.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label: ``role`` is a key of the profile's labels, ``op`` one of ``=``, ``!=``, ``=~``."""

    role: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class MetricProfile:
    """
    One generation of mesh metrics.

    Attributes:
        requests: the counter of finished requests.
        buckets: the histogram's bucket counter; ``unit`` is how many of its units make one millisecond (``1`` for
            milliseconds, ``0.001`` for seconds).
        own: what selects the pods' own view, ``callers`` what selects the callers' view.
        gateways: what selects the view of gateways, which no pod behind them reports: their own calls, told apart from
            other pods' by the name of their workload. Whether a pod is a gateway Kubernetes has to confirm.
        labels: role -> label name. Roles that a generation lacks are absent.
        judges_pods: the own view can be told apart by pod. Where it cannot (a waypoint answers for many pods and the
            scraped pod is the waypoint), counters hold scrape times only and no pod is ever suspected.
        host_is_cluster: ``host`` holds Envoy cluster names (``outbound|8080||cart.shop.svc.cluster.local``).
        limits: what cannot be seen with this generation, for ``doctor``.
    """

    requests: str
    buckets: str
    unit: float
    own: tuple[Matcher, ...]
    callers: tuple[Matcher, ...]
    gateways: tuple[Matcher, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    judges_pods: bool = True
    host_is_cluster: bool = False
    limits: str = ""

    def label(self, role: str) -> str | None:
        """The label that plays ``role``, None when this generation has none."""
        return self.labels.get(role)


_SCRAPED: Final = {"namespace": "namespace", "pod": "pod", "target_namespace": "namespace", "target_pod": "pod"}

_NEEDED: Final = frozenset({*_SCRAPED, "le", "reporter", "response_code", "host"})

_ISTIO_LABELS: Final = {
    **_SCRAPED,
    "le": "le",
    "reporter": "reporter",
    "response_code": "response_code",
    "response_flags": "response_flags",
    "grpc_status": "grpc_response_status",
    "service": "destination_canonical_service",
    "service_namespace": "destination_workload_namespace",
    "host": "destination_service_name",
    "host_namespace": "destination_service_namespace",
    "source_workload": "source_workload",
    "source_namespace": "source_workload_namespace",
    "source_service": "source_canonical_service",
    "protocol": "request_protocol",
}

ISTIO: Final = MetricProfile(
    requests="istio_requests_total",
    buckets="istio_request_duration_milliseconds_bucket",
    unit=1.0,
    own=(Matcher("reporter", "=", "destination"),),
    callers=(Matcher("reporter", "=", "source"),),
    # Deployments that Istio makes for a Gateway are called after it, with its class behind.
    gateways=(Matcher("reporter", "=", "source"), Matcher("source_workload", "=~", ".*gateway.*|.*-istio")),
    labels=_ISTIO_LABELS,
)

MIXER: Final = replace(
    ISTIO,
    buckets="istio_request_duration_seconds_bucket",
    unit=0.001,
    labels={
        **{role: label for role, label in _ISTIO_LABELS.items() if role != "grpc_status"},
        "service": "destination_app",
        "source_service": "source_app",
    },
    limits="no gRPC status: a gRPC failure inside HTTP 200 counts as good",
)

ENVOY: Final = MetricProfile(
    requests="envoy_cluster_upstream_rq",
    buckets="envoy_cluster_upstream_rq_time_bucket",
    unit=1.0,
    own=(Matcher("host", "=~", r"inbound\|.*"),),
    callers=(Matcher("host", "=~", r"outbound\|.*"),),
    labels={**_SCRAPED, "le": "le", "response_code": "envoy_response_code", "host": "envoy_cluster_name"},
    host_is_cluster=True,
    limits="no response flags, gRPC status or caller: disconnects and injected faults count by their code, and "
    "requests that reached no pod are not told apart",
)

WAYPOINT: Final = replace(
    ISTIO,
    own=(Matcher("reporter", "=", "waypoint"),),
    callers=(Matcher("reporter", "=", "waypoint"),),
    gateways=(),
    judges_pods=False,
    limits="a waypoint does not say which pod answered: services are seen, pods are not judged, unless a label that "
    "names the answering pod is added to the mesh's metrics and given as labels.pod",
)

_PROFILES: Final[Mapping[Profile, MetricProfile]] = {
    Profile.ISTIO: ISTIO,
    Profile.MIXER: MIXER,
    Profile.ENVOY: ENVOY,
    Profile.WAYPOINT: WAYPOINT,
}


def profile_for(name: Profile, renamed: Mapping[str, str]) -> MetricProfile:
    """
    The profile with a person's label names in it; an empty name drops the role.

    ``labels.pod`` and ``labels.namespace`` hold for the scrape targets too unless ``target_pod`` or
    ``target_namespace`` is given. With the waypoint profile ``labels.pod`` is the answering pod's label, which the
    targets do not carry. Raises ``ConfigError`` for a role that does not exist.
    """
    profile = _PROFILES[name]
    roles = set(_ISTIO_LABELS)
    if unknown := sorted(set(renamed) - roles):
        raise ConfigError(f"prometheus.labels: unknown {', '.join(unknown)}; known are {', '.join(sorted(roles))}")
    if needed := sorted(role for role, label in renamed.items() if not label and role in _NEEDED):
        raise ConfigError(f"prometheus.labels: {', '.join(needed)} cannot be left out")
    labels = {**profile.labels, **renamed}
    if profile.judges_pods:
        for role in ("pod", "namespace"):
            if role in renamed and f"target_{role}" not in renamed:
                labels[f"target_{role}"] = renamed[role]
    elif "pod" in renamed:
        labels["namespace"] = renamed.get("namespace", labels["service_namespace"])
        profile = replace(profile, judges_pods=True)
    return replace(profile, labels={role: label for role, label in labels.items() if label})
