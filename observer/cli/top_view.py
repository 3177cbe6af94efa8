"""The daemon's overview as lines and tables, and as text: once for a pipe, again and again for a plain terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from observer.cli.api_client import ApiClient
from observer.cli.failures import ApiError
from observer.cli.moments import clock, span
from observer.cli.output import Paint, Tone, columns, harmless
from observer.engine.messages.wording import percent
from observer.web.models.answers import DecisionList, Overview
from observer.web.models.rows import DecisionRow, IncidentRow, State, WorkloadRow

MOST_ROWS: Final = 200
STATES: Final = {
    State.FAILING: Tone.BAD,
    State.BLOCKED: Tone.BAD,
    State.ACTING: Tone.WARN,
    State.SUSPECTED: Tone.WARN,
    State.DEGRADED: Tone.WARN,
    State.OVERDRAWN: Tone.WARN,
    State.UNKNOWN: Tone.WARN,
    State.IDLE: Tone.FAINT,
    State.HEALTHY: Tone.GOOD,
}
"""Worst first."""
CLEAR: Final = "\x1b[H\x1b[2J"
Styled = tuple[str, Tone | None]
"""Text with what its colour means."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; ``key`` is stable from tick to tick, ``query`` asks for the decisions about it."""

    key: str
    cells: tuple[Styled, ...]
    query: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """Heads and rows; ``note`` says what is left out, empty when nothing is."""

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class TopView:
    """Everything that is shown of one instant ``at`` (Unix seconds); ``lost`` says since when nothing new came."""

    at: float
    status: tuple[Styled, ...]
    action_required: tuple[Styled, ...]
    incidents: Table
    workloads: Table
    interventions: tuple[str, ...]
    lost: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadFilter:
    """Which workloads: of one namespace, holding a text in their name; empty = all."""

    namespace: str = ""
    text: str = ""

    def query(self) -> dict[str, str]:
        """The parameters of the overview."""
        parameters = {"limit": str(MOST_ROWS), "namespace": self.namespace, "q": self.text}
        return {key: value for key, value in parameters.items() if value}


Fetch = Callable[[], Awaitable[TopView]]


async def fetch(client: ApiClient, only: WorkloadFilter, now: float) -> TopView:
    """Ask the daemon. Raises: ApiError."""
    return view_of(await client.get("/api/v1/overview", Overview, only.query()), now)


async def decisions_about(client: ApiClient, query: dict[str, str]) -> list[str]:
    """The newest decisions about something, newest first, as lines. Raises: ApiError."""
    page = await client.get("/api/v1/decisions", DecisionList, {"limit": "100", **query})
    return [line for decision in page.decisions for line in _decision_lines(decision)] or ["no decision about it yet"]


def view_of(overview: Overview, now: float) -> TopView:
    """What an overview looks like; ``now`` is the present instant, Unix seconds."""
    rows, matching = len(overview.workloads), overview.matching
    some, all_open = len(overview.incidents), overview.incidents_open
    return TopView(
        at=overview.at,
        status=_status(overview, now),
        action_required=tuple(
            (f"{item.kind}  {harmless(item.text)}{_since(item.since)}", Tone.BAD) for item in overview.action_required
        ),
        incidents=Table(
            ("INCIDENT", "AGE", "PHASE", "BAD (OTHERS)", "EVIDENCE", "BLOCKED BY", "SUBJECT"),
            tuple(_incident(row, now) for row in overview.incidents),
            f"{some} of {all_open}" if all_open > some else "",
        ),
        workloads=Table(
            ("STATE", "WORKLOAD", "READY", "REQ/S", "ERRORS", "BUDGET", "BURN", "MODE", "WHAT"),
            tuple(_workload(row) for row in overview.workloads),
            f"{rows} of {matching}, most urgent first" if matching > rows else "",
        ),
        interventions=tuple(_decision_line(decision) for decision in overview.interventions),
    )


def _status(overview: Overview, now: float) -> tuple[Styled, ...]:
    control, age = overview.control, max(now - overview.at, 0.0)
    late = age > max(6 * overview.tick_seconds, 30.0)
    words: list[Styled] = [
        (control.mode.value, Tone.BOLD),
        (f"leader, term {control.term}" if control.leader else "standby: observing only", None),
        (f"tick {overview.tick}, {span(age)} ago", Tone.BAD if late else None),
    ]
    if control.paused:
        words.append((f"PAUSED: {harmless(control.reason)}".rstrip(": "), Tone.BAD))
    if control.halted:
        words.append((f"HALTED: {harmless(control.halted)}", Tone.BAD))
    if not overview.complete:
        words.append(("DATA INCOMPLETE: no actions", Tone.BAD))
    counts = [(state, overview.states[state]) for state in STATES if overview.states.get(state)]
    words += [(f"{count} {state.value}", STATES[state]) for state, count in counts]
    return tuple(words)


