"""Domain values <-> JSON text. What is written is read back equal, infinities and NaN included."""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from observer.domain.errors import JournalUnavailable

T = TypeVar("T")


def encode(value: object) -> str:
    """A domain dataclass as JSON. Numbers that JSON lacks are written as Python's ``json`` writes them."""
    return json.dumps(msgspec.to_builtins(value, str_keys=True), separators=(",", ":"), ensure_ascii=False)


def decode(text: str, kind: type[T]) -> T:
    """The value back; raises ``JournalUnavailable`` when a row cannot be understood."""
    try:
        return msgspec.convert(json.loads(text), kind, str_keys=True)
    except (msgspec.ValidationError, ValueError) as exc:
        raise JournalUnavailable(f"a row of the journal is no {kind.__name__}: {exc}") from exc
