"""Templates -> HTML. What is put into a template is escaped; how figures and times are written stands here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from observer import actions
from observer.domain.kinds import Kind
from observer.engine.messages.wording import percent
from observer.web.models.rows import State

DASH: Final = "\u2013"
GLYPHS: Final = {
    State.FAILING: "▲",
    State.BLOCKED: "■",
    State.ACTING: "▶",
    State.SUSPECTED: "◆",
    State.DEGRADED: "▼",
    State.OVERDRAWN: "⊖",
    State.UNKNOWN: "?",
    State.IDLE: "○",
    State.HEALTHY: "●",
}
"""A shape beside each colour: nobody has to tell them by the colour."""
SCRIPTS: Final = ("uplot.js", "uplot.css", "cytoscape.js")
"""Of others, for plots and the drawn graph, below ``static/vendor``; made by ``make page``."""
PAGES: Final = (
    ("/", "Overview"),
    ("/incidents", "Incidents"),
    ("/graph", "Graph"),
    ("/decisions", "Decisions"),
    ("/policies", "Policies"),
    ("/sources", "Sources"),
)


def environment() -> Environment:
    """With every filter that the templates use."""
    made = Environment(
        loader=PackageLoader("observer.web.page"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        clock=clock, stamp=stamp, iso=iso, ago=ago, percent=share, number=number, words=words, glyph=glyph
    )
    made.globals.update(pages=PAGES, states=tuple(State), asset=_Assets().address, evidence=evidence)
    made.globals.update(writing=_writing, steps=_steps, kinds=_kinds)
    return made


def _writing() -> list[str]:
    """Actions that change the cluster, mildest first."""
    return [spec.kind.value for spec in actions.writing()]


def _kinds() -> list[str]:
    """What a decision may tell, for whoever looks for one."""
    return sorted({*(kind.value for kind in Kind), *(spec.kind.value for spec in actions.every())})


def _steps() -> list[tuple[str, str]]:
    """The way of an incident: kinds of its decisions, and how people call them."""
    acted = [(spec.kind.value, spec.done, spec.effect) for spec in actions.writing()]
    tried = [(kind, done) for kind, done, effect in acted if effect is actions.Effect.EXPERIMENT]
    replaced = [(kind, done) for kind, done, effect in acted if effect is actions.Effect.REPLACEMENT]
    proof = [("drain_verdict", "proven by its callers")] if tried else []
    return [("suspected", "suspected"), *tried, *proof, *replaced, ("verified", "verified"), ("closed", "closed")]


class _Assets:
    """Addresses of static files that change with their content, so that browsers may keep them for good."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}

    def address(self, name: str) -> str:
        if name not in self._addresses:
            data = files("observer.web.page").joinpath("static", name).read_bytes()
            self._addresses[name] = f"/static/{name}?v={hashlib.blake2b(data, digest_size=6).hexdigest()}"
        return self._addresses[name]


def clock(at: float | None) -> str:
    """``14:03:05``, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S") if at else DASH


def stamp(at: float | None) -> str:
    """``2026-01-31 14:03:05``, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at else DASH


def iso(at: float | None) -> str:
    """For the ``datetime`` of a ``time`` element."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def ago(at: float | None, now: float) -> str:
    """``40 s``, ``5 min``, ``3 h``, ``2 d``."""
    if not at:
        return DASH
    seconds = max(now - at, 0.0)
    for most, unit, size in ((120.0, "s", 1.0), (7200.0, "min", 60.0), (172_800.0, "h", 3600.0)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400.0:.0f} d"


def share(value: float | None) -> str:
    """``31 %``; a dash for what is not known."""
    if value is None:
        return DASH
    text = f"-{percent(-value)}" if value < 0.0 else percent(value)
    return text.replace(" ", "\u00a0")  # a figure and its sign stay on one line


def number(value: float | None, digits: int = 1) -> str:
    """``12.3``; a dash for what is not known."""
    if value is None:
        return DASH
    return f"{value:,.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def evidence(score: float, needed: Mapping[str, float]) -> str:
    """``10.7 of 17.6 needed to drain``: against the next step that is not reached yet."""
    steps = [spec for spec in actions.every() if spec.selectable]
    for spec in steps:
        tier = spec.tier.name.lower()
        if score < needed[tier]:
            return f"{score:.1f} of {needed[tier]:.1f} needed to {spec.kind.value}"
    return f"{score:.1f}, enough to {steps[-1].kind.value} ({needed[steps[-1].tier.name.lower()]:.1f})"


def words(value: object) -> str:
    """A fixed word for people: ``approval_needed`` as ``approval needed``."""
    return str(value).replace("_", " ")


def glyph(state: State) -> str:
    """The shape of a state."""
    return GLYPHS[State(state)]


def built() -> bool:
    """The scripts of others are part of this build; without them every page reads all the same."""
    folder = files("observer.web.page").joinpath("static", "vendor")
    return all(folder.joinpath(name).is_file() for name in SCRIPTS)
