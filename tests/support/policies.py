"""Health policies as the checks see them, read from documents with as little as the checks need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from observer.config.documents.marks import Document

SHIPPED = "profile-"


@dataclass(frozen=True)
class Place:
    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Value:
    value: Any
    place: Place


@dataclass(frozen=True)
class Selector:
    namespaces: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def covers(self, other: Selector) -> bool:
        return (
            (not self.namespaces or (bool(other.namespaces) and set(other.namespaces) <= set(self.namespaces)))
            and (not self.workloads or (bool(other.workloads) and set(other.workloads) <= set(self.workloads)))
            and all(other.labels.get(key) == value for key, value in self.labels.items())
        )

    def meets(self, other: Selector) -> bool:
        return (
            (not self.namespaces or not other.namespaces or bool(set(self.namespaces) & set(other.namespaces)))
            and (not self.workloads or not other.workloads or bool(set(self.workloads) & set(other.workloads)))
            and self.labels == other.labels
        )


@dataclass(frozen=True)
class Policy:
    name: str
    place: Place
    selector: Selector
    values: Mapping[str, Value]
    own: bool

    @property
    def rank(self) -> tuple[int, ...]:
        named = bool(self.selector.workloads), bool(self.selector.labels), bool(self.selector.namespaces)
        return (*map(int, named), int(self.own))


def policies_of(documents: list[Document]) -> Iterator[Policy]:
    """What the documents hold; they are taken to be good."""
    for document in documents:
        data: Any = document.data
        spec = dict(data["spec"])
        selector = spec.pop("selector")
        name = data["metadata"]["name"]
        workloads = selector.get("workloads", {})
        yield Policy(
            name,
            Place(document.file, *document.values["metadata", "name"]),
            Selector(
                tuple(selector.get("namespaces", {}).get("names", ())),
                tuple(workloads.get("names", ())),
                workloads.get("labels", {}),
            ),
            {key: Value(value, Place(document.file, *document.values["spec", key])) for key, value in spec.items()},
            own=not name.startswith(SHIPPED),
        )
