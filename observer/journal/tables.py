"""The tables. Columns are what is searched by; ``body`` is the whole value as JSON (see ``codec``)."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

REVISION: Final = "0005"
"""The schema's revision that this code reads and writes; the newest file under ``migrations/versions``."""

METADATA: Final = sa.MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"},
)

_TIME: Final[sa.Double[float]] = sa.Double()
"""Unix seconds."""

INCIDENTS: Final = sa.Table(
    "incidents",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("opened", _TIME, nullable=False),
    sa.Column("phase", sa.String(32), nullable=False),
    sa.Column("closed", _TIME, nullable=False, index=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("namespace", sa.String(253), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

INTENTS: Final = sa.Table(
    "intents",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("settled_at", _TIME, nullable=True, index=True),
    sa.Column("result", sa.String(32), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

LEDGER: Final = sa.Table(
    "ledger",
    METADATA,
    sa.Column("action_id", sa.String(64), primary_key=True),
    sa.Column("at", _TIME, nullable=False, index=True),
    sa.Column("action_kind", sa.String(32), nullable=False),
    sa.Column("incident", sa.String(64), nullable=False, index=True),
    sa.Column("namespace", sa.String(253), nullable=False),
    sa.Column("workload", sa.Text, nullable=False),
    sa.Column("settled", sa.Boolean, nullable=False),
    sa.Column("applied", sa.Boolean, nullable=False),
    sa.Column("useful", sa.Boolean, nullable=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

DECISIONS: Final = sa.Table(
    "decisions",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("at", _TIME, nullable=False, index=True),
    sa.Column("incident", sa.String(64), nullable=False, index=True),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

ALERTS: Final = sa.Table(
    "alerts",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("spell", sa.String(64), nullable=False, index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("received", _TIME, nullable=False, index=True),
    sa.Column("answered", _TIME, nullable=True),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

APPROVALS: Final = sa.Table(
    "approvals",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("plan", sa.String(64), nullable=False, index=True),
    sa.Column("incident", sa.String(64), nullable=False),
    sa.Column("given", _TIME, nullable=False),
    sa.Column("until", _TIME, nullable=False, index=True),
    sa.Column("withdrawn", _TIME, nullable=True),
    sa.Column("withdrawn_by", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

OBJECTIVE_COUNTS: Final = sa.Table(
    "objective_counts",
    METADATA,
    sa.Column("objective", sa.Text, primary_key=True),
    sa.Column("width", _TIME, primary_key=True),
    sa.Column("ended", _TIME, primary_key=True, index=True),
    sa.Column("good", sa.Double, nullable=False),
    sa.Column("total", sa.Double, nullable=False),
)
