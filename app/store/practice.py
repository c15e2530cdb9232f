"""What people practise on before their work counts, and how they do."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Select, exists, func, select

from app.review.practice import Passing
from app.review.practice import passing as passing_of
from app.review.project import Settings
from app.review.rules import is_right
from app.store.database import Transaction
from app.store.schema import assignment, event, task


def given(tx: Transaction, project_id: int, account_id: int) -> int:
    """Return how many practice tasks the person has in hand or completed."""
    count = tx.scalar(
        select(func.count()).where(
            assignment.c.project_id == project_id,
            assignment.c.account_id == account_id,
            assignment.c.practice,
            assignment.c.state.in_(("open", "chosen", "complete")),
        )
    )
    return count or 0


def passing(
    tx: Transaction, project_id: int, account_id: int, settings: Settings, released: bool
) -> Passing | None:
    """Return how the person stands against the project's pass mark; None where it has none, or a
    manager released them from it."""
    each, mark = settings.practice, settings.pass_mark
    if not (each and mark) or released or settings.kind != "preference":
        return None
    rows = tx.execute(_answers(account_id).where(assignment.c.project_id == project_id))
    answers = [is_right(kind, expected, _strength(data)) for _, kind, expected, data in rows]
    had = exists().where(
        assignment.c.task_id == task.c.id,
        assignment.c.account_id == account_id,
        assignment.c.state != "returned",
    )
    left = select(task.c.id).where(
        task.c.project_id == project_id, task.c.kind == "gold", ~task.c.withdrawn, ~had
    )
    in_hand = given(tx, project_id, account_id) - len(answers)
    more = tx.scalar(left.limit(1)) is not None
    return passing_of(answers, in_hand, each, mark, more)


def _answers(account_id: int | None = None) -> Select[Any]:
    """Completed practice tasks, of one person or of all: whose, and what says whether it is right;
    the oldest choice first."""
    found = (
        select(assignment.c.account_id, task.c.kind, task.c.expected, event.c.data)
        .join(task, task.c.id == assignment.c.task_id)
        .join(event, event.c.id == assignment.c.choice_id)
        .where(assignment.c.practice, assignment.c.state == "complete")
        .order_by(event.c.id)
    )
    return found if account_id is None else found.where(assignment.c.account_id == account_id)


def _strength(data: str) -> int:
    return int(json.loads(data)["strength"])


def results(tx: Transaction, project_id: int) -> dict[int, tuple[int, int]]:
    """Return how many practice tasks each person answered right, and how many in all."""
    rows = tx.execute(_answers().where(assignment.c.project_id == project_id))
    found: dict[int, tuple[int, int]] = {}
    for account_id, kind, expected, data in rows:
        right, done = found.get(account_id, (0, 0))
        good = is_right(kind, expected, _strength(data))
        found[account_id] = (right + good, done + 1)
    return found
