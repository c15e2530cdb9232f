"""The tables as they began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("external_id", sa.String(length=500), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("external_id", name=op.f("uq_account_external_id")),
        sa.UniqueConstraint("key", name=op.f("uq_account_key")),
    )
    op.create_table(
        "attempt",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempt")),
    )
    op.create_table(
        "evaluation",
        sa.Column("content", sa.String(length=32), nullable=False),
        sa.Column("prompt", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("content", name=op.f("pk_evaluation")),
    )
    op.create_index(op.f("ix_evaluation_prompt"), "evaluation", ["prompt"], unique=False)
    op.create_table(
        "project",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
    )
    op.create_table(
        "member",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_member_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_member_project_id")),
        sa.PrimaryKeyConstraint("project_id", "account_id", name=op.f("pk_member")),
    )
    op.create_index(op.f("ix_member_account_id"), "member", ["account_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"], unique=False)
    op.create_table(
        "source",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("evaluation", sa.Boolean(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("imported_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_source_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
    )
    op.create_index(op.f("ix_source_project_id"), "source", ["project_id"], unique=False)
    op.create_table(
        "task",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("source_id", _ID, nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("response_1", sa.Text(), nullable=False),
        sa.Column("response_2", sa.Text(), nullable=False),
        sa.Column("content", sa.String(length=32), nullable=False),
        sa.Column("prompt_content", sa.String(length=32), nullable=False),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.Column("judge_source_id", _ID, nullable=True),
        sa.Column("judgment", sa.Text(), nullable=True),
        sa.Column("given", sa.BigInteger(), nullable=False),
        sa.Column("informative", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("adjudication_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("taken >= 0 AND taken <= wanted", name=op.f("ck_task_never_too_many")),
        sa.ForeignKeyConstraint(
            ["judge_source_id"], ["source.id"], name=op.f("fk_task_judge_source_id")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_task_project_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_task_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("project_id", "content", name=op.f("uq_task_project_id_content")),
        sa.UniqueConstraint("project_id", "pair_id", name=op.f("uq_task_project_id_pair_id")),
    )
    op.create_index(
        "ix_task_queue",
        "task",
        ["project_id", "position", "id"],
        unique=False,
        sqlite_where=sa.text("kind = 'task' AND NOT withdrawn AND taken < wanted"),
        postgresql_where=sa.text("kind = 'task' AND NOT withdrawn AND taken < wanted"),
    )
    op.create_index(op.f("ix_task_source_id"), "task", ["source_id"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("shown", sa.String(length=10), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("given_at", _MOMENT, nullable=False),
        sa.Column("begun_at", _MOMENT, nullable=True),
        sa.Column("lease_until", _MOMENT, nullable=True),
        sa.Column("choice_id", sa.BigInteger(), nullable=True),
        sa.Column("final_id", sa.BigInteger(), nullable=True),
        sa.Column("skip_id", sa.BigInteger(), nullable=True),
        sa.Column("flag_id", sa.BigInteger(), nullable=True),
        sa.Column("revealed_at", _MOMENT, nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("completed_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_assignment_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_assignment_project_id")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_assignment_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
        sa.UniqueConstraint("task_id", "account_id", name=op.f("uq_assignment_task_id_account_id")),
    )
    op.create_index(
        "ix_assignment_lease",
        "assignment",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index(
        "ix_assignment_of_person", "assignment", ["project_id", "account_id", "id"], unique=False
    )
    op.create_table(
        "draft",
        sa.Column("assignment_id", _ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("saved_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name=op.f("fk_draft_assignment_id")
        ),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("pk_draft")),
    )
    op.create_table(
        "event",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("assignment_id", _ID, nullable=True),
        sa.Column("account_id", _ID, nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("undoes", _ID, nullable=True),
        sa.Column("token", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_event_account_id")),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name=op.f("fk_event_assignment_id")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_event_project_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_event_task_id")),
        sa.ForeignKeyConstraint(["undoes"], ["event.id"], name=op.f("fk_event_undoes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("account_id", "token", name=op.f("uq_event_account_id_token")),
        sa.UniqueConstraint("undoes", name=op.f("uq_event_undoes")),
    )
    op.create_index(op.f("ix_event_assignment_id"), "event", ["assignment_id"], unique=False)
    op.create_index("ix_event_of_person", "event", ["project_id", "account_id", "id"], unique=False)
    op.create_index(op.f("ix_event_task_id"), "event", ["task_id"], unique=False)
