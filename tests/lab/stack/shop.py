"""The shop: load -> front -> catalog, cart, pay; catalog and cart -> store. ``pay`` runs two versions."""

from __future__ import annotations

from typing import Any, Final

from tests.lab.stack.images import REGISTRY, TAG

NAMESPACE: Final = "shop"
SERVICES: Final = ("front", "catalog", "cart", "pay", "store")
REPLICAS: Final = {"front-v1": 3, "catalog-v1": 4, "cart-v1": 4, "pay-v1": 3, "pay-v2": 2, "store-v1": 3, "load-v1": 1}
UPSTREAMS: Final = {
    "front-v1": "http://catalog/,http://cart/,http://pay/",
    "catalog-v1": "http://store/",
    "cart-v1": "http://store/",
}
RATE: Final = 12.0
"""Requests a second at the front: six times as many hops, which two cores carry with a good tail latency."""
PEAK: Final = 2.2
"""The warm-up's load in multiples of RATE: what the pods are then known to have served healthily."""
CONTROL_PORT: Final = 9000
"""Faults and load are set over it; the sidecar leaves it alone, so setting them is no request of the shop."""
_APP_PORT: Final = 8080


def objects() -> list[dict[str, Any]]:
    """Everything to apply, namespace first."""
    return [_namespace(), *(_service(name) for name in SERVICES), *(deployment(name) for name in REPLICAS)]


def deployment(name: str, *, image: str = "", replicas: int | None = None) -> dict[str, Any]:
    """One version of one service as the shop declares it; stories change it and put it back by applying this."""
    app, _, version = name.partition("-")
    labels = {"app": app, "version": version}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": app}},
    }
    template = {
        "metadata": {
            "labels": labels,
            "annotations": {"traffic.sidecar.istio.io/excludeInboundPorts": str(CONTROL_PORT)},
        },
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "topologySpreadConstraints": [spread],
            "containers": [_container(name, image or f"{REGISTRY}/{'load' if app == 'load' else 'app'}:{TAG}")],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": app}},
        "spec": {
            "replicas": REPLICAS[name] if replicas is None else replicas,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }


def _namespace() -> dict[str, Any]:
    labels = {"istio-injection": "enabled", "observer.dev/enabled": "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _service(name: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": _APP_PORT}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def _container(name: str, image: str) -> dict[str, Any]:
    settings = {"UPSTREAMS": UPSTREAMS[name]} if name in UPSTREAMS else {}
    if name.startswith("load"):
        settings = {"RATE": str(RATE)}
    return {
        "name": "app",
        "image": image,
        "imagePullPolicy": "Never",
        "env": [{"name": key, "value": value} for key, value in settings.items()],
        "ports": [{"containerPort": _APP_PORT}],
        "readinessProbe": _probe(2),
        "livenessProbe": _probe(5),
    }


def _probe(period: int) -> dict[str, Any]:
    """Patient: a busy machine must not restart containers by itself."""
    return {
        "httpGet": {"path": "/health", "port": _APP_PORT},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": 6,
    }
