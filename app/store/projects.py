"""Projects, sources, and the tasks that come from them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.review.project import Project, Role, Settings
from app.review.rules import TaskKind
from app.store.database import Transaction
from app.store.schema import evaluation, member, project, source, task
from judge.pair import Pair


@dataclass(frozen=True)
class NewTask:
    """A task to be added."""

    pair: Pair
    content: str
    prompt_content: str
    words: int
    kind: TaskKind = "task"
    expected: int | None = None
    because: str | None = None
    """Why ``expected`` is right."""
    judgment: str | None = None
    """A line of ``judgments.jsonl``, as ASCII JSON."""


@dataclass(frozen=True)
class Known:
    """What a project already holds of a row that is imported."""

    task_id: int
    pair_id: str
    content: str
    has_judge: bool


def create(tx: Transaction, settings: Settings, now: datetime) -> int | None:
    """Make a project; return its id, None where the name is taken."""
    if tx.scalar(select(project.c.id).where(project.c.name == settings.name)) is not None:
        return None
    made = (
        insert(project)
        .values(name=settings.name, settings=settings.model_dump_json(), created_at=now)
        .returning(project.c.id)
    )
    return int(tx.execute(made).scalar_one())


def settings_of(tx: Transaction, project_id: int) -> Settings | None:
    """Return a project's settings; None where there is no such project."""
    found = tx.scalar(select(project.c.settings).where(project.c.id == project_id))
    return None if found is None else Settings.model_validate_json(found)


def lock_settings(tx: Transaction, project_id: int) -> None:
    """Let nobody else change the settings until the transaction ends; tasks go on meanwhile."""
    tx.execute(
        select(project.c.id).where(project.c.id == project_id).with_for_update(key_share=True)
    ).all()


def set_settings(tx: Transaction, project_id: int, settings: Settings) -> bool:
    """Store a project's settings; return False where another project has the name."""
    other = select(project.c.id).where(project.c.name == settings.name, project.c.id != project_id)
    if tx.scalar(other) is not None:
        return False
    tx.execute(
        update(project)
        .where(project.c.id == project_id)
        .values(name=settings.name, settings=settings.model_dump_json())
    )
    return True


def all_projects(tx: Transaction) -> dict[str, int]:
    """Return the ids of all projects by name, in the order of their making."""
    return {name: i for i, name in tx.execute(select(project.c.id, project.c.name).order_by("id"))}


def of_person(tx: Transaction, account_id: int) -> list[Project]:
    """Return the projects that the account takes part in."""
    rows = tx.execute(
        select(project.c.id, project.c.settings, member.c.role)
        .join(member, member.c.project_id == project.c.id)
        .where(member.c.account_id == account_id)
        .order_by(project.c.id)
    )
    return [_project(i, text, role) for i, text, role in rows]


def _project(project_id: int, settings: str, role: Role) -> Project:
    return Project(
        project_id=project_id, settings=Settings.model_validate_json(settings), role=role
    )


def add_source(
    tx: Transaction,
    project_id: int,
    name: str,
    kind: str,
    evaluation: bool,
    model: str,
    now: datetime,
) -> int:
    """Add a source, or find the one of this name, kind and judge; return its id.

    A source that was once an evaluation set remains one.
    """
    found = tx.execute(
        select(source.c.id, source.c.evaluation).where(
            source.c.project_id == project_id,
            source.c.name == name,
            source.c.kind == kind,
            source.c.model == model,
        )
    ).one_or_none()
    if found is not None:
        if evaluation and not found.evaluation:
            tx.execute(update(source).where(source.c.id == found.id).values(evaluation=True))
        return int(found.id)
    made = (
        insert(source)
        .values(
            project_id=project_id,
            name=name,
            kind=kind,
            evaluation=evaluation,
            model=model,
            imported_at=now,
        )
        .returning(source.c.id)
    )
    return int(tx.execute(made).scalar_one())


def sources(tx: Transaction, project_id: int) -> list[Mapping[str, Any]]:
    """Return the project's sources with the number of their tasks."""
    rows = tx.execute(
        select(
            source.c.id.label("source_id"),
            source.c.name,
            source.c.kind,
            source.c.evaluation,
            source.c.imported_at,
            func.count(task.c.id).label("tasks"),
        )
        .outerjoin(task, task.c.source_id == source.c.id)
        .where(source.c.project_id == project_id)
        .group_by(source.c.id)
        .order_by(source.c.id)
    )
    return [dict(row._mapping) for row in rows]


