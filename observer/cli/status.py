"""``observer status``: from the daemon when it answers, else from the journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from observer.app import open_journal
from observer.config.model import Settings
from observer.runtime.state import incident_row


async def current(settings: Settings) -> tuple[dict[str, Any], str]:
    """Returns what ``--json`` and the terminal show."""
    live = await _from_daemon(settings.listen)
    if live is not None:
        return {"source": "daemon", **live}, _live_text(live)
    async with open_journal(settings) as journal:
        rows = [incident_row(incident) for incident in await journal.incidents(open_only=True)]
    text = "the daemon does not answer; from the journal:\n" + _incidents_text(rows)
    return {"source": "journal", "incidents": rows}, text


async def _from_daemon(listen: str) -> dict[str, Any] | None:
    host, _, port = listen.rpartition(":")
    if port == "0":
        return None
    host = "127.0.0.1" if host in {"0.0.0.0", "", "[::]"} else host  # noqa: S104  (compared, not bound)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session,
            session.get(f"http://{host}:{port}/api/status") as answer,
        ):
            found = msgspec.json.decode(await answer.read())
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
        return None
    return found if answer.status == 200 and isinstance(found, dict) else None


def _live_text(live: dict[str, Any]) -> str:
    when = _time(live["last_tick"]) if live["last_tick"] else "never"
    lines = [
        f"mode      {live['mode']}" + ("   PAUSED: " + live["paused_reason"] if live["paused"] else ""),
        f"leader    {'yes, term ' + str(live['term']) if live['leader'] else 'no: observing only'}",
        f"ticks     {live['ticks']} ({live['complete_ticks']} complete), last {when} UTC",
        f"settings  {live['config']}",
    ]
    ruled = live["policies"]
    if ruled["identity"]:
        counts = ", ".join(f"{count} {mode}" for mode, count in ruled["workloads"].items()) or "no workload"
        lines.append(f"policies  {ruled['identity']}: {counts}")
    lines += [f"DISAGREE  {workload}: {why}" for workload, why in ruled["disagreeing"].items()]
    if not live["reload"]["ok"]:
        lines.append(f"REFUSED   edited files, the old ones hold: {live['reload']['detail']}")
    if live["reload"]["needs_restart"]:
        lines.append(f"restart   needed for: {', '.join(live['reload']['needs_restart'])}")
    if live["halted"]:
        lines.append(f"HALTED    {live['halted']}")
    lines += [_circuit_text(one) for one in live.get("circuits", ())]
    lines += [f"gap       {gap['source']} {gap['reason']}: {gap['detail']}" for gap in live["gaps"]]
    return "\n".join([*lines, _incidents_text(live["incidents"])])


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


def _incidents_text(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "no open incident"
    lines = []
    for row in rows:
        held = f"  held by {', '.join(row['held'])}" if row["held"] else ""
        lines.append(
            f"{row['id']}  {row['subject']}  {row['phase']}  {row['symptom']} {100 * row['bad_rate']:.1f} % "
            f"(siblings {100 * row['sibling_bad_rate']:.1f} %)  {row['nats']:.1f} nats{held}"
        )
    return "\n".join(lines)
