"""A policy document after reading: whom it selects, what it sets, and where each value stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from observer.config.documents.faults import Fault
from observer.domain import names
from observer.domain.ids import WorkloadRef


class Level(IntEnum):
    """How far a policy reaches; the nearer one wins, field by field."""

    PLATFORM = 0
    NAMESPACE = 1
    WORKLOAD = 2


Rank = tuple[int, int, int, int]
"""Level, how the subject is named there, how its namespace is named, and whether a person wrote it: larger wins."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a value stands; line 0 = no line (built in)."""

    file: str
    line: int = 0
    column: int = 0

    def fault(self, path: str, message: str, hint: str = "") -> Fault:
        """Something to fix here."""
        return Fault(self.file, self.line, self.column, path, message, hint)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Value:
    """What a person wrote, and where; ``policy`` is the document's name, empty for settings and built-in values."""

    value: Any
    place: Place
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """
    What a selector looks at. ``labels`` are the workload's own (of its pods where the workload itself is not watched).
    """

    ref: WorkloadRef
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        return self.namespace_labels.get(names.NAMESPACE_ENABLED) == "true"


@dataclass(frozen=True, slots=True)
class Selector:
    """
    All that is given must hold; the names in one list are alternatives.

    ``enabled``: every namespace that carries the label for action. A selector that names no namespace reaches those
    only, too.
    """

    enabled: bool = False
    namespaces: tuple[str, ...] = ()
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        if self.names or self.labels or self.kinds:
            return Level.WORKLOAD
        return Level.NAMESPACE if self.namespaces or self.namespace_labels else Level.PLATFORM

    def matches(self, subject: Subject) -> bool:
        """The policy reaches this workload."""
        ref = subject.ref
        if self.namespaces and ref.namespace not in self.namespaces:
            return False
        if not (self.namespaces or self.namespace_labels) and not subject.enabled:
            return False
        return (
            _carries(subject.namespace_labels, self.namespace_labels)
            and (not self.names or ref.name in self.names)
            and (not self.kinds or ref.kind in self.kinds)
            and _carries(subject.labels, self.labels)
        )

    def covers(self, other: Selector) -> bool:
        """Whatever ``other`` selects is selected by this one, for certain."""
        return (
            (not self.namespaces or (bool(other.namespaces) and set(other.namespaces) <= set(self.namespaces)))
            and (bool(self.namespaces or self.namespace_labels) or not (other.namespaces or other.namespace_labels))
            and _carries(other.namespace_labels, self.namespace_labels)
            and (not self.names or (bool(other.names) and set(other.names) <= set(self.names)))
            and (not self.kinds or (bool(other.kinds) and set(other.kinds) <= set(self.kinds)))
            and _carries(other.labels, self.labels)
        )

    def meets(self, other: Selector) -> bool:
        """Some workload that both select can be named today, without knowing labels of the cluster."""
        return (
            _share(self.namespaces, other.namespaces)
            and _share(self.names, other.names)
            and _share(self.kinds, other.kinds)
            and self.labels == other.labels
            and self.namespace_labels == other.namespace_labels
        )

    def rank(self, *, own: bool) -> Rank:
        """``own``: written by a person here; a shipped document gives way to it on the same level."""
        named = 4 * bool(self.names) + 2 * bool(self.labels) + bool(self.kinds)
        within = 2 * bool(self.namespaces) + bool(self.namespace_labels)
        return (self.level, named, within, int(own))


@dataclass(frozen=True, slots=True)
class Policy:
    """
    One document.

    Attributes:
        place: of its name. selector: whom it reaches.
        values: dotted path (``escalation.drain_seconds``) to what it sets; lists are one value and replace as a whole.
        own: False for the documents that come with Observer.
    """

    name: str
    place: Place
    selector: Selector
    values: Mapping[str, Value]
    own: bool = True

    @property
    def rank(self) -> Rank:
        return self.selector.rank(own=self.own)


def _carries(have: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(have.get(key) == value for key, value in wanted.items())


def _share(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Both name the same one, or one of them names nobody and so means everybody."""
    return not one or not other or not set(one).isdisjoint(other)
