"""A pass mark of the practice round: whom a manager lets work without it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "member",
        sa.Column("released", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
