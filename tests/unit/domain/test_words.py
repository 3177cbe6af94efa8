"""A person's words: any script on one line, nothing that steers a terminal or turns the text round."""

from __future__ import annotations

import re
import unicodedata

import pytest

from observer.domain.words import LONGEST, SCHEMA, unfit


@pytest.mark.parametrize("text", ["", "sale", "Überlast\u00a0ab 9: 停止", "می‌خواهم", "👩‍🚒 fire", "a" * LONGEST])
def test_words_of_every_script_are_words(text: str) -> None:
    assert unfit("reason", text) is None
    assert re.search(str(SCHEMA["pattern"]), text)


def test_every_control_character_is_refused_wherever_it_stands() -> None:
    controls = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Cc", "Zl", "Zp", "Cs"}]
    turning = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
    for one in controls + turning:
        for text in (f"{one}sale", f"sa{one}le", f"sale{one}"):
            assert f"U+{ord(one):04X}" in str(unfit("reason", text))


def test_the_field_the_place_and_the_bound_are_named() -> None:
    assert unfit("--reason", "sale\n") == "--reason: character 5 is U+000A, a control character: leave it out"
    wrong = unfit("reason", "x" * (LONGEST + 1))
    assert wrong == f"reason: {LONGEST + 1} characters are too many: at most {LONGEST}"
    assert "\x1b" not in str(unfit("reason", "\x1b[31m"))
