"""
Istio's standard metrics from plain upstream Envoy, and the Prometheus and Jaeger that collect.

Envoy builds without Istio's own extensions have neither ``istio.stats`` nor metadata exchange. Here Envoy's stats
access logger counts instead, with Istio's names and labels: the own workload comes from the xDS node metadata, the
server from istiod's endpoint metadata, the client from a header that the client's sidecar adds. What arrives joined in
one string is split again by the relabelling of the scrape.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from tests.lab.stack.binaries import Binaries
from tests.lab.stack.places import HUB, HUB_ADDRESS, ISTIO_NAMESPACE, JAEGER, PROMETHEUS, Places
from tests.lab.stack.processes import Daemons, run, wait_until

SCRAPE_SECONDS: Final = 1
_MANAGER: Final = "envoy.filters.network.http_connection_manager"
_TYPES: Final = "type.googleapis.com/envoy.extensions"
_PEER_HEADER: Final = "x-lab-peer"
_PEER_PARTS: Final = ("workload", "workload_namespace", "canonical_service", "canonical_revision")
_CANONICAL_NAME: Final = "service.istio.io/canonical-name"
_CANONICAL_REVISION: Final = "service.istio.io/canonical-revision"


def _node(key: str) -> str:
    return f"%CEL(xds.node.metadata['{key}'])%"


def _label(key: str) -> str:
    labels = "xds.node.metadata['LABELS']"
    return f"%CEL('{key}' in {labels} ? {labels}['{key}'] : 'unknown')%"


def _own_side(side: str) -> dict[str, str]:
    return {
        f"{side}_workload": _node("WORKLOAD_NAME"),
        f"{side}_workload_namespace": _node("NAMESPACE"),
        f"{side}_canonical_service": _label(_CANONICAL_NAME),
        f"{side}_canonical_revision": _label(_CANONICAL_REVISION),
        f"{side}_app": _label("app"),
        f"{side}_version": _label("version"),
        f"{side}_cluster": _node("CLUSTER_ID"),
    }


_BOTH: Final = {"response_code": "%RESPONSE_CODE%", "response_flags": "%RESPONSE_FLAGS%", "request_protocol": "http"}
_OUTBOUND: Final = {
    "reporter": "source",
    **_own_side("source"),
    "upstream_workload": "%UPSTREAM_METADATA(istio:workload)%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "destination_cluster": "Kubernetes",
    "source_principal": "%UPSTREAM_LOCAL_URI_SAN%",
    "destination_principal": "%UPSTREAM_PEER_URI_SAN%",
    "connection_security_policy": "unknown",
    **_BOTH,
}
_UNKNOWN_PEER: Final = ";".join(["unknown"] * len(_PEER_PARTS))
_INBOUND: Final = {
    "reporter": "destination",
    **_own_side("destination"),
    "peer": f"%CEL('{_PEER_HEADER}' in request.headers ? request.headers['{_PEER_HEADER}'] : '{_UNKNOWN_PEER}')%",
    "source_cluster": "Kubernetes",
    "destination_service_name": _label(_CANONICAL_NAME),
    "destination_service_namespace": _node("NAMESPACE"),
    "source_principal": "%DOWNSTREAM_PEER_URI_SAN%",
    "destination_principal": "%DOWNSTREAM_LOCAL_URI_SAN%",
    "connection_security_policy": "%CEL(connection.mtls ? 'mutual_tls' : 'none')%",
    **_BOTH,
}


def envoy_filter() -> dict[str, Any]:
    """The resource that makes every sidecar count as Istio's would."""
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "standard-metrics", "namespace": ISTIO_NAMESPACE},
        "spec": {
            "configPatches": [
                _counting("SIDECAR_OUTBOUND", _OUTBOUND),
                _counting("SIDECAR_INBOUND", _INBOUND),
                _peer_header(),
            ]
        },
    }


