"""A real Istio: istiod from its own charts, webhook injection, mutual TLS, upstream Envoy as the sidecar."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.lab.stack.binaries import Binaries
from tests.lab.stack.images import REGISTRY, TAG
from tests.lab.stack.kubectl import Kubectl
from tests.lab.stack.places import ISTIO_NAMESPACE, Places
from tests.lab.stack.telemetry import envoy_filter, tracing

_SMALL: Final = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": None}


def start_mesh(places: Places, binaries: Binaries, kubectl: Kubectl, *, traced: bool) -> None:
    """Returns when istiod is rolled out and every sidecar will count requests."""
    values = places.run / "istio.json"
    values.write_text(json.dumps(_values(traced=traced), indent=1))
    charts = binaries.shared("istio", "charts")
    into = ["-n", ISTIO_NAMESPACE]
    kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ISTIO_NAMESPACE}}])
    kubectl.helm("upgrade", "--install", "istio-base", str(charts / "base"), *into, "--set", "defaultRevision=default")
    kubectl.helm(
        "upgrade", "--install", "istiod", str(charts / "istio-control/istio-discovery"), *into, "-f", str(values)
    )
    kubectl.rolled_out(ISTIO_NAMESPACE, "istiod")
    kubectl.apply([envoy_filter(), *(tracing() if traced else [])])


def _values(*, traced: bool) -> dict[str, Any]:
    provider = {"name": "otel", "opentelemetry": {"service": "otel.lab.internal", "port": 4317}}
    mesh = {"enableTracing": True, "extensionProviders": [provider]} if traced else {"enableTracing": False}
    return {
        "global": {
            "hub": REGISTRY,
            "tag": TAG,
            "imagePullPolicy": "Never",
            "proxy": {"image": "proxyv2", "resources": _SMALL},
            "proxy_init": {"image": "proxyv2"},
        },
        "autoscaleEnabled": False,
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        # Envoy filters that only Istio's own build of Envoy has.
        "env": {"PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false"},
        "telemetry": {"enabled": False},
        "meshConfig": mesh,
    }
