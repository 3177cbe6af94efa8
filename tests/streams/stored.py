"""
The streams in ``tests/data/streams``: one JSON row a line under the name of its scene, compressed; with a digest.

They hold the words of the version that wrote them. ``docs/renames.tsv`` says what those are called today: rows of the
kinds ``key``, ``reason`` and ``name``, old word and new word, tab separated.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.streams.tap import Row, Value

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "tests" / "data" / "streams"
RENAMES: Final = ROOT / "docs" / "renames.tsv"
VERSION: Final = "0.1.0"
_KINDS: Final = frozenset({"key", "reason", "name"})
_WORD: Final = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)*")
_DIGITS: Final = 1e-8
"""Figures are kept to nine digits; the last one may have been rounded either way."""

Streams = Mapping[str, list[Row]]


def path(*, more: bool) -> Path:
    """Where the streams are kept: those that are always compared, or the further ones."""
    return FOLDER / f"{VERSION}{'-more' if more else ''}.txt.xz"


def write(streams: Streams, *, more: bool) -> None:
    """Keep the rows of scenes, with their digest beside them."""
    lines = []
    for name, rows in streams.items():
        lines.append(f"= {name}")
        lines += [json.dumps(row, separators=(",", ":"), sort_keys=True) for row in rows]
    body = "\n".join([*lines, ""]).encode()
    FOLDER.mkdir(parents=True, exist_ok=True)
    target = path(more=more)
    target.write_bytes(lzma.compress(body, preset=9 | lzma.PRESET_EXTREME))
    digest_path(target).write_text(f"{hashlib.sha256(body).hexdigest()}\n")


def digest_path(target: Path) -> Path:
    """The SHA-256 of what is inside ``target``."""
    return target.with_name(target.name.removesuffix(".txt.xz") + ".sha256")


def read(*, more: bool) -> dict[str, list[Row]]:
    """The rows by scene. Raises ``ValueError`` when they are not what was written."""
    target = path(more=more)
    body = lzma.decompress(target.read_bytes())
    if hashlib.sha256(body).hexdigest() != digest_path(target).read_text().strip():
        raise ValueError(f"{target.name} is not what was written")
    streams: dict[str, list[Row]] = {}
    for line in body.decode().splitlines():
        if line.startswith("= "):
            rows = streams.setdefault(line[2:], [])
        else:
            rows.append(json.loads(line))
    return streams


class Words:
    """What the words of the stored streams may be called today; a word that was renamed twice goes all the way."""

    def __init__(self, renames: Iterable[tuple[str, str]] = ()) -> None:
        self._new: dict[str, set[str]] = defaultdict(set)
        for old, new in renames:
            self._new[old].add(new)

    @classmethod
    def of_the_tree(cls) -> Words:
        """By the list of old names; nothing was renamed while there is none."""
        if not RENAMES.exists():
            return cls()
        rows = [line.split("\t") for line in RENAMES.read_text().splitlines() if line and not line.startswith("#")]
        return cls((row[1], row[2]) for row in rows if len(row) > 2 and row[0] in _KINDS)

    def today(self, word: str) -> set[str]:
        """The word itself and everything that it may be called."""
        reached, waiting = {word}, [word]
        while waiting:
            for new in self._new.get(waiting.pop(), ()):
                if new not in reached:
                    reached.add(new)
                    waiting.append(new)
        return reached

    def same(self, old: Value, new: Value) -> bool:
        """The stored value says what today's says."""
        if isinstance(old, str) and isinstance(new, str):
            return self._same_text(old, new)
        if isinstance(old, bool) or isinstance(new, bool) or old is None or new is None:
            return old is new
        if isinstance(old, int | float) and isinstance(new, int | float):
            return math.isclose(old, new, rel_tol=_DIGITS, abs_tol=1e-12) or old == new or (old != old and new != new)
        if isinstance(old, list) and isinstance(new, list):
            return len(old) == len(new) and all(map(self.same, old, new))
        if isinstance(old, dict) and isinstance(new, dict):
            return self._same_figures(old, new)
        return False

    def _same_text(self, old: str, new: str) -> bool:
        if old == new or new in self.today(old):
            return True
        if _WORD.sub("", old) != _WORD.sub("", new):
            return False
        return all(n in self.today(o) for o, n in zip(_WORD.findall(old), _WORD.findall(new), strict=True))

    def _same_figures(self, old: Mapping[str, Value], new: Mapping[str, Value]) -> bool:
        left = dict(new)
        for key, value in old.items():
            match = next((one for one in self.today(key) if one in left and self.same(value, left[one])), None)
            if match is None:
                return False
            del left[match]
        return not left


def differences(name: str, old: list[Row], new: list[Row], words: Words) -> Iterator[str]:
    """Where a scene went another way: its first row that differs, and a row that only one side has."""
    for number, (stored, today) in enumerate(zip(old, new, strict=False)):
        if not words.same(stored, today):
            yield f"{name}, row {number}: {_which(stored, today, words)}"
            yield f"  0.1.0: {json.dumps(stored, sort_keys=True)}"
            yield f"  today: {json.dumps(today, sort_keys=True)}"
            return
    if len(old) != len(new):
        yield f"{name}: {len(new)} rows where there were {len(old)}"


def _which(stored: Row, today: Row, words: Words) -> str:
    """The places in which two rows differ."""
    if len(stored) != len(today):
        return "another kind of row"
    places = []
    for place, (old, new) in enumerate(zip(stored, today, strict=True)):
        if words.same(old, new):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            gone = [
                key for key in old if not words.same({key: old[key]}, {k: new[k] for k in words.today(key) & set(new)})
            ]
            known = {word for key in old for word in words.today(key)}
            places.append(f"figures {', '.join([*gone, *(f'+{key}' for key in new if key not in known)])}")
        else:
            places.append(f"{old!r} is {new!r} (place {place})")
    return "; ".join(places)
