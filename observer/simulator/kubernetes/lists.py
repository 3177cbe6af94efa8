"""Lists: whole or in chunks, each chunk from the same snapshot as the first."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from observer.simulator.kubernetes.events import core_view
from observer.simulator.kubernetes.faults import KubeFaults
from observer.simulator.kubernetes.kinds import CORE_EVENT, Kind
from observer.simulator.kubernetes.requests import Target, matcher, number
from observer.simulator.kubernetes.status import Refused, expired, too_large_version
from observer.simulator.kubernetes.store import Entry, Store

KEPT_SNAPSHOTS: Final = 64
EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list."
)


def show(kind: Kind, entry: Entry) -> bytes:
    """The object's JSON in the shape of ``kind``: core events are a view."""
    return msgspec.json.encode(core_view(entry.object)) if kind is CORE_EVENT else entry.raw


class Lists:
    """Answers list requests; remembers the snapshots that continue tokens lead to."""

    def __init__(self, store: Store, faults: KubeFaults) -> None:
        self._store = store
        self._faults = faults
        self._snapshots: OrderedDict[str, tuple[int, list[Entry]]] = OrderedDict()
        self._order = itertools.count(1)

    def answer(self, target: Target, query: Mapping[str, str]) -> bytes:
        """The list's JSON; refuses with 410 for an expired token and 504 for a version from the future."""
        limit = 0 if query.get("resourceVersion") == "0" else number(query, "limit")
        if query.get("continue"):
            version, rest = self._resume(target, query)
        else:
            version = self._check_version(query)
            rest = list(self._select(target, query))
        page, rest = (rest[:limit], rest[limit:]) if limit else (rest, [])
        token = self._remember(version, page[-1], rest) if rest else ""
        return _encode(target.kind, version, page, token, 0 if _filtered(query) else len(rest))

    def forget(self) -> None:
        """Let every continue token expire."""
        self._snapshots.clear()

    def _check_version(self, query: Mapping[str, str]) -> int:
        asked, current = number(query, "resourceVersion"), self._store.version
        if self._faults.watch_ahead > 0:
            self._faults.watch_ahead -= 1
            raise too_large_version(max(asked, current + 1), current)
        if asked > current:
            raise too_large_version(asked, current)
        if query.get("resourceVersionMatch") == "Exact" and asked < current:
            raise expired(f"The resourceVersion for the provided list is too old: {asked}")
        return current

    def _select(
        self, target: Target, query: Mapping[str, str], after: tuple[str, str] | None = None
    ) -> Iterable[Entry]:
        test = matcher(target, query)
        for entry in self._store.entries(target.kind.plural, target.namespace):
            meta = entry.object["metadata"]
            if after is not None and (meta.get("namespace", ""), meta["name"]) <= after:
                continue
            if test is None or test(entry.object):
                yield entry

    def _resume(self, target: Target, query: Mapping[str, str]) -> tuple[int, list[Entry]]:
        token = _read_token(query["continue"])
        after = (token["namespace"], token["name"])
        if token["id"] == "":
            return self._store.version, list(self._select(target, query, after))
        snapshot = self._snapshots.get(token["id"])
        if snapshot is None:
            raise expired(EXPIRED, _token("", after))
        return snapshot

    def _remember(self, version: int, last: Entry, rest: list[Entry]) -> str:
        key = str(next(self._order))
        self._snapshots[key] = (version, rest)
        while len(self._snapshots) > KEPT_SNAPSHOTS:
            self._snapshots.popitem(last=False)
        meta = last.object["metadata"]
        return _token(key, (meta.get("namespace", ""), meta["name"]))


def _filtered(query: Mapping[str, str]) -> bool:
    return bool(query.get("labelSelector") or query.get("fieldSelector"))


def _token(key: str, after: tuple[str, str]) -> str:
    raw = msgspec.json.encode({"id": key, "namespace": after[0], "name": after[1]})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_token(text: str) -> dict[str, str]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = msgspec.json.decode(raw, type=dict[str, str])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise Refused(400, f"continue key is not valid: {error}") from error
    if token.keys() != {"id", "namespace", "name"}:
        raise Refused(400, "continue key is not valid: fields are missing")
    return token


def _encode(kind: Kind, version: int, page: list[Entry], token: str, remaining: int) -> bytes:
    """The list as JSON; its items carry no apiVersion and kind, as those of a real list do not."""
    meta: dict[str, object] = {"resourceVersion": str(version)}
    if token:
        meta["continue"] = token
        if remaining:
            meta["remainingItemCount"] = remaining
    head = msgspec.json.encode({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta})
    typed = msgspec.json.encode({"apiVersion": kind.api_version, "kind": kind.kind})
    items = b",{".join(show(kind, entry)[len(typed) :] for entry in page)
    return head[:-1] + b',"items":[' + (b"{" + items if page else b"") + b"]}"
