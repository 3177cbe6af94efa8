"""The inbox of alerts: what was accepted is on disk before the sender hears so, and is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from observer.domain.alert import Alert, AlertStatus
from observer.journal.codec import decode, encode
from observer.journal.connect import guarded
from observer.journal.tables import ALERTS

MOST_PENDING: Final = 10_000
"""More pending alerts than this are not handed to the loop at once; the oldest come first."""


class SqlAlertInbox:
    """Implements ``ports.stores.AlertInbox`` on the journal's own database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    async def accept(self, alerts: Sequence[Alert]) -> int:
        """See ``AlertInbox.accept``."""
        if not alerts:
            return 0
        rows: dict[str, dict[str, object]] = {}
        for alert in alerts:
            rows.setdefault(alert.id, _row(alert))  # one batch may hold the same news twice
        statement = self._insert(ALERTS).on_conflict_do_nothing().returning(ALERTS.c.id)
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                found = await connection.execute(statement, list(rows.values()))
                return len(found.all())

    async def pending(self) -> Sequence[Alert]:
        """See ``AlertInbox.pending``."""
        ended = ALERTS.alias("ended")
        resolved = (
            sa.select(ended.c.id)
            .where(ended.c.spell == ALERTS.c.spell, ended.c.status == AlertStatus.RESOLVED.value)
            .exists()
        )
        query = (
            sa.select(ALERTS.c.body)
            .where(ALERTS.c.status == AlertStatus.FIRING.value, ALERTS.c.answered.is_(None), ~resolved)
            .order_by(ALERTS.c.received, ALERTS.c.id)
            .limit(MOST_PENDING)
        )
        with guarded("cannot be read"):
            async with self._engine.connect() as connection:
                return [decode(body, Alert) for body in await connection.scalars(query)]

    async def answer(self, alert_id: str, answer: str, at: float) -> None:
        """See ``AlertInbox.answer``."""
        statement = sa.update(ALERTS).where(ALERTS.c.id == alert_id).values(answered=at, answer=answer)
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                await connection.execute(statement)

    async def prune(self, before: float) -> int:
        """See ``AlertInbox.prune``."""
        old = sa.select(ALERTS.c.id).where(ALERTS.c.received < before).order_by(ALERTS.c.received).limit(5000)
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                return (await connection.execute(sa.delete(ALERTS).where(ALERTS.c.id.in_(old)))).rowcount


def _row(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "spell": alert.spell,
        "status": alert.status.value,
        "received": alert.received,
        "answered": None,
        "answer": "",
        "body": encode(alert),
    }
