"""Envoy's default histogram buckets, which hold unless an annotation of the pod changes them."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

BUCKETS_MS: Final = (
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 30_000.0, 60_000.0,
    300_000.0, 600_000.0, 1_800_000.0, 3_600_000.0,
)  # fmt: skip
"""Upper bounds in milliseconds."""


def spellings(bound: float) -> tuple[str, ...]:
    """How servers write it: Prometheus before 3.0 keeps ``250``, later ones write ``250.0``."""
    short = f"{bound:.12g}"
    return (short,) if "." in short else (short, f"{short}.0")


def neighbours(bound: float) -> tuple[float, ...]:
    """The buckets beside ``bound``: one or two of them."""
    index = bisect_left(BUCKETS_MS, bound)
    return BUCKETS_MS[max(0, index - 1) : index + 1]
