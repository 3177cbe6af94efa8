"""Decisions as lines for a person who watches: when, what, to whom, why."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from observer.domain.decision import Decision, Verdict

_WORD = 15
_FIGURES = 6


class StorySink:
    """
    Implements ``ports.actuators.Sink``; ``write`` takes one finished line.

    Times are seconds since ``start`` (Unix seconds; the first decision's instant when None).
    """

    name = "story"

    def __init__(self, write: Callable[[str], None], start: float | None = None) -> None:
        self._write, self._start = write, start

    async def publish(self, decision: Decision) -> None:
        if self._start is None:
            self._start = decision.at
        self._write(story_line(decision, self._start))

    async def close(self) -> None:
        """Nothing is held."""


def story_line(decision: Decision, start: float, *, brief: bool = False) -> str:
    """One line: offset, word, sentence and, unless ``brief``, figures."""
    word = decision.kind.replace("_", " ").upper()
    if decision.verdict is Verdict.WOULD:
        word = f"WOULD {word}"
    facts = "" if brief else figures(decision.figures)
    tail = f"  [{facts}]" if facts else ""
    return f"{offset(decision.at - start)}  {word:<{_WORD}}  {' '.join(decision.text.split())}{tail}"


def offset(seconds: float) -> str:
    """``+1:05`` for 65 seconds, right-aligned to seven characters."""
    sign = "-" if seconds < 0 else "+"
    minutes, rest = divmod(round(abs(seconds)), 60)
    return f"{sign}{minutes}:{rest:02d}".rjust(7)


def figures(values: Mapping[str, float | str | bool | None]) -> str:
    """The first few figures as ``name value``; absent ones are left out."""
    parts = [f"{name.replace('_', ' ')} {_figure(value)}" for name, value in values.items() if value is not None]
    return ", ".join(parts[:_FIGURES])


def _figure(value: float | str | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
