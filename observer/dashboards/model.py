"""What a dashboard consists of, before Grafana's own words for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How a panel draws its answers. TABLE asks for the present instant only, the others over time."""

    LINES = "lines"
    BARS = "bars"
    NUMBER = "number"
    STATES = "states"
    TABLE = "table"


class Colour(StrEnum):
    """Of thresholds and of values with a meaning."""

    GOOD = "green"
    DOUBTFUL = "orange"
    BAD = "red"
    NEUTRAL = "text"


@dataclass(frozen=True, slots=True)
class Target:
    """
    One query of a panel.

    ``needs_event`` is empty where a healthy installation always answers; otherwise it says in words what has to happen
    before there is a series at all.
    """

    expr: str
    legend: str = ""
    needs_event: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """
    Attributes:
        unit: of Grafana's list (``s``, ``percentunit``, ``reqps``, ``short`` ...).
        width: of 24 columns. height: in Grafana's rows.
        thresholds: colours from a value on, rising; the first one holds from the beginning.
        words: what single values are called, and their colour.
    """

    title: str
    description: str
    unit: str
    targets: tuple[Target, ...]
    shape: Shape = Shape.LINES
    width: int = 8
    height: int = 7
    thresholds: tuple[tuple[float, Colour], ...] = ()
    words: tuple[tuple[float, str, Colour], ...] = ()


def number(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str = "short",
    thresholds: tuple[tuple[float, Colour], ...] = (),
    words: tuple[tuple[float, str, Colour], ...] = (),
) -> Panel:
    """A small panel of one figure."""
    return Panel(title, description, unit, (Target(expr),), Shape.NUMBER, 4, 4, thresholds, words)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the dashboard: ``query`` is ``label_values(...)``, asked again when the time moves."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """
    Attributes:
        uid: at most 40 characters; its file and its address are named after it.
        since: how far back it looks when it is opened.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    since: str = "now-6h"

    def panels(self) -> Iterator[Panel]:
        """Every panel, in reading order."""
        for row in self.rows:
            yield from row.panels
