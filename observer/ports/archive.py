"""Reading back what the journal keeps, page by page: for the page and the API, never for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from observer.domain.decision import Decision
from observer.domain.incident import Incident


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where a page ends: instant (Unix seconds) and id of its last row; what follows is older."""

    at: float
    id: str


@dataclass(frozen=True, slots=True)
class DecisionSearch:
    """
    Which decisions; empty fields match all.

    ``subject``, ``incident``, ``kind`` and ``verdict`` match whole; ``namespace`` matches subjects in it; ``text`` is
    looked for in everything that was recorded. ``since`` is Unix seconds; at most the newest ``depth`` rows are
    searched for ``text``.
    """

    subject: str = ""
    incident: str = ""
    kind: str = ""
    verdict: str = ""
    namespace: str = ""
    text: str = ""
    since: float = 0.0
    before: Mark | None = None
    limit: int = 100
    depth: int = 20_000


class Archive(Protocol):
    """Newest first everywhere; every method raises ``JournalUnavailable``."""

    async def decisions(self, search: DecisionSearch) -> Sequence[Decision]: ...

    async def incidents(
        self, *, closed: bool | None = None, before: Mark | None = None, limit: int = 50
    ) -> Sequence[Incident]:
        """By the instant they were opened; ``closed`` None = open and closed ones."""
        ...

    async def incident(self, key: str) -> Incident | None: ...
