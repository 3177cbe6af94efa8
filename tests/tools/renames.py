"""The table of renames: what each row says and which files it reaches."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).parents[2] / "docs" / "renames.tsv"
KINDS: Final = ("module", "symbol", "name", "key", "metric", "log", "reason", "path")
OUTSIDE: Final = "outside/"
"""How the files of a folder that is no checkout of the project are called in the column ``where``."""


@dataclass(frozen=True, slots=True)
class Row:
    """
    One rename.

    Attributes:
        kind: ``module`` (dotted, a file or a package), ``symbol`` (``module:name``), ``name`` (identifier or dotted
            sequence of them), ``key`` (YAML or JSON key, string literal), ``metric``, ``log`` (log event), ``reason``
            (of a decision or an Event), ``path`` (a file that holds no Python).
        where: globs of files relative to the tree; empty = everywhere.
    """

    kind: str
    old: str
    new: str
    where: tuple[str, ...] = ()

    def reaches(self, path: str) -> bool:
        """Whether the row speaks of this file (relative, with slashes)."""
        return not self.where or any(fnmatch.fnmatchcase(path, glob) for glob in self.where)


@dataclass(slots=True)
class Renames:
    """All rows, by kind, as the rewriting asks for them."""

    rows: tuple[Row, ...]
    modules: dict[str, str] = field(init=False)
    symbols: dict[tuple[str, str], tuple[str, str]] = field(init=False)
    _moved: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.modules = {row.old: row.new for row in self.rows if row.kind == "module"}
        self._moved = {new: old for old, new in self.modules.items()}
        self.symbols = {
            (row.old.partition(":")[0], row.old.partition(":")[2]): (
                row.new.partition(":")[0],
                row.new.partition(":")[2],
            )
            for row in self.rows
            if row.kind == "symbol"
        }

    def module(self, dotted: str) -> str:
        """Where a module (or anything below it) is now; the longest row that is a prefix decides."""
        parts = dotted.split(".")
        for length in range(len(parts), 0, -1):
            new = self.modules.get(".".join(parts[:length]))
            if new is not None:
                return ".".join((new, *parts[length:]))
        return dotted

    def former(self, path: str) -> str:
        """What a file was called before its module moved: rows speak of old places."""
        parts = path.removesuffix(".py").split("/")
        for length in range(len(parts), 0, -1):
            old = self._moved.get(".".join(parts[:length]))
            if old is not None:
                return "/".join((*old.split("."), *parts[length:])) + ".py"
        return path

    def of(self, kinds: Iterable[str], path: str) -> dict[str, str]:
        """``old -> new`` of the rows of these kinds that reach a file; rows with ``where`` win."""
        wanted, places = set(kinds), {path, self.former(path)}
        matching = [row for row in self.rows if row.kind in wanted and any(map(row.reaches, places))]
        matching.sort(key=lambda row: bool(row.where))
        return {row.old: row.new for row in matching}


def read(table: Path = TABLE) -> Renames:
    """
    The rows of a table: four columns ``kind``, ``old``, ``new``, ``where``, and a fifth for people.

    Raises: ValueError with the line of a row that is none.
    """
    rows = []
    for number, line in enumerate(table.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < 3 or cells[0] not in KINDS or not cells[1] or not cells[2]:
            raise ValueError(f"{table.name}:{number}: not a row of kind, old and new name: {line!r}")
        globs = tuple(glob.strip() for glob in cells[3].split(",") if glob.strip()) if len(cells) > 3 else ()
        rows.append(Row(cells[0], cells[1], cells[2], globs))
    return Renames(tuple(rows))
