"""
Who owns which field: ``metadata.managedFields`` and server-side apply.

Lists are owned whole; the real server owns some of them element by element.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from observer.simulator.kubernetes.kinds import Obj, rfc3339
from observer.simulator.kubernetes.status import Refused

Path = tuple[str, ...]

_UNOWNED_META: Final = frozenset(
    ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "generateName", "managedFields",
     "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
)  # fmt: skip


def record_managers(
    old: Obj | None, new: Obj, manager: str, now: float, subresource: str = "", *, applied: set[Path] | None = None
) -> None:
    """
    Write into ``new`` who owns what after ``manager`` turned ``old`` into it; no manager keeps what was known.

    ``applied`` makes it an Apply entry that owns exactly those paths.
    """
    meta = new["metadata"]
    entries_before = [] if old is None else old["metadata"].get("managedFields", [])
    if not manager:
        if entries_before:
            meta.setdefault("managedFields", entries_before)
        return
    before = dict(leaves(old)) if old is not None else {}
    after = dict(leaves(new))
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    key = (manager, "Update" if applied is None else "Apply", subresource)
    entries: list[Obj] = []
    own: set[Path] = set()
    for entry in entries_before:
        fields = set(paths(entry["fieldsV1"]))
        if _key(entry) == key:
            own = fields
            continue
        retained = fields - gone - changed
        if retained:
            entries.append({**entry, "fieldsV1": fields_v1(retained)})
    own = ((own - gone) | changed) if applied is None else applied
    if own:
        entries.append(_entry(key, new.get("apiVersion", "v1"), own, now))
    if entries:
        meta["managedFields"] = entries


def apply_conflicts(live: Obj, wanted: Obj, manager: str) -> None:
    """Refuses with 409 when ``wanted`` changes a field that somebody else owns."""
    have = dict(leaves(live))
    differing = {path for path, value in leaves(wanted) if path in have and have[path] != value}
    causes = []
    for entry in live["metadata"].get("managedFields", []):
        if _key(entry)[:2] == (manager, "Apply"):
            continue
        for path in sorted(differing & set(paths(entry["fieldsV1"]))):
            field = "." + ".".join(path)
            causes.append(
                {"reason": "FieldManagerConflict", "message": f'conflict with "{entry["manager"]}"', "field": field}
            )
    if causes:
        listed = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
        many = "conflict" if len(causes) == 1 else "conflicts"
        raise Refused(409, f"Apply failed with {len(causes)} {many}: {listed}", causes=causes)


def applied_before(live: Obj, manager: str) -> set[Path]:
    """Paths that ``manager`` owns by an earlier apply and nobody else owns."""
    mine: set[Path] = set()
    others: set[Path] = set()
    for entry in live["metadata"].get("managedFields", []):
        if _key(entry)[:2] == (manager, "Apply"):
            mine |= set(paths(entry["fieldsV1"]))
        else:
            others |= set(paths(entry["fieldsV1"]))
    return mine - others


def leaves(obj: Obj, prefix: Path = ()) -> Iterator[tuple[Path, object]]:
    """``(path, value)`` of every scalar, list and empty map that can be owned."""
    for key, value in obj.items():
        path = (*prefix, key)
        if path in (("apiVersion",), ("kind",)) or (prefix == ("metadata",) and key in _UNOWNED_META):
            continue
        if isinstance(value, dict) and value:
            yield from leaves(value, path)
        elif path != ("metadata",):
            yield path, value


def paths(fields: Obj, prefix: Path = ()) -> Iterator[Path]:
    """The paths in a ``fieldsV1``."""
    for key, value in fields.items():
        path = (*prefix, key.removeprefix("f:"))
        if value:
            yield from paths(value, path)
        else:
            yield path


def fields_v1(owned: set[Path]) -> Obj:
    """The ``fieldsV1`` of a set of paths."""
    root: Obj = {}
    for path in sorted(owned):
        node = root
        for key in path:
            node = node.setdefault(f"f:{key}", {})
    return root


def _key(entry: Obj) -> tuple[str, str, str]:
    return (entry["manager"], entry["operation"], entry.get("subresource", ""))


def _entry(key: tuple[str, str, str], api_version: str, owned: set[Path], now: float) -> Obj:
    entry = {
        "manager": key[0],
        "operation": key[1],
        "apiVersion": api_version,
        "time": rfc3339(now),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_v1(owned),
    }
    if key[2]:
        entry["subresource"] = key[2]
    return entry
