"""
Keeps one collection of objects as the API server has them: list once, then follow.

    list in pages ──▶ watch from its resourceVersion ──▶ orderly end ──▶ watch on
          ▲                   │            │
          │                   │            └─ cut, silent ──▶ wait a little, watch on from the last version seen
          └── wait a little ◀─┴─ 410, any ERROR in the stream, nonsense

The watch is asked to end after some seconds, so that a quiet collection is proven to be alive that often, and so
that one that does not end in time is known to hang on a dead connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from random import Random
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from observer.domain.cluster import ResourceKind
from observer.kube.client import KubeApi
from observer.kube.errors import (
    BadAnswer,
    Forbidden,
    Gone,
    KubeError,
    ListMeta,
    NotFound,
    Status,
    StatusError,
    Unauthorized,
    Unavailable,
    typed,
)
from observer.ports.sources import Clock
from observer.sources.kubernetes.wire import Bookmark, ListOf, Meta, WatchLine

log = structlog.get_logger(__name__)

WATCH_SECONDS = 10
_GRACE = 5.0
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 10.0
_LONGEST_ASKED = 60.0


class HasMeta(Protocol):
    """Whatever the reflector keeps has metadata."""

    @property
    def metadata(self) -> Meta: ...


W = TypeVar("W", bound=HasMeta)


class ObjectSink(Protocol[W]):
    """Who receives the objects. Every call is synchronous and cheap."""

    def replace(self, scope: str, objects: list[W]) -> None:
        """The whole collection, after a list; ``scope`` is the reflector's part of it."""
        ...

    def put(self, scope: str, item: W) -> None: ...

    def drop(self, scope: str, item: W) -> None: ...

    def alive(self, scope: str) -> None:
        """The collection is known to be complete as of now."""
        ...

    def denied(self, scope: str, why: str) -> None:
        """The API server does not let us see it, or does not know it: it is unknown from now on."""
        ...


_LINE = msgspec.json.Decoder(WatchLine)
_BOOKMARK = msgspec.json.Decoder(Bookmark)
_STATUS = msgspec.json.Decoder(Status)


