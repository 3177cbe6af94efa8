"""What the API server fills in when a person leaves it out, as far as anybody here reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.objects import pod_template


def fill(plural: str, obj: Obj) -> None:
    """Add defaults to an object that is about to be stored, and leave out empty maps and lists of its metadata."""
    for holder, fields in ((obj["metadata"], _OMITTED), (obj, ("data",))):
        for field in fields:
            if field in holder and not holder[field]:
                del holder[field]
    if (filler := _FILLERS.get(plural)) is not None:
        filler(obj)


def _workload(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {}).setdefault("labels", {})
    given = template.setdefault("spec", {})
    defaults = pod_template({}, [], terminationGracePeriodSeconds=30)["spec"]
    for key, value in defaults.items():
        given.setdefault(key, value)
    for container in given["containers"]:
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("resources", {})


def _deployment(obj: Obj) -> None:
    _workload(obj)
    spec = obj["spec"]
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")


def _service(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.setdefault("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    obj.setdefault("status", {"loadBalancer": {}})


def _budget(obj: Obj) -> None:
    obj.setdefault("spec", {})
    zero = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    obj.setdefault("status", zero)


def _namespace(obj: Obj) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    obj.setdefault("spec", {"finalizers": ["kubernetes"]})
    obj.setdefault("status", {"phase": "Active"})


def _node(obj: Obj) -> None:
    obj.setdefault("spec", {})
    obj.setdefault("status", {"addresses": [{"address": "", "type": "InternalIP"}]})


_OMITTED: Final = ("labels", "annotations", "finalizers", "ownerReferences")
_FILLERS: Final[Mapping[str, Callable[[Obj], None]]] = {
    "deployments": _deployment,
    "replicasets": _workload,
    "services": _service,
    "poddisruptionbudgets": _budget,
    "namespaces": _namespace,
    "nodes": _node,
}