def tracing() -> list[dict[str, Any]]:
    """Every request traced to the collector in the hub."""
    collector = {
        "hosts": ["otel.lab.internal"],
        "ports": [{"number": 4317, "name": "grpc", "protocol": "GRPC"}],
        "resolution": "STATIC",
        "endpoints": [{"address": HUB_ADDRESS}],
    }
    traced = {"tracing": [{"providers": [{"name": "otel"}], "randomSamplingPercentage": 100}]}
    return [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "otel", "namespace": ISTIO_NAMESPACE},
            "spec": collector,
        },
        {
            "apiVersion": "telemetry.istio.io/v1",
            "kind": "Telemetry",
            "metadata": {"name": "tracing", "namespace": ISTIO_NAMESPACE},
            "spec": traced,
        },
    ]


def _counting(context: str, tags: dict[str, str]) -> dict[str, Any]:
    listed = [{"name": name, "value_format": value} for name, value in tags.items()]

    def histogram(name: str, value: str, **unit: str) -> dict[str, Any]:
        return {"stat": {"name": name, "tags": listed}, "value_format": value, **unit}

    config = {
        "@type": f"{_TYPES}.access_loggers.stats.v3.Config",
        "stat_prefix": "istio",
        "counters": [{"stat": {"name": "requests_total", "tags": listed}, "value_fixed": 1}],
        "histograms": [
            histogram("request_duration_milliseconds", "%DURATION%", unit="Milliseconds"),
            histogram("request_bytes", "%BYTES_RECEIVED%"),
            histogram("response_bytes", "%BYTES_SENT%"),
        ],
    }
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "access_log": [{"name": "envoy.access_loggers.stats", "typed_config": config}],
    }
    return {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": context, "listener": {"filterChain": {"filter": {"name": _MANAGER}}}},
        "patch": {"operation": "MERGE", "value": {"typed_config": manager}},
    }


def _peer_header() -> dict[str, Any]:
    own = ";".join([_node("WORKLOAD_NAME"), _node("NAMESPACE"), _label(_CANONICAL_NAME), _label(_CANONICAL_REVISION)])
    header = {"header": {"key": _PEER_HEADER, "value": own}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    mutation = {
        "@type": f"{_TYPES}.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": [{"append": header}]},
    }
    router = {"name": _MANAGER, "subFilter": {"name": "envoy.filters.http.router"}}
    return {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_OUTBOUND", "listener": {"filterChain": {"filter": router}}},
        "patch": {
            "operation": "INSERT_BEFORE",
            "value": {"name": "envoy.filters.http.header_mutation", "typed_config": mutation},
        },
    }


def _relabel(sources: list[str], regex: str, target: str, replacement: str = "$1") -> dict[str, Any]:
    return {
        "source_labels": sources,
        "separator": ";",
        "regex": regex,
        "target_label": target,
        "replacement": replacement,
    }


def _split_labels() -> list[dict[str, Any]]:
    four = ";".join(["([^;]*)"] * len(_PEER_PARTS))
    cluster, service = r"outbound\|\d+\|[^|]*\|", r"([^.]+)\.([^.]+)\.svc.*"
    numbered = list(enumerate(_PEER_PARTS, 1))
    inbound = ["reporter", "destination_service_name", "destination_service_namespace"]
    return [
        _relabel(["__name__"], "envoy_(istio_.*)", "__name__"),
        *(_relabel(["upstream_workload"], f"{four};.*", f"destination_{part}", f"${i}") for i, part in numbered),
        *(_relabel(["peer"], four, f"source_{part}", f"${i}") for i, part in numbered),
        _relabel(["upstream_cluster"], f"{cluster}(.*)", "destination_service"),
        _relabel(["upstream_cluster"], cluster + service, "destination_service_name"),
        _relabel(["upstream_cluster"], cluster + service, "destination_service_namespace", "$2"),
        _relabel(inbound, "destination;([^;]+);([^;]+)", "destination_service", "$1.$2.svc.cluster.local"),
        {"regex": "upstream_workload|peer|upstream_cluster", "action": "labeldrop"},
    ]


