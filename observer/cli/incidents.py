"""``observer incidents``: who was suspected, what was done, how it ended; from the journal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from observer.app.commands import now, open_journal
from observer.cli.application import Config, Json, app, awaited, settings_from
from observer.cli.completion import namespaces
from observer.cli.moments import instant, span
from observer.cli.moments import since as instant_of
from observer.cli.output import PLAIN, Paint, Tone, columns, harmless, paint_for, show

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.web.models.rows import IncidentRow


GOOD = frozenset({"fixed", "ended_by_itself"})
BAD = frozenset({"worse", "no_change"})


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """
    Which incidents.

    ``since`` (Unix seconds) keeps those that were still open then; ``namespace`` empty = all; the newest ``limit``.
    """

    now: float
    since: float = 0.0
    namespace: str = ""
    open_only: bool = False
    limit: int = 100


@app.command()
def incidents(
    *,
    since: Annotated[
        str, typer.Option("--since", help="How far back: a duration (24h, 7d) or an instant with its zone.")
    ] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Only those of this namespace.", autocompletion=namespaces)
    ] = "",
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 100,
    config: Config = None,
    json: Json = False,
) -> None:
    """List incidents, newest first: who was suspected of what, where it stands or how it ended; from the journal."""
    at = now()
    wanted = IncidentFilter(at, instant_of(since, at) if since else 0.0, namespace, open_only, limit)
    body, text = awaited(listed(settings_from(config), wanted, paint_for(sys.stdout)))
    show(body, text, json=json)


class IncidentsBody(Struct, frozen=True):
    """What ``--json`` prints: ``more`` are older ones that were left out; ``since`` null = from the beginning."""

    since: float | None
    more: int
    incidents: tuple[IncidentRow, ...]


async def listed(settings: Settings, wanted: IncidentFilter, paint: Paint = PLAIN) -> tuple[IncidentsBody, str]:
    """Returns what ``--json`` and the terminal show, newest first."""
    from observer.web.views.rows import incident_row

    async with open_journal(settings) as journal:
        incidents = await journal.incidents(open_only=wanted.open_only, since=wanted.since)
    rows = [incident_row(incident) for incident in reversed(incidents)]
    matching = [row for row in rows if not wanted.namespace or row.namespace == wanted.namespace]
    first = tuple(matching[: wanted.limit])
    body = IncidentsBody(wanted.since or None, len(matching) - len(first), first)
    return body, _text(body, wanted, paint)


def standing(row: IncidentRow) -> str:
    """Where it stands, or how it ended, in a word or two."""
    if row.closed is not None:
        return row.outcome.replace("_", " ")
    return f"{row.phase.value}, blocked" if row.blocked else row.phase.value


def tone_of(row: IncidentRow) -> Tone:
    """Open ones ask for eyes; a closed one is good or bad news."""
    if row.closed is None:
        return Tone.WARN
    worse = row.verification == "worse"
    return Tone.BAD if worse or row.outcome in BAD else Tone.GOOD if row.outcome in GOOD else Tone.FAINT


def _text(body: IncidentsBody, wanted: IncidentFilter, paint: Paint) -> str:
    from observer.engine.messages.wording import percent

    if not body.incidents:
        what = "no open incident" if wanted.open_only else "no incident"
        where = f" in namespace {wanted.namespace}" if wanted.namespace else ""
        return f"{what}{where}" + (f" since {instant(wanted.since)} UTC" if wanted.since else "")
    cells = []
    for row in body.incidents:
        lasted = span((row.closed or wanted.now) - row.opened)
        impact = f"{row.symptom.value} {percent(row.bad_rate)} ({percent(row.peer_bad_rate)})"
        state = paint(harmless(standing(row)), tone_of(row))
        cells.append((row.id, instant(row.opened), lasted, state, impact, harmless(row.subject)))
    text = columns(("INCIDENT", "OPENED (UTC)", "LASTED", "STATE", "BAD (OTHERS)", "SUBJECT"), cells, paint)
    kind, _, name = body.incidents[0].subject.partition(" ")
    hint = f"\nwhy: observer why {kind}/{harmless(name)}"
    return text + (f"\nand {body.more} older; --limit shows more" if body.more else "") + paint(hint, Tone.FAINT)
