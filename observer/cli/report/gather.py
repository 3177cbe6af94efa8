"""Reads what a summary stands on: the journal, the objectives of today, and the daemon where it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from observer.app import open_journal
from observer.cli.door import ApiClient
from observer.cli.failures import ApiError
from observer.cli.moments import instant
from observer.config.openslo.recalled import recalled
from observer.config.openslo.wanted import ObjectiveSet
from observer.config.reload import rules_of
from observer.config.settings.model import Settings
from observer.domain.errors import ConfigError
from observer.domain.slo import RollingWindow
from observer.domain.summary import HealthSummary
from observer.engine.summary import Records, summarize

MOST: Final = 20_000
"""Decisions that are read at most, the newest."""
LONGEST_PERIOD: Final = 372 * 86_400.0


async def gather(settings: Settings, since: float, until: float, door: ApiClient) -> HealthSummary:
    """The summary of ``since`` to ``until`` (Unix seconds). Raises: JournalUnavailable."""
    objectives, notes = _objectives(settings, until)
    async with open_journal(settings) as journal:
        incidents = await journal.incidents(since=since)
        decisions = await journal.decisions(since=since, limit=MOST)
        sights = await journal.decisions(subject="observer", limit=MOST)
        acts = await journal.ledger(since)
        counts = await journal.counts.counts(min(since, until - _longest(objectives)), until)
    if len(decisions) == MOST:
        notes.append(f"more than {MOST} decisions: only those since {instant(decisions[0].at)} UTC were read")
    known = recalled(objectives, {one.objective for one in counts})
    gone = len({one.objective for one in counts if one.end > since} - known.keys())
    if gone:
        notes.append(f"{gone} objectives were counted that no document of today names: their targets are not known")
    notes += await _daemon(door)
    return summarize(Records(incidents, decisions, sights, acts, counts, known), since, until, notes)


def _objectives(settings: Settings, at: float) -> tuple[ObjectiveSet, list[str]]:
    try:
        return rules_of(settings, at).objectives, []
    except ConfigError as exc:
        first = str(exc).partition("\n")[0]
        return ObjectiveSet(), [f"policies and objectives cannot be read, so no budget has a target: {first}"]


def _longest(known: ObjectiveSet) -> float:
    """Seconds that the longest window of any objective reaches back."""
    every = [*known.plain, *(part for template in known.templates for part in template.parts)]
    spans = [one.window.seconds if isinstance(one.window, RollingWindow) else LONGEST_PERIOD for one in every]
    return max(spans, default=0.0)


async def _daemon(door: ApiClient) -> Sequence[str]:
    """What the running daemon says of itself; that it does not answer is worth a note, not an error."""
    live: Mapping[str, Any] | None = None
    why = "no address is set"
    try:
        live = await door.ask("/api/status")
    except ApiError as exc:
        why = str(exc)
    if live is None:
        return [f"the daemon did not answer, so nobody knows here whether it watches now: {why}"]
    found: list[str] = []
    with suppress(KeyError, TypeError):
        if live["paused"]:
            found.append(f"Observer is paused now: {live['paused_reason'] or 'no reason given'}")
        if live["halted"]:
            found.append(f"Observer has halted after a broken invariant: {live['halted']}")
        found += [
            f"{one['source']} is not asked now, its circuit is open: {one['reason']}"
            for one in live["circuits"]
            if one["state"] == "open"
        ]
    return found
