"""What is read of tasks: as one person sees them, their lists, and all annotations of a task."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from statistics import median
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, bindparam, func, select

from app.review.pace import LATEST, per_hour
from app.review.project import Settings
from app.review.ratings import RatedChoice, Ratings
from app.review.rules import TaskKind
from app.review.task import Choice, Draft, Final, MyProgress
from app.store import events, groups, practice, queue
from app.store.database import Transaction
from app.store.queue import Assignment
from app.store.schema import account, assignment, draft, event, source, task
from judge.judgment import Judgment
from judge.pair import Message, Pair


@dataclass(frozen=True)
class Loaded:
    """An assignment with its task, everything in the pair's own order."""

    assignment: Assignment
    pair: Pair
    kind: TaskKind
    expected: int | None
    because: str
    has_judge: bool
    draft: Draft | None
    choice: Choice | None
    final: Final | None
    rated: RatedChoice | None
    """In place of a choice where the project rates."""
    rated_again: RatedChoice | None
    flag: str | None
    skip: str | None
    decided_at: datetime | None


def load(tx: Transaction, ids: Sequence[int]) -> list[Loaded]:
    """Return these assignments in this order."""
    rows = tx.execute(_load(), {"ids": list(ids)}).all()
    wanted = [getattr(row, f"{kind}_id") for row in rows for kind in _POINTERS]
    found = events.get(tx, wanted)
    loaded = {row.id: _loaded(row, found) for row in rows}
    return [loaded[i] for i in ids]


@cache
def _load() -> Select[Any]:
    return (
        select(
            assignment,
            task.c.pair_id,
            task.c.prompt,
            task.c.response_1,
            task.c.response_2,
            task.c.kind,
            task.c.expected,
            task.c.because,
            task.c.judgment.is_not(None).label("has_judge"),
            draft.c.data.label("draft"),
        )
        .join(task, task.c.id == assignment.c.task_id)
        .outerjoin(draft, draft.c.assignment_id == assignment.c.id)
        .where(assignment.c.id.in_(bindparam("ids", expanding=True)))
    )


_POINTERS = ("choice", "final", "flag", "skip")


def _loaded(row: Any, found: dict[int, events.Event]) -> Loaded:
    choice, final, flag, skip = (found.get(getattr(row, f"{kind}_id")) for kind in _POINTERS)
    decided = final or choice or skip
    return Loaded(
        assignment=Assignment(**{c.name: row._mapping[c] for c in assignment.c}),
        pair=pair_of(row),
        kind=row.kind,
        expected=row.expected,
        because=row.because or "",
        has_judge=bool(row.has_judge),
        draft=None if row.draft is None else Draft.model_validate_json(row.draft),
        choice=_said(choice, Choice, rated=False),
        final=_said(final, Final, rated=False),
        rated=_said(choice, RatedChoice, rated=True),
        rated_again=_said(final, RatedChoice, rated=True),
        flag=None if flag is None else flag.reason,
        skip=None if skip is None else skip.reason,
        decided_at=None if decided is None else decided.at,
    )


_Model = TypeVar("_Model", bound=BaseModel)


def _said(found: events.Event | None, kind: type[_Model], rated: bool) -> _Model | None:
    """Return what an event says, where it is of this kind of project."""
    if found is None or ("ratings" in found.data) != rated:
        return None
    return kind.model_validate(found.data)


def pair_of(row: Any) -> Pair:
    """Return the pair of a row of the table ``task``."""
    return Pair(
        pair_id=row.pair_id,
        prompt=tuple(Message.model_validate(message) for message in json.loads(row.prompt)),
        response_1=row.response_1,
        response_2=row.response_2,
    )


def judgment_of(tx: Transaction, task_id: int) -> tuple[str, Judgment] | None:
    """Return the judge's name and judgment; None where the task has none."""
    row = tx.execute(
        select(source.c.model, task.c.judgment)
        .join(source, source.c.id == task.c.judge_source_id)
        .where(task.c.id == task_id, task.c.judgment.is_not(None))
    ).one_or_none()
    return None if row is None else (row.model, Judgment.from_json(json.loads(row.judgment)))


def list_of(
    tx: Transaction,
    project_id: int,
    account_id: int,
    before: int | None,
    limit: int,
    found: Collection[int] | None = None,
) -> list[int]:
    """Return the ids of the person's assignments, newest first; of these tasks alone, if said."""
    chosen = (
        select(assignment.c.id)
        .where(
            assignment.c.project_id == project_id,
            assignment.c.account_id == account_id,
            assignment.c.state != "returned",
        )
        .order_by(assignment.c.id.desc())
        .limit(limit)
    )
    if found is not None:
        chosen = chosen.where(assignment.c.task_id.in_(found))
    return list(tx.scalars(chosen if before is None else chosen.where(assignment.c.id < before)))


