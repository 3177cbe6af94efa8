"""Runs the steps on the connection that ``schema.migrate`` hands over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from observer.journal.tables import METADATA

_LOCK = 7_305_846_211
"""Key of the advisory lock under which one process at a time migrates a PostgreSQL journal."""

connection: sa.Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:  # SQLite's driver begins only with the first row that is written: a schema must change whole or not at all
        connection.execute(sa.text("BEGIN IMMEDIATE"))
    context.run_migrations()
