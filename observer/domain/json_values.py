"""JSON that others wrote, read without trusting its shape: what is not as expected counts as absent."""

from __future__ import annotations

from collections.abc import Mapping


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Mapping[str, object]]:
    """The objects of a JSON list; anything else holds none."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def number(value: object) -> float:
    """A JSON number; anything else is 0."""
    return float(value) if isinstance(value, int | float) else 0.0


def text(value: object) -> str:
    """A JSON string; anything else is empty."""
    return value if isinstance(value, str) else ""
