"""Counters that objectives are counted from, as a metric source read them at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from observer.domain.counts import FloatArray
from observer.domain.ids import ServiceRef

GOOD: Final = 0
BAD: Final = 1
TOTAL: Final = 2


class Series(NamedTuple):
    """
    One counter.

    ``row`` is the objective's, ``column`` says what it counts (``GOOD``, ``BAD`` or ``TOTAL``), ``pod`` is the
    scraped pod ``(namespace, pod)`` or empty, ``rest`` tells series of the same pod apart.
    """

    row: int
    column: int
    pod: tuple[str, str]
    rest: str


class Parts(IntEnum):
    """Which two of the three columns an objective counts."""

    GOOD_AND_BAD = 0
    BAD_OF_TOTAL = 1
    GOOD_OF_TOTAL = 2


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Counters at one instant. ``values`` has shape (len(series),); ``series`` are unique."""

    at: float
    series: tuple[Series, ...]
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ObjectiveFrame:
    """
    Everything the metric source said about a set of objectives at one instant.

    Attributes:
        readings: their counters. Rows below the number of objectives are objectives; row ``n + i`` is the second view
            of service ``views[i]``: GOOD holds the calls that its callers saw arrive, BAD those that its pods saw.
        failed: rows whose questions were not answered whole, and why.
        scraped: last scrape of each target, Unix seconds; 0 = down. None when that question failed.
    """

    readings: Readings
    views: tuple[ServiceRef, ...] = ()
    failed: Mapping[int, str] = field(default_factory=dict)
    scraped: Mapping[tuple[str, str], float] | None = None
