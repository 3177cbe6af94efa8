"""Plots as SVG made here: they need no script, and scripts that know more replace them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from observer import actions
from observer.web.models.incident import Point

WIDTH: Final = 600.0
HEIGHT: Final = 140.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot: its name, the word by which the style sheet draws it, and its points as SVG wants them."""

    name: str
    look: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A level with its name; ``y`` from the top."""

    name: str
    y: float


@dataclass(frozen=True, slots=True)
class Plot:
    """
    One plot. ``id`` is its key for scripts, ``top`` the value of its upper edge, ``unit`` how values are written.

    ``since`` and ``until`` are Unix seconds; ``figures`` is the newest figures in words.
    """

    id: str
    title: str
    unit: str
    top: float
    since: float
    until: float
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    figures: str


Get = Callable[[Point], float | None]
Gets = Sequence[tuple[str, Get]]
"""Lines of a plot: a name, and how a point is read."""


def plots_of(points: Sequence[Point], needed: Mapping[str, float]) -> tuple[Plot, ...]:
    """Bad rate, requests and evidence; empty while there are fewer than two points."""
    if len(points) < 2:
        return ()
    rates = _plot(
        "rate", "Bad requests", "%", points, (("pod", lambda p: p.own), ("other replicas", lambda p: p.peers))
    )
    counts: Gets = (("pod", lambda p: p.own_requests), ("mean replica", lambda p: p.peer_requests))
    traffic = _plot("traffic", "Requests a second", "", points, counts)
    tiers = {actions.of(kind).tier.name.lower() for kind in actions.selectable()}
    levels = {tier: score for tier, score in needed.items() if tier in tiers}
    evidence = _plot("evidence", "Evidence", "", points, (("evidence", lambda p: p.evidence_score),), levels)
    return rates, traffic, evidence


def _plot(
    key: str,
    title: str,
    unit: str,
    points: Sequence[Point],
    gets: Gets,
    levels: Mapping[str, float] | None = None,
) -> Plot:
    values = [value for _, get in gets for point in points if (value := get(point)) is not None]
    highest = max([*values, *(levels or {}).values()], default=0.0)
    top = 1.05 * highest if highest > 0.0 else 1.0
    since, until = points[0].at, points[-1].at
    wide = max(until - since, 1.0)

    def place(point: Point, value: float) -> str:
        return f"{(point.at - since) / wide * WIDTH:.1f},{(1.0 - value / top) * HEIGHT:.1f}"

    looks = ("one", "two")
    lines = tuple(
        Line(name, look, tuple(_runs(points, get, place))) for (name, get), look in zip(gets, looks, strict=False)
    )
    marks = tuple(Mark(name, round((1.0 - level / top) * HEIGHT, 1)) for name, level in (levels or {}).items())
    newest = [f"{name} {_figure(value, unit)}" for name, get in gets if (value := _newest(points, get)) is not None]
    return Plot(key, title, unit, top, since, until, lines, marks, ", ".join(newest))


def _runs(points: Sequence[Point], get: Get, place: Callable[[Point, float], str]) -> list[str]:
    """A line is cut where its value is not known."""
    runs: list[list[str]] = [[]]
    for point in points:
        value = get(point)
        if value is not None:
            runs[-1].append(place(point, value))
        elif runs[-1]:
            runs.append([])
    return [" ".join(run) for run in runs if len(run) > 1]


def _newest(points: Sequence[Point], get: Get) -> float | None:
    return next((value for point in reversed(points) if (value := get(point)) is not None), None)


def _figure(value: float, unit: str) -> str:
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.1f}"
