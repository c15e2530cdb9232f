"""Groups of people, how many tasks a person gets, and tasks that go to some people alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "people_group",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("project_id", _ID, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.UniqueConstraint("project_id", "name"),
    )
    op.create_table(
        "group_member",
        sa.Column("group_id", _ID, sa.ForeignKey("people_group.id"), primary_key=True),
        sa.Column("account_id", _ID, sa.ForeignKey("account.id"), primary_key=True, index=True),
    )
    op.create_table(
        "assignee",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("task_id", _ID, sa.ForeignKey("task.id"), nullable=False),
        sa.Column("account_id", _ID, sa.ForeignKey("account.id"), index=True),
        sa.Column("group_id", _ID, sa.ForeignKey("people_group.id"), index=True),
        sa.UniqueConstraint("task_id", "account_id", "group_id"),
    )
    op.add_column("member", sa.Column("quota", sa.Integer()))
    op.add_column(
        "task",
        sa.Column("reserved", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
