"""Groups of a project's people, and which tasks go to some people alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

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


def goes_to() -> ColumnElement[bool]:
    """The condition that a task is assigned to the person ``account_id``, a parameter, or to a
    group that they are in."""
    return task.c.id.in_(select(assignee.c.task_id).where(_names_person()))


def _names_person() -> ColumnElement[bool]:
    person: BindParameter[int] = bindparam("account_id")
    groups = select(group_member.c.group_id).where(group_member.c.account_id == person)
    return or_(assignee.c.account_id == person, assignee.c.group_id.in_(groups))


@dataclass(frozen=True)
class Standing:
    """What decides which task a person gets next."""

    quota: int | None
    """Their own; None: as the project says."""
    given: int
    """Tasks that they ever had."""
    released: bool
    """By a manager, from the practice round's pass mark."""
    has_tasks: bool
    """Whether any task, of any project, is assigned to them or to a group of theirs."""

    def quota_or(self, usual: int) -> int:
        """Return how many tasks the person gets at most; 0: no limit."""
        return usual if self.quota is None else self.quota


def standing(tx: Transaction, project_id: int, account_id: int) -> Standing | None:
    """Return how a person stands in a project; None where they take no part."""
    person = {"project_id": project_id, "account_id": account_id}
    row = tx.execute(_standing(), person).one_or_none()
    return (
        None if row is None else Standing(row.quota, row.given, row.released, bool(row.has_tasks))
    )


@cache
def _standing() -> Select[Any]:
    """One statement: asked with every lease, and whenever somebody's progress is shown."""
    project: BindParameter[int] = bindparam("project_id")
    person: BindParameter[int] = bindparam("account_id")
    given = select(func.count()).where(
        assignment.c.project_id == project, assignment.c.account_id == person
    )
    named = select(assignee.c.task_id).where(_names_person()).exists()
    return select(
        member.c.quota,
        member.c.released,
        given.scalar_subquery().label("given"),
        named.label("has_tasks"),
    ).where(member.c.project_id == project, member.c.account_id == person)


def lock_member(tx: Transaction, project_id: int, account_id: int) -> None:
    """Have nobody else give this person a task until the transaction ends."""
    row = select(member.c.quota).where(
        member.c.project_id == project_id, member.c.account_id == account_id
    )
    tx.execute(row.with_for_update(key_share=True)).all()


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


def release(tx: Transaction, project_id: int, account_id: int) -> None:
    """Let a member work whatever the practice round's pass mark says."""
    tx.execute(
        update(member)
        .where(member.c.project_id == project_id, member.c.account_id == account_id)
        .values(released=True)
    )


def work(tx: Transaction, project_id: int) -> dict[int, tuple[int | None, bool, int]]:
    """Return each member's own quota, whether they were released from the pass mark, and how many
    tasks they completed, by account."""
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
        select(member.c.account_id, member.c.quota, member.c.released).where(
            member.c.project_id == project_id
        )
    ).all()
    return {row.account_id: (row.quota, row.released, done.get(row.account_id, 0)) for row in rows}
