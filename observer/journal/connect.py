"""Engines for the two databases: what each must be told so that a committed write survives a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from observer.domain.errors import ConfigError, JournalUnavailable

DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
WAIT: Final = 5.0
"""Seconds to wait for a connection, or for another process's write."""


def parsed(url: str) -> sa.URL:
    """The database's address with the driver we use. Raises ``ConfigError``."""
    try:
        found = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise ConfigError("journal: not a database URL; for example sqlite+aiosqlite:///observer.db") from exc
    kind = found.get_backend_name()
    if kind not in DRIVERS:
        raise ConfigError(f"journal: {kind} is not supported; use sqlite+aiosqlite or postgresql+asyncpg")
    return found.set(drivername=DRIVERS[kind])


def must_exist(url: str) -> None:
    """
    For those who only read: a SQLite file that is not there holds no news, and "nothing happened" would be a guess.

    Raises: JournalUnavailable naming the file.
    """
    found = parsed(url)
    if found.get_backend_name() == "sqlite" and found.database and found.database != ":memory:":
        path = Path(found.database)
        if not path.exists():
            raise JournalUnavailable(f"{path} does not exist: Observer has not run with these settings here")


def engine_for(url: sa.URL) -> AsyncEngine:
    """An engine; nothing is connected yet. A SQLite file's folder is made."""
    with guarded("cannot be opened"):
        if url.get_backend_name() != "sqlite":
            return create_async_engine(
                url,
                pool_size=2,
                max_overflow=2,
                pool_timeout=WAIT,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"timeout": WAIT, "command_timeout": WAIT},
            )
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # One connection: SQLite has one writer anyway, and a queue is fairer than its retries.
        engine = create_async_engine(
            url,
            poolclass=sa.AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=WAIT,
            hide_parameters=True,
        )
    sa.event.listen(engine.sync_engine, "connect", _make_durable)
    return engine


def _make_durable(connection: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={int(WAIT * 1000)}", "journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Every failure of library, driver, disk or network becomes ``JournalUnavailable``; texts hold no parameters."""
    expected: tuple[type[Exception], ...] = (sa.exc.SQLAlchemyError, sqlite3.Error, OSError, *_driver_errors())
    try:
        yield
    except expected as exc:
        cause = getattr(exc, "orig", None) or exc
        raise JournalUnavailable(f"the journal {what}: {type(cause).__name__}: {cause}"[:500]) from exc


def _driver_errors() -> tuple[type[Exception], ...]:
    """asyncpg is an extra; what it raises while connecting is not wrapped by SQLAlchemy."""
    try:
        from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]
    except ImportError:
        return (ImportError,)
    return (PostgresError, InterfaceError)
