"""How commands speak: text for people, in colours where a terminal shows them, JSON for machines, stable exit codes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn, TextIO

import msgspec

EXIT_FINDINGS: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_UNREACHABLE: Final = 4
GAP: Final = "  "
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Tone(StrEnum):
    """What a colour means; the words beside it say the same, so that nobody needs to see colours."""

    GOOD = "32"
    BAD = "1;31"
    WARN = "33"
    FAINT = "2"
    BOLD = "1"


@dataclass(frozen=True, slots=True)
class Paint:
    """Puts tones around words, or leaves them as they are."""

    on: bool = False

    def __call__(self, text: str, tone: Tone) -> str:
        return f"\x1b[{tone.value}m{text}\x1b[0m" if self.on and text else text


PLAIN: Final = Paint()


def paint_for(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Paint:
    """Colours for a terminal that can show them, unless ``NO_COLOR`` holds anything."""
    wanted = not environment.get("NO_COLOR") and environment.get("TERM", "") not in {"", "dumb"}
    return Paint(wanted and stream.isatty())


def bare(text: str) -> str:
    """The text without colours, as wide as people see it."""
    return _ESCAPES.sub("", text)


def harmless(text: str) -> str:
    """One line of somebody else's words without what would steer a terminal."""
    return _CONTROLS.sub("?", text.replace("\t", " ").replace("\n", " "))


def show(body: object, text: str, *, json: bool) -> None:
    """Print ``body`` as JSON or ``text`` for people, to standard output."""
    sys.stdout.write(json_text(body) if json else text.rstrip("\n"))
    sys.stdout.write("\n")
    sys.stdout.flush()


def json_text(body: object) -> str:
    """JSON that people can read, too."""
    return msgspec.json.format(msgspec.json.encode(body), indent=1).decode()


def fail(message: str, code: int, step: str = "") -> NoReturn:
    """Print one clear message to standard error, what to do next below it, and end."""
    paint = paint_for(sys.stderr)
    sys.stderr.write(f"{paint('observer:', Tone.BAD)} {message}\n")
    if step:
        sys.stderr.write(f"  -> {step}\n")
    raise SystemExit(code)


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], paint: Paint) -> str:
    """``head`` and ``rows`` below each other; cells may carry colours already."""
    lines = [head, *rows]
    widths = [max(len(bare(line[place])) for line in lines) for place in range(len(head))]
    texts = [_line(line, widths) for line in lines]
    return "\n".join([paint(texts[0], Tone.FAINT), *texts[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - len(bare(cell))) for cell, width in zip(cells, widths, strict=True)]
    return GAP.join(padded).rstrip()
