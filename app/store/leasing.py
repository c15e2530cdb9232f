"""Which task a person gets next: practice, checks, what is assigned to them, what is everyone's."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, insert, select

from app.review.project import Settings
from app.review.rules import is_check_turn, shown_order
from app.store import groups, practice
from app.store.database import Transaction
from app.store.queue import OPEN_TASKS, Assignment, Places, change, change_taken, lock, of_person
from app.store.schema import assignment, task
from judge.verdict import Order

_Turn = Literal["gold", "check", "own", "everyones"]
"""What is looked for: a gold task, any check, a task assigned to the person, one for everyone."""


def lease(
    tx: Transaction,
    project_id: int,
    account_id: int,
    settings: Settings,
    now: datetime,
    until: datetime,
) -> int | None:
    """Give the person the next task, first of those that are assigned to them; return the
    assignment's id, None where nothing is left or the person has all that they shall get."""
    standing = groups.standing(tx, project_id, account_id)
    if standing is None or not _may_have_more(tx, project_id, account_id, settings, standing):
        return None
    turns = _turns(tx, project_id, account_id, settings, standing)
    practising = turns[:1] == ["gold"]
    for turn in turns:
        person = {"project_id": project_id, "account_id": account_id}
        while (found := tx.scalar(_next(turn), person)) is not None:
            attempt = tx.begin_nested()
            places = lock(tx, found)
            # Another may have taken the last place, or this person the task through another
            # window, before we had the lock.
            before = of_person(tx, found, account_id)
            if places.are_free and (before is None or before.state == "returned"):
                attempt.commit()
                practises = practising and turn == "gold"
                return _give(tx, places, account_id, settings, now, until, practises, before)
            # Its lock goes too: the next may come before it in the order in which others lock.
            attempt.rollback()
    return None


def _turns(
    tx: Transaction,
    project_id: int,
    account_id: int,
    settings: Settings,
    standing: groups.Standing,
) -> list[_Turn]:
    """Return what is looked for, one after the other."""
    work: list[_Turn] = ["own", "everyones"] if standing.has_tasks else ["everyones"]
    if settings.practice and settings.kind == "preference":
        passing = practice.passing(tx, project_id, account_id, settings, standing.released)
        if passing is not None and passing.state != "passed":
            return ["gold"] if passing.goes_on else []
        given = practice.given(tx, project_id, account_id)
        if passing is None and not standing.released and given < settings.practice:
            return ["gold", *work]
    check = is_check_turn(settings, account_id, standing.given)
    return ["check", *work] if check else work


def _may_have_more(
    tx: Transaction,
    project_id: int,
    account_id: int,
    settings: Settings,
    standing: groups.Standing,
) -> bool:
    quota = standing.quota_or(settings.quota)
    if not quota:
        return True
    groups.lock_member(tx, project_id, account_id)
    return groups.used(tx, project_id, account_id) < quota


@cache
def _next(turn: _Turn) -> Select[Any]:
    """The next task of a kind that the person had not; one that was given back because the lease
    ran out may be given again."""
    condition: dict[_Turn, ColumnElement[bool]] = {
        "gold": task.c.kind == "gold",
        "check": task.c.kind.in_(("gold", "attention")),
        "own": and_(OPEN_TASKS, task.c.reserved, groups.goes_to()),
        "everyones": and_(OPEN_TASKS, ~task.c.reserved),
    }
    had = exists().where(
        assignment.c.task_id == task.c.id,
        assignment.c.account_id == bindparam("account_id"),
        assignment.c.state != "returned",
    )
    return (
        select(task.c.id)
        .where(
            task.c.project_id == bindparam("project_id"), condition[turn], ~task.c.withdrawn, ~had
        )
        .order_by(task.c.position, task.c.id)
        .limit(1)
    )


def _give(
    tx: Transaction,
    places: Places,
    account_id: int,
    settings: Settings,
    now: datetime,
    until: datetime,
    practises: bool,
    before: Assignment | None,
) -> int:
    change_taken(tx, places, 1)
    if before is not None:
        change(tx, before.id, state="open", lease_until=until)
        return before.id
    made = (
        insert(assignment)
        .values(
            project_id=places.project_id,
            task_id=places.task_id,
            account_id=account_id,
            shown=_shown(settings, account_id, places.task_id),
            blind=settings.blind,
            state="open",
            given_at=now,
            lease_until=until,
            practice=practises,
        )
        .returning(assignment.c.id)
    )
    return int(tx.execute(made).scalar_one())


def _shown(settings: Settings, account_id: int, task_id: int) -> Order:
    if settings.kind == "attributes" and settings.responses == "each":
        return "given"  # one response has no side
    return shown_order(settings.seed, account_id, task_id)
