"""
Builders of Kubernetes objects as the API server would list them after defaulting.

They are what a person would ``kubectl apply``: no status, no uid; the store and the controllers add the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from observer.domain import names
from observer.simulator.kubernetes.kinds import Obj

APP_PORT: Final = 8080
INJECTION_LABEL: Final = "istio-injection"
ISTIO_SYSTEM: Final = "istio-system"
OBSERVER_NAMESPACE: Final = "observer"


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Obj:
    """A namespace with its own name as a label, as every real one has."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **(labels or {})}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def node(name: str, *, zone: str = "", index: int = 1, pods: int = 200) -> Obj:
    """A Ready node; ``index`` decides its address."""
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    if zone:
        labels[names.ZONE_LABEL] = zone
    address = f"198.19.{index // 250}.{index % 250 + 1}"
    capacity = {"cpu": "16", "memory": "65536000Ki", "pods": str(pods)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
        "spec": {},
        "status": {
            "addresses": [{"address": address, "type": "InternalIP"}, {"address": name, "type": "Hostname"}],
            "allocatable": capacity,
            "capacity": capacity,
            "conditions": [_node_condition(*row) for row in _NODE_CONDITIONS],
            "nodeInfo": {"kubeletVersion": "v1.35.4", "operatingSystem": "linux", "architecture": "amd64"},
        },
    }


_NODE_CONDITIONS: Final = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def _node_condition(kind: str, status: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def service(ns: str, name: str, selector: Mapping[str, str], *, port: int = 80, target: int = APP_PORT) -> Obj:
    """A ClusterIP Service with one http port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": ns},
        "spec": {
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "http", "port": port, "protocol": "TCP", "targetPort": target}],
            "selector": dict(selector),
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def container(name: str, image: str, *, port: int | None = APP_PORT, env: Mapping[str, str] | None = None) -> Obj:
    """A container with the probes of the shop's applications."""
    body: Obj = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent"}
    if env:
        body["env"] = [{"name": key, "value": value} for key, value in env.items()]
    if port is not None:
        body["ports"] = [{"containerPort": port, "protocol": "TCP"}]
        body["livenessProbe"] = _probe(port, 5)
        body["readinessProbe"] = _probe(port, 2)
    return {
        **body,
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def _probe(port: int, period: int) -> Obj:
    return {
        "failureThreshold": 3,
        "httpGet": {"path": "/health", "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "successThreshold": 1,
        "timeoutSeconds": 1,
    }


def pod_template(labels: Mapping[str, str], containers: Sequence[Obj], **spec: object) -> Obj:
    """``spec.template`` of a workload; ``spec`` overrides fields of the pod's spec."""
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {
            "containers": list(containers),
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 2,
            **spec,
        },
    }


def deployment(
    ns: str,
    name: str,
    labels: Mapping[str, str],
    replicas: int,
    *,
    image: str = "shop.example/app:1",
    containers: Sequence[Obj] | None = None,
    max_surge: int | str = "25%",
    max_unavailable: int | str = "25%",
    annotations: Mapping[str, str] | None = None,
    pod_spec: Obj | None = None,
) -> Obj:
    """A Deployment of ``replicas`` pods; ``labels`` are its selector and its pods' labels."""
    shown = {key: value for key, value in labels.items() if key != "version"}
    meta: Obj = {"name": name, "namespace": ns, "labels": shown}
    if annotations:
        meta["annotations"] = dict(annotations)
    spread = {
        "labelSelector": {"matchLabels": shown},
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
    }
    template = pod_template(
        labels, containers or [container("app", image)], topologySpreadConstraints=[spread], **(pod_spec or {})
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": replicas,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": dict(labels)},
            "strategy": {
                "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": max_unavailable},
                "type": "RollingUpdate",
            },
            "template": template,
        },
    }


def disruption_budget(
    ns: str,
    name: str,
    match: Mapping[str, str],
    *,
    min_available: int | str | None = None,
    max_unavailable: int | str | None = None,
    policy: str = "",
) -> Obj:
    """A PodDisruptionBudget; give one of the two bounds. ``policy`` is its unhealthyPodEvictionPolicy."""
    spec: Obj = {"selector": {"matchLabels": dict(match)}}
    if min_available is not None:
        spec["minAvailable"] = min_available
    if max_unavailable is not None:
        spec["maxUnavailable"] = max_unavailable
    if policy:
        spec["unhealthyPodEvictionPolicy"] = policy
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": ns},
        "spec": spec,
        "status": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0},
    }


def autoscaler(
    ns: str, name: str, target: str, *, low: int = 1, high: int = 10, current: int = 1, desired: int = 1
) -> Obj:
    """A HorizontalPodAutoscaler of the Deployment ``target``; plain data, nobody acts on it."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": ns},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
        "status": {"currentReplicas": current, "desiredReplicas": desired, "currentMetrics": None, "conditions": []},
    }


def config_map(ns: str, name: str, data: Mapping[str, str]) -> Obj:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns}, "data": dict(data)}


def istiod(replicas: int = 1) -> list[Obj]:
    """Istio's control plane as Kubernetes sees it: namespace, Deployment ``istiod`` and its Service."""
    labels = {"app": "istiod", "istio": "pilot"}
    discovery = container("discovery", "istio.example/pilot:1.31", port=APP_PORT)
    return [
        namespace(ISTIO_SYSTEM),
        deployment(ISTIO_SYSTEM, "istiod", labels, replicas, containers=[discovery], max_surge="100%"),
        service(ISTIO_SYSTEM, "istiod", {"app": "istiod", "istio": "pilot"}, port=15012, target=15012),
    ]


def observer_home(*, paused: bool = False) -> list[Obj]:
    """Observer's own namespace with its kill switch."""
    switch = config_map(OBSERVER_NAMESPACE, names.CONTROL_CONFIGMAP, {"paused": "true" if paused else "false"})
    return [namespace(OBSERVER_NAMESPACE), switch]


def shop_objects(
    workloads: Sequence[tuple[str, str, int]],
    *,
    ns: str = "shop",
    nodes: Sequence[tuple[str, str]] = (("n1", "zone-a"), ("n2", "zone-b")),
    enabled: bool = True,
) -> list[Obj]:
    """
    A whole cluster: nodes ``(name, zone)``, istiod, Observer's home, and the shop in an injected namespace.

    ``workloads`` are ``(app, version, replicas)``; each is a Deployment ``app-version``, each app gets one Service
    (``load`` gets none: nobody calls it). ``enabled`` lets Observer act in the namespace.
    """
    labels = {INJECTION_LABEL: "enabled", **({names.NAMESPACE_ENABLED: "true"} if enabled else {})}
    objects = [node(name, zone=zone, index=i) for i, (name, zone) in enumerate(nodes, 1)]
    objects += [namespace("default"), namespace("kube-system"), *istiod(), *observer_home(), namespace(ns, labels)]
    for app in dict.fromkeys(app for app, _, _ in workloads if app != "load"):
        objects.append(service(ns, app, {"app": app}))
    for app, version, replicas in workloads:
        objects.append(deployment(ns, f"{app}-{version}", {"app": app, "version": version}, replicas))
    return objects
