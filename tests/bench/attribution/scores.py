"""Hits of so many cases, with their interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Hits of so many cases, with Wilson's 95 % interval, and what was published for comparison."""

    what: str
    hits: int
    cases: int
    low: float
    high: float
    published: str = ""

    @property
    def rate(self) -> float:
        return self.hits / self.cases


def score(what: str, hits: Sequence[bool], published: str = "") -> Score:
    """Count them up; of no cases nothing is known."""
    n, k = len(hits), sum(hits)
    if not n:
        return Score(what, 0, 0, 0.0, 1.0, published)
    z = 1.96
    middle = (k + z * z / 2) / (n + z * z)
    half = z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return Score(what, k, n, max(middle - half, 0.0), min(middle + half, 1.0), published)


def row(one: Score) -> str:
    """One printed line."""
    interval = f"{one.low:.2f} .. {one.high:.2f}"
    return f"{one.what:<58} {one.hits:>3}/{one.cases:<3} {one.rate:5.3f}  ({interval})  {one.published}".rstrip()
