"""Which revision a journal has, and the way to ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from observer.domain.errors import JournalUnavailable
from observer.journal.connect import engine_for, guarded, parsed
from observer.journal.tables import REVISION

_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


def migrate(url: str) -> str:
    """Bring the journal at ``url`` up to date and return its revision. Blocks; not for a running event loop."""
    asyncio.run(_migrate(parsed(url)))
    return REVISION


async def ensure(engine: AsyncEngine) -> None:
    """
    Refuse a journal of another revision than ours; an old or new SQLite file is brought up to date first.

    Raises ``JournalUnavailable`` with what to do.
    """
    found = await revision(engine)
    embedded = engine.dialect.name == "sqlite"
    if found == REVISION:
        return
    if found is not None and found > REVISION:
        raise JournalUnavailable(f"the journal's schema {found} is newer than this Observer's ({REVISION}): upgrade it")
    if not embedded:
        state = f"has schema {found}" if found else "is empty"
        raise JournalUnavailable(f"the journal {state}, this Observer needs {REVISION}: run `observer migrate`")
    await _migrate(engine.url)


async def revision(engine: AsyncEngine) -> str | None:
    """The revision that the journal says it has, None when it is empty."""
    with guarded("cannot be read"):
        async with engine.connect() as connection:
            if not await connection.run_sync(lambda sync: sa.inspect(sync).has_table(_VERSION.name)):
                return None
            found: str | None = await connection.scalar(sa.select(_VERSION.c.version_num))
            return found


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
