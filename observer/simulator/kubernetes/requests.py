"""What a request to the API server asks for: its path and its parameters, understood once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from observer.simulator.kubernetes.kinds import Kind, Obj, find
from observer.simulator.kubernetes.selectors import parse_fields, parse_labels
from observer.simulator.kubernetes.status import Refused, invalid


@dataclass(frozen=True, slots=True)
class Target:
    """
    The thing that a path names.

    ``namespace`` is empty for all namespaces and for cluster-wide kinds, ``name`` for a collection.
    """

    kind: Kind
    namespace: str
    name: str
    subresource: str

    @property
    def resource(self) -> str:
        """As rules and roles spell it: ``pods`` or ``pods/eviction``."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def parse_path(path: str) -> Target:
    """The target of ``/api/v1/...`` or ``/apis/GROUP/VERSION/...``; refuses with 404 what is not simulated."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"]:
        group, version, rest = "", parts[1] if len(parts) > 1 else "", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 2:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise _no_such_page()
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        raise _no_such_page()
    kind = find(group, version, rest[0])
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if kind is None or (subresource and subresource not in kind.subresources):
        raise _no_such_page()
    if (namespace and not kind.namespaced) or (name and kind.namespaced and not namespace):
        raise _no_such_page()
    return Target(kind, namespace, name, subresource)


def _no_such_page() -> Refused:
    return Refused(404, "the server could not find the requested resource")


def verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    """The verb as roles spell it; refuses with 405."""
    if method == "GET" and not target.name:
        return "watch" if is_true(query.get("watch", "")) else "list"
    verb = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method, "")
    on_item = verb != "create" or target.subresource == "eviction"
    if not verb or bool(target.name) != on_item or not _offers(target.subresource, verb):
        raise Refused(405, "the server does not allow this method on the requested resource")
    return verb


def _offers(subresource: str, verb: str) -> bool:
    only = {"": None, "eviction": ("create",), "log": ("get",)}.get(subresource, ("get", "update", "patch"))
    return only is None or verb in only


def is_true(text: str) -> bool:
    """As the API server reads a boolean parameter."""
    return text in ("1", "true", "True", "TRUE", "t")


def number(query: Mapping[str, str], name: str) -> int:
    """A whole number from the query, 0 when it is not there; refuses with 400."""
    text = query.get(name, "")
    if not text:
        return 0
    if not text.isdigit():
        raise Refused(400, f'strconv.ParseUint: parsing "{text}": invalid syntax ({name})')
    return int(text)


def matcher(target: Target, query: Mapping[str, str]) -> Callable[[Obj], bool] | None:
    """Both selectors of a list or watch as one test of objects; None when they let everything through."""
    labels = parse_labels(query.get("labelSelector", ""))
    fields = parse_fields(target.kind.plural, query.get("fieldSelector", ""))
    if labels is None:
        return fields
    by_label = labels
    if fields is None:
        return lambda obj: by_label(obj["metadata"].get("labels", {}))
    by_field = fields
    return lambda obj: by_label(obj["metadata"].get("labels", {})) and by_field(obj)


def read_json(raw: bytes) -> object:
    """A body; refuses with 400."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise Refused(400, f"the object provided is unrecognized: {error}") from error


def read_object(raw: bytes) -> Obj:
    """A body that must be an object with metadata; refuses with 400."""
    body = read_json(raw)
    if not isinstance(body, dict) or not isinstance(body.setdefault("metadata", {}), dict):
        raise Refused(400, "the object provided is unrecognized (must be of type Object)")
    return body


def manager_of(query: Mapping[str, str], agent: str) -> str:
    """Who is written into managedFields: the parameter, else the first word of the user agent."""
    return query.get("fieldManager") or agent.partition("/")[0] or "unknown"


def dry_run(query: Mapping[str, str], options: Obj | None = None) -> bool:
    """Nothing shall be stored; refuses with 422 any word but All."""
    asked = list((options or {}).get("dryRun") or ())
    if "dryRun" in query:
        asked.append(query["dryRun"])
    if any(word != "All" for word in asked):
        text = f'Unsupported value: {json.dumps(asked)}: supported values: "All"'
        raise invalid("WriteOptions", "meta.k8s.io", "", [("dryRun", "FieldValueNotSupported", text)])
    return bool(asked)
