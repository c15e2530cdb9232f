"""What the list of tasks asks the database for: texts, flags, and what managers do with many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, or_, select, update

from app.store.database import Transaction
from app.store.schema import assignment, task


def flags(tx: Transaction, project_id: int) -> dict[int, int]:
    """Return how many flags stand, by task."""
    rows = tx.execute(
        select(assignment.c.task_id, func.count())
        .where(assignment.c.project_id == project_id, assignment.c.flag_id.is_not(None))
        .group_by(assignment.c.task_id)
    )
    return {row[0]: row[1] for row in rows}


def holding(tx: Transaction, project_id: int, text: str, ids: bool = True) -> frozenset[int]:
    """Return the tasks with a text in prompt, responses or pair id, letter case aside; a number is
    also a task's own.

    Args:
        ids: whether pair ids count; they may tell what kind of task it is.
    """
    pattern = "%" + _escaped(text.lower()) + "%"
    # Prompts are stored as JSON in ASCII.
    inside = "%" + _escaped(json.dumps(text)[1:-1].lower()) + "%"
    found = or_(
        func.lower(task.c.response_1).like(pattern, escape="\\"),
        func.lower(task.c.response_2).like(pattern, escape="\\"),
        func.lower(task.c.prompt).like(inside, escape="\\"),
    )
    if ids:
        found = found | func.lower(task.c.pair_id).like(pattern, escape="\\")
    if text.isascii() and text.isdecimal() and len(text) < 15:
        found = found | (task.c.id == int(text))
    return frozenset(tx.scalars(select(task.c.id).where(task.c.project_id == project_id, found)))


def excerpts(tx: Transaction, project_id: int, ids: Sequence[int], size: int) -> dict[int, str]:
    """Return the beginning of the last message of these tasks' prompts."""
    rows = tx.execute(
        select(task.c.id, task.c.prompt).where(task.c.project_id == project_id, task.c.id.in_(ids))
    )
    return {i: " ".join(json.loads(prompt)[-1]["content"].split())[:size] for i, prompt in rows}


def set_least(tx: Transaction, task_id: int, least: int) -> None:
    """Have a task need so many annotations at least."""
    tx.execute(update(task).where(task.c.id == task_id).values(least=least))


def in_hand(tx: Transaction, task_id: int) -> list[int]:
    """Return the assignments of a task that are open: given to someone who decided nothing yet."""
    return list(
        tx.scalars(
            select(assignment.c.id).where(
                assignment.c.task_id == task_id, assignment.c.state == "open"
            )
        )
    )


def texts(tx: Transaction, project_id: int, task_id: int) -> Any:
    """Return prompt, responses and pair id of a task; None where the project has no such task."""
    return tx.execute(
        select(
            task.c.id, task.c.pair_id, task.c.prompt, task.c.response_1, task.c.response_2
        ).where(task.c.project_id == project_id, task.c.id == task_id)
    ).one_or_none()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
