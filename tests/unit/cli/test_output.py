"""Colours only where they are seen and wanted."""

from __future__ import annotations

import io

import pytest

from observer.cli.output import PLAIN, Paint, Tone, bare, columns, harmless, paint_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "on"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_when(stream: io.StringIO, environment: dict[str, str], on: bool) -> None:
    assert paint_for(stream, environment).on is on


def test_colours_are_put_around_words_and_taken_away_again() -> None:
    painted = Paint(on=True)("RED", Tone.BAD)
    assert painted == "\x1b[1;31mRED\x1b[0m" and bare(painted) == "RED" == PLAIN("RED", Tone.BAD)
    assert Paint(on=True)("", Tone.BAD) == ""


def test_columns_are_as_wide_as_people_see_them() -> None:
    paint = Paint(on=True)
    rows = [("a", paint("bb", Tone.GOOD), "c"), ("aaaa", "b", "")]
    assert bare(columns(("X", "YYY", "Z"), rows, paint)).splitlines() == ["X     YYY  Z", "a     bb   c", "aaaa  b"]


def test_words_of_others_steer_no_terminal() -> None:
    assert harmless("a\x1b]0;title\x07b\x9bc\r\n\td") == "a?]0;title?b?c?  d"
