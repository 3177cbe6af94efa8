"""``observer status``: from the daemon when it answers, else from the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from observer.app import open_journal
from observer.cli.door import NAME_IT, ApiClient
from observer.cli.failures import ApiError, DaemonUnreachable
from observer.cli.paint import PLAIN, Paint, Tone, harmless
from observer.config.settings.model import Settings
from observer.domain.errors import JournalUnavailable
from observer.engine.messages.wording import percent
from observer.runtime.state import incident_row

MOST_OVERDRAWN: Final = 10


async def current(settings: Settings, door: ApiClient, paint: Paint = PLAIN) -> tuple[dict[str, Any], str]:
    """
    Returns what ``--json`` and the terminal show.

    Raises: DoorError when a daemon answers and cannot be read, does not answer at an address that a person named, or
    does not answer and there is no journal either.
    """
    try:
        live = await door.ask("/api/status")
    except DaemonUnreachable as exc:
        if door.named:
            raise
        try:
            return await _from_journal(settings, f"{exc}\n  -> {exc.step}\nfrom the journal:\n")
        except JournalUnavailable as missing:
            raise DaemonUnreachable(f"{exc}, and {missing}", exc.step) from missing
    if not isinstance(live, dict) or "mode" not in live:
        raise ApiError(f"{door.url} answers, but not as Observer does", NAME_IT)
    return {"source": "daemon", **live}, _live_text(live, paint)


async def _from_journal(settings: Settings, why: str) -> tuple[dict[str, Any], str]:
    async with open_journal(settings) as journal:
        rows = [incident_row(incident) for incident in await journal.incidents(open_only=True)]
    return {"source": "journal", "incidents": rows}, why + _incidents_text(rows)


def _live_text(live: dict[str, Any], paint: Paint = PLAIN) -> str:
    when = _time(live["last_tick"]) if live["last_tick"] else "never"
    paused = paint(f"PAUSED: {live['paused_reason']}", Tone.BAD) if live["paused"] else ""
    lines = [
        f"mode      {live['mode']}" + (f"   {paused}" if paused else ""),
        f"leader    {'yes, term ' + str(live['term']) if live['leader'] else 'no: observing only'}",
        f"ticks     {live['ticks']} ({live['complete_ticks']} complete), last {when} UTC",
        f"settings  {live['config']}",
    ]
    ruled = live["policies"]
    if ruled["identity"]:
        counts = ", ".join(f"{count} {mode}" for mode, count in ruled["workloads"].items()) or "no workload"
        lines.append(f"policies  {ruled['identity']}: {counts}")
    disagree, gap_word = paint("DISAGREE", Tone.BAD), paint("gap", Tone.WARN)
    lines += [f"{disagree}  {workload}: {why}" for workload, why in ruled["disagreeing"].items()]
    if not live["reload"]["ok"]:
        refused = paint("REFUSED", Tone.BAD)
        lines.append(f"{refused}   edited files, the old ones hold: {live['reload']['detail']}")
    if live["reload"]["needs_restart"]:
        lines.append(f"restart   needed for: {', '.join(live['reload']['needs_restart'])}")
    if live["halted"]:
        lines.append(f"{paint('HALTED', Tone.BAD)}    {live['halted']}")
    lines += [_circuit_text(one) for one in live.get("circuits", ())]
    lines += [f"{gap_word}       {gap['source']} {gap['reason']}: {gap['detail']}" for gap in live["gaps"]]
    lines += _overdrawn_lines(live.get("overdrawn", ()), paint)
    return "\n".join([*lines, _incidents_text(live["incidents"], paint)])


def _overdrawn_lines(rows: Sequence[dict[str, Any]], paint: Paint) -> list[str]:
    """Services whose budget is overdrawn, the worst first; ``observer top`` has them all."""
    word = paint("OVERDRAWN", Tone.WARN)
    lines = [
        f"{word} {harmless(one['service'])}: {harmless(one['objective'])}, by {percent(-one['budget_left'])}"
        for one in rows[:MOST_OVERDRAWN]
    ]
    more = len(rows) - len(lines)
    return [*lines, *([f"{word} and {more} more"] if more else [])]


def _circuit_text(one: dict[str, Any]) -> str:
    if not one["since"]:
        return f"{one['source']:<10}not asked yet"
    last = _time(one["last_success"]) + " UTC" if one["last_success"] else "never"
    text = f"{one['source']:<10}{one['state']} since {_time(one['since'])} UTC, last answer {last}"
    if one["state"] == "open":
        text += f", asked again at {_time(one['retry_at'])} UTC"
    return text + (f"; failures: {one['failures']}, the last {one['reason']}: {one['detail']}" if one["reason"] else "")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _incidents_text(rows: list[dict[str, Any]], paint: Paint = PLAIN) -> str:
    if not rows:
        return paint("no open incident", Tone.GOOD)
    lines = []
    for row in rows:
        held = paint(f"  held by {', '.join(row['blocked'])}", Tone.WARN) if row["blocked"] else ""
        subject = paint(harmless(row["subject"]), Tone.BOLD)
        lines.append(
            f"{row['id']}  {subject}  {row['phase']}  {row['symptom']} {100 * row['bad_rate']:.1f} % "
            f"(siblings {100 * row['peer_bad_rate']:.1f} %)  {row['evidence_score']:.1f} nats{held}"
        )
    return "\n".join(lines)
