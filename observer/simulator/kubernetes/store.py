"""
The object store behind the simulated API server.

Objects are raw JSON. What ``get`` and ``list`` return is the store's own copy: read it, never change it; ``modify``
and ``copy`` give a copy that may be changed. All calls are synchronous and belong to one event loop.
"""

from __future__ import annotations

import random
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from observer.simulator.kubernetes.kinds import KINDS, Obj, plural_of, rfc3339
from observer.simulator.kubernetes.managers import record_managers
from observer.simulator.kubernetes.status import (
    Refused,
    check_preconditions,
    conflict,
    expired,
    not_found,
    stale_version,
)

SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated name endings: no vowels, so no words."""

Subscriber = Callable[[str, str, Obj], None]
"""Called as ``(plural, "ADDED" | "MODIFIED" | "DELETED", object)`` after each write."""


class Instant(Protocol):
    """A clock, as far as the store needs one: Unix seconds."""

    def now(self) -> float: ...


def copy(obj: Obj) -> Obj:
    """A deep copy of a JSON object."""
    return {key: copy_value(item) for key, item in obj.items()}


def copy_value(value: object) -> object:
    """A deep copy of any JSON."""
    if isinstance(value, dict):
        return copy(value)
    return [copy_value(item) for item in value] if isinstance(value, list) else value


class Entry:
    """One version of one object, with its JSON kept once somebody asked for it."""

    __slots__ = ("_raw", "object", "version")

    def __init__(self, version: int, obj: Obj) -> None:
        self.version = version
        self.object = obj
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The object as JSON bytes."""
        if self._raw is None:
            self._raw = msgspec.json.encode(self.object)
        return self._raw


@dataclass(frozen=True, slots=True)
class Change:
    """One write: what a watch tells. ``previous`` is None for a birth."""

    version: int
    type: str
    entry: Entry
    previous: Entry | None


class _Table:
    """All objects of one plural, and its newest changes."""

    __slots__ = ("changes", "entries", "forgotten", "keys")

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}
        self.keys: list[tuple[str, str]] | None = []
        self.changes: list[Change] = []
        self.forgotten = 0
        """The newest version that is no longer in ``changes``."""

    def sorted_keys(self) -> list[tuple[str, str]]:
        if self.keys is None:
            self.keys = sorted(self.entries)
        return self.keys

    def remember(self, change: Change, limit: int) -> None:
        self.changes.append(change)
        if len(self.changes) > 2 * limit:
            self.forget(len(self.changes) - limit)

    def forget(self, count: int) -> None:
        if count:
            self.forgotten = self.changes[count - 1].version
            del self.changes[:count]


