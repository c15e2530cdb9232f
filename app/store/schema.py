"""The tables. What people decided lies in ``event``, which is only ever appended to; the other
tables say how things stand and can be told from it.

Texts of people and models are stored as JSON in ASCII where they may hold anything: PostgreSQL
takes no NUL and no lone surrogate, and a copy can be compared byte by byte.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A point in time with its zone; SQLite keeps none, so everything is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _id() -> Column[int]:
    # SQLite counts up only an INTEGER key.
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


account = Table(
    "account",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("key", String(200), nullable=False, unique=True),  # the name without letter case
    Column("password_hash", String(200)),
    Column("external_id", String(500), unique=True),
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

invitation = Table(
    "invitation",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, unique=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("invited_by", ForeignKey("account.id")),  # none: the command line
    Column("expires_at", Moment, nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("key", String(300), primary_key=True),  # "name:..." or "address:..."
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
)

project = Table(
    "project",
    metadata,
    _id(),
    Column("name", String(100), nullable=False, unique=True),
    Column("settings", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

member = Table(
    "member",
    metadata,
    Column("project_id", ForeignKey("project.id"), primary_key=True),
    Column("account_id", ForeignKey("account.id"), primary_key=True, index=True),
    Column("role", String(20), nullable=False),
    Column("quota", Integer),  # tasks; none: as the project says, 0: no limit
    # By a manager, from the practice round's pass mark.
    Column("released", Boolean, nullable=False, server_default=text("false")),
)

people_group = Table(
    "people_group",
    metadata,
    _id(),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("name", String(100), nullable=False),
    UniqueConstraint("project_id", "name"),
)

group_member = Table(
    "group_member",
    metadata,
    Column("group_id", ForeignKey("people_group.id"), primary_key=True),
    Column("account_id", ForeignKey("account.id"), primary_key=True, index=True),
)

source = Table(
    "source",
    metadata,
    _id(),
    Column("project_id", ForeignKey("project.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("evaluation", Boolean, nullable=False),
    Column("model", Text, nullable=False),  # the judge's name, empty without one
    Column("imported_at", Moment, nullable=False),
)

evaluation = Table(
    "evaluation",
    metadata,
    Column("content", String(32), primary_key=True),
    Column("prompt", String(32), nullable=False, index=True),
)

task = Table(
    "task",
    metadata,
    _id(),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("source_id", ForeignKey("source.id"), nullable=False, index=True),
    Column("pair_id", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("expected", Integer),  # of a check
    Column("because", Text),  # why, if it is known
    Column("prompt", Text, nullable=False),  # messages as JSON
    Column("response_1", Text, nullable=False),
    Column("response_2", Text, nullable=False),
    Column("content", String(32), nullable=False),
    Column("prompt_content", String(32), nullable=False),
    Column("words", Integer, nullable=False),
    Column("judge_source_id", ForeignKey("source.id")),
    Column("judgment", Text),  # a line of judgments.jsonl
    Column("given", BigInteger, nullable=False),
    Column("informative", BigInteger),
    Column("position", BigInteger, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("adjudication_id", BigInteger),  # the event that stands
    Column("least", Integer, nullable=False, server_default=text("0")),  # by a manager's wish
    # It goes to its assignees alone.
    Column("reserved", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("project_id", "pair_id"),
    UniqueConstraint("project_id", "content"),
    CheckConstraint("taken >= 0 AND taken <= wanted", name="never_too_many"),
    Index(
        "ix_task_queue",
        "project_id",
        "position",
        "id",
        sqlite_where=text("kind = 'task' AND NOT withdrawn AND taken < wanted"),
        postgresql_where=text("kind = 'task' AND NOT withdrawn AND taken < wanted"),
    ),
)

assignee = Table(
    "assignee",
    metadata,
    _id(),
    Column("task_id", ForeignKey("task.id"), nullable=False),
    Column("account_id", ForeignKey("account.id"), index=True),  # this or the other
    Column("group_id", ForeignKey("people_group.id"), index=True),
    UniqueConstraint("task_id", "account_id", "group_id"),
)

assignment = Table(
    "assignment",
    metadata,
    _id(),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("task_id", ForeignKey("task.id"), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("shown", String(10), nullable=False),  # an Order
    Column("blind", Boolean, nullable=False),
    Column("state", String(10), nullable=False),
    Column("given_at", Moment, nullable=False),
    Column("begun_at", Moment),
    Column("lease_until", Moment),  # while open or chosen
    Column("choice_id", BigInteger),  # the events that stand
    Column("final_id", BigInteger),
    Column("skip_id", BigInteger),
    Column("flag_id", BigInteger),
    Column("revealed_at", Moment),
    Column("seconds", Float),
    Column("completed_at", Moment),
    Column("practice", Boolean, nullable=False, server_default=text("false")),
    Column("question_id", BigInteger),  # the comment that waits for an adjudicator
    Column("answer_id", BigInteger),  # the one that waits to be read
    UniqueConstraint("task_id", "account_id"),
    Index("ix_assignment_of_person", "project_id", "account_id", "id"),
    Index(
        "ix_assignment_lease",
        "lease_until",
        sqlite_where=text("lease_until IS NOT NULL"),
        postgresql_where=text("lease_until IS NOT NULL"),
    ),
)

draft = Table(
    "draft",
    metadata,
    Column("assignment_id", ForeignKey("assignment.id"), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Column("saved_at", Moment, nullable=False),
)

event = Table(
    "event",
    metadata,
    _id(),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("task_id", ForeignKey("task.id"), index=True),
    Column("assignment_id", ForeignKey("assignment.id"), index=True),
    Column("account_id", ForeignKey("account.id")),  # none: the command line
    Column("at", Moment, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("data", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("undoes", ForeignKey("event.id"), unique=True),
    Column("token", String(100)),
    UniqueConstraint("account_id", "token"),
    Index("ix_event_of_person", "project_id", "account_id", "id"),
)
