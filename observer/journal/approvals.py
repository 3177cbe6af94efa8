"""Who approved what: a person's word is on disk before anything follows from it, and stays for those who ask later."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from observer.domain.approval import Approval
from observer.journal.codec import decode, encode
from observer.journal.connect import guarded
from observer.journal.tables import APPROVALS


class SqlApprovals:
    """Implements ``ports.stores.ApprovalStore`` on the journal's own database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    async def give(self, approval: Approval) -> None:
        """See ``ApprovalStore.give``."""
        statement = self._insert(APPROVALS).values(_row(approval)).on_conflict_do_nothing()
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                await connection.execute(statement)

    async def standing(self, now: float) -> Sequence[Approval]:
        """See ``ApprovalStore.standing``."""
        query = (
            sa.select(APPROVALS.c.body)
            .where(APPROVALS.c.until > now, APPROVALS.c.withdrawn.is_(None))
            .order_by(APPROVALS.c.given, APPROVALS.c.id)
        )
        with guarded("cannot be read"):
            async with self._engine.connect() as connection:
                return [decode(body, Approval) for body in await connection.scalars(query)]

    async def withdraw(self, plan: str, who: str, at: float) -> bool:
        """See ``ApprovalStore.withdraw``."""
        standing = (APPROVALS.c.plan == plan) & (APPROVALS.c.until > at) & APPROVALS.c.withdrawn.is_(None)
        statement = sa.update(APPROVALS).where(standing).values(withdrawn=at, withdrawn_by=who)
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                return (await connection.execute(statement)).rowcount > 0

    async def prune(self, before: float) -> int:
        """See ``ApprovalStore.prune``."""
        old = sa.select(APPROVALS.c.id).where(APPROVALS.c.until < before).order_by(APPROVALS.c.until).limit(5000)
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                return (await connection.execute(sa.delete(APPROVALS).where(APPROVALS.c.id.in_(old)))).rowcount


def _row(approval: Approval) -> dict[str, object]:
    return {
        "id": approval.id,
        "plan": approval.plan,
        "incident": approval.incident,
        "given": approval.given,
        "until": approval.until,
        "withdrawn": None,
        "withdrawn_by": "",
        "body": encode(approval),
    }
