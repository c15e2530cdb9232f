"""A manager may ask for more annotations of a single task."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not as a batch: SQLite would copy the table, and its CHECK and partial index with it.
    op.add_column(
        "task", sa.Column("least", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
