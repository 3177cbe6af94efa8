"""Text of a file that a person wrote; what keeps it from being read is a fault, not an exception."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from observer.config.documents.faults import Fault

_LARGEST = 1 << 20
_SUFFIXES = frozenset({".yaml", ".yml"})


def read_text(path: Path) -> str | Fault:
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


def yaml_files(paths: Iterable[Path]) -> list[Path]:
    """
    The files themselves, and of a directory every ``*.yaml`` and ``*.yml`` beneath it, in order of their names.

    Names that begin with a dot are passed over: a mounted ConfigMap keeps its older versions under such names.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        beneath = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
        found += [one for one in beneath if not any(part.startswith(".") for part in one.relative_to(path).parts)]
    return list(dict.fromkeys(found))
