"""The journal over SQLAlchemy Core: the same statements on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Self

import sqlalchemy as sa

from observer.domain.action import Action
from observer.domain.decision import Decision, LedgerEntry
from observer.domain.errors import DuplicateIntent
from observer.domain.incident import Incident, Phase
from observer.domain.outcome import Outcome, Result
from observer.journal.database import SqlStore, decode, encode, engine_for, ensure, guarded, parsed
from observer.journal.stores import SqlAlertInbox, SqlApprovals, SqlArchive, SqlCountLedger
from observer.journal.tables import DECISIONS, INCIDENTS, INTENTS, LEDGER

PRUNED_AT_ONCE: Final = 5000
"""Rows that one call of ``prune`` removes from each table at most."""


class SqlJournal(SqlStore):
    """
    Implements ``ports.stores.Journal``.

    A method that returns has committed: on SQLite with the write-ahead log synced to disk, on PostgreSQL by the
    server's own promise. Every failure is ``JournalUnavailable``.
    """

    @classmethod
    async def open(cls, url: str) -> Self:
        """
        Connect and check the schema; a SQLite file is made or brought up to date.

        Raises ``ConfigError`` for an address that can never work and ``JournalUnavailable`` otherwise.
        """
        engine = engine_for(parsed(url))
        try:
            await ensure(engine)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine)

    @property
    def alerts(self) -> SqlAlertInbox:
        """The inbox of alerts, in the same database."""
        return SqlAlertInbox(self._engine)

    @property
    def archive(self) -> SqlArchive:
        """What page and API read, in the same database."""
        return SqlArchive(self._engine)

    @property
    def approvals(self) -> SqlApprovals:
        """Who approved what, in the same database."""
        return SqlApprovals(self._engine)

    @property
    def counts(self) -> SqlCountLedger:
        """The ledger of objectives, in the same database."""
        return SqlCountLedger(self._engine)

    async def save(self, incident: Incident) -> None:
        """See ``Journal.save``."""
        await self._put(
            INCIDENTS,
            {
                "id": incident.id,
                "opened": incident.opened,
                "phase": incident.phase.value,
                "closed": incident.closed,
                "subject": str(incident.culprit),
                "namespace": incident.culprit.namespace,
                "body": encode(incident),
            },
        )

    async def incidents(self, *, open_only: bool = False, since: float = 0.0) -> Sequence[Incident]:
        """The open ones and, unless ``open_only``, those closed at ``since`` (Unix seconds) or later; oldest first."""
        wanted = INCIDENTS.c.phase != Phase.CLOSED.value
        if not open_only:
            wanted |= INCIDENTS.c.closed >= since
        query = sa.select(INCIDENTS.c.body).where(wanted).order_by(INCIDENTS.c.opened, INCIDENTS.c.id)
        return await self._bodies(query, Incident)

    async def intend(self, action: Action, entry: LedgerEntry) -> None:
        """See ``Journal.intend``."""
        intent = {
            "id": action.id,
            "at": entry.at,
            "settled_at": None,
            "result": "",
            "reason": "",
            "body": encode(action),
        }
        async with self._writing() as connection:
            statement = self._insert(INTENTS).values(intent).on_conflict_do_nothing().returning(INTENTS.c.id)
            if (await connection.execute(statement)).first() is None:
                raise DuplicateIntent(action.id)
            await connection.execute(sa.insert(LEDGER).values(_ledger_row(entry)))

    async def record_outcome(self, action_id: str, outcome: Outcome, at: float) -> None:
        """Write down what came of an intent; UNKNOWN is noted, but leaves it open: somebody must look it up."""
        settled = outcome.result is not Result.UNKNOWN
        noted = {"result": outcome.result.value, "reason": outcome.reason, "settled_at": at if settled else None}
        async with self._writing() as connection:
            await connection.execute(sa.update(INTENTS).where(INTENTS.c.id == action_id).values(noted))
            if settled:
                applied = outcome.result is Result.APPLIED
                statement = sa.update(LEDGER).where(LEDGER.c.action_id == action_id)
                await connection.execute(statement.values(settled=True, applied=applied))

    async def open_intents(self) -> Sequence[Action]:
        """See ``Journal.open_intents``."""
        query = sa.select(INTENTS.c.body).where(INTENTS.c.settled_at.is_(None)).order_by(INTENTS.c.at, INTENTS.c.id)
        return await self._bodies(query, Action)

    async def grade(self, incident_id: str, *, useful: bool, verdict: str) -> None:
        """See ``Journal.grade``."""
        async with self._writing() as connection:
            statement = sa.update(LEDGER).where(LEDGER.c.incident == incident_id)
            await connection.execute(statement.values(useful=useful, verdict=verdict))

    async def ledger(self, since: float) -> Sequence[LedgerEntry]:
        """Acts intended at ``since`` (Unix seconds) or later, oldest first."""
        query = sa.select(LEDGER).where(LEDGER.c.at >= since).order_by(LEDGER.c.at, LEDGER.c.action_id)
        async with self._reading() as connection:
            rows = (await connection.execute(query)).all()
        return [
            replace(
                decode(row.body, LedgerEntry),
                settled=row.settled,
                applied=row.applied,
                useful=row.useful,
                verdict=row.verdict,
            )
            for row in rows
        ]

    async def record(self, decision: Decision) -> None:
        """Insert or, for a decision that has got its outcome since, replace by id."""
        await self._put(
            DECISIONS,
            {
                "id": decision.id,
                "at": decision.at,
                "incident": decision.incident,
                "subject": decision.subject,
                "kind": decision.kind,
                "verdict": decision.verdict.value,
                "body": encode(decision),
            },
        )

    async def decisions(
        self, *, subject: str = "", incident: str = "", since: float = 0.0, limit: int = 200
    ) -> Sequence[Decision]:
        """The newest ``limit`` decisions that fit, oldest first."""
        query = sa.select(DECISIONS.c.body).where(DECISIONS.c.at >= since)
        if subject:
            query = query.where(DECISIONS.c.subject == subject)
        if incident:
            query = query.where(DECISIONS.c.incident == incident)
        query = query.order_by(DECISIONS.c.at.desc(), DECISIONS.c.id.desc()).limit(limit)
        return (await self._bodies(query, Decision))[::-1]

    async def prune(self, before: float, *, most: int = PRUNED_AT_ONCE) -> int:
        """
        Forget what ended before ``before`` (Unix seconds), at most ``most`` rows of each table, oldest first.

        Open incidents and open intents stay, whatever their age. Returns the number of rows removed; ask again while
        it is not 0.
        """
        settled = INTENTS.c.settled_at < before
        ended = (INCIDENTS.c.phase == Phase.CLOSED.value) & (INCIDENTS.c.closed < before)
        open_ids = sa.select(INTENTS.c.id).where(INTENTS.c.settled_at.is_(None))
        past = (LEDGER.c.at < before) & LEDGER.c.action_id.not_in(open_ids)
        removed = 0
        async with self._writing() as connection:
            for key, wanted, age in (
                (DECISIONS.c.id, DECISIONS.c.at < before, DECISIONS.c.at),
                (INTENTS.c.id, settled, INTENTS.c.settled_at),
                (LEDGER.c.action_id, past, LEDGER.c.at),
                (INCIDENTS.c.id, ended, INCIDENTS.c.closed),
            ):
                chosen = sa.select(key).where(wanted).order_by(age).limit(most)
                statement = sa.delete(key.table).where(key.in_(chosen))
                removed += (await connection.execute(statement)).rowcount
        return removed

    async def close(self) -> None:
        """Close the connections."""
        with guarded("cannot be closed"):
            await self._engine.dispose()

    async def _put(self, table: sa.Table, row: dict[str, object]) -> None:
        async with self._writing() as connection:
            statement = self._insert(table).values(row)
            changed = {name: value for name, value in row.items() if name != "id"}
            await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))


def _ledger_row(entry: LedgerEntry) -> dict[str, object]:
    return {
        "action_id": entry.action_id,
        "at": entry.at,
        "action_kind": entry.action_kind.value,
        "incident": entry.incident,
        "namespace": entry.target.namespace,
        "workload": str(entry.workload or ""),
        "settled": entry.settled,
        "applied": entry.applied,
        "useful": entry.useful,
        "verdict": entry.verdict,
        "body": encode(entry),
    }
