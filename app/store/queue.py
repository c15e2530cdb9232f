"""The queue: assignments and their leases, and that a task never has too many.

``task.taken`` counts the assignments of a task that are open, chosen or complete; the database
itself refuses more than ``task.wanted``. Checks (gold tasks, attention checks) are for everyone and
have no places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Select,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
    update,
)

from app.review.rules import TaskKind
from app.review.task import State
from app.store import groups
from app.store.database import Transaction
from app.store.schema import assignment, task
from judge.verdict import Order

# Word for word the condition of the index, which is used for nothing else.
OPEN_TASKS = text("kind = 'task' AND NOT withdrawn AND taken < wanted")
_RELEASED_AT_ONCE = 100


@dataclass(frozen=True)
class Assignment:
    """A row of the table: one person's part in a task."""

    id: int
    project_id: int
    task_id: int
    account_id: int
    shown: Order
    blind: bool
    state: State
    given_at: datetime
    begun_at: datetime | None
    lease_until: datetime | None
    choice_id: int | None
    final_id: int | None
    skip_id: int | None
    flag_id: int | None
    revealed_at: datetime | None
    seconds: float | None
    completed_at: datetime | None
    practice: bool = False
    """Its answer is shown after the choice, and it does not count."""
    question_id: int | None = None
    """The comment that waits for an adjudicator's answer."""
    answer_id: int | None = None
    """The answer that waits to be read."""


@dataclass(frozen=True)
class Places:
    """How many annotations a task has room for."""

    task_id: int
    project_id: int
    kind: TaskKind
    words: int
    taken: int
    wanted: int
    withdrawn: bool
    has_judge: bool

    @property
    def are_free(self) -> bool:
        """Whether one more person may have the task."""
        return not self.withdrawn and (self.kind != "task" or self.taken < self.wanted)


def get(tx: Transaction, assignment_id: int) -> Assignment | None:
    """Return an assignment."""
    row = tx.execute(_get(), {"id": assignment_id}).one_or_none()
    return None if row is None else Assignment(**row._mapping)


@cache
def _get() -> Select[Any]:
    return select(assignment).where(assignment.c.id == bindparam("id"))


def lock(tx: Transaction, task_id: int) -> Places:
    """Lock a task until the transaction ends and return its places."""
    row = tx.execute(_places(), {"id": task_id}).one()
    return Places(task_id=task_id, **row._mapping)


def lock_many(tx: Transaction, project_id: int, ids: Sequence[int] | None = None) -> None:
    """Lock tasks of a project (None: all) until the transaction ends.

    It is done in the order of :func:`release`: two who lock many never wait for each other.
    """
    wanted = select(task.c.id).where(task.c.project_id == project_id)
    if ids is not None:
        wanted = wanted.where(task.c.id.in_(ids))
    tx.execute(wanted.order_by(task.c.position, task.c.id).with_for_update()).all()


@cache
def _places() -> Select[Any]:
    return (
        select(
            task.c.project_id,
            task.c.kind,
            task.c.words,
            task.c.taken,
            task.c.wanted,
            task.c.withdrawn,
            task.c.judgment.is_not(None).label("has_judge"),
        )
        .where(task.c.id == bindparam("id"))
        .with_for_update()
    )


def in_hand(tx: Transaction, project_id: int, account_id: int, limit: int) -> list[int]:
    """Return the ids of what the person works on: chosen ones first, then in the order given."""
    rows = tx.scalars(
        select(assignment.c.id)
        .join(task, task.c.id == assignment.c.task_id)
        .where(
            assignment.c.project_id == project_id,
            assignment.c.account_id == account_id,
            assignment.c.state.in_(("open", "chosen")),
            ~task.c.withdrawn,
        )
        # "chosen" sorts before "open".
        .order_by(assignment.c.state, assignment.c.id)
        .limit(limit)
    )
    return list(rows)


