"""How commands speak: text for people, JSON for machines, stable exit codes."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Any, Final, NoReturn

import msgspec

from observer.cli.paint import Tone, paint_for

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


class ReportForm(StrEnum):
    """How ``observer report`` writes."""

    TEXT = "text"
    HTML = "html"
    SLACK = "slack"
    JSON = "json"


def show(body: Any, text: str, *, json: bool) -> None:
    """Print ``body`` as JSON or ``text`` for people, to standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(body), indent=1).decode() if json else text.rstrip("\n"))
    sys.stdout.write("\n")
    sys.stdout.flush()


def fail(message: str, code: int, step: str = "") -> NoReturn:
    """Print one clear message to standard error, what to do next below it, and end."""
    paint = paint_for(sys.stderr)
    sys.stderr.write(f"{paint('observer:', Tone.BAD)} {message}\n")
    if step:
        sys.stderr.write(f"  -> {step}\n")
    raise SystemExit(code)
