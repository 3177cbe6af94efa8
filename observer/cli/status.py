"""``observer status``: from the daemon when it answers, else from the journal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from observer.app.commands import open_journal
from observer.cli.application import CaFile, Config, Json, TokenFile, Url, app, awaited, client_from, settings_from
from observer.cli.failures import DaemonUnreachable
from observer.cli.moments import clock
from observer.cli.output import PLAIN, Paint, Tone, harmless, paint_for, show
from observer.domain.errors import JournalUnavailable

if TYPE_CHECKING:
    from observer.cli.api_client import ApiClient
    from observer.config.settings.model import Settings
    from observer.web.models.answers import CircuitStatus, OverdrawnObjective, Status
    from observer.web.models.rows import IncidentRow

MOST_OVERDRAWN: Final = 10


@app.command()
def status(
    url: Url = "", token_file: TokenFile = "", ca_file: CaFile = "", config: Config = None, json: Json = False
) -> None:
    """Print what Observer is doing now: mode, sources, open incidents; from the daemon, else from the journal."""
    settings = settings_from(config)
    client = client_from(settings, url, token_file, ca_file)
    body, text = awaited(current(settings, client, paint_for(sys.stdout)))
    show(body, text, json=json)


class JournalStatus(Struct, frozen=True):
    """What ``--json`` prints when the daemon does not answer: the open incidents of the journal."""

    source: str
    incidents: tuple[IncidentRow, ...]


async def current(
    settings: Settings, client: ApiClient, paint: Paint = PLAIN
) -> tuple[JournalStatus | dict[str, object], str]:
    """
    Returns what ``--json`` and the terminal show.

    Raises: ApiError when a daemon answers and cannot be read, does not answer at an address that a person named, or
    does not answer and there is no journal either.
    """
    from observer.web.models.answers import Status

    try:
        status = await client.get("/api/v1/status", Status)
    except DaemonUnreachable as exc:
        if client.named:
            raise
        try:
            return await _from_journal(settings, f"{exc}\n  -> {exc.step}\nfrom the journal:\n")
        except JournalUnavailable as missing:
            raise DaemonUnreachable(f"{exc}, and {missing}", exc.step) from missing
    return {"source": "daemon", **structs.asdict(status)}, live_text(status, paint)


async def _from_journal(settings: Settings, why: str) -> tuple[JournalStatus, str]:
    from observer.web.views.rows import incident_row

    async with open_journal(settings) as journal:
        rows = tuple(incident_row(incident) for incident in await journal.incidents(open_only=True))
    return JournalStatus("journal", rows), why + _incidents_text(rows)


def live_text(status: Status, paint: Paint = PLAIN) -> str:
    """The status for a terminal, a fact a line."""
    last = clock(status.last_tick) if status.last_tick else "never"
    paused = paint(f"PAUSED: {status.paused_reason}", Tone.BAD) if status.paused else ""
    policies, reload = status.policies, status.reload
    lines = [
        f"mode      {status.mode.value}" + (f"   {paused}" if paused else ""),
        f"leader    {f'yes, term {status.term}' if status.leader else 'no: observing only'}",
        f"ticks     {status.ticks} ({status.complete_ticks} complete), last {last} UTC",
        f"settings  {status.config}",
    ]
    if policies.identity:
        counts = ", ".join(f"{count} {mode}" for mode, count in policies.workloads.items()) or "no workload"
        lines.append(f"policies  {policies.identity}: {counts}")
    lines += [f"{paint('CONFLICT', Tone.BAD)}  {name}: {why}" for name, why in policies.conflicting.items()]
    if not reload.ok:
        rejected = paint("REJECTED", Tone.BAD)
        lines.append(f"{rejected}  edited files; the previous ones stay in force: {reload.detail}")
    if reload.needs_restart:
        lines.append(f"restart   needed for: {', '.join(reload.needs_restart)}")
    if status.halted:
        lines.append(f"{paint('HALTED', Tone.BAD)}    {status.halted}")
    lines += [circuit_text(circuit) for circuit in status.circuits]
    lines += [f"{paint('gap', Tone.WARN)}       {gap.source} {gap.reason}: {gap.detail}" for gap in status.gaps]
    lines += _overdrawn_lines(status.overdrawn, paint)
    return "\n".join([*lines, _incidents_text(status.incidents, paint)])


def _overdrawn_lines(rows: Sequence[OverdrawnObjective], paint: Paint) -> list[str]:
    """Services whose budget is overdrawn, the worst first; ``observer top`` has them all."""
    from observer.engine.messages.wording import percent

    word = paint("OVERDRAWN", Tone.WARN)
    lines = [
        f"{word} {harmless(row.service)}: {harmless(row.objective)}, by {percent(-row.budget_left)}"
        for row in rows[:MOST_OVERDRAWN]
    ]
    more = len(rows) - len(lines)
    return [*lines, *([f"{word} and {more} more"] if more else [])]


def circuit_text(circuit: CircuitStatus) -> str:
    """One source that is left alone for a while when it fails."""
    if not circuit.since:
        return f"{circuit.source:<10}not asked yet"
    last = f"{clock(circuit.last_success)} UTC" if circuit.last_success else "never"
    text = f"{circuit.source:<10}{circuit.state} since {clock(circuit.since)} UTC, last answer {last}"
    if circuit.state == "open":
        text += f", asked again at {clock(circuit.retry_at)} UTC"
    why = f"; failures: {circuit.failures}, the last {circuit.reason}: {circuit.detail}"
    return text + (why if circuit.reason else "")


def _incidents_text(rows: Sequence[IncidentRow], paint: Paint = PLAIN) -> str:
    from observer.engine.messages.wording import percent

    if not rows:
        return paint("no open incident", Tone.GOOD)
    lines = []
    for row in rows:
        reasons = ", ".join(block.reason for block in row.blocked)
        blocked = paint(f"  blocked by {reasons}", Tone.WARN) if reasons else ""
        lines.append(
            f"{row.id}  {paint(harmless(row.subject), Tone.BOLD)}  {row.phase.value}  {row.symptom.value} "
            f"{percent(row.bad_rate)} (other replicas {percent(row.peer_bad_rate)})  "
            f"evidence {row.evidence_score:.1f}{blocked}"
        )
    return "\n".join(lines)
