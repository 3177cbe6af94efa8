"""Keeps the journal from growing for ever: old decisions and settled acts are dropped, a bounded number at a time."""

from __future__ import annotations

import structlog

from observer.domain.errors import JournalUnavailable
from observer.ports.sources import Clock
from observer.ports.stores import Journal

log = structlog.get_logger(__name__)

KEPT_SECONDS = 30 * 86_400.0
"""Longer than any budget, back-off or freeze looks back; the audit trail keeps everything."""
EVERY_SECONDS = 3_600.0


async def keep_journal_small(journal: Journal, clock: Clock) -> None:
    """Prune once an hour until cancelled; a journal that fails is told and asked again an hour later."""
    while True:
        await clock.sleep(EVERY_SECONDS)
        try:
            dropped = await journal.prune(clock.now() - KEPT_SECONDS)
        except JournalUnavailable as exc:
            log.warning("journal_prune_failed", detail=str(exc))
        else:
            log.info("journal_pruned", rows=dropped)
