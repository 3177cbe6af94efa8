"""One kind's objects by name, what changed, and since when they are known to be complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic

from observer.ports.sources import Clock
from observer.sources.kubernetes.reflector import W

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
        """Only the incarnation that is stored: the heir of its name may have been seen first."""
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
