"""
What else stands in the journal's database: accepted alerts, approvals, counts of objectives; and the journal as people
read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from observer.domain.alert import Alert, AlertStatus
from observer.domain.approval import Approval
from observer.domain.decision import Decision
from observer.domain.incident import Incident, Phase
from observer.domain.slo import DAY, LedgerCount
from observer.journal.database import SqlStore, encode
from observer.journal.tables import ALERTS, APPROVALS, DECISIONS, INCIDENTS, OBJECTIVE_COUNTS
from observer.ports.stores import DecisionSearch, Mark

MOST_PENDING: Final = 10_000
"""More pending alerts than this are not handed to the loop at once; the oldest come first."""
FINE_RETENTION: Final = 5 * DAY
COARSE_RETENTION: Final = 400 * DAY
_ROWS_AT_ONCE: Final = 500
_PRUNED_AT_ONCE: Final = 5000
_COARSE: Final = 3600.0


class SqlAlertInbox(SqlStore):
    """
    Implements ``ports.stores.AlertInbox``: what was accepted is on disk before the sender hears so, and counted once.
    """

    async def accept(self, alerts: Sequence[Alert]) -> int:
        """See ``AlertInbox.accept``."""
        if not alerts:
            return 0
        rows: dict[str, dict[str, object]] = {}
        for alert in alerts:
            rows.setdefault(alert.id, _alert_row(alert))  # one batch may hold the same news twice
        statement = self._insert(ALERTS).on_conflict_do_nothing().returning(ALERTS.c.id)
        async with self._writing() as connection:
            return len((await connection.execute(statement, list(rows.values()))).all())

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
        return await self._bodies(query, Alert)

    async def answer(self, alert_id: str, answer: str, at: float) -> None:
        """See ``AlertInbox.answer``."""
        statement = sa.update(ALERTS).where(ALERTS.c.id == alert_id).values(answered=at, answer=answer)
        async with self._writing() as connection:
            await connection.execute(statement)

    async def prune(self, before: float) -> int:
        """See ``AlertInbox.prune``."""
        return await self._removed(ALERTS.c.id, _oldest(ALERTS.c.id, ALERTS.c.received, before))


class SqlApprovals(SqlStore):
    """
    Implements ``ports.stores.ApprovalStore``: a person's word is on disk before anything follows from it, and stays for
    those who ask later.
    """

    async def give(self, approval: Approval) -> None:
        """See ``ApprovalStore.give``."""
        statement = self._insert(APPROVALS).values(_approval_row(approval)).on_conflict_do_nothing()
        async with self._writing() as connection:
            await connection.execute(statement)

    async def standing(self, now: float) -> Sequence[Approval]:
        """See ``ApprovalStore.standing``."""
        query = (
            sa.select(APPROVALS.c.body)
            .where(APPROVALS.c.until > now, APPROVALS.c.withdrawn.is_(None))
            .order_by(APPROVALS.c.given, APPROVALS.c.id)
        )
        return await self._bodies(query, Approval)

    async def withdraw(self, plan: str, who: str, at: float) -> bool:
        """See ``ApprovalStore.withdraw``."""
        standing = (APPROVALS.c.plan == plan) & (APPROVALS.c.until > at) & APPROVALS.c.withdrawn.is_(None)
        statement = sa.update(APPROVALS).where(standing).values(withdrawn=at, withdrawn_by=who)
        async with self._writing() as connection:
            return (await connection.execute(statement)).rowcount > 0

    async def prune(self, before: float) -> int:
        """See ``ApprovalStore.prune``."""
        return await self._removed(APPROVALS.c.id, _oldest(APPROVALS.c.id, APPROVALS.c.until, before))


class SqlCountLedger(SqlStore):
    """
    Implements ``ports.stores.CountLedger``: events of each bucket, kept by the objective's identity alone.

    Neither the metric server's retention nor another label, text or target changes what was counted. Fine buckets are
    kept for days, coarse ones for more than a year.
    """

    async def add(self, counts: Sequence[tuple[float, LedgerCount]]) -> None:
        """See ``CountLedger.add``."""
        async with self._writing() as connection:
            for start in range(0, len(counts), _ROWS_AT_ONCE):
                rows = [_count_row(width, count) for width, count in counts[start : start + _ROWS_AT_ONCE]]
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
        fine_from = (now - FINE_RETENTION) // _COARSE * _COARSE + _COARSE
        coarse = (table.width == _COARSE) & (table.ended <= fine_from)
        fine = (table.width < _COARSE) & (table.ended > fine_from)
        query = (
            sa.select(table.objective, table.ended, table.good, table.total)
            .where(table.ended > since, coarse | fine)
            .order_by(table.ended, table.objective)
        )
        async with self._reading() as connection:
            return [LedgerCount(*row) for row in (await connection.execute(query)).all()]

    async def prune(self, now: float) -> int:
        """See ``CountLedger.prune``."""
        table = OBJECTIVE_COUNTS.c
        fine = (table.width < _COARSE) & (table.ended < now - FINE_RETENTION - 2 * _COARSE)
        old = fine | (table.ended < now - COARSE_RETENTION)
        oldest = sa.select(table.objective, table.width, table.ended).where(old).order_by(table.ended)
        key = sa.tuple_(table.objective, table.width, table.ended)
        statement = sa.delete(OBJECTIVE_COUNTS).where(key.in_(oldest.limit(_PRUNED_AT_ONCE)))
        async with self._writing() as connection:
            return (await connection.execute(statement)).rowcount


class SqlArchive(SqlStore):
    """Implements ``ports.stores.Archive``: newest first, page by page, bounded whatever is asked."""

    async def decisions(self, search: DecisionSearch) -> Sequence[Decision]:
        """See ``Archive.decisions``."""
        return await self._bodies(_decisions(search), Decision)

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
        return await self._bodies(query, Incident)

    async def incident(self, key: str) -> Incident | None:
        """See ``Archive.incident``."""
        matching = await self._bodies(sa.select(INCIDENTS.c.body).where(INCIDENTS.c.id == key), Incident)
        return matching[0] if matching else None


def _decisions(search: DecisionSearch) -> sa.Select[str]:
    table = DECISIONS.c
    query = sa.select(table.body).where(table.at >= search.since)
    for column, wanted in (
        (table.subject, search.subject),
        (table.incident, search.incident),
        (table.kind, search.kind),
        (table.verdict, search.verdict),
    ):
        if wanted:
            query = query.where(column == wanted)
    if search.namespace:
        query = query.where(table.subject.like(f"% {_literal(search.namespace)}/%", escape="\\"))
    if search.before is not None:
        query = query.where(_older(table.at, table.id, search.before))
    query = query.order_by(table.at.desc(), table.id.desc())
    if not search.text:
        return query.limit(search.limit)
    # Only so many rows are looked through: a word that nobody wrote must not cost a scan of three months.
    newest = query.add_columns(table.at, table.id).limit(search.depth).subquery()
    fits = newest.c.body.ilike(f"%{_literal(search.text)}%", escape="\\")
    ordered = sa.select(newest.c.body).where(fits).order_by(newest.c.at.desc(), newest.c.id.desc())
    return ordered.limit(search.limit)


def _older(at: sa.Column[float], key: sa.Column[str], mark: Mark) -> sa.ColumnElement[bool]:
    return (at < mark.at) | ((at == mark.at) & (key < mark.id))


def _literal(text: str) -> str:
    """The text itself, not a pattern."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _oldest(key: sa.Column[str], age: sa.Column[float], before: float) -> sa.Select[str]:
    """The keys of what is older than ``before``, a bounded number."""
    return sa.select(key).where(age < before).order_by(age).limit(_PRUNED_AT_ONCE)


def _alert_row(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "spell": alert.spell,
        "status": alert.status.value,
        "received": alert.received,
        "answered": None,
        "answer": "",
        "body": encode(alert),
    }


def _approval_row(approval: Approval) -> dict[str, object]:
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


def _count_row(width: float, count: LedgerCount) -> dict[str, object]:
    return {"objective": count.objective, "width": width, "ended": count.end, "good": count.good, "total": count.total}