class Store:
    """
    Objects by plural, namespace and name ("" for cluster-wide ones), with one resourceVersion for all of them.

    ``history`` is the number of changes a plural that a watch can still start behind; ``seed`` decides uids and
    generated names.
    """

    def __init__(self, clock: Instant, *, history: int = 20_000, seed: int = 1) -> None:
        self._clock = clock
        self._history = history
        self._rng = random.Random(seed)  # noqa: S311 - names and uids of a simulation
        self._tables = {plural: _Table() for plural in KINDS}
        self._version = 1
        self._subscribers: list[Subscriber] = []

    @property
    def version(self) -> int:
        """The newest resourceVersion."""
        return self._version

    def now(self) -> float:
        """The clock's time, Unix seconds."""
        return self._clock.now()

    def subscribe(self, callback: Subscriber) -> None:
        """Call ``callback`` after every write, in the order of subscription."""
        self._subscribers.append(callback)

    def list(self, plural: str, namespace: str = "") -> list[Obj]:
        """All objects in the order of their keys; of one namespace if given."""
        return [entry.object for entry in self.entries(plural, namespace)]

    def entries(self, plural: str, namespace: str = "") -> Iterator[Entry]:
        """As ``list``, with versions and JSON bytes."""
        table = self._table(plural)
        for key in table.sorted_keys():
            if not namespace or key[0] == namespace:
                yield table.entries[key]

    def get(self, plural: str, namespace: str, name: str) -> Obj | None:
        """The object, or None."""
        entry = self._table(plural).entries.get((namespace, name))
        return entry.object if entry is not None else None

    def entry(self, plural: str, namespace: str, name: str) -> Entry:
        """The object's newest version; refuses with 404."""
        entry = self._table(plural).entries.get((namespace, name))
        if entry is None:
            raise not_found(KINDS[plural].resource, name)
        return entry

    def create(self, plural: str, obj: Obj, *, manager: str = "", take: bool = False) -> Obj:
        """
        Store a new object; fills name, uid, creationTimestamp, generation, kind.

        ``manager`` is written into managedFields; ``take`` saves a copy when the caller never changes ``obj`` again.
        Refuses with 409 when the name is taken, 404 without its namespace.
        """
        kind = KINDS[plural]
        table = self._table(plural)
        new = obj if take else copy(obj)
        meta: Obj = new.setdefault("metadata", {})
        namespace = str(meta.get("namespace", "")) if kind.namespaced else ""
        if not meta.get("name"):
            meta["name"] = self.generate_name(str(meta.get("generateName", "")))
        key = (namespace, str(meta["name"]))
        if key in table.entries:
            message = f'{kind.resource} "{key[1]}" already exists'
            raise Refused(409, message, reason="AlreadyExists", name=key[1], kind=plural, group=kind.group)
        if kind.namespaced and ("", namespace) not in self._tables["namespaces"].entries:
            raise not_found("namespaces", namespace)
        new = {"apiVersion": kind.api_version, "kind": kind.kind, **_without_type(new)}
        meta.update(uid=self._uid(), creationTimestamp=rfc3339(self._clock.now()))
        if kind.generation:
            meta["generation"] = 1
        record_managers(None, new, manager, self._clock.now())
        table.keys = None
        return self._write(plural, "ADDED", key, new, None)

    def add(self, obj: Obj) -> Obj:
        """As ``create``; the object's own kind says where."""
        return self.create(plural_of(obj), obj)

    def update(self, plural: str, obj: Obj, *, manager: str = "", subresource: str = "") -> Obj:
        """
        Replace an object. With a resourceVersion in it, only if that is still the newest (409 otherwise).

        uid, creationTimestamp and deletion marks are kept; an update that changes nothing keeps its version.
        """
        kind = KINDS[plural]
        meta = obj["metadata"]
        key = (str(meta.get("namespace", "")) if kind.namespaced else "", str(meta["name"]))
        before = self.entry(plural, *key)
        old = before.object
        asked = meta.get("resourceVersion")
        if asked and str(asked) != str(before.version):
            raise stale_version(kind.resource, key[1])
        alive = before.object["metadata"]["uid"]
        if meta.get("uid") not in (None, alive):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {alive}"
            raise conflict(kind.resource, key[1], f"StorageError: invalid object, Code: 4, AdditionalErrorMsg: {why}")
        new = {"apiVersion": old["apiVersion"], "kind": old["kind"], **_without_type(copy(obj))}
        return self._replace(plural, key, before, new, manager=manager, subresource=subresource)

    def modify(
        self,
        plural: str,
        namespace: str,
        name: str,
        change: Callable[[Obj], None],
        *,
        manager: str = "",
        subresource: str = "",
    ) -> Obj:
        """
        Let ``change`` edit a copy and store it; refuses with 404.

        With a subresource only metadata and status are copied deeply: of the spec it may set top-level fields.
        """
        before = self.entry(plural, namespace, name)
        old = before.object
        if subresource:
            new = {**old, "metadata": copy(old["metadata"]), "status": copy(old.get("status", {}))}
            if "spec" in old:
                new["spec"] = dict(old["spec"])
        else:
            new = copy(old)
        change(new)
        return self._replace(plural, (namespace, name), before, new, manager=manager, subresource=subresource)

    def mark_deleted(self, plural: str, namespace: str, name: str, grace: float) -> Obj:
        """Begin a graceful deletion: deletionTimestamp = now + grace (seconds); sooner if marked before."""
        before = self.entry(plural, namespace, name)
        new = copy(before.object)
        meta = new["metadata"]
        ends = rfc3339(self._clock.now() + grace)
        if "deletionTimestamp" in meta and meta["deletionTimestamp"] <= ends:
            return before.object
        meta["deletionTimestamp"] = ends
        meta["deletionGracePeriodSeconds"] = int(grace)
        if KINDS[plural].generation:
            meta["generation"] = int(meta.get("generation", 1)) + 1
        return self._write(plural, "MODIFIED", (namespace, name), new, before)

    def delete(self, plural: str, namespace: str, name: str, *, uid: str | None = None) -> Obj:
        """Remove an object at once; refuses with 404, or 409 when ``uid`` is another incarnation's."""
        before = self.entry(plural, namespace, name)
        check_preconditions(KINDS[plural].kind, before.object, {"uid": uid})
        table = self._table(plural)
        del table.entries[(namespace, name)]
        table.keys = None
        return self._write(plural, "DELETED", (namespace, name), copy(before.object), before)

    def since(self, plural: str, version: int) -> Sequence[Change]:
        """Changes after ``version``, oldest first; refuses with 410 when some of them are forgotten."""
        table = self._table(plural)
        if version < table.forgotten:
            raise expired(f"too old resource version: {version} ({table.forgotten})")
        return table.changes[bisect_right(table.changes, version, key=lambda change: change.version) :]

    def compact(self) -> None:
        """Forget all history: watches and continued lists from before this moment are told 410."""
        for table in self._tables.values():
            table.changes.clear()
            table.forgotten = self._version

    def generate_name(self, prefix: str) -> str:
        """``prefix`` and five letters."""
        return prefix + "".join(self._rng.choice(SAFE) for _ in range(5))

    def _replace(
        self, plural: str, key: tuple[str, str], before: Entry, new: Obj, *, manager: str, subresource: str
    ) -> Obj:
        old = before.object
        _keep_system_fields(old, new)
        if _same(old, new):
            return old
        if KINDS[plural].generation and subresource in ("", "scale") and old.get("spec") != new.get("spec"):
            new["metadata"]["generation"] = int(old["metadata"].get("generation", 1)) + 1
        record_managers(old, new, manager, self._clock.now(), subresource)
        return self._write(plural, "MODIFIED", key, new, before)

    def _table(self, plural: str) -> _Table:
        return self._tables[plural]

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _write(self, plural: str, kind: str, key: tuple[str, str], obj: Obj, before: Entry | None) -> Obj:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        entry = Entry(self._version, obj)
        table = self._table(plural)
        if kind != "DELETED":
            table.entries[key] = entry
        table.remember(Change(self._version, kind, entry, before), self._history)
        for callback in self._subscribers:
            callback(plural, kind, obj)
        return obj


def _without_type(obj: Obj) -> Obj:
    """All but apiVersion and kind, which stand first in every stored object."""
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


_SYSTEM: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


def _keep_system_fields(old: Obj, new: Obj) -> None:
    for field in _SYSTEM:
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
        else:
            new["metadata"].pop(field, None)
    new["metadata"].setdefault("resourceVersion", old["metadata"]["resourceVersion"])


def _same(old: Obj, new: Obj) -> bool:
    ignored = ("resourceVersion", "managedFields")
    if {k: v for k, v in old.items() if k != "metadata"} != {k: v for k, v in new.items() if k != "metadata"}:
        return False
    left, right = old["metadata"], new["metadata"]
    return {k: v for k, v in left.items() if k not in ignored} == {k: v for k, v in right.items() if k not in ignored}