def scrape_configuration(
    places: Places,
    *,
    map_pod_labels: bool = False,
    observer: str = "",
    rules: Sequence[str] = (),
    alertmanager: str = "",
) -> dict[str, Any]:
    """
    Every sidecar and istiod, once a second. ``map_pod_labels`` copies each label of a pod onto its series, as many
    installations do: then a label that is written to a pod makes new series of the old ones. ``observer`` and
    ``alertmanager`` are ``host:port`` to scrape and to send alerts to, ``rules`` names the rule files to evaluate.
    """
    discovery = {"role": "pod", "kubeconfig_file": str(places.admin)}
    mapped = [{"action": "labelmap", "regex": "__meta_kubernetes_pod_label_(.+)"}] if map_pod_labels else []
    sidecars = {
        "job_name": "mesh",
        "kubernetes_sd_configs": [discovery],
        "metrics_path": "/stats/prometheus",
        "metric_relabel_configs": _split_labels(),
        "relabel_configs": [
            {"source_labels": ["__meta_kubernetes_pod_container_name"], "regex": "istio-proxy", "action": "keep"},
            {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Pending|Succeeded|Failed", "action": "drop"},
            _relabel(["__meta_kubernetes_pod_ip"], "(.*)", "__address__", "$1:15020"),
            *mapped,
            _relabel(["__meta_kubernetes_pod_name"], "(.*)", "pod"),
            _relabel(["__meta_kubernetes_namespace"], "(.*)", "namespace"),
        ],
    }
    istiod = {
        "job_name": "istiod",
        "kubernetes_sd_configs": [{**discovery, "namespaces": {"names": [ISTIO_NAMESPACE]}}],
        "relabel_configs": [
            {"source_labels": ["__meta_kubernetes_pod_label_app"], "regex": "istiod", "action": "keep"},
            _relabel(["__meta_kubernetes_pod_ip"], "(.*)", "__address__", "$1:15014"),
        ],
    }
    every = f"{SCRAPE_SECONDS}s"
    jobs = [sidecars, istiod]
    if observer:
        jobs.append({"job_name": "observer", "static_configs": [{"targets": [observer]}]})
    managers = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "scrape_configs": jobs,
        "rule_files": list(rules),
        "alerting": {"alertmanagers": managers},
    }


def start_prometheus(places: Places, binaries: Binaries, daemons: Daemons) -> None:
    """In the hub, with its page on loopback; returns when it is ready."""
    write_scrape_configuration(places)
    flags = [
        f"--config.file={places.run}/prometheus.json",
        f"--storage.tsdb.path={places.run}/tsdb",
        f"--web.listen-address={PROMETHEUS.removeprefix('http://')}",
        "--web.enable-lifecycle",
    ]
    daemons.start("prometheus", HUB, [binaries.path("prometheus"), *flags])
    wait_until(lambda: answers(f"{PROMETHEUS}/-/ready"), "Prometheus is ready", seconds=30)


def write_scrape_configuration(places: Places, **choices: Any) -> None:
    """``choices`` as ``scrape_configuration`` takes them; a reload brings them into force."""
    text = json.dumps(scrape_configuration(places, **choices), indent=1)
    (places.run / "prometheus.json").write_text(text)


def reload_prometheus() -> None:
    run(["curl", "-sf", "-m", "10", "-X", "POST", f"{PROMETHEUS}/-/reload"], place=HUB)


def start_jaeger(binaries: Binaries, daemons: Daemons) -> None:
    flags = [f"--collector.otlp.grpc.host-port={HUB_ADDRESS}:4317", "--memory.max-traces=20000"]
    env = {"COLLECTOR_OTLP_ENABLED": "true", "SPAN_STORAGE_TYPE": "memory"}
    daemons.start("jaeger", HUB, [binaries.path("jaeger"), *flags], env)
    wait_until(lambda: answers(f"{JAEGER}/api/services"), "Jaeger is ready", seconds=30)


def answers(url: str) -> bool:
    """Does it answer 200, asked from the hub?"""
    return run(["curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", url], place=HUB, check=False) == "200"
