"""The journal as people read it: newest first, page by page, bounded whatever is asked."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from observer.domain.decision import Decision
from observer.domain.incident import Incident, Phase
from observer.journal.codec import decode
from observer.journal.connect import guarded
from observer.journal.tables import DECISIONS, INCIDENTS
from observer.ports.stores import DecisionSearch, Mark


class SqlArchive:
    """Implements ``ports.stores.Archive`` on the journal's own database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def decisions(self, search: DecisionSearch) -> Sequence[Decision]:
        """See ``Archive.decisions``."""
        return [decode(body, Decision) for body in await self._bodies(_decisions(search))]

    async def incidents(
        self, *, closed: bool | None = None, before: Mark | None = None, limit: int = 50
    ) -> Sequence[Incident]:
        """See ``Archive.incidents``."""
        query = sa.select(INCIDENTS.c.body)
        if closed is not None:
            ended = INCIDENTS.c.phase == Phase.CLOSED.value
            query = query.where(ended if closed else ~ended)
        if before is not None:
            query = query.where(_older(INCIDENTS.c.opened, INCIDENTS.c.id, before))
        query = query.order_by(INCIDENTS.c.opened.desc(), INCIDENTS.c.id.desc()).limit(limit)
        return [decode(body, Incident) for body in await self._bodies(query)]

    async def incident(self, key: str) -> Incident | None:
        """See ``Archive.incident``."""
        found = await self._bodies(sa.select(INCIDENTS.c.body).where(INCIDENTS.c.id == key))
        return decode(found[0], Incident) if found else None

    async def _bodies(self, query: sa.Select[str]) -> Sequence[str]:
        with guarded("cannot be read"):
            async with self._engine.connect() as connection:
                return (await connection.scalars(query)).all()


def _decisions(search: DecisionSearch) -> sa.Select[str]:
    found = DECISIONS.c
    query = sa.select(found.body).where(found.at >= search.since)
    for column, wanted in (
        (found.subject, search.subject),
        (found.incident, search.incident),
        (found.kind, search.kind),
        (found.verdict, search.verdict),
    ):
        if wanted:
            query = query.where(column == wanted)
    if search.namespace:
        query = query.where(found.subject.like(f"% {_literal(search.namespace)}/%", escape="\\"))
    if search.before is not None:
        query = query.where(_older(found.at, found.id, search.before))
    query = query.order_by(found.at.desc(), found.id.desc())
    if not search.text:
        return query.limit(search.limit)
    # Only so many rows are looked through: a word that nobody wrote must not cost a scan of three months.
    newest = query.add_columns(found.at, found.id).limit(search.depth).subquery()
    fits = newest.c.body.ilike(f"%{_literal(search.text)}%", escape="\\")
    ordered = sa.select(newest.c.body).where(fits).order_by(newest.c.at.desc(), newest.c.id.desc())
    return ordered.limit(search.limit)


def _older(at: sa.Column[float], key: sa.Column[str], mark: Mark) -> sa.ColumnElement[bool]:
    return (at < mark.at) | ((at == mark.at) & (key < mark.id))


def _literal(text: str) -> str:
    """The text itself, not a pattern."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
