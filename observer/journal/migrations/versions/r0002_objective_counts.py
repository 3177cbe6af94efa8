"""The ledger of objectives: counts that outlive the metric server's retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its index."""
    op.create_table(
        "objective_counts",
        sa.Column("objective", sa.Text(), nullable=False),
        sa.Column("width", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=False),
        sa.Column("good", sa.Double(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("objective", "width", "ended", name="pk_objective_counts"),
    )
    op.create_index("ix_objective_counts_ended", "objective_counts", ["ended"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("objective_counts")
