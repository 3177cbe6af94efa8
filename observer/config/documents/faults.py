"""A fault in a file that a person wrote, and how all of them are reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from observer.domain.errors import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """
    One thing to fix.

    Attributes:
        line, column: from 1; 0 = the file as a whole.
        path: dotted path of the key (``guards.serving_share``), empty for the document.
        hint: what to write instead, empty when the message says it.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        subject = f" {self.path}:" if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{subject or ':'} {self.message}{hint}"


def refuse(faults: Iterable[Fault]) -> NoReturn:
    """Raise ``ConfigError`` with one line a fault, in the order of the file."""
    raise ConfigError("\n".join(str(fault) for fault in sorted(set(faults))))


def dotted(path: Iterable[str | int]) -> str:
    """``("escalation", "actions", 1)`` as ``escalation.actions[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def counted(count: int, thing: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"
