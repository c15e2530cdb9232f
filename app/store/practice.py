"""What people practise on before their work counts, and how they do."""

from __future__ import annotations

import json

from sqlalchemy import func, select

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


def results(tx: Transaction, project_id: int) -> dict[int, tuple[int, int]]:
    """Return how many practice tasks each person answered right, and how many in all."""
    rows = tx.execute(
        select(assignment.c.account_id, task.c.kind, task.c.expected, event.c.data)
        .join(task, task.c.id == assignment.c.task_id)
        .join(event, event.c.id == assignment.c.choice_id)
        .where(
            assignment.c.project_id == project_id,
            assignment.c.practice,
            assignment.c.state == "complete",
        )
    )
    found: dict[int, tuple[int, int]] = {}
    for account_id, kind, expected, data in rows:
        right, done = found.get(account_id, (0, 0))
        good = is_right(kind, expected, int(json.loads(data)["strength"]))
        found[account_id] = (right + good, done + 1)
    return found
