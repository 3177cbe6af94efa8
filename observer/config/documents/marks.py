"""
YAML read strictly, with the place of every key and value.

Scalars are those of JSON: only ``true`` and ``false`` are booleans, only JSON's numbers are numbers; ``on``, ``yes``,
``012``, ``1:30`` and ``2026-01-01`` stay what the person typed. Anchors, aliases, foreign tags and duplicate keys are
faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import yaml

from observer.config.documents.faults import Fault, dotted

Path = tuple[str | int, ...]
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, Plain] = {"true": True, "false": False, "null": None, "~": None, "": None}
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map")
)
_DEEPEST = 32


@dataclass(slots=True)
class Document:
    """
    One YAML document.

    ``keys`` and ``values`` map a path to ``(line, column)``, both from 1. ``faults`` holds what is wrong with the YAML
    itself; ``data`` is then what could be read.
    """

    file: str
    data: Plain = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> Fault:
        """A fault at the value (or the key) of ``path``, or at its nearest parent that stands in the file."""
        known = path
        marks = self.keys if at_key else self.values
        while known and known not in marks:
            known, marks = known[:-1], self.values
        line, column = marks.get(known, (0, 0))
        return Fault(self.file, line, column, dotted(path), message, hint)


def read_marked(text: str, file: str) -> Document:
    """Parse one document; never raises for what the text says."""
    document = Document(file)
    try:
        node = yaml.compose(text, yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError) as exc:
        document.faults.append(_unreadable(file, exc))
        return document
    if node is not None:
        document.data = _Reader(document).plain(node, ())
    return document


def read_marked_all(text: str, file: str) -> list[Document]:
    """
    Parse a stream of documents (``---`` between them); never raises for what the text says.

    Documents without content are left out. Where the YAML breaks, the documents before it are kept and a last one,
    without data, holds the fault: what follows cannot be told apart.
    """
    documents: list[Document] = []
    nodes = yaml.compose_all(text, yaml.CSafeLoader)
    while True:
        document = Document(file)
        try:
            node = next(nodes, None)
        except (yaml.YAMLError, RecursionError) as exc:
            document.faults.append(_unreadable(file, exc))
            return [*documents, document]
        if node is None:
            return documents
        document.data = _Reader(document).plain(node, ())
        if document.data is not None or document.faults:
            documents.append(document)


def _unreadable(file: str, exc: yaml.YAMLError | RecursionError) -> Fault:
    if isinstance(exc, yaml.MarkedYAMLError):
        return _syntax(file, exc)
    return Fault(file, 0, 0, "", f"not readable as YAML: {str(exc).splitlines()[0]}")


def _syntax(file: str, exc: yaml.MarkedYAMLError) -> Fault:
    mark = exc.problem_mark or exc.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    problem = exc.problem or "cannot be parsed"
    context = f"{exc.context}: " if exc.context else ""
    hint = "indent with spaces, not tabs" if "cannot start any token" in problem else ""
    return Fault(file, line, column, "", f"not YAML: {context}{problem}", hint)


class _Reader:
    """Turns nodes into plain values and notes where each stood."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()

    def plain(self, node: yaml.Node, path: Path) -> Plain:
        mark = node.start_mark
        self._document.values[path] = (mark.line + 1, mark.column + 1)
        if id(node) in self._seen:  # the node's own mark is the anchor's
            self._document.values[path] = self._document.keys.get(path, self._document.values[path])
            self._add(path, "anchors and aliases are not read", "write the value out")
            return None
        self._seen.add(id(node))
        if len(path) > _DEEPEST:
            self._add(path, f"nested more than {_DEEPEST} levels deep")
            return None
        if node.tag not in _PLAIN_TAGS:
            self._add(path, f"tag {node.tag} is not read", "remove the tag")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Plain:
        found: dict[str, Plain] = {}
        for key, value in node.value:
            here = (key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                self._document.faults.append(
                    Fault(self._document.file, *here, dotted(path), "a key must be a word, not a list or mapping")
                )
                continue
            child = (*path, key.value)
            if key.value in found:
                first = self._document.keys[child][0]
                self._document.faults.append(
                    Fault(self._document.file, *here, dotted(child), "duplicate key", f"first given in line {first}")
                )
                continue
            self._document.keys[child] = here
            found[key.value] = self.plain(value, child)
        return found

    def _add(self, path: Path, message: str, hint: str = "") -> None:
        self._document.faults.append(self._document.fault(path, message, hint))


def _scalar(node: yaml.ScalarNode) -> Plain:
    text: str = node.value
    if node.style:  # quoted or block: text, whatever it looks like
        return text
    if text in _WORDS:
        return _WORDS[text]
    if match := _NUMBER.fullmatch(text):
        return float(text) if match[2] or match[3] else int(text)
    return text


_LARGEST = 1 << 20
_SUFFIXES = frozenset({".yaml", ".yml"})


def read_text(path: FilePath) -> str | Fault:
    """The file's text without a byte order mark; a fault when it is missing, too large or not UTF-8."""
    name = str(path)
    try:
        raw = path.read_bytes()
    except OSError as exc:
        return Fault(name, 0, 0, "", f"cannot be read: {exc.strerror}")
    if len(raw) > _LARGEST:
        return Fault(name, 0, 0, "", f"is larger than {_LARGEST} bytes; this is not a settings file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return Fault(name, raw.count(b"\n", 0, exc.start) + 1, 1, "", "is not UTF-8 text")


def yaml_files(paths: Iterable[FilePath]) -> list[FilePath]:
    """
    The files themselves, and of a directory every ``*.yaml`` and ``*.yml`` beneath it, in order of their names.

    Names that begin with a dot are passed over: a mounted ConfigMap keeps its older versions under such names.
    """
    found: list[FilePath] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        beneath = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
        found += [one for one in beneath if not any(part.startswith(".") for part in one.relative_to(path).parts)]
    return list(dict.fromkeys(found))