def known(
    tx: Transaction, project_id: int, pair_ids: Collection[str], contents: Collection[str]
) -> list[Known]:
    """Return the project's tasks with one of these ids or contents."""
    rows = tx.execute(
        select(
            task.c.id,
            task.c.pair_id,
            task.c.content,
            task.c.judgment.is_not(None),
        ).where(
            task.c.project_id == project_id,
            task.c.pair_id.in_(pair_ids) | task.c.content.in_(contents),
        )
    )
    return [Known(i, pair_id, content, bool(judged)) for i, pair_id, content, judged in rows]


def next_given(tx: Transaction, project_id: int) -> int:
    """Return the number of the next task in the order given."""
    last = tx.scalar(select(func.max(task.c.given)).where(task.c.project_id == project_id))
    return 0 if last is None else int(last) + 1


def add_tasks(
    tx: Transaction,
    project_id: int,
    source_id: int,
    tasks: Sequence[NewTask],
    first: int,
    positions: Sequence[int],
    wanted: int,
) -> None:
    """Add tasks that the project does not hold yet.

    Args:
        first: the number of the first one in the order given.
        positions: their places in the queue.
    """
    rows = [
        {
            "project_id": project_id,
            "source_id": source_id,
            "pair_id": new.pair.pair_id,
            "kind": new.kind,
            "expected": new.expected,
            "because": new.because,
            "prompt": json.dumps([message.model_dump() for message in new.pair.prompt]),
            "response_1": new.pair.response_1,
            "response_2": new.pair.response_2,
            "content": new.content,
            "prompt_content": new.prompt_content,
            "words": new.words,
            "judge_source_id": source_id if new.judgment else None,
            "judgment": new.judgment,
            "given": first + index,
            "position": position,
            "taken": 0,
            "wanted": wanted,
            "withdrawn": False,
        }
        for index, (new, position) in enumerate(zip(tasks, positions, strict=True))
    ]
    if rows:
        tx.execute(insert(task), rows)


def add_judge(tx: Transaction, task_id: int, source_id: int, new: NewTask) -> bool:
    """Give a task what a judge said of its pair; return False where its responses stand the other
    way round there."""
    changed = tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.response_1 == new.pair.response_1)
        .values(judge_source_id=source_id, judgment=new.judgment)
    )
    return changed.rowcount > 0


def guard(tx: Transaction, contents: Iterable[tuple[str, str]]) -> None:
    """Remember contents (and their prompts) as those of an evaluation set, for ever."""
    rows = [{"content": content, "prompt": prompt} for content, prompt in contents]
    if rows:
        new = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
        tx.execute(new(evaluation).on_conflict_do_nothing(), rows)


def set_informative(tx: Transaction, project_id: int, places: Mapping[str, int]) -> int:
    """Give tasks, by pair id, their places among the most informative; return how many."""
    tx.execute(update(task).where(task.c.project_id == project_id).values(informative=None))
    ids = dict(
        tx.execute(select(task.c.pair_id, task.c.id).where(task.c.project_id == project_id)).all()
    )
    found = [{"i": ids[pair_id], "place": n} for pair_id, n in places.items() if pair_id in ids]
    _update_each(tx, "informative", found)
    return len(found)


def places(tx: Transaction, project_id: int) -> list[tuple[int, str, int, int | None]]:
    """Return each task's id, pair id, number as given and place among the most informative."""
    rows = tx.execute(
        select(task.c.id, task.c.pair_id, task.c.given, task.c.informative).where(
            task.c.project_id == project_id
        )
    )
    return [(i, pair_id, given, informative) for i, pair_id, given, informative in rows]


def set_positions(tx: Transaction, positions: Mapping[int, int]) -> None:
    """Put tasks, by id, at these places of the queue."""
    _update_each(tx, "position", [{"i": i, "place": n} for i, n in positions.items()])


def _update_each(tx: Transaction, column: str, values: list[dict[str, int]]) -> None:
    if values:
        tx.execute(
            update(task).where(task.c.id == bindparam("i")).values({column: bindparam("place")}),
            values,
        )


def of_task(tx: Transaction, task_id: int) -> int | None:
    """Return the project of a task; None where there is no such task."""
    found: int | None = tx.scalar(select(task.c.project_id).where(task.c.id == task_id))
    return found


def set_withdrawn(tx: Transaction, task_id: int, withdrawn: bool) -> None:
    """Take a task out of the queue, or put it back."""
    tx.execute(update(task).where(task.c.id == task_id).values(withdrawn=withdrawn))


def set_adjudication(tx: Transaction, task_id: int, event_id: int) -> None:
    """Let an adjudicator's decision stand."""
    tx.execute(update(task).where(task.c.id == task_id).values(adjudication_id=event_id))
