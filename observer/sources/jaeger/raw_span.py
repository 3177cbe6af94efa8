"""One span as either API tells it, before anybody asked what its attributes mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from observer.domain.errors import SourceProtocolError

_DIGITS: Final = 20
_NO_PARENT: Final = frozenset({"", "0", "0" * 16})


@dataclass(frozen=True, slots=True)
class RawSpan:
    """
    Attributes:
        kind: ``client``, ``server`` or empty.
        failed: the reporter marked it as failed, for whatever reason.
        service: the reporter's service name. attributes: of the reporter and of the span, as texts.
        start: Unix seconds. seconds: its length, below zero when the clocks disagree.
    """

    trace: str
    span: str
    parent: str
    kind: str
    operation: str
    service: str
    start: float
    seconds: float
    failed: bool
    attributes: Mapping[str, str]


def parent_of(span: str) -> str:
    """A parent's id; roots name none, or one of zeros."""
    return "" if span in _NO_PARENT else span


def attributes_of(reporter: Mapping[str, str], span: Mapping[str, str]) -> dict[str, str]:
    """
    What both say. The reporter outweighs the span: a controller writes the pod that it works on into its spans, and
    that one did not report them.
    """
    return {**span, **reporter}


def as_text(value: object) -> str:
    """An attribute's value; lists, maps and what is absent are of no use here and read as empty."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float() | str():
            return str(value)
        case _:
            return ""


def count(value: str | int | None) -> int:
    """A count of nano- or microseconds; absent is 0. Raises ``SourceProtocolError`` for what is no count."""
    if value is None or value == "":
        return 0
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= _DIGITS):
        raise SourceProtocolError(f"a time of {value[:40]!r}")
    number = int(value)
    if not 0 <= number < 10**_DIGITS:
        raise SourceProtocolError("a time beyond all times")
    return number