class Reflector(Generic[W]):
    """
    One collection (``path`` with ``selectors``), kept in ``sink`` under the name ``scope``.

    ``random`` spreads the waits and the watches' ends, so that many reflectors do not march in step. A watch is asked
    to end after ``watch_seconds`` and a little; one that is silent ``grace`` seconds longer hangs.
    """

    def __init__(
        self,
        api: KubeApi,
        kind: ResourceKind,
        path: str,
        wire: type[W],
        sink: ObjectSink[W],
        *,
        clock: Clock,
        random: Random,
        page: int = 500,
        timeout: float = 10.0,
        selectors: Mapping[str, str] | None = None,
        scope: str = "",
        watch_seconds: int = WATCH_SECONDS,
        grace: float = _GRACE,
    ) -> None:
        self._api, self._kind, self._path, self._sink = api, kind, path, sink
        self._clock, self._random = clock, random
        self._page, self._timeout, self._selectors = page, timeout, dict(selectors or {})
        self._scope, self._watch_seconds, self._grace = scope, watch_seconds, grace
        self._list = msgspec.json.Decoder(ListOf[wire])  # type: ignore[valid-type]
        self._one = msgspec.json.Decoder(wire)
        self._version = ""
        self._wait = _FIRST_WAIT
        self._trouble = ""
        self._began = float("inf")

    async def run(self) -> None:
        """Follow for ever. Whatever the API server does is answered by trying again, later and later."""
        while True:
            try:
                if not self._version:
                    self._version = await self._list_all()
                await self._watch()
                self._well()
            except Unavailable as exc:
                await self._pause(exc)  # the last version seen is still good: no list for a cut connection
            except (KubeError, msgspec.DecodeError, UnicodeDecodeError) as exc:
                self._version = ""
                if isinstance(exc, Forbidden | NotFound | Unauthorized):
                    self._sink.denied(self._scope, str(exc))
                await self._pause(exc)

    async def _list_all(self) -> str:
        """List in pages and hand the whole over; returns the resourceVersion to watch from."""
        try:
            objects, version = await self._pages(self._page)
        except Gone:
            # The token of a slow listing expired. What the server offers instead mixes two instants; one answer
            # with everything does not.
            objects, version = await self._pages(0)
        if not version:
            raise BadAnswer(f"{self._path}: a list without a resourceVersion")
        self._sink.replace(self._scope, objects)
        self._sink.alive(self._scope)
        return version

    async def _pages(self, limit: int) -> tuple[list[W], str]:
        objects: list[W] = []
        query = dict(self._selectors)
        if limit:
            query["limit"] = str(limit)
        while True:
            answer = await self._api.request("GET", self._path, query=query, within=self._timeout * (1 if limit else 6))
            page = self._list.decode(answer.body)
            objects.extend(page.items or ())
            if not page.metadata.continue_:
                return objects, page.metadata.resource_version
            query["continue"] = page.metadata.continue_

    async def _watch(self) -> None:
        """Follow until the server ends the stream in order."""
        seconds = self._watch_seconds + self._random.randint(0, self._watch_seconds * 2 // 5)
        query = self._selectors | {
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        self._began = began = self._clock.monotonic()
        async with aclosing(self._api.stream(self._path, query, quiet=seconds + self._grace)) as lines:
            async for line in lines:
                self._take(_LINE.decode(line))
                self._sink.alive(self._scope)
                if self._clock.monotonic() - began > seconds + self._grace:
                    break  # the server forgot to end it; a new watch costs nothing
        self._sink.alive(self._scope)
        if self._clock.monotonic() - began < _FIRST_WAIT:
            await self._clock.sleep(_FIRST_WAIT * self._random.uniform(1.0, 2.0))

    def _take(self, line: WatchLine) -> None:
        match line.type:
            case "ADDED" | "MODIFIED":
                thing = self._one.decode(line.object)
                self._version = thing.metadata.resource_version or self._version
                self._sink.put(self._scope, thing)
            case "DELETED":
                thing = self._one.decode(line.object)
                self._version = thing.metadata.resource_version or self._version
                self._sink.drop(self._scope, thing)
            case "BOOKMARK":
                self._version = _BOOKMARK.decode(line.object).metadata.resource_version or self._version
            case "ERROR":
                raise _in_stream(line.object)
            case _:
                raise BadAnswer(f"{self._path}: a watch event of type {line.type!r}")

    def _well(self) -> None:
        if self._trouble:
            log.info("kube_watch_recovered", kind=self._kind.value, scope=self._scope)
        self._wait, self._trouble, self._began = _FIRST_WAIT, "", float("inf")

    async def _pause(self, exc: KubeError | msgspec.DecodeError | UnicodeDecodeError) -> None:
        """Wait longer each time, with jitter; tell only what is new."""
        if self._clock.monotonic() - self._began > self._watch_seconds / 2:
            self._wait = _FIRST_WAIT  # it worked for a while: this is a new trouble, not the old one going on
        self._began = float("inf")
        trouble = f"{type(exc).__name__}: {exc}"
        if type(exc).__name__ != self._trouble:
            log.warning("kube_watch_interrupted", kind=self._kind.value, scope=self._scope, error=trouble)
        self._trouble = type(exc).__name__
        asked = min(exc.retry_after, _LONGEST_ASKED) if isinstance(exc, StatusError) else 0.0
        await self._clock.sleep(max(asked, self._wait * self._random.uniform(0.5, 1.5)))
        self._wait = min(2 * self._wait, _LONGEST_WAIT)


def _in_stream(body: msgspec.Raw) -> KubeError:
    """The error an ERROR event carries; one that says nothing sensible is a reason to list again all the same."""
    try:
        status = _STATUS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = Status(message="an ERROR event without a Status", metadata=ListMeta())
    return typed(status)


# --- One kind's objects by name, what changed, and since when they are known to be complete


Key = tuple[str, str]
"""``(namespace, name)``; the namespace is empty for cluster-scoped kinds."""


class Store(Generic[W]):
    """
    Fed by one reflector for each of ``scopes``.

    ``changed`` hears of every object that came, went (second argument None) or has another resourceVersion;
    ``settled`` is called once after each batch of such changes.
    """

    def __init__(
        self,
        clock: Clock,
        changed: Callable[[W | None, W | None], None],
        settled: Callable[[], None],
        scopes: tuple[str, ...] = ("",),
    ) -> None:
        self._clock, self._changed, self._settled = clock, changed, settled
        self._scopes: dict[str, dict[Key, W]] = {scope: {} for scope in scopes}
        self._alive: dict[str, float] = {}
        self._denied: dict[str, str] = {}

    @property
    def fresh(self) -> float | None:
        """Unix seconds as of which every scope was complete; None when one never was or must not be seen."""
        if self._denied or len(self._alive) < len(self._scopes):
            return None
        return min(self._alive.values())

    @property
    def problem(self) -> str:
        """Why it cannot be seen, empty when it can."""
        return next(iter(self._denied.values()), "")

    def get(self, key: Key) -> W | None:
        for objects in self._scopes.values():
            if (thing := objects.get(key)) is not None:
                return thing
        return None

    def __iter__(self) -> Iterator[W]:
        for objects in self._scopes.values():
            yield from objects.values()

    def replace(self, scope: str, objects: list[W]) -> None:
        before = self._scopes[scope]
        after = {_key(item): item for item in objects}
        self._scopes[scope] = after
        different = False
        for key, old in before.items():
            if key not in after:
                self._changed(old, None)
                different = True
        for key, item in after.items():
            known = before.get(key)
            if known is None or known.metadata.resource_version != item.metadata.resource_version:
                self._changed(known, item)
                different = True
        if different:
            self._settled()

    def put(self, scope: str, item: W) -> None:
        objects, key = self._scopes[scope], _key(item)
        before = objects.get(key)
        objects[key] = item
        self._changed(before, item)
        self._settled()

    def drop(self, scope: str, item: W) -> None:
        """Only the incarnation that is stored: the replacement of its name may have been seen first."""
        objects, key = self._scopes[scope], _key(item)
        before = objects.get(key)
        if before is None or before.metadata.uid != item.metadata.uid:
            return
        del objects[key]
        self._changed(before, None)
        self._settled()

    def alive(self, scope: str) -> None:
        self._alive[scope] = self._clock.now()
        self._denied.pop(scope, None)

    def denied(self, scope: str, why: str) -> None:
        self._denied[scope] = why


def _key(item: W) -> Key:
    return (item.metadata.namespace, item.metadata.name)
