"""How commands speak: text for people, JSON for machines, stable exit codes."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Any, Final, NoReturn

import msgspec

EXIT_FINDINGS: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_UNREACHABLE: Final = 4


class Output(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def show(body: Any, text: str, *, json: bool) -> None:
    """Print ``body`` as JSON or ``text`` for people, to standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(body), indent=1).decode() if json else text.rstrip("\n"))
    sys.stdout.write("\n")
    sys.stdout.flush()


def fail(message: str, code: int) -> NoReturn:
    """Print one clear message to standard error and end."""
    sys.stderr.write(f"observer: {message}\n")
    raise SystemExit(code)
