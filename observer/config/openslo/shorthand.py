"""OpenSLO's duration shorthand: one whole number and one unit (``m h d w M Q Y``), case-sensitive."""

from __future__ import annotations

import re
from typing import Final

SHORTHAND_PATTERN: Final = r"^[1-9][0-9]*[mhdwMQY]$"

_SHORTHAND = re.compile(SHORTHAND_PATTERN, re.ASCII)
_DAY = 86_400.0
_SECONDS: Final = {
    "m": 60.0,
    "h": 3600.0,
    "d": _DAY,
    "w": 7 * _DAY,
    "M": 30 * _DAY,
    "Q": 90 * _DAY,
    "Y": 365 * _DAY,
}


def split(text: str) -> tuple[int, str]:
    """Count and unit of ``28d``. Raises: ValueError for anything that is no shorthand."""
    if not _SHORTHAND.match(text):
        raise ValueError(text)
    return int(text[:-1]), text[-1]


def seconds(text: str) -> float:
    """Length of ``28d`` in seconds; a month is 30 days, a quarter 90, a year 365. Raises: ValueError."""
    count, unit = split(text)
    return count * _SECONDS[unit]


def spelled(length: float) -> str:
    """The largest of ``w d h m`` that divides ``length`` seconds evenly. Raises: ValueError between whole minutes."""
    for unit in ("w", "d", "h", "m"):
        if length > 0 and length % _SECONDS[unit] == 0:
            return f"{int(length / _SECONDS[unit])}{unit}"
    raise ValueError(length)
