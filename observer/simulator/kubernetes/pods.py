"""Pod objects: born from a template, injected with a sidecar, and the statuses that a kubelet writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from observer.domain import names
from observer.simulator.kubernetes.kinds import Obj, rfc3339
from observer.simulator.kubernetes.objects import INJECTION_LABEL

SIDECAR: Final = "istio-proxy"
PROXY_IMAGE: Final = "istio.example/proxyv2:1.31"
PRIORITIES: Final = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
KUBE_ACCESS: Final = {
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    "name": "kube-api-access",
    "readOnly": True,
}


def from_template(template: Obj, owner: Obj, name: str, inject: bool) -> Obj:
    """A pod of ``owner`` (a controller object) as it is when the API server has admitted it."""
    meta = template.get("metadata", {})
    pod: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "labels": dict(meta.get("labels", {})),
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {**template["spec"]},
    }
    if meta.get("annotations"):
        pod["metadata"]["annotations"] = dict(meta["annotations"])
    return admit(pod, inject)


def owner_reference(owner: Obj) -> Obj:
    """The controller reference to ``owner``."""
    return {
        "apiVersion": owner["apiVersion"],
        "blockOwnerDeletion": True,
        "controller": True,
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }


def controller_of(obj: Obj) -> Obj | None:
    """The controller reference of an object, or None."""
    return next((ref for ref in obj["metadata"].get("ownerReferences", ()) if ref.get("controller")), None)


def admit(pod: Obj, inject: bool) -> Obj:
    """Defaults of the API server, and the mesh's sidecar when ``inject``; changes and returns ``pod``."""
    spec = pod["spec"]
    spec["containers"] = [
        {**item, "volumeMounts": [*item.get("volumeMounts", []), KUBE_ACCESS]} for item in spec["containers"]
    ]
    defaults = {
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": PRIORITIES.get(spec.get("priorityClassName", ""), 0),
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": "default",
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [_toleration("not-ready"), _toleration("unreachable")],
    }
    for key, value in defaults.items():
        spec.setdefault(key, value)
    spec["volumes"] = [
        *spec.get("volumes", []),
        {"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": []}},
    ]
    if inject and wants_sidecar(pod):
        _inject(pod)
    pod["status"] = {"phase": "Pending", "qosClass": "Burstable" if has_sidecar(pod) else "BestEffort"}
    return pod


def _toleration(state: str) -> Obj:
    key = f"node.kubernetes.io/{state}"
    return {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300}


def injects(namespace: Obj | None) -> bool:
    """New pods of this namespace get a sidecar."""
    labels = {} if namespace is None else namespace["metadata"].get("labels", {})
    return labels.get(INJECTION_LABEL) == "enabled" or "istio.io/rev" in labels


def wants_sidecar(pod: Obj) -> bool:
    """The pod does not refuse injection."""
    meta = pod["metadata"]
    key = "sidecar.istio.io/inject"
    asked = meta.get("labels", {}).get(key, meta.get("annotations", {}).get(key, "true"))
    return bool(asked != "false") and not pod["spec"].get("hostNetwork")


def has_sidecar(pod: Obj) -> bool:
    """A sidecar container stands in its spec."""
    return any(item["name"] == SIDECAR for item in _containers(pod))


def _inject(pod: Obj) -> None:
    meta, spec = pod["metadata"], pod["spec"]
    labels = meta.setdefault("labels", {})
    app = labels.get("app.kubernetes.io/name") or labels.get("app") or meta["name"]
    labels.setdefault("security.istio.io/tlsMode", "istio")
    labels.setdefault(names.CANONICAL_NAME, app)
    labels.setdefault(
        names.CANONICAL_REVISION, labels.get("app.kubernetes.io/version") or labels.get("version") or "latest"
    )
    first = spec["containers"][0]["name"]
    injected = {"initContainers": ["istio-init", SIDECAR], "containers": None, "revision": "default"}
    meta["annotations"] = {
        "istio.io/rev": "default",
        "kubectl.kubernetes.io/default-container": first,
        "kubectl.kubernetes.io/default-logs-container": first,
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/port": "15020",
        "prometheus.io/scrape": "true",
        "sidecar.istio.io/status": json.dumps(injected, separators=(",", ":")),
        **meta.get("annotations", {}),
    }
    spec["initContainers"] = [_init_container(), _sidecar(), *spec.get("initContainers", [])]