def _incident(row: IncidentRow, now: float) -> Row:
    blocked = ", ".join(block.reason.replace("_", " ") for block in row.blocked)
    cells = (
        (row.id, None),
        (span(now - row.opened), None),
        (row.phase.value, Tone.WARN),
        (f"{percent(row.bad_rate)} ({percent(row.peer_bad_rate)})", Tone.BAD),
        (f"{row.evidence_score:.1f}", None),
        (harmless(blocked), Tone.WARN),
        (harmless(row.subject), Tone.BOLD),
    )
    return Row(row.id, cells, {"incident": row.id})


def _workload(row: WorkloadRow) -> Row:
    wanted = row.pods if row.desired is None else row.desired
    spent = row.budget_left is not None and row.budget_left <= 0.0
    cells = (
        (row.state.value, STATES[row.state]),
        (harmless(f"{row.namespace}/{row.name}"), Tone.BOLD),
        (f"{row.ready}/{wanted}", Tone.WARN if row.ready < wanted else None),
        (_figure(row.requests, "{:.1f}"), None),
        (percent(row.error_rate) if row.error_rate is not None else "-", Tone.BAD if row.error_rate else None),
        (_share(row.budget_left), Tone.BAD if spent else None),
        (_figure(row.burn, "{:.1f}x"), Tone.WARN if row.burn is not None and row.burn > 1.0 else None),
        (row.mode.value if row.enabled else f"{row.mode.value}, not enabled", None),
        (harmless(row.headline), None),
    )
    return Row(f"{row.namespace}/{row.kind}/{row.name}", cells, {"namespace": row.namespace, "q": row.name})


def _decision_line(decision: DecisionRow) -> str:
    return f"{clock(decision.at)}  {decision.verdict.value:<7} {decision.kind:<14} {harmless(decision.text)}"


def _decision_lines(decision: DecisionRow) -> list[str]:
    blocks = [f"{'':10}{block.guard}: {harmless(block.detail)}" for block in decision.blocked_by]
    return [_decision_line(decision), *blocks]


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    return f"-{percent(-value)}" if value < 0.0 else percent(value)


def _since(at: float | None) -> str:
    return f"  (since {clock(at)} UTC)" if at else ""


def text(view: TopView, paint: Paint) -> str:
    """Everything that is shown, the most urgent first."""
    lines = ["  ".join(_painted(words, paint) for words in view.status)]
    if view.lost:
        lines.append(paint(view.lost, Tone.BAD))
    required = [_painted(words, paint) for words in view.action_required]
    lines += ["", paint("ACTION REQUIRED", Tone.BOLD), *(required or ("none",))]
    for name, table in (("OPEN INCIDENTS", view.incidents), ("WORKLOADS", view.workloads)):
        head = f"{name}  {table.note}".rstrip()
        lines += ["", paint(head, Tone.BOLD), _table(table, paint) if table.rows else "none"]
    lines += ["", paint("LATEST INTERVENTIONS", Tone.BOLD), *(view.interventions or ("none",))]
    return "\n".join(lines)


async def refreshed(
    fetch: Fetch, write: Callable[[str], None], sleep: Callable[[float], Awaitable[None]], paint: Paint, every: float
) -> None:
    """Write view after view until cancelled; one that did not come leaves the last with a word about it."""
    view = await fetch()
    while True:
        write(CLEAR + text(view, paint) + "\n")
        await sleep(every)
        view = await again(fetch, view)


async def again(fetch: Fetch, view: TopView) -> TopView:
    """The next view, or the last one and why there is no newer. The first failure's instant stays."""
    try:
        return await fetch()
    except ApiError as exc:
        return view if view.lost else replace(view, lost=f"nothing new since {clock(view.at)} UTC: {exc}")


def _table(table: Table, paint: Paint) -> str:
    return columns(table.head, [[_painted(cell, paint) for cell in row.cells] for row in table.rows], paint)


def _painted(words: Styled, paint: Paint) -> str:
    text, tone = words
    return paint(text, tone) if tone is not None else text
