"""Schema and failures of the journal: what is refused, and in which words."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import observer.journal
from observer.domain.errors import ConfigError, JournalUnavailable
from observer.journal.database import migrate, parsed, revision
from observer.journal.store import SqlJournal
from observer.journal.tables import METADATA, REVISION


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path / 'journal.db'}"


def versions(path: Path) -> list[tuple[str]]:
    with sqlite3.connect(path / "journal.db") as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    return found


def test_the_code_reads_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(observer.journal.__file__).parent / "migrations"))

    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_the_steps_lead_to_the_tables_of_the_code(tmp_path: Path) -> None:
    assert migrate(sqlite_url(tmp_path)) == REVISION

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'journal.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    migrate(sqlite_url(tmp_path))

    assert migrate(sqlite_url(tmp_path)) == REVISION
    assert versions(tmp_path) == [(REVISION,)]


async def test_a_file_that_is_not_there_is_made_with_its_folder(tmp_path: Path) -> None:
    journal = await SqlJournal.open(sqlite_url(tmp_path / "a" / "b"))

    assert await revision(journal._engine) == REVISION
    assert await journal.incidents() == []
    await journal.close()


async def test_commits_are_synced_to_disk(tmp_path: Path) -> None:
    journal = await SqlJournal.open(sqlite_url(tmp_path))

    async with journal._engine.connect() as connection:
        assert await connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(sa.text("PRAGMA synchronous")) == 2
    await journal.close()


async def test_a_journal_of_a_newer_observer_is_refused(tmp_path: Path) -> None:
    await (await SqlJournal.open(sqlite_url(tmp_path))).close()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(JournalUnavailable, match="9999 is newer than this Observer's"):
        await SqlJournal.open(sqlite_url(tmp_path))
    assert versions(tmp_path) == [("9999",)]


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database, certainly not" * 100)

    with pytest.raises(JournalUnavailable, match="not a database"):
        await SqlJournal.open(sqlite_url(tmp_path))


async def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()

    with pytest.raises(JournalUnavailable, match="unable to open"):
        await SqlJournal.open(sqlite_url(tmp_path))
    # After a failed connection the library's worker thread answers once more: the loop must still be there to hear it.
    for worker in [one for one in threading.enumerate() if "_connection_worker_thread" in one.name]:
        await asyncio.to_thread(worker.join)


async def test_a_journal_that_lost_its_table_cannot_be_written(tmp_path: Path) -> None:
    journal = await SqlJournal.open(sqlite_url(tmp_path))
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("DROP TABLE incidents")
    connection.close()

    with pytest.raises(JournalUnavailable, match="cannot be read: OperationalError: no such table"):
        await journal.incidents()
    await journal.close()


async def test_a_row_that_was_tampered_with_is_told(tmp_path: Path) -> None:
    journal = await SqlJournal.open(sqlite_url(tmp_path))
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("INSERT INTO intents VALUES ('x', 1, NULL, '', '', '{\"rung\": \"fly\"}')")
    connection.close()

    with pytest.raises(JournalUnavailable, match="is no Action"):
        await journal.open_intents()
    await journal.close()


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(JournalUnavailable) as raised:
        await SqlJournal.open("postgresql+asyncpg://observer:hunter2@127.0.0.1:1/observer")

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["", "journal.db", "mysql://host/db", "://"])
def test_an_address_that_can_never_work_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="journal: "):
        parsed(url)


@pytest.mark.parametrize(
    ("url", "driver"),
    [("sqlite:///x.db", "sqlite+aiosqlite"), ("postgresql://h/d", "postgresql+asyncpg")],
)
def test_the_driver_is_ours_whatever_the_address_says(url: str, driver: str) -> None:
    assert parsed(url).drivername == driver