def progress(
    tx: Transaction, project_id: int, account_id: int, now: datetime, settings: Settings
) -> MyProgress:
    """Return how far the person is."""
    own = (assignment.c.project_id == project_id, assignment.c.account_id == account_id)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    count, at = func.count(), assignment.c.completed_at
    done, today, held, answers = tx.execute(  # one statement: asked with every decision
        select(
            count.filter(at.is_not(None)),
            count.filter(at >= midnight),
            count.filter(assignment.c.state.in_(("open", "chosen"))),
            count.filter(assignment.c.answer_id.is_not(None)),
        ).where(*own)
    ).one()
    latest = tx.execute(
        select(assignment.c.seconds, at)
        .where(*own, at.is_not(None))
        .order_by(at.desc())
        .limit(LATEST)
    ).all()
    seconds = [row.seconds for row in latest if row.seconds is not None]
    standing = groups.standing(tx, project_id, account_id)
    quota = standing.quota_or(settings.quota) if standing else settings.quota
    released = bool(standing and standing.released)
    available = queue.available(tx, project_id, account_id, bool(standing and standing.has_tasks))
    left = max(0, quota - groups.used(tx, project_id, account_id)) if quota else None
    return MyProgress(
        done=done,
        answers=answers,
        quota=quota,
        quota_left=left,
        available=(available if left is None else min(available, left)) + held,
        done_today=today,
        passing=practice.passing(tx, project_id, account_id, settings, released),
        per_hour=per_hour([row.completed_at for row in latest]),
        median_seconds=median(seconds) if seconds else None,
        can_undo=len(events.undoable(tx, project_id, account_id)),
    )


def flags(tx: Transaction, project_id: int) -> list[dict[str, Any]]:
    """Return the flags that stand, newest first: task, pair, who, why, when."""
    rows = tx.execute(
        select(
            task.c.id.label("task_id"),
            task.c.pair_id,
            account.c.name,
            event.c.reason,
            event.c.at,
            task.c.withdrawn,
        )
        .join(assignment, assignment.c.flag_id == event.c.id)
        .join(task, task.c.id == assignment.c.task_id)
        .join(account, account.c.id == assignment.c.account_id)
        .where(assignment.c.project_id == project_id)
        .order_by(event.c.id.desc())
    )
    return [dict(row._mapping) for row in rows]


def state_of(tx: Transaction, project_id: int) -> tuple[int, int, int, int]:
    """Return what changes whenever a figure of the project does."""
    last = select(func.max(event.c.id)).where(event.c.project_id == project_id)
    tasks = select(func.count(), func.sum(task.c.taken + task.c.wanted)).where(
        task.c.project_id == project_id
    )
    count, places = tx.execute(tasks).one()
    done = select(func.count()).where(
        assignment.c.project_id == project_id, assignment.c.state == "complete"
    )
    return tx.scalar(last) or 0, count, places or 0, tx.scalar(done) or 0


def flagged_tasks(tx: Transaction, project_id: int) -> int:
    """Return how many tasks of the queue have a flag that stands."""
    found = tx.scalar(
        select(func.count(task.c.id.distinct()))
        .join(assignment, assignment.c.task_id == task.c.id)
        .where(
            task.c.project_id == project_id,
            ~task.c.withdrawn,
            assignment.c.flag_id.is_not(None),
        )
    )
    return found or 0


def skipped_and_flagged(tx: Transaction, project_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many tasks each person skipped and flagged, by name."""
    rows = tx.execute(
        select(account.c.name, func.count(assignment.c.skip_id), func.count(assignment.c.flag_id))
        .join(account, account.c.id == assignment.c.account_id)
        .where(assignment.c.project_id == project_id)
        .group_by(account.c.name)
    ).all()
    return {name: n for name, n, _ in rows if n}, {name: n for name, _, n in rows if n}


def ratings(tx: Transaction, task_id: int) -> list[Ratings]:
    """Return a task's complete ratings, the first completed first."""
    rows = tx.scalars(_decided(task_id))
    return [RatedChoice.model_validate_json(data).ratings for data in rows]


def strengths(tx: Transaction, task_id: int) -> list[int]:
    """Return the strengths of a task's complete annotations, the first completed first."""
    return [int(json.loads(data)["strength"]) for data in tx.scalars(_decided(task_id))]


def _decided(task_id: int) -> Select[Any]:
    return (
        select(event.c.data)
        .join(
            assignment,
            event.c.id == func.coalesce(assignment.c.final_id, assignment.c.choice_id),
        )
        .where(assignment.c.task_id == task_id, assignment.c.state == "complete")
        .order_by(assignment.c.completed_at, assignment.c.id)
    )
