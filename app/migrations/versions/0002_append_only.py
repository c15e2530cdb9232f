"""The database itself refuses to change or remove what is in the history."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQLITE = """
CREATE TRIGGER event_{verb} BEFORE {verb} ON event
BEGIN SELECT RAISE(ABORT, 'the history is only appended to'); END
"""
_POSTGRESQL = """
CREATE FUNCTION event_unchangeable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the history is only appended to'; END $$;
CREATE TRIGGER event_unchangeable BEFORE UPDATE OR DELETE ON event
FOR EACH ROW EXECUTE FUNCTION event_unchangeable();
CREATE TRIGGER event_untruncatable BEFORE TRUNCATE ON event
FOR EACH STATEMENT EXECUTE FUNCTION event_unchangeable();
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_SQLITE.format(verb=verb))
    else:
        op.execute(_POSTGRESQL)
