"""What the API server would not store: enough of its rules to catch a wrong client."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from observer.simulator.kubernetes.kinds import Kind, Obj
from observer.simulator.kubernetes.objects import pod_template
from observer.simulator.kubernetes.status import Refused, invalid

Fault = tuple[str, str, str]

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_MICRO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")
ANNOTATION_BYTES: Final = 256 * 1024
_POD_MUTABLE: Final = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")


def check(kind: Kind, obj: Obj, old: Obj | None) -> None:
    """Refuses with 400 values of a wrong type and with 422 invalid ones; ``old`` is None for a birth."""
    meta = obj["metadata"]
    for field in ("labels", "annotations"):
        _text_map(meta.get(field), kind, f"ObjectMeta.metadata.{field}")
    faults = [*_names(meta), *_labels(meta), *_annotations(meta)]
    if kind.plural == "configmaps":
        _text_map(obj.get("data"), kind, "ConfigMap.data")
    elif kind.plural == "leases":
        faults += _lease(obj.get("spec") or {}, kind)
    elif kind.plural == "pods" and old is not None:
        faults += _pod_update(old["spec"], obj["spec"])
    elif kind.plural in ("deployments", "replicasets"):
        faults += _workload(obj, old)
    if faults:
        raise invalid(kind.kind, kind.group, str(meta.get("name", "")), faults)


def _text_map(texts: Obj | None, kind: Kind, where: str) -> None:
    for value in (texts or {}).values():
        if not isinstance(value, str):
            got = {bool: "bool", int: "number", float: "number", list: "array", dict: "object"}.get(type(value), "null")
            text = f"json: cannot unmarshal {got} into Go struct field {where} of type string"
            raise Refused(400, f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {text}')


def _names(meta: Obj) -> list[Fault]:
    name = str(meta.get("name", ""))
    if not name and not meta.get("generateName"):
        return [("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")]
    if name and (len(name) > 253 or not _NAME.match(name)):
        return [
            ("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": a lowercase RFC 1123 subdomain is needed')
        ]
    return []


def _labels(meta: Obj) -> list[Fault]:
    faults = []
    for key, value in (meta.get("labels") or {}).items():
        if not _KEY.match(key):
            faults.append(("metadata.labels", "FieldValueInvalid", f'Invalid value: "{key}": no qualified name'))
        if len(value) > 63 or not _VALUE.match(value):
            text = f'Invalid value: "{value}": a valid label has at most 63 letters, digits, "-", "_" or "."'
            faults.append(("metadata.labels", "FieldValueInvalid", text))
    return faults


def _annotations(meta: Obj) -> list[Fault]:
    annotations = meta.get("annotations") or {}
    faults = [
        ("metadata.annotations", "FieldValueInvalid", f'Invalid value: "{key}": no qualified name')
        for key in annotations
        if not _KEY.match(key.lower())
    ]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATION_BYTES:
        faults.append(("metadata.annotations", "FieldValueTooLong", "Too long: may not be more than 262144 bytes"))
    return faults


def _lease(spec: Obj, kind: Kind) -> list[Fault]:
    for field in ("acquireTime", "renewTime"):
        when = spec.get(field)
        if when is not None and not (isinstance(when, str) and _MICRO.match(when)):
            text = f'parsing time "{when}" as "2006-01-02T15:04:05.000000Z07:00"'
            raise Refused(400, f'Lease in version "v1" cannot be handled as a {kind.kind}: {text}')
    faults = []
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        faults.append(
            ("spec.leaseDurationSeconds", "FieldValueInvalid", f"Invalid value: {seconds}: must be greater than 0")
        )
    if transitions is not None and transitions < 0:
        text = f"Invalid value: {transitions}: must be greater than or equal to 0"
        faults.append(("spec.leaseTransitions", "FieldValueInvalid", text))
    return faults


def _pod_update(old: Obj, new: Obj) -> list[Fault]:
    if _frozen(old) == _frozen(new):
        return []
    text = (
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
    )
    return [("spec", "FieldValueForbidden", text)]


def _frozen(spec: Obj) -> Obj:
    retained = {key: value for key, value in spec.items() if key not in _POD_MUTABLE}
    for field in ("containers", "initContainers"):
        if field in retained:
            retained[field] = [{k: v for k, v in item.items() if k != "image"} for item in retained[field]]
    return retained


def _workload(obj: Obj, old: Obj | None) -> list[Fault]:
    spec = obj.get("spec") or {}
    faults: list[Fault] = []
    if int(spec.get("replicas", 1)) < 0:
        text = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        faults.append(("spec.replicas", "FieldValueInvalid", text))
    if old is not None and old["spec"].get("selector") != spec.get("selector"):
        faults.append(("spec.selector", "FieldValueInvalid", "Invalid value: field is immutable"))
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not wanted:
        faults.append(("spec.selector", "FieldValueRequired", "Required value"))
    elif any(labels.get(key) != value for key, value in wanted.items()):
        text = f"Invalid value: {labels}: `selector` does not match template `labels`"
        faults.append(("spec.template.metadata.labels", "FieldValueInvalid", text))
    return faults


# --- What the API server fills in when a person leaves it out, as far as anybody here reads it


def fill(plural: str, obj: Obj) -> None:
    """Add defaults to an object that is about to be stored, and leave out empty maps and lists of its metadata."""
    for holder, fields in ((obj["metadata"], _OMITTED), (obj, ("data",))):
        for field in fields:
            if field in holder and not holder[field]:
                del holder[field]
    if (filler := _FILLERS.get(plural)) is not None:
        filler(obj)


def _fill_workload(obj: Obj) -> None:
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


def _fill_deployment(obj: Obj) -> None:
    _fill_workload(obj)
    spec = obj["spec"]
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")


def _fill_service(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.setdefault("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    obj.setdefault("status", {"loadBalancer": {}})


def _fill_budget(obj: Obj) -> None:
    obj.setdefault("spec", {})
    zero = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    obj.setdefault("status", zero)


def _fill_namespace(obj: Obj) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    obj.setdefault("spec", {"finalizers": ["kubernetes"]})
    obj.setdefault("status", {"phase": "Active"})


def _fill_node(obj: Obj) -> None:
    obj.setdefault("spec", {})
    obj.setdefault("status", {"addresses": [{"address": "", "type": "InternalIP"}]})


_OMITTED: Final = ("labels", "annotations", "finalizers", "ownerReferences")
_FILLERS: Final[Mapping[str, Callable[[Obj], None]]] = {
    "deployments": _fill_deployment,
    "replicasets": _fill_workload,
    "services": _fill_service,
    "poddisruptionbudgets": _fill_budget,
    "namespaces": _fill_namespace,
    "nodes": _fill_node,
}
