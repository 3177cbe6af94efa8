"""The journal's database: how it is opened so that a committed write survives a crash, its schema, its rows."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from observer.domain.errors import ConfigError, JournalUnavailable
from observer.journal.tables import REVISION

T = TypeVar("T")
DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
WAIT: Final = 5.0
"""Seconds to wait for a connection, or for another process's write."""
_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


class SqlStore:
    """What reads and writes tables of one database; every failure is ``JournalUnavailable``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end of the block."""
        with guarded("cannot be written"):
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with guarded("cannot be read"):
            async with self._engine.connect() as connection:
                yield connection

    async def _bodies(self, query: sa.Select[str], kind: type[T]) -> list[T]:
        """The values of a query for one column of bodies."""
        async with self._reading() as connection:
            return [decode(body, kind) for body in await connection.scalars(query)]

    async def _removed(self, key: sa.Column[str], chosen: sa.Select[str]) -> int:
        """Delete the rows whose keys were chosen; how many there were."""
        async with self._writing() as connection:
            return (await connection.execute(sa.delete(key.table).where(key.in_(chosen)))).rowcount


def encode(value: object) -> str:
    """A domain dataclass as JSON. Numbers that JSON lacks are written as Python's ``json`` writes them."""
    return json.dumps(msgspec.to_builtins(value, str_keys=True), separators=(",", ":"), ensure_ascii=False)


def decode(text: str, kind: type[T]) -> T:
    """The value back; raises ``JournalUnavailable`` when a row cannot be understood."""
    try:
        return msgspec.convert(json.loads(text), kind, str_keys=True)
    except (msgspec.ValidationError, ValueError) as exc:
        raise JournalUnavailable(f"a row of the journal is no {kind.__name__}: {exc}") from exc


def parsed(url: str) -> sa.URL:
    """The database's address with the driver we use. Raises ``ConfigError``."""
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise ConfigError("journal: not a database URL; for example sqlite+aiosqlite:///observer.db") from exc
    kind = address.get_backend_name()
    if kind not in DRIVERS:
        raise ConfigError(f"journal: {kind} is not supported; use sqlite+aiosqlite or postgresql+asyncpg")
    return address.set(drivername=DRIVERS[kind])


def must_exist(url: str) -> None:
    """
    For those who only read: a SQLite file that is not there holds no news, and "nothing happened" would be a guess.

    Raises: JournalUnavailable naming the file.
    """
    address = parsed(url)
    if address.get_backend_name() == "sqlite" and address.database and address.database != ":memory:":
        path = Path(address.database)
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


def migrate(url: str) -> str:
    """Bring the journal at ``url`` up to date and return its revision. Blocks; not for a running event loop."""
    asyncio.run(_migrate(parsed(url)))
    return REVISION


async def ensure(engine: AsyncEngine) -> None:
    """
    Refuse a journal of another revision than ours; an old or new SQLite file is brought up to date first.

    Raises ``JournalUnavailable`` with what to do.
    """
    standing = await revision(engine)
    embedded = engine.dialect.name == "sqlite"
    if standing == REVISION:
        return
    if standing is not None and standing > REVISION:
        ours = f"this Observer's ({REVISION})"
        raise JournalUnavailable(f"the journal's schema {standing} is newer than {ours}: upgrade it")
    if not embedded:
        state = f"has schema {standing}" if standing else "is empty"
        raise JournalUnavailable(f"the journal {state}, this Observer needs {REVISION}: run `observer migrate`")
    await _migrate(engine.url)


async def revision(engine: AsyncEngine) -> str | None:
    """The revision that the journal says it has, None when it is empty."""
    with guarded("cannot be read"):
        async with engine.connect() as connection:
            if not await connection.run_sync(lambda sync: sa.inspect(sync).has_table(_VERSION.name)):
                return None
            standing: str | None = await connection.scalar(sa.select(_VERSION.c.version_num))
            return standing


async def _migrate(url: sa.URL) -> None:
    engine = engine_for(url)
    try:
        with guarded("cannot be migrated"):
            async with engine.begin() as connection:
                await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection) -> None:
    # Alembic takes half a second to import and is needed once in a journal's life.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    attributes: dict[str, object] = {"connection": connection}
    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    try:
        command.upgrade(config, REVISION)
    except CommandError as exc:
        raise JournalUnavailable(f"the journal cannot be migrated: {exc}") from exc
