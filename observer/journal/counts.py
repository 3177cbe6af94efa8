"""
The ledger of objectives: events of each bucket, kept by the objective's identity alone.

Neither the metric server's retention nor another label, text or target changes what was counted. Fine buckets are kept
for days, coarse ones for more than a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from observer.domain.slo import DAY, LedgerCount
from observer.journal.connect import guarded
from observer.journal.tables import OBJECTIVE_COUNTS

FINE_KEPT: Final = 5 * DAY
COARSE_KEPT: Final = 400 * DAY
_AT_ONCE: Final = 500
_PRUNED: Final = 5000
_COARSE: Final = 3600.0


class SqlCountLedger:
    """Implements ``ports.stores.CountLedger`` on the journal's own database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    async def add(self, counts: Sequence[tuple[float, LedgerCount]]) -> None:
        """See ``CountLedger.add``."""
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                for start in range(0, len(counts), _AT_ONCE):
                    rows = [_row(width, one) for width, one in counts[start : start + _AT_ONCE]]
                    statement = self._insert(OBJECTIVE_COUNTS).values(rows)
                    new = statement.excluded
                    await connection.execute(
                        statement.on_conflict_do_update(
                            index_elements=["objective", "width", "ended"],
                            set_={"good": new.good, "total": new.total},
                            # Whoever saw less of a bucket (it has just started) does not overwrite who saw all of it.
                            where=new.total > OBJECTIVE_COUNTS.c.total,
                        )
                    )

    async def counts(self, since: float, now: float) -> Sequence[LedgerCount]:
        """See ``CountLedger.counts``."""
        table = OBJECTIVE_COUNTS.c
        fine_from = (now - FINE_KEPT) // _COARSE * _COARSE + _COARSE
        coarse = (table.width == _COARSE) & (table.ended <= fine_from)
        fine = (table.width < _COARSE) & (table.ended > fine_from)
        query = (
            sa.select(table.objective, table.ended, table.good, table.total)
            .where(table.ended > since, coarse | fine)
            .order_by(table.ended, table.objective)
        )
        with guarded("cannot be read"):
            async with self._engine.connect() as connection:
                return [LedgerCount(*row) for row in (await connection.execute(query)).all()]

    async def prune(self, now: float) -> int:
        """See ``CountLedger.prune``."""
        table = OBJECTIVE_COUNTS.c
        fine = (table.width < _COARSE) & (table.ended < now - FINE_KEPT - 2 * _COARSE)
        old = fine | (table.ended < now - COARSE_KEPT)
        chosen = sa.select(table.objective, table.width, table.ended).where(old).order_by(table.ended).limit(_PRUNED)
        key = sa.tuple_(table.objective, table.width, table.ended)
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                return (await connection.execute(sa.delete(OBJECTIVE_COUNTS).where(key.in_(chosen)))).rowcount


def _row(width: float, one: LedgerCount) -> dict[str, object]:
    return {"objective": one.objective, "width": width, "ended": one.end, "good": one.good, "total": one.total}
