"""The history: everything that was decided, in the order in which it happened, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import Select, bindparam, func, insert, select
from sqlalchemy.orm import aliased

from app.review.rules import UNDOABLE
from app.store.database import Transaction
from app.store.schema import account, event, task

Kind = Literal[
    "choice", "final", "skip", "flag", "undo", "reveal",
    "adjudication", "withdraw", "restore", "overlap", "release",
    "project", "settings", "role", "import", "export", "invite", "joined",
    "group", "quota", "practice", "assign", "comment",
]  # fmt: skip
UNDOABLE_KINDS: tuple[Kind, ...] = ("choice", "final", "skip", "flag")
LONGEST_TOKEN = 100


@dataclass(frozen=True)
class Event:
    """A row of the table; texts in the pair's own order."""

    id: int
    project_id: int
    task_id: int | None
    assignment_id: int | None
    account_id: int | None
    at: datetime
    kind: Kind
    data: dict[str, Any]
    reason: str
    undoes: int | None
    token: str | None


def add(
    tx: Transaction,
    project_id: int,
    kind: Kind,
    now: datetime,
    *,
    account_id: int | None,
    task_id: int | None = None,
    assignment_id: int | None = None,
    data: Mapping[str, Any] | None = None,
    reason: str = "",
    undoes: int | None = None,
    token: str | None = None,
) -> int:
    """Append to the history; return the event's id."""
    made = (
        insert(event)
        .values(
            project_id=project_id,
            task_id=task_id,
            assignment_id=assignment_id,
            account_id=account_id,
            at=now,
            kind=kind,
            data=json.dumps(data or {}),
            reason=reason,
            undoes=undoes,
            token=token,
        )
        .returning(event.c.id)
    )
    return int(tx.execute(made).scalar_one())


def get(tx: Transaction, ids: Sequence[int | None]) -> dict[int, Event]:
    """Return these events by id."""
    wanted = [i for i in ids if i is not None]
    if not wanted:
        return {}
    rows = tx.execute(_get(), {"ids": wanted})
    return {found.id: found for found in map(_event, rows)}


@cache
def _get() -> Select[Any]:
    return select(event).where(event.c.id.in_(bindparam("ids", expanding=True)))


def by_token(tx: Transaction, account_id: int, token: str) -> Event | None:
    """Return what the person stored under this token, if anything."""
    row = tx.execute(
        select(event).where(event.c.account_id == account_id, event.c.token == token)
    ).one_or_none()
    return None if row is None else _event(row)


def standing(tx: Transaction, assignment_id: int, kind: Kind) -> int | None:
    """Return the id of the assignment's last event of this kind that was not taken back."""
    undo = aliased(event)
    found: int | None = tx.scalar(
        select(func.max(event.c.id))
        .outerjoin(undo, undo.c.undoes == event.c.id)
        .where(event.c.assignment_id == assignment_id, event.c.kind == kind, undo.c.id.is_(None))
    )
    return found


def undoable(tx: Transaction, project_id: int, account_id: int) -> list[Event]:
    """Return which of the person's last 10 decisions can be taken back, newest first.

    A choice that the judge was revealed after is none: it stays as it was made.
    """
    rows = tx.execute(_undoable(), {"project": project_id, "account": account_id})
    return [_event(row) for row in rows]


@cache
def _undoable() -> Select[Any]:
    undo, later = aliased(event), aliased(event)
    revealed = (
        select(later.c.id)
        .where(
            later.c.assignment_id == event.c.assignment_id,
            later.c.kind == "reveal",
            later.c.id > event.c.id,
            event.c.kind == "choice",
        )
        .exists()
    )
    last = (
        select(event.c.id)
        .where(
            event.c.project_id == bindparam("project"),
            event.c.account_id == bindparam("account"),
            event.c.kind.in_(UNDOABLE_KINDS),
            ~revealed,
        )
        .order_by(event.c.id.desc())
        .limit(UNDOABLE)
    )
    return (
        select(event)
        .outerjoin(undo, undo.c.undoes == event.c.id)
        .where(event.c.id.in_(last.scalar_subquery()), undo.c.id.is_(None))
        .order_by(event.c.id.desc())
    )


def history(tx: Transaction, project_id: int) -> Iterator[tuple[Event, str | None, str | None]]:
    """Yield the project's events, oldest first, each with the person's name and the pair's id."""
    rows = tx.execute(
        select(event, account.c.name, task.c.pair_id)
        .outerjoin(account, account.c.id == event.c.account_id)
        .outerjoin(task, task.c.id == event.c.task_id)
        .where(event.c.project_id == project_id)
        .order_by(event.c.id),
        execution_options={"yield_per": 1000},
    )
    for row in rows:
        yield _event(row), row.name, row.pair_id


def _event(row: Any) -> Event:
    values = {column.name: row._mapping[column] for column in event.c}
    return Event(**{**values, "data": json.loads(values["data"])})
