"""What people may write into what everybody reads: one line of any script, that steers no terminal and no display."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 500
_STEERING: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""C0, DEL, C1; separators of lines and paragraphs; what turns the direction of the text that follows."""
SCHEMA: Final = {"maxLength": LONGEST, "pattern": f"^[^{_STEERING}]*$"}
"""The same for programs that read JSON Schema."""
_NEVER: Final = re.compile(rf"[{_STEERING}\ud800-\udfff]")  # lone surrogates: bytes of a shell that are no text


def unfit(field: str, text: str) -> str | None:
    """What is wrong with a person's words in ``field``, and what to do; None when nothing is."""
    if len(text) > LONGEST:
        return f"{field}: {len(text)} characters are too many: at most {LONGEST}"
    if found := _NEVER.search(text):
        return f"{field}: character {found.start() + 1} is U+{ord(found[0]):04X}, a control character: leave it out"
    return None
