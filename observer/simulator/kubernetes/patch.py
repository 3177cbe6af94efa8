"""
The four ways to patch: JSON Patch, merge patch, strategic merge patch and (in part) server-side apply.

All of them take an object and give a changed copy; they refuse as the API server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.managers import Path, applied_before, apply_conflicts, leaves
from observer.simulator.kubernetes.status import Refused
from observer.simulator.kubernetes.store import copy, copy_value

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
"""Bodies are read as JSON, which is YAML and what clients send."""

MERGE_KEYS: Final[Mapping[str, str]] = {
    "conditions": "type",
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "taints": "key",
    "containerStatuses": "name",
    "ports": "port",
    "readinessGates": "conditionType",
}
"""Lists that a strategic merge patch merges item by item, and by which key; all other lists are replaced."""


def json_patch(obj: Obj, operations: object) -> Obj:
    """
    RFC 6902 as the API server reads it: ``replace`` of a key that is not there adds it.

    Refuses with 422 what does not fit (a failed ``test`` too) and with 400 what is no list of operations.
    """
    if not isinstance(operations, list):
        what = "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        raise Refused(400, what)
    result: object = copy(obj)
    for operation in operations:
        result = _apply_operation(result, operation)
    if not isinstance(result, dict):
        raise _rejected()
    return result


def _apply_operation(root: object, operation: object) -> object:
    if not isinstance(operation, dict) or "path" not in operation:
        raise _rejected()
    name = operation.get("op")
    if name not in ("add", "remove", "replace", "test", "move", "copy"):
        raise _rejected()
    path = _pointer(operation["path"])
    if name in ("move", "copy"):
        source = _pointer(operation.get("from", ""))
        value = copy_value(_value_at(root, source))
        if name == "move":
            _remove(root, source)
        return _add(root, path, value)
    if name == "remove":
        _remove(root, path)
        return root
    if name == "test":
        _test(root, path, operation.get("value"))
        return root
    if "value" not in operation:
        raise Refused(400, f"{name} operation without a value")
    if name == "replace" and path and isinstance(_value_at(root, path[:-1]), list):
        _remove(root, path)
    return _add(root, path, copy_value(operation["value"]))


def _test(root: object, path: list[str], wanted: object) -> None:
    try:
        present = _value_at(root, path)
    except Refused:
        present = None
    if present != wanted:
        raise _rejected()


def _rejected() -> Refused:
    """What the real server says of every JSON Patch that does not fit, and no more."""
    return Refused(422, "the server rejected our request due to an error in our request")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise _rejected()
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _value_at(root: object, path: list[str]) -> object:
    node = root
    for key in path:
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise _rejected()
    return node


def _add(root: object, path: list[str], value: object) -> object:
    if not path:
        return value
    parent, key = _value_at(root, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[key] = value
    elif isinstance(parent, list) and (key == "-" or (key.isdigit() and int(key) <= len(parent))):
        parent.insert(len(parent) if key == "-" else int(key), value)
    else:
        raise _rejected()
    return root


def _remove(root: object, path: list[str]) -> None:
    _value_at(root, path)
    parent = _value_at(root, path[:-1])
    if isinstance(parent, dict):
        del parent[path[-1]]
    elif isinstance(parent, list):
        del parent[int(path[-1])]


def merge_patch(target: object, patch: Obj) -> Obj:
    """RFC 7386: null removes, maps merge, everything else replaces."""
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge_patch(result.get(key), value)
        else:
            result[key] = copy_value(value)
    return result


def strategic_patch(target: object, patch: Obj) -> Obj:
    """
    As a merge patch, but lists with a merge key are merged item by item.

    ``$patch: delete`` on an item and ``$patch: replace`` on a map work; directives in lists of scalars are refused.
    """
    if patch.get("$patch") == "replace":
        return {key: copy_value(value) for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith(("$setElementOrder/", "$retainKeys")):
            continue
        if key.startswith("$"):
            raise Refused(422, f"strategic merge patch directive {key} is not simulated")
        old = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = strategic_patch(old, value)
        elif isinstance(value, list) and key in MERGE_KEYS and isinstance(old, list):
            result[key] = _strategic_list(old, value, MERGE_KEYS[key])
        else:
            result[key] = copy_value(value)
    return result


def _strategic_list(target: list[Obj], patch: list[object], merge_key: str) -> list[Obj]:
    result = list(target)
    for item in patch:
        if not isinstance(item, dict) or merge_key not in item:
            raise Refused(400, f"map: {item!r} does not contain declared merge key: {merge_key}")
        at = next((i for i, old in enumerate(result) if old.get(merge_key) == item[merge_key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(strategic_patch({}, item))
        else:
            result[at] = strategic_patch(result[at], item)
    return result


def apply_patch(live: Obj | None, wanted: Obj, manager: str, *, force: bool) -> tuple[Obj, set[Path]]:
    """
    Server-side apply of maps and scalars: the merged object, and the paths that ``manager`` owns from now on.

    Refuses with 409 for fields of others without ``force``, and with 422 for lists, which are not simulated.
    """
    owned = dict(leaves(wanted))
    listed = next((path for path, value in owned.items() if isinstance(value, list)), None)
    if listed is not None:
        raise Refused(422, f"server-side apply of lists is not simulated: .{'.'.join(listed)}")
    if live is None:
        return copy(wanted), set(owned)
    if not force:
        apply_conflicts(live, wanted, manager)
    merged = merge_patch(live, {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")})
    for path in applied_before(live, manager) - owned.keys():
        _drop(merged, path)
    return merged, set(owned)


def _drop(obj: Obj, path: Path) -> None:
    """Remove a leaf; ``obj`` shares no maps along the path with anybody after this."""
    node = obj
    for key in path[:-1]:
        child = node.get(key)
        if not isinstance(child, dict):
            return
        node[key] = dict(child)
        node = node[key]
    node.pop(path[-1], None)
