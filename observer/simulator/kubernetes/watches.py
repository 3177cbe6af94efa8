"""
Watches: one cursor into the store's history each, so that a slow client holds up nobody but itself.

Times that a client gives (``timeoutSeconds``) are real seconds; bookmarks follow the simulator's clock.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from observer.simulator.kubernetes.events import core_view
from observer.simulator.kubernetes.faults import KubeFaults
from observer.simulator.kubernetes.kinds import CORE_EVENT, Kind, Obj
from observer.simulator.kubernetes.requests import Target, is_true, matcher, number
from observer.simulator.kubernetes.status import Refused, expired, invalid, too_large_version
from observer.simulator.kubernetes.store import Change, Entry, Instant, Store

MOST_SNAPSHOTS: Final = 64
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
        while len(self._snapshots) > MOST_SNAPSHOTS:
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


# --- Watches: one cursor into the store's history each, so that a slow client holds up nobody but itself


DEFAULT_TIMEOUT: Final = 1800.0
POLL: Final = 0.25
"""Real seconds after which an idle watch looks at the clock and at its connection."""
BATCH: Final = 1 << 18
"""Bytes written at once."""


@dataclass(slots=True)
class _Watch:
    """One open stream."""

    target: Target
    test: Callable[[Obj], bool] | None
    response: web.StreamResponse
    request: web.Request
    bookmarks: bool
    cursor: int
    ends: float
    next_bookmark: float
    cut_round: int
    stirred: asyncio.Event


class Watches:
    """All open watches of one API server."""

    def __init__(self, store: Store, clock: Instant, faults: KubeFaults) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        self._open: dict[int, _Watch] = {}
        self._closing = False
        store.subscribe(self._seen)
        faults.listeners.append(self._stir_all)

    @property
    def open(self) -> int:
        """How many there are now."""
        return len(self._open)

    def close(self) -> None:
        """End every stream in order; new ones end at once."""
        self._closing = True
        self._stir_all()

    async def serve(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer one watch until it ends; refuses before the stream begins, tells ERROR events after."""
        query = request.query
        test = matcher(target, query)
        streaming = _check_parameters(query, self._faults)
        start, refusal = self._start(target, query)
        if refusal is not None and refusal.code == 410 and self._faults.gone_as_status:
            raise refusal
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        watch = self._new(request, response, target, test, start)
        try:
            if refusal is not None:
                await self._send(watch, [_line("ERROR", msgspec.json.encode(refusal.status()))])
            else:
                await self._run(watch, streaming, fresh=query.get("resourceVersion", "") in ("", "0"))
        except ConnectionError:
            cut(request)
        finally:
            self._open.pop(id(watch), None)
        return response

    def _new(
        self,
        request: web.Request,
        response: web.StreamResponse,
        target: Target,
        test: Callable[[Obj], bool] | None,
        start: int,
    ) -> _Watch:
        wanted = number(request.query, "timeoutSeconds") or DEFAULT_TIMEOUT
        watch = _Watch(
            target=target,
            test=test,
            response=response,
            request=request,
            bookmarks=is_true(request.query.get("allowWatchBookmarks", "")),
            cursor=start,
            ends=asyncio.get_running_loop().time() + wanted,
            next_bookmark=self._clock.now() + self._faults.bookmark_seconds,
            cut_round=self._faults.cut_round,
            stirred=asyncio.Event(),
        )
        self._open[id(watch)] = watch
        return watch

    def _start(self, target: Target, query: Mapping[str, str]) -> tuple[int, Refused | None]:
        asked, current = number(query, "resourceVersion"), self._store.version
        if self._faults.watch_ahead > 0:
            self._faults.watch_ahead -= 1
            return 0, too_large_version(max(asked, current + 1), current)
        if asked == 0:
            return current, None
        try:
            self._store.since(target.kind.plural, asked)
        except Refused as gone:
            return 0, gone
        return asked, None

    async def _run(self, watch: _Watch, streaming: bool, *, fresh: bool) -> None:
        if fresh or streaming:
            watch.cursor = self._store.version
            entries = list(self._store.entries(watch.target.kind.plural, watch.target.namespace))
            await self._send(watch, (self._show(watch, "ADDED", e) for e in entries if _passes(watch, e)))
            if streaming and watch.bookmarks:
                await self._send(watch, [self._bookmark(watch, end_of_list=True)])
        while not self._closing and asyncio.get_running_loop().time() < watch.ends:
            if self._is_cut(watch):
                raise ConnectionResetError
            watch.stirred.clear()
            if not self._faults.mute_watches and not await self._round(watch):
                return
            await self._wait(watch)
        if self._may_mark(watch) and not self._closing and not self._faults.mute_watches:
            await self._send(watch, [self._bookmark(watch)])

    async def _round(self, watch: _Watch) -> bool:
        """Send what is new; False when the stream has to end."""
        errors = self._faults.stream_errors.get(watch.target.kind.plural)
        if errors:
            await self._send(watch, [_line("ERROR", msgspec.json.encode(errors.pop(0)))])
            return False
        try:
            changes = self._store.since(watch.target.kind.plural, watch.cursor)
        except Refused as gone:
            await self._send(watch, [_line("ERROR", msgspec.json.encode(gone.status()))])
            return False
        watch.cursor = max(watch.cursor, self._store.version)
        await self._send(watch, (line for change in changes if (line := self._event(watch, change))))
        if self._may_mark(watch) and self._clock.now() >= watch.next_bookmark:
            watch.next_bookmark = self._clock.now() + self._faults.bookmark_seconds
            await self._send(watch, [self._bookmark(watch)])
        return True

    def _may_mark(self, watch: _Watch) -> bool:
        """It asked for bookmarks, and its version is not from the future (such a watch hears nothing until then)."""
        return watch.bookmarks and watch.cursor <= self._store.version

    async def _wait(self, watch: _Watch) -> None:
        left = watch.ends - asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(watch.stirred.wait(), max(min(POLL, left, self._faults.bookmark_seconds), 0.001))
        except TimeoutError:
            return

    def _is_cut(self, watch: _Watch) -> bool:
        transport = watch.request.transport
        return watch.cut_round != self._faults.cut_round or transport is None or transport.is_closing()

    def _event(self, watch: _Watch, change: Change) -> bytes:
        """The line that this client sees: what enters its selection is ADDED, what leaves it DELETED."""
        namespace = change.entry.object["metadata"].get("namespace", "")
        if watch.target.namespace and namespace != watch.target.namespace:
            return b""
        was = change.previous is not None and _passes(watch, change.previous)
        now = change.type != "DELETED" and _passes(watch, change.entry)
        if not was and not now:
            return b""
        if now:
            return self._show(watch, "MODIFIED" if was else "ADDED", change.entry)
        if change.type == "DELETED" or change.previous is None:
            return self._show(watch, "DELETED", change.entry)
        old = change.previous.object
        last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(change.version)}}
        return self._show(watch, "DELETED", Entry(change.version, last))

    def _show(self, watch: _Watch, kind: str, entry: Entry) -> bytes:
        return _line(kind, show(watch.target.kind, entry))

    def _bookmark(self, watch: _Watch, *, end_of_list: bool = False) -> bytes:
        kind = watch.target.kind
        meta: Obj = {"resourceVersion": str(watch.cursor), "creationTimestamp": None}
        if end_of_list:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        return _line(
            "BOOKMARK", msgspec.json.encode({"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta})
        )

    async def _send(self, watch: _Watch, lines: Iterator[bytes] | list[bytes]) -> None:
        batch: list[bytes] = []
        size = 0
        for line in lines:
            batch.append(line)
            size += len(line)
            if size >= BATCH:
                await self._write(watch, b"".join(batch))
                batch, size = [], 0
        if batch:
            await self._write(watch, b"".join(batch))

    async def _write(self, watch: _Watch, data: bytes) -> None:
        piece = self._faults.chunk or len(data)
        for at in range(0, len(data), piece):
            await watch.response.write(data[at : at + piece])
            if self._faults.chunk:
                await asyncio.sleep(0)

    def _seen(self, plural: str, _kind: str, _obj: Obj) -> None:
        for watch in self._open.values():
            if watch.target.kind.plural == plural:
                watch.stirred.set()

    def _stir_all(self) -> None:
        for watch in self._open.values():
            watch.stirred.set()


def _check_parameters(query: Mapping[str, str], faults: KubeFaults) -> bool:
    """Whether the client asked for a streaming list; refuses with 422 what the API server forbids."""
    asked = "sendInitialEvents" in query
    field, forbidden = "sendInitialEvents", "FieldValueForbidden"
    if asked and not faults.streaming_lists:
        text = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        raise invalid("ListOptions", "meta.k8s.io", "", [(field, forbidden, text)])
    if asked and query.get("resourceVersionMatch") != "NotOlderThan":
        text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise invalid("ListOptions", "meta.k8s.io", "", [("resourceVersionMatch", forbidden, text)])
    if not asked and "resourceVersionMatch" in query:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise invalid("ListOptions", "meta.k8s.io", "", [("resourceVersionMatch", forbidden, text)])
    return asked and is_true(query["sendInitialEvents"])


def _passes(watch: _Watch, entry: Entry) -> bool:
    return watch.test is None or watch.test(entry.object)


def _line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"


def cut(request: web.Request) -> None:
    """Reset the connection of a request."""
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        transport.abort()
