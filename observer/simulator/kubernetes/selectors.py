"""Label and field selectors, in objects and in query strings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from observer.simulator.kubernetes.events import event_fields
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.status import Refused

Test = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\(\s*(?P<values>[^()]*?)\s*\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<no>!?)\s*(?P<key>[^\s!=,()]+)\s*$")


def matches_selector(selector: Obj | None, labels: Mapping[str, str]) -> bool:
    """A ``LabelSelector`` object; empty selects everything, None nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(item, labels) for item in selector.get("matchExpressions") or ())


def _expression(item: Obj, labels: Mapping[str, str]) -> bool:
    value, operator, values = labels.get(item["key"]), item["operator"], item.get("values") or ()
    if operator == "In":
        return bool(value in values)
    if operator == "NotIn":
        return bool(value not in values)
    return (value is not None) is (operator == "Exists")


def parse_labels(text: str) -> Test | None:
    """A ``labelSelector`` parameter as a test of labels; None for an empty one; refuses with 400."""
    tests = [_label_test(part) for part in _split(text) if part.strip()]
    return (lambda labels: all(test(labels) for test in tests)) if tests else None


def _split(text: str) -> list[str]:
    return re.split(r",(?![^()]*\))", text)


def _label_test(part: str) -> Test:
    if match := _SET.match(part):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.match(part):
        key, value = match["key"], match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.match(part):
        key, absent = match["key"], bool(match["no"])
        return lambda labels: (key in labels) != absent
    raise Refused(400, f"unable to parse requirement: {part!r} is no label selector")


FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
             "status.podIP", "status.nominatedNodeName"),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "replicasets": ("status.replicas",),
}  # fmt: skip
"""Fields that may be selected by, beside metadata.name and metadata.namespace."""


def parse_fields(plural: str, text: str) -> Callable[[Obj], bool] | None:
    """A ``fieldSelector`` parameter as a test of objects; None for an empty one; refuses with 400 by name."""
    tests: list[tuple[str, str, bool]] = []
    for part in text.split(","):
        if not part.strip():
            continue
        match = re.match(r"^\s*([\w.]+)\s*(==|=|!=)\s*(.*?)\s*$", part)
        if match is None:
            raise Refused(400, f"invalid field selector: {part!r}")
        _known(plural, match[1])
        tests.append((match[1], match[3], match[2] != "!="))
    if not tests:
        return None
    return lambda obj: all((field_of(plural, obj, field) == value) is equal for field, value, equal in tests)


def _known(plural: str, field: str) -> None:
    if field in ("metadata.name", "metadata.namespace") or field in FIELDS.get(plural, ()):
        return
    if plural == "events" and field in event_fields({}):
        return
    raise Refused(400, f"field label not supported: {field}")


def field_of(plural: str, obj: Obj, field: str) -> str:
    """The field as a selector compares it: text, empty when it is not there."""
    if plural == "events" and not field.startswith("metadata."):
        return str(event_fields(obj).get(field) or "")
    value: object = obj
    for key in field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or (value is None and field == "spec.unschedulable"):
        return "true" if value else "false"
    return "" if value is None else str(value)
