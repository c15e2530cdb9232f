"""Practice before the work counts: gold tasks whose right answer is shown after the choice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "assignment",
        sa.Column("practice", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.add_column("task", sa.Column("because", sa.Text()))
