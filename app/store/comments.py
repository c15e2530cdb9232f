"""Comments on one person's part in a task: events of the history."""

from __future__ import annotations

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from app.store import events
from app.store.database import Transaction
from app.store.schema import assignment, event


def of_assignment(tx: Transaction, assignment_id: int) -> list[events.Event]:
    """Return the comments on an assignment, oldest first."""
    ids = tx.scalars(
        select(event.c.id)
        .where(event.c.assignment_id == assignment_id, event.c.kind == "comment")
        .order_by(event.c.id)
    ).all()
    found = events.get(tx, list(ids))
    return [found[one] for one in ids]


def waiting(tx: Transaction, project_id: int, account_id: int) -> list[tuple[int, int]]:
    """Return the assignments, each with its task, whose last comment waits for an answer, longest
    first; none of this person's own, nor of tasks that the person has a part in."""
    own = aliased(assignment)
    rows = tx.execute(
        select(assignment.c.id, assignment.c.task_id)
        .where(
            assignment.c.project_id == project_id,
            assignment.c.question_id.is_not(None),
            ~exists().where(
                own.c.task_id == assignment.c.task_id,
                own.c.account_id == account_id,
                own.c.state != "returned",
            ),
        )
        .order_by(assignment.c.question_id)
    )
    return [(row.id, row.task_id) for row in rows]


def has_part(tx: Transaction, task_id: int, account_id: int) -> bool:
    """Return whether a person annotates a task, or did."""
    count = tx.scalar(
        select(func.count()).where(
            assignment.c.task_id == task_id,
            assignment.c.account_id == account_id,
            assignment.c.state != "returned",
        )
    )
    return bool(count)
