"""Groups of a project's people, and which tasks go to some people alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, or_, select, update

from app.store.database import Transaction
from app.store.schema import account, assignee, assignment, group_member, member, people_group, task


def of_project(tx: Transaction, project_id: int) -> dict[str, int]:
    """Return the ids of a project's groups by name."""
    rows = tx.execute(
        select(people_group.c.name, people_group.c.id)
        .where(people_group.c.project_id == project_id)
        .order_by(people_group.c.name)
    )
    return {row.name: row.id for row in rows}


def people(tx: Transaction, project_id: int) -> dict[int, list[tuple[int, str]]]:
    """Return id and name of those who are in each group of a project, by group."""
    rows = tx.execute(
        select(group_member.c.group_id, account.c.id, account.c.name)
        .join(people_group, people_group.c.id == group_member.c.group_id)
        .join(account, account.c.id == group_member.c.account_id)
        .where(people_group.c.project_id == project_id)
        .order_by(account.c.key)
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for group_id, account_id, name in rows:
        found.setdefault(group_id, []).append((account_id, name))
    return found


def save(tx: Transaction, project_id: int, name: str, accounts: Collection[int]) -> int:
    """Make a group, or give the one of this name these people; return its id."""
    found = of_project(tx, project_id).get(name)
    if found is None:
        made = (
            insert(people_group)
            .values(project_id=project_id, name=name)
            .returning(people_group.c.id)
        )
        found = int(tx.execute(made).scalar_one())
    tx.execute(delete(group_member).where(group_member.c.group_id == found))
    rows = [{"group_id": found, "account_id": one} for one in accounts]
    if rows:
        tx.execute(insert(group_member), rows)
    return found


def remove(tx: Transaction, project_id: int, group_id: int) -> int:
    """Remove a group; return how many tasks are open to everyone by that."""
    tx.execute(delete(assignee).where(assignee.c.group_id == group_id))
    tx.execute(delete(group_member).where(group_member.c.group_id == group_id))
    tx.execute(delete(people_group).where(people_group.c.id == group_id))
    return open_unassigned(tx, project_id)


def forget_person(tx: Transaction, project_id: int, account_id: int) -> None:
    """Take a person who leaves a project out of its groups, and tasks out of their name."""
    groups = select(people_group.c.id).where(people_group.c.project_id == project_id)
    tx.execute(
        delete(group_member).where(
            group_member.c.account_id == account_id, group_member.c.group_id.in_(groups)
        )
    )
    tasks = select(task.c.id).where(task.c.project_id == project_id)
    tx.execute(
        delete(assignee).where(assignee.c.account_id == account_id, assignee.c.task_id.in_(tasks))
    )
    open_unassigned(tx, project_id)


def open_unassigned(tx: Transaction, project_id: int) -> int:
    """Open tasks that nobody is left for to everyone; return how many."""
    named = select(assignee.c.task_id)
    found = tx.scalars(
        select(task.c.id)
        .where(task.c.project_id == project_id, task.c.reserved, task.c.id.not_in(named))
        # The order in which everyone locks tasks.
        .order_by(task.c.position, task.c.id)
        .with_for_update()
    ).all()
    if found:
        values = [{"i": one} for one in found]
        tx.execute(update(task).where(task.c.id == bindparam("i")).values(reserved=False), values)
    return len(found)


def assign(
    tx: Transaction, task_id: int, accounts: Collection[int], group_ids: Collection[int]
) -> None:
    """Have a locked task go to these alone; to everyone where there are none."""
    tx.execute(delete(assignee).where(assignee.c.task_id == task_id))
    rows: list[dict[str, int | None]] = [
        {"task_id": task_id, "account_id": one, "group_id": None} for one in accounts
    ]
    rows += [{"task_id": task_id, "account_id": None, "group_id": one} for one in group_ids]
    if rows:
        tx.execute(insert(assignee), rows)
    tx.execute(update(task).where(task.c.id == task_id).values(reserved=bool(rows)))


def assigned(tx: Transaction, project_id: int) -> dict[int, list[tuple[str, bool]]]:
    """Return to whom each assigned task goes: names, and whether each is a group's."""
    rows = tx.execute(
        select(assignee.c.task_id, account.c.name, people_group.c.name)
        .join(task, task.c.id == assignee.c.task_id)
        .outerjoin(account, account.c.id == assignee.c.account_id)
        .outerjoin(people_group, people_group.c.id == assignee.c.group_id)
        .where(task.c.project_id == project_id)
        .order_by(assignee.c.id)
    )
    found: dict[int, list[tuple[str, bool]]] = {}
    for task_id, person, group in rows:
        found.setdefault(task_id, []).append((person or group, person is None))
    return found


def had(tx: Transaction, task_id: int, accounts: Collection[int]) -> int:
    """Return how many of these people have the task in hand or decided it already."""
    count = tx.scalar(
        select(func.count()).where(
            assignment.c.task_id == task_id,
            assignment.c.account_id.in_(accounts),
            assignment.c.state != "returned",
        )
    )
    return count or 0


def goes_to(account_id: int) -> ColumnElement[bool]:
    """The condition that a task is assigned to this person, or to a group that they are in."""
    groups = select(group_member.c.group_id).where(group_member.c.account_id == account_id)
    named = select(assignee.c.task_id).where(
        or_(assignee.c.account_id == account_id, assignee.c.group_id.in_(groups))
    )
    return task.c.id.in_(named)


def quota_of(tx: Transaction, project_id: int, account_id: int, usual: int, lock: bool) -> int:
    """Return how many tasks a person gets at most; 0: no limit.

    Args:
        usual: what the project says.
        lock: whether nobody else gives this person a task until the transaction ends.
    """
    chosen = select(member.c.quota).where(
        member.c.project_id == project_id, member.c.account_id == account_id
    )
    own = tx.scalar(chosen)
    quota = usual if own is None else int(own)
    if quota and lock:
        tx.execute(chosen.with_for_update(key_share=True)).all()
    return quota


def used(tx: Transaction, project_id: int, account_id: int) -> int:
    """Return how many tasks a person has in hand or completed; checks are none."""
    count = tx.scalar(
        select(func.count())
        .select_from(assignment.join(task, task.c.id == assignment.c.task_id))
        .where(
            assignment.c.project_id == project_id,
            assignment.c.account_id == account_id,
            assignment.c.state.in_(("open", "chosen", "complete")),
            task.c.kind == "task",
        )
    )
    return count or 0


def set_quota(tx: Transaction, project_id: int, account_id: int, quota: int | None) -> None:
    """Set how many tasks a member gets at most; None: as the project says."""
    tx.execute(
        update(member)
        .where(member.c.project_id == project_id, member.c.account_id == account_id)
        .values(quota=quota)
    )


def work(tx: Transaction, project_id: int) -> dict[int, tuple[int | None, int]]:
    """Return each member's own quota and how many tasks they completed, by account."""
    completed = tx.execute(
        select(assignment.c.account_id, func.count())
        .join(task, task.c.id == assignment.c.task_id)
        .where(
            assignment.c.project_id == project_id,
            assignment.c.state == "complete",
            task.c.kind == "task",
        )
        .group_by(assignment.c.account_id)
    )
    done = {row[0]: row[1] for row in completed}
    rows: Sequence[Any] = tx.execute(
        select(member.c.account_id, member.c.quota).where(member.c.project_id == project_id)
    ).all()
    return {row.account_id: (row.quota, done.get(row.account_id, 0)) for row in rows}
