"""``observer incidents``: who was suspected, what was done, how it ended; from the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from observer.app import open_journal
from observer.cli.columns import columns
from observer.cli.moments import instant, span
from observer.cli.paint import PLAIN, Paint, Tone, harmless
from observer.config.settings.model import Settings
from observer.domain.incident import Incident, Phase
from observer.domain.outcome import Verification
from observer.runtime.status import incident_row

GOOD = frozenset({"fixed", "ended_by_itself"})
BAD = frozenset({"worse", "no_change"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which incidents.

    ``since`` (Unix seconds) keeps those that were still open then; ``namespace`` empty = all; the newest ``limit``.
    """

    now: float
    since: float = 0.0
    namespace: str = ""
    open_only: bool = False
    limit: int = 100


async def listed(settings: Settings, wanted: Wanted, paint: Paint = PLAIN) -> tuple[dict[str, Any], str]:
    """Returns what ``--json`` and the terminal show, newest first."""
    async with open_journal(settings) as journal:
        found = await journal.incidents(open_only=wanted.open_only, since=wanted.since)
    fitting = [one for one in reversed(found) if not wanted.namespace or namespace_of(one) == wanted.namespace]
    shown = fitting[: wanted.limit]
    body = {
        "since": wanted.since or None,
        "more": len(fitting) - len(shown),
        "incidents": [row_of(one) for one in shown],
    }
    return body, _text(shown, len(fitting) - len(shown), wanted, paint)


def namespace_of(incident: Incident) -> str:
    """Of the culprit or, for a node or zone, of the service it was seen at; empty for none."""
    return incident.culprit.namespace or (incident.service.namespace if incident.service is not None else "")


def row_of(incident: Incident) -> dict[str, Any]:
    """One incident for machines: the keys of ``observer status`` and how it went on."""
    return {
        **incident_row(incident),
        "namespace": namespace_of(incident),
        "service": str(incident.service) if incident.service is not None else None,
        "workload": str(incident.workload) if incident.workload is not None else None,
        "open": incident.phase is not Phase.CLOSED,
        "closed": incident.closed or None,
        "drain_verdict": incident.experiment.verdict.value if incident.experiment is not None else None,
        "verification": incident.check.verdict.value if incident.check is not None else None,
    }


def standing(incident: Incident) -> str:
    """Where it stands, or how it ended, in a word or two."""
    if incident.phase is Phase.CLOSED:
        return incident.closing.replace("_", " ")
    return f"{incident.phase.value}, held" if incident.blocked else incident.phase.value


def tone_of(incident: Incident) -> Tone:
    """Open ones ask for eyes; a closed one is good or bad news."""
    if incident.phase is not Phase.CLOSED:
        return Tone.WARN
    worse = incident.check is not None and incident.check.verdict is Verification.WORSE
    return Tone.BAD if worse or incident.closing in BAD else Tone.GOOD if incident.closing in GOOD else Tone.FAINT


def _text(shown: Sequence[Incident], more: int, wanted: Wanted, paint: Paint) -> str:
    if not shown:
        what = "no open incident" if wanted.open_only else "no incident"
        where = f" in namespace {wanted.namespace}" if wanted.namespace else ""
        return f"{what}{where}" + (f" since {instant(wanted.since)} UTC" if wanted.since else "")
    rows = []
    for one in shown:
        lasted = span((one.closed or wanted.now) - one.opened)
        hurt = f"{one.symptom.value} {100 * one.p1:.1f} % ({100 * one.p0:.1f} %)"
        state = paint(harmless(standing(one)), tone_of(one))
        rows.append((one.id, instant(one.opened), lasted, state, hurt, harmless(str(one.culprit))))
    text = columns(("INCIDENT", "OPENED (UTC)", "LASTED", "STATE", "BAD (SIBLINGS)", "SUBJECT"), rows, paint)
    last = shown[0].culprit
    name = f"{last.namespace}/{last.name}" if last.namespace else last.name
    hint = f"\nwhy: observer why {last.kind.value}/{harmless(name)}"
    return text + (f"\nand {more} older; --limit shows more" if more else "") + paint(hint, Tone.FAINT)
