"""Counts in sentences."""

from __future__ import annotations


def counted(count: int, thing: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"
