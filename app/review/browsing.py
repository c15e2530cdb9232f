"""Finding tasks of a project again: what a line of the list says, and which lines are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.review.annotation import Task
from app.review.ratings import SIDES, RatedTask
from app.review.rules import TaskKind, is_right, spread
from app.review.words import same_side
from judge.consensus import consensus
from judge.verdict import NEITHER_VALID

TaskState = Literal["untouched", "in progress", "finished", "to adjudicate", "withdrawn"]
Sort = Literal["number", "spread", "annotations", "newest"]
Answered = Literal["right", "wrong"]


class TaskRow(BaseModel):
    """A task as a manager's list shows it."""

    model_config = ConfigDict(frozen=True)

    task_id: int
    """Its number, which everyone sees on the task."""
    pair_id: str
    kind: TaskKind
    source: str
    state: TaskState
    annotations: int
    wanted: int
    annotators: tuple[str, ...]
    assigned: tuple[str, ...] = ()
    """People and groups to whom alone it goes; none: to everyone."""
    flags: int
    spread: int | None
    """How far the annotations lie apart, of ratings those of helpfulness; None where only some
    found a response valid."""
    consensus: int | None
    judge: int | None
    against_judge: bool
    """People agree on another response than the judge."""
    checks: frozenset[Answered] = frozenset()
    """How gold tasks and attention checks were answered, by anyone."""
    excerpt: str = ""


class TaskQuery(BaseModel):
    """Which tasks are asked for; everything that is set must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(default="", max_length=500)
    """In prompt, responses or pair id, letter case aside; a number is a task's."""
    state: TaskState | None = None
    annotator: str | None = None
    assigned: str | None = None
    """A person or a group that tasks go to alone."""
    kind: TaskKind | None = None
    flagged: bool = False
    against_judge: bool = False
    check: Answered | None = None
    """Gold tasks and attention checks that somebody answered so."""
    least_spread: int = Field(default=0, ge=0, le=6)
    sort: Sort = "number"


def row_of(task: Task, flags: int) -> TaskRow:
    """Return the line of a task that compares."""
    strengths = task.strengths()
    agreed = consensus([one.annotation() for one in task.annotations]).strength
    judge = task.judge.strength if task.judge else None
    decided = agreed is not None and judge is not None and judge != 0
    return TaskRow(
        task_id=task.task_id,
        pair_id=task.pair_id,
        kind=task.kind,
        source=task.source,
        state=_state(task.withdrawn, task.is_disputed, task.has_all, bool(strengths) or task.begun),
        annotations=len(strengths),
        wanted=task.wanted,
        annotators=tuple(one.name for one in task.annotations),
        flags=flags,
        spread=spread(strengths),
        consensus=agreed,
        judge=judge,
        against_judge=decided and not same_side(agreed or 0, judge or 0),
        checks=_checks(task),
    )


def _checks(task: Task) -> frozenset[Answered]:
    if task.expected is None:
        return frozenset()
    firsts = task.strengths("first")
    right = [is_right(task.kind, task.expected, strength) for strength in firsts]
    return frozenset("right" if one else "wrong" for one in right)


def rated_row(task: RatedTask, flags: int) -> TaskRow:
    """Return the line of a task that rates."""
    helpful = [task.values(side)["helpfulness"] for side in SIDES]
    return TaskRow(
        task_id=task.task_id,
        pair_id=task.pair_id,
        kind="task",
        source=task.source,
        state=_state(task.withdrawn, False, task.has_all, bool(task.annotations) or task.begun),
        annotations=len(task.annotations),
        wanted=task.wanted,
        annotators=tuple(one.name for one in task.annotations),
        flags=flags,
        spread=max((max(values) - min(values) for values in helpful if values), default=0),
        consensus=None,
        judge=None,
        against_judge=False,
    )


def chosen(
    rows: Iterable[TaskRow], query: TaskQuery, found: frozenset[int] | None
) -> list[TaskRow]:
    """Return the lines that are asked for, in the order asked for.

    Args:
        found: the tasks in which the text was found; None where none is asked for.
    """
    kept = [row for row in rows if _fits(row, query, found)]
    if query.sort == "spread":
        kept.sort(key=lambda row: (-(NEITHER if row.spread is None else row.spread), row.task_id))
    elif query.sort == "annotations":
        kept.sort(key=lambda row: (-row.annotations, row.task_id))
    elif query.sort == "newest":
        kept.sort(key=lambda row: -row.task_id)
    return kept


NEITHER = -NEITHER_VALID
"""Where only some found a response valid: wider than any spread."""


def _fits(row: TaskRow, query: TaskQuery, found: frozenset[int] | None) -> bool:
    apart = NEITHER if row.spread is None else row.spread
    return (
        (found is None or row.task_id in found)
        and query.state in (None, row.state)
        and query.kind in (None, row.kind)
        and (query.annotator is None or query.annotator in row.annotators)
        and query.assigned in (None, *row.assigned)
        and (not query.flagged or row.flags > 0)
        and (not query.against_judge or row.against_judge)
        and query.check in (None, *row.checks)
        and apart >= query.least_spread
    )


def _state(withdrawn: bool, disputed: bool, whole: bool, begun: bool) -> TaskState:
    if withdrawn:
        return "withdrawn"
    if disputed:
        return "to adjudicate"
    return "finished" if whole else "in progress" if begun else "untouched"
