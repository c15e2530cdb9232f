"""What everyone said of a project's tasks: for figures, adjudication and export."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from app.review.annotation import Adjudication, Annotated, JudgeSaid, Task
from app.review.ratings import RatedAnnotation, RatedChoice, RatedTask
from app.review.task import Choice, Final
from app.store.database import Transaction
from app.store.schema import account, assignment, evaluation, event, source, task
from app.store.views import pair_of
from judge.pair import Pair


def tasks(tx: Transaction, project_id: int, only: Sequence[int] | None = None) -> list[Task]:
    """Return a project's tasks (or these) in their given order with all that was said of them.

    Without their texts: :func:`texts` has those.
    """
    said: dict[int, list[Annotated]] = {}
    for one in _annotated(tx, project_id, only):
        said.setdefault(one.task_id, []).append(one)
    rows = tx.execute(_tasks(project_id, only)).all()
    return [_task(row, said.get(row.id, [])) for row in rows]


def rated_tasks(tx: Transaction, project_id: int) -> list[RatedTask]:
    """Return a rating project's tasks in their given order with all ratings, without texts."""
    said: dict[int, list[RatedAnnotation]] = {}
    for row in _annotated_rows(tx, project_id, None):
        said.setdefault(row.task_id, []).append(_rated_annotation(row))
    rows = tx.execute(_tasks(project_id, None)).all()
    return [_rated_task(row, said.get(row.id, [])) for row in rows]


def _rated_annotation(row: Any) -> RatedAnnotation:
    return RatedAnnotation(
        **_by_whom(row),
        first=RatedChoice.model_validate_json(row.choice),
        final=None if row.final is None else RatedChoice.model_validate_json(row.final),
    )


def _by_whom(row: Any) -> dict[str, Any]:
    """Return whose annotation a row is, and when it was made."""
    names = ("account_id", "name", "shown", "blind", "flagged", "chosen_at", "completed_at")
    return {name: getattr(row, name) for name in (*names, "seconds")}


def _of_task(row: Any) -> dict[str, Any]:
    """Return what a row says of its task, whatever is said of it."""
    names = ("pair_id", "source", "words", "wanted", "withdrawn")
    return {name: getattr(row, name) for name in names} | {
        "task_id": row.id,
        "evaluation": bool(row.evaluation),
        "evaluation_prompt": bool(row.evaluation_prompt),
        "begun": row.taken > 0,
    }


def _rated_task(row: Any, said: list[RatedAnnotation]) -> RatedTask:
    scorers = (json.loads(row.judgment).get("scorers") or {}) if row.judgment else {}
    return RatedTask(
        **_of_task(row),
        judged={
            name: scored["attributes"]
            for name, scored in scorers.items()
            if scored.get("attributes")
        },
        annotations=tuple(said),
    )


def texts(tx: Transaction, project_id: int, ids: Sequence[int]) -> Iterator[Pair]:
    """Yield the pairs of these tasks of a project, in this order; memory holds 500 at a time."""
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        rows = tx.execute(
            select(
                task.c.id, task.c.pair_id, task.c.prompt, task.c.response_1, task.c.response_2
            ).where(task.c.project_id == project_id, task.c.id.in_(part))
        )
        found = {row.id: pair_of(row) for row in rows}
        yield from (found[i] for i in part)


def _tasks(project_id: int, only: Sequence[int] | None) -> Select[Any]:
    content = select(evaluation.c.content).where(evaluation.c.content == task.c.content)
    prompt = select(evaluation.c.content).where(evaluation.c.prompt == task.c.prompt_content)
    origin, judge = aliased(source), aliased(source)
    decider = aliased(account)
    query = (
        select(
            task.c.id,
            task.c.pair_id,
            task.c.kind,
            task.c.expected,
            task.c.words,
            task.c.wanted,
            task.c.taken,
            task.c.withdrawn,
            task.c.judgment,
            origin.c.name.label("source"),
            (origin.c.evaluation | content.exists()).label("evaluation"),
            (~content.exists() & prompt.exists()).label("evaluation_prompt"),
            judge.c.model,
            event.c.data,
            event.c.reason,
            event.c.at,
            decider.c.name.label("decider"),
        )
        .join(origin, origin.c.id == task.c.source_id)
        .outerjoin(judge, judge.c.id == task.c.judge_source_id)
        .outerjoin(event, event.c.id == task.c.adjudication_id)
        .outerjoin(decider, decider.c.id == event.c.account_id)
        .where(task.c.project_id == project_id)
        .order_by(task.c.given, task.c.id)
    )
    return query if only is None else query.where(task.c.id.in_(only))


def _task(row: Any, said: list[Annotated]) -> Task:
    judge = decision = None
    if row.judgment is not None:
        judgment = json.loads(row.judgment)
        judge = JudgeSaid(
            model=row.model,
            strength=judgment["strength"],
            elaboration=judgment["elaboration"] or "",
        )
    if row.data is not None:
        decision = Adjudication(
            name=row.decider,
            choice=Choice.model_validate_json(row.data),
            reason=row.reason,
            at=row.at,
        )
    return Task(
        **_of_task(row),
        kind=row.kind,
        expected=row.expected,
        judge=judge,
        annotations=tuple(said),
        decision=decision,
    )


def _annotated(tx: Transaction, project_id: int, only: Sequence[int] | None) -> Iterator[Annotated]:
    for row in _annotated_rows(tx, project_id, only):
        yield Annotated(
            **_by_whom(row),
            assignment_id=row.id,
            task_id=row.task_id,
            practice=row.practice,
            choice=Choice.model_validate_json(row.choice),
            final=None if row.final is None else Final.model_validate_json(row.final),
        )


def _annotated_rows(tx: Transaction, project_id: int, only: Sequence[int] | None) -> Iterator[Any]:
    choice, final, flag = aliased(event), aliased(event), aliased(event)
    query = (
        select(
            assignment.c.id,
            assignment.c.task_id,
            assignment.c.account_id,
            account.c.name,
            assignment.c.shown,
            assignment.c.blind,
            assignment.c.completed_at,
            assignment.c.seconds,
            assignment.c.practice,
            choice.c.data.label("choice"),
            choice.c.at.label("chosen_at"),
            final.c.data.label("final"),
            flag.c.reason.label("flagged"),
        )
        .join(account, account.c.id == assignment.c.account_id)
        .join(choice, choice.c.id == assignment.c.choice_id)
        .outerjoin(final, final.c.id == assignment.c.final_id)
        .outerjoin(flag, flag.c.id == assignment.c.flag_id)
        .where(assignment.c.project_id == project_id, assignment.c.state == "complete")
        .order_by(assignment.c.completed_at, assignment.c.id)
    )
    yield from tx.execute(query if only is None else query.where(assignment.c.task_id.in_(only)))
