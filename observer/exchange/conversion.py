"""What an import gives, and the reader that lets no key of the source be dropped in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

API_VERSION: Final = "openslo/v1"
Path = tuple[str | int, ...]
Plain = dict[str, object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remark:
    """
    One thing to say about the source, at ``path`` in its document.

    ``fatal``: it cannot be carried and the document is not converted; else it was carried in another way, or it has no
    counterpart and nothing that is measured depends on it.
    """

    path: Path
    message: str
    hint: str = ""
    fatal: bool = False


@dataclass(slots=True)
class Converted:
    """OpenSLO v1 documents of one source document; to be used only when no remark is fatal."""

    documents: list[Plain] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something could not be carried."""
        return any(remark.fatal for remark in self.remarks)


class Fields:
    """
    A mapping of the source, read key by key. ``close`` refuses every key that nobody asked for.

    A value of the wrong type is a fatal remark; the reader then hands on an empty one.
    """

    def __init__(self, data: object, path: Path, out: Converted) -> None:
        self.path, self.out = path, out
        self._data: Mapping[str, object] = data if isinstance(data, dict) else {}
        self._asked: set[str] = set()
        if not isinstance(data, dict):
            self.refuse("", "must be a mapping")

    def has(self, key: str) -> bool:
        """Whether the source gives it a value."""
        return self._data.get(key) is not None

    def raw(self, key: str) -> object:
        """The value as it is."""
        self._asked.add(key)
        return self._data.get(key)

    def text(self, key: str, *, required: bool = False) -> str:
        """A string; empty when it is missing."""
        return self._read(key, str, "text", "", required=required)

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean."""
        return self._read(key, bool, "true or false", default)

    def number(self, key: str, *, required: bool = False) -> float:
        """A number; 0 when it is missing."""
        value = self.raw(key)
        if value is None and required:
            self.refuse(key, "is missing")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            self.refuse(key, "must be a number")
            return 0.0
        return value if value is not None else 0.0

    def within(self, key: str, *, required: bool = False) -> Fields:
        """A mapping, read in the same way; an empty one when it is missing."""
        value = self._read(key, dict, "a mapping", {}, required=required)
        return Fields(value, (*self.path, key), self.out)

    def words(self, key: str) -> dict[str, str]:
        """A mapping of texts."""
        value = self._read(key, dict, "a mapping", Plain())
        for name, one in value.items():
            if not isinstance(one, str):
                self.refuse(key, f"{name} must be text", "put it in quotes")
        return {name: one for name, one in value.items() if isinstance(one, str)}

    def items(self, key: str, *, required: bool = False) -> list[Fields]:
        """A list of mappings."""
        value = self._read(key, list, "a list", list[object](), required=required)
        return [Fields(one, (*self.path, key, index), self.out) for index, one in enumerate(value)]

    def refuse(self, key: str, message: str, hint: str = "") -> None:
        """It cannot be carried."""
        self.out.remarks.append(Remark(self._at(key), message, hint, fatal=True))

    def note(self, key: str, message: str, hint: str = "") -> None:
        """It was carried in another way, or nothing measured depends on it."""
        self.out.remarks.append(Remark(self._at(key), message, hint))

    def close(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._data:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                self.refuse(key, "is not known here", f"did you mean {near[0]}?" if near else "")

    def unread(self) -> Iterator[tuple[str, object]]:
        """Every key that nobody asked for yet, taken now."""
        for key in [key for key in self._data if key not in self._asked]:
            yield key, self.raw(key)

    def _at(self, key: str) -> Path:
        return (*self.path, key) if key else self.path

    def _read(self, key: str, kind: type[T], words: str, default: T, *, required: bool = False) -> T:
        value = self.raw(key)
        if value is None:
            if required:
                self.refuse(key, "is missing")
            return default
        if not isinstance(value, kind):
            self.refuse(key, f"must be {words}")
            return default
        return value


def document(kind: str, metadata: Plain, spec: Plain) -> Plain:
    """An OpenSLO v1 document."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
