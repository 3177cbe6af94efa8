"""The daemon's overview as lines and tables, for whichever screen shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from observer.cli.door import NAME_IT, ApiClient
from observer.cli.failures import ApiError
from observer.cli.moments import clock, span
from observer.cli.paint import Tone, harmless
from observer.cli.top.wire import Overview
from observer.engine.messages.wording import percent

MOST_ROWS: Final = 200
STATES: Final = {
    "failing": Tone.BAD,
    "blocked": Tone.BAD,
    "acting": Tone.WARN,
    "suspected": Tone.WARN,
    "degraded": Tone.WARN,
    "overdrawn": Tone.WARN,
    "unknown": Tone.WARN,
    "idle": Tone.FAINT,
    "healthy": Tone.GOOD,
}
"""Worst first."""

Words = tuple[str, Tone | None]
"""Text with what its colour means."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; ``key`` is stable from picture to picture, ``query`` asks for the decisions about it."""

    key: str
    cells: tuple[Words, ...]
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
    status: tuple[Words, ...]
    asks: tuple[Words, ...]
    incidents: Table
    workloads: Table
    did: tuple[str, ...]
    lost: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadFilter:
    """Which workloads: of one namespace, holding a text in their name; empty = all."""

    namespace: str = ""
    text: str = ""

    def query(self) -> dict[str, str]:
        """The parameters of the overview."""
        asked = {"limit": str(MOST_ROWS), "namespace": self.namespace, "q": self.text}
        return {key: value for key, value in asked.items() if value}


async def look(door: ApiClient, question: WorkloadFilter, now: float) -> TopView:
    """ActionRequired the daemon. Raises: DoorError."""
    body = await door.ask("/api/v1/overview", question.query())
    try:
        return board_of(msgspec.convert(body, Overview), now)
    except msgspec.ValidationError as exc:
        raise ApiError(
            f"{door.url} is an Observer of another version: {exc}", "use the command of its version"
        ) from exc


async def decisions_about(door: ApiClient, query: dict[str, str]) -> list[str]:
    """The newest decisions about something, newest first, as lines. Raises: DoorError."""
    body = await door.ask("/api/v1/decisions", {"limit": "100", **query})
    found: Any = body.get("decisions") if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise ApiError(f"{door.url} answers, but not as Observer does", NAME_IT)
    return [line for one in found for line in _decision(one)] or ["no decision about it yet"]


def board_of(seen: Overview, now: float) -> TopView:
    """The board of one overview; ``now`` is the present instant, Unix seconds."""
    shown = len(seen.workloads)
    more = f"{shown} of {seen.matching}, most urgent first" if seen.matching > shown else ""
    some = len(seen.incidents)
    others = f"{some} of {seen.incidents_open}" if seen.incidents_open > some else ""
    return TopView(
        at=seen.at,
        status=_status(seen, now),
        asks=tuple((f"{one.kind}  {harmless(one.text)}{_since(one.since)}", Tone.BAD) for one in seen.asks),
        incidents=Table(
            ("INCIDENT", "AGE", "PHASE", "BAD (SIBLINGS)", "NATS", "HELD BY", "SUBJECT"),
            tuple(_incident(one, now) for one in seen.incidents),
            others,
        ),
        workloads=Table(
            ("STATE", "WORKLOAD", "READY", "REQ/S", "ERRORS", "BUDGET", "BURN", "MODE", "WHAT"),
            tuple(_workload(one) for one in seen.workloads),
            more,
        ),
        did=tuple(f"{clock(one.at)}  {one.verdict:<5} {one.kind:<14} {harmless(one.text)}" for one in seen.did),
    )


def _status(seen: Overview, now: float) -> tuple[Words, ...]:
    control, age = seen.control, max(now - seen.at, 0.0)
    late = age > max(6 * seen.tick_seconds, 30.0)
    found: list[Words] = [
        (control.mode, Tone.BOLD),
        (f"leader, term {control.term}" if control.leader else "standby: observing only", None),
        (f"tick {seen.tick}, {span(age)} ago", Tone.BAD if late else None),
    ]
    if control.paused:
        found.append((f"PAUSED: {harmless(control.reason)}".rstrip(": "), Tone.BAD))
    if control.halted:
        found.append((f"HALTED: {harmless(control.halted)}", Tone.BAD))
    if not seen.sighted:
        found.append(("BLIND: touches nothing", Tone.BAD))
    known = [(state, seen.states[state]) for state in STATES if seen.states.get(state)]
    found += [(f"{count} {state}", STATES[state]) for state, count in known]
    return tuple(found)


def _incident(one: Any, now: float) -> Row:
    blocked = ", ".join(each.reason.replace("_", " ") for each in one.blocked)
    rates = f"{percent(one.bad_rate)} ({percent(one.peer_bad_rate)})"
    cells: Sequence[Words] = (
        (one.id, None),
        (span(now - one.opened), None),
        (one.phase, Tone.WARN),
        (rates, Tone.BAD),
        (f"{one.evidence_score:.1f}", None),
        (harmless(blocked), Tone.WARN),
        (harmless(one.subject), Tone.BOLD),
    )
    return Row(one.id, tuple(cells), {"incident": one.id})


def _workload(one: Any) -> Row:
    name = f"{one.namespace}/{one.name}"
    wanted = one.pods if one.desired is None else one.desired
    spent = one.budget_left is not None and one.budget_left <= 0.0
    cells: Sequence[Words] = (
        (one.state, STATES.get(one.state)),
        (harmless(name), Tone.BOLD),
        (f"{one.ready}/{wanted}", Tone.WARN if one.ready < wanted else None),
        (_figure(one.requests, "{:.1f}"), None),
        (percent(one.error_rate) if one.error_rate is not None else "-", Tone.BAD if one.error_rate else None),
        (_share(one.budget_left), Tone.BAD if spent else None),
        (_figure(one.burn, "{:.1f}x"), Tone.WARN if one.burn is not None and one.burn > 1.0 else None),
        (one.mode if one.enabled else f"{one.mode}, not enabled", None),
        (harmless(one.headline), None),
    )
    return Row(f"{one.namespace}/{one.kind}/{one.name}", tuple(cells), {"namespace": one.namespace, "q": one.name})


def _decision(one: dict[str, Any]) -> list[str]:
    lines = [f"{clock(one['at'])}  {one['verdict']:<5} {one['kind']:<14} {harmless(one['text'])}"]
    lines += [f"{'':10}{block['guard']}: {harmless(block['detail'])}" for block in one.get("blocked_by", ())]
    return lines


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    return f"-{percent(-value)}" if value < 0.0 else percent(value)


def _since(at: float | None) -> str:
    return f"  (since {clock(at)} UTC)" if at else ""