def take_place(tx: Transaction, places: Places) -> bool:
    """Take one of the locked task's places; return False where none is free."""
    if not places.are_free:
        return False
    change_taken(tx, places, 1)
    return True


def free_place(tx: Transaction, places: Places) -> None:
    """Give one of the locked task's places back."""
    change_taken(tx, places, -1)


def set_wanted(tx: Transaction, task_id: int, wanted: int) -> None:
    """Set how many annotations a locked task needs: never fewer than it has, nor than a manager
    asked for; checks need none."""
    tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.kind == "task")
        .values(
            wanted=case(
                ((task.c.taken >= task.c.least) & (task.c.taken > wanted), task.c.taken),
                (task.c.least > wanted, task.c.least),
                else_=wanted,
            )
        )
    )


def change(tx: Transaction, assignment_id: int, **values: Any) -> None:
    """Set columns of an assignment whose task is locked."""
    tx.execute(update(assignment).where(assignment.c.id == assignment_id).values(**values))


def release(tx: Transaction, project_id: int, now: datetime) -> list[int]:
    """End leases that ran out: open tasks go back to the queue, a first choice stands as it is.

    Returns:
        The tasks that this concerns.
    """
    expired = tx.execute(
        select(assignment.c.id, assignment.c.task_id)
        .join(task, task.c.id == assignment.c.task_id)
        .where(assignment.c.lease_until < now, assignment.c.project_id == project_id)
        # The order in which leases are given, so that nobody waits for us while we wait for them.
        .order_by(task.c.position, task.c.id)
        .limit(_RELEASED_AT_ONCE)
    ).all()
    changed = []
    for assignment_id, task_id in expired:
        places = lock(tx, task_id)
        still = get(tx, assignment_id)
        if still is None or still.lease_until is None or still.lease_until >= now:
            continue
        if still.state == "open":
            change(tx, assignment_id, state="returned", lease_until=None)
            free_place(tx, places)
        else:
            change(tx, assignment_id, state="complete", lease_until=None, completed_at=now)
        changed.append(task_id)
    return changed


def has_expired(tx: Transaction, project_id: int, now: datetime) -> bool:
    """Return whether there is anything to release."""
    found = select(assignment.c.id).where(
        assignment.c.lease_until < now, assignment.c.project_id == project_id
    )
    return tx.scalar(found.limit(1)) is not None


def available(tx: Transaction, project_id: int, account_id: int, has_tasks: bool) -> int:
    """Return how many tasks of the queue are open for the person.

    Args:
        has_tasks: whether any are assigned to them.
    """
    person = {"project_id": project_id, "account_id": account_id}
    everything, own = tx.execute(_available(has_tasks), person).one()
    return int(everything - own)


@cache
def _available(has_tasks: bool) -> Select[Any]:
    of_queue = select(func.count()).select_from(task)
    theirs = or_(~task.c.reserved, groups.goes_to()) if has_tasks else ~task.c.reserved
    everything = of_queue.where(task.c.project_id == bindparam("project_id"), OPEN_TASKS, theirs)
    own = of_queue.join(assignment, assignment.c.task_id == task.c.id).where(
        assignment.c.project_id == bindparam("project_id"),
        assignment.c.account_id == bindparam("account_id"),
        assignment.c.state != "returned",
        OPEN_TASKS,
        theirs,
    )
    return select(everything.scalar_subquery(), own.scalar_subquery())


def of_person(tx: Transaction, task_id: int, account_id: int) -> Assignment | None:
    """Return a person's part in a task."""
    row = tx.execute(
        select(assignment).where(
            assignment.c.task_id == task_id, assignment.c.account_id == account_id
        )
    ).one_or_none()
    return None if row is None else Assignment(**row._mapping)


def change_taken(tx: Transaction, places: Places, by: int) -> None:
    """Count so many more annotations of a locked task as taken; checks have no places."""
    if places.kind == "task":
        tx.execute(update(task).where(task.c.id == places.task_id).values(taken=task.c.taken + by))
