"""Colours, where a person looks at a terminal and did not ask for none."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TextIO

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