def _init_container() -> Obj:
    return {
        "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT"],
        "image": PROXY_IMAGE,
        "name": "istio-init",
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "volumeMounts": [KUBE_ACCESS],
    }


def _sidecar() -> Obj:
    ready = {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"}
    return {
        "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"],
        "image": PROXY_IMAGE,
        "name": SIDECAR,
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": {"failureThreshold": 4, "httpGet": ready, "periodSeconds": 15, "timeoutSeconds": 3},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "restartPolicy": "Always",
        "startupProbe": {"failureThreshold": 600, "httpGet": ready, "periodSeconds": 1, "timeoutSeconds": 3},
        "volumeMounts": [KUBE_ACCESS],
    }


def _containers(pod: Obj) -> list[Obj]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]


def images(pod: Obj) -> set[str]:
    """Every image it needs."""
    return {item["image"] for item in _containers(pod)}


def condition(obj: Obj, kind: str) -> str:
    """Status of a condition: "True", "False", "Unknown" or "" when it is not there."""
    condition = next((item for item in obj.get("status", {}).get("conditions") or () if item["type"] == kind), None)
    return str(condition["status"]) if condition else ""


def is_ready(pod: Obj) -> bool:
    """Its Ready condition holds."""
    return condition(pod, "Ready") == "True"


def is_active(pod: Obj) -> bool:
    """Counts as a replica: not on its way out and not finished."""
    return "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ("Succeeded", "Failed")


def grace_of(pod: Obj) -> float:
    """Seconds that it may take to end."""
    return float(pod["spec"].get("terminationGracePeriodSeconds", 30))


def set_condition(obj: Obj, kind: str, status: bool, now: float, *, reason: str = "", message: str = "") -> None:
    """Write a pod's condition; its transition time moves only when its status changes."""
    conditions: list[Obj] = obj["status"].setdefault("conditions", [])
    old = next((item for item in conditions if item["type"] == kind), None)
    text = "True" if status else "False"
    moved = rfc3339(now) if old is None or old["status"] != text else old["lastTransitionTime"]
    new: Obj = {
        "lastProbeTime": None,
        "lastTransitionTime": moved,
        "observedGeneration": obj["metadata"].get("generation", 1),
        "status": text,
        "type": kind,
    }
    if reason:
        new.update(reason=reason, message=message)
    if old is None:
        conditions.append(new)
    else:
        conditions[conditions.index(old)] = new


def write_statuses(pod: Obj, states: Mapping[str, Obj], ready: bool) -> None:
    """
    Container statuses from ``states`` by container name (``{"running": {...}}``, ``{"waiting": {...}}``).

    Restart counts and last states already there are kept. ``ready`` speaks for every container that runs.
    """
    status = pod["status"]
    statuses = {item["name"]: item for key in _STATUS_FIELDS for item in status.get(key, ())}
    for field, listed in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
        rows = [
            _container_status(item, states, statuses.get(item["name"]), ready, pod)
            for item in pod["spec"].get(listed, ())
        ]
        if rows:
            status[field] = rows


_STATUS_FIELDS: Final = ("containerStatuses", "initContainerStatuses")


def _container_status(item: Obj, states: Mapping[str, Obj], old: Obj | None, ready: bool, pod: Obj) -> Obj:
    state = states.get(item["name"]) or (old or {}).get("state") or {"waiting": {"reason": "PodInitializing"}}
    running = "running" in state
    done = "terminated" in state and state["terminated"].get("exitCode") == 0
    row: Obj = {
        "image": item["image"],
        "imageID": "",
        "lastState": (old or {}).get("lastState", {}),
        "name": item["name"],
        "ready": (running and ready) or (done and item["name"] == "istio-init"),
        "resources": item.get("resources", {}),
        "restartCount": (old or {}).get("restartCount", 0),
        "started": running,
        "state": state,
    }
    if running:
        row["containerID"] = f"containerd://{pod['metadata']['uid']}-{item['name']}-{row['restartCount']}"
        row["imageID"] = f"sha256:{item['image']}"
    return row


def status_of(pod: Obj, name: str) -> Obj | None:
    """The status of one container, or None."""
    rows = [item for key in _STATUS_FIELDS for item in pod["status"].get(key, ())]
    return next((item for item in rows if item["name"] == name), None)
