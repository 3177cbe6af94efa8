"""Durations (``1m30s``) and sizes (``256MiB``) as people write them."""

from __future__ import annotations

import re

_SECONDS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}

DURATION_PATTERN = r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m(?!s))?([0-9]+(\.[0-9]+)?s)?([0-9]+ms)?$"
SIZE_PATTERN = r"^[0-9]+(B|KiB|MiB|GiB|kB|MB|GB)?$"

_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_SIZE = re.compile(SIZE_PATTERN, re.ASCII)
_PART = re.compile(r"([0-9.]+)(ms|[dhms])")


def parse_duration(text: str) -> float:
    """
    Seconds of ``500ms``, ``5s``, ``2.5s``, ``1m30s``, ``24h``, ``7d``; units descend and none is left out.

    Raises: ValueError for anything else, a number without a unit included.
    """
    if not _DURATION.match(text):
        raise ValueError(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """The shortest spelling that ``parse_duration`` reads back to the same whole milliseconds."""
    left = round(seconds * 1000)
    if left == 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(text: str) -> int:
    """Bytes of ``1024``, ``64KiB``, ``256MiB``. Raises: ValueError for anything else."""
    if not _SIZE.match(text):
        raise ValueError(text)
    digits = text.rstrip("BKMGik")
    return int(digits) * _BYTES[text[len(digits) :]]


def format_size(count: int) -> str:
    """The largest binary unit that divides ``count`` evenly."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return f"{count}B"
