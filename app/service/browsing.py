"""A manager's list of tasks: found, opened, and changed many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.errors import NotFound, Refused
from app.review.annotation import Task
from app.review.browsing import TaskQuery, TaskRow, chosen, rated_row, row_of
from app.review.highlights import NAMES, Highlight
from app.review.project import MOST_ANNOTATIONS, Person, Settings
from app.review.statement import statement_of
from app.service.access import allow, checked_reason
from app.service.acts import acted
from app.service.assignments import EXCERPT, recount
from app.store import annotated, browse, events, groups, projects, queue, views
from app.store.database import Store, Transaction
from judge.pair import Pair

MOST_AT_ONCE = 500
"""Tasks that one press of a button changes."""


class Found(BaseModel):
    """Tasks that were asked for."""

    model_config = ConfigDict(frozen=True)

    total: int
    rows: tuple[TaskRow, ...]
    """The first of them."""


class Opened(BaseModel):
    """A task with its texts and everything that was said of it, in the pair's own order."""

    model_config = ConfigDict(frozen=True)

    row: TaskRow
    pair: Pair
    said: tuple[tuple[str, str, str], ...]
    """Name, what was decided, why: of every annotation, of the judge, of an adjudicator."""


class Browsing:
    """What managers do with the list; ``who`` None is the command line."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def search(
        self, who: Person | None, project_id: int, query: TaskQuery, limit: int = 200
    ) -> Found:
        """Return the tasks that fit, checks and withdrawn ones too."""
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "manage")
            text = query.text.strip()
            found = browse.holding(tx, project_id, text) if text else None
            rows = chosen(_rows(tx, project_id, settings), query, found)
            shown = rows[:limit]
            ids = [row.task_id for row in shown]
            excerpts = browse.excerpts(tx, project_id, ids, EXCERPT)
        return Found(
            total=len(rows),
            rows=tuple(row.model_copy(update={"excerpt": excerpts[row.task_id]}) for row in shown),
        )

    def open(self, who: Person | None, project_id: int, task_id: int) -> Opened:
        """Return one task.

        Raises:
            NotFound: the project has no task of this number.
        """
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "manage")
            row = browse.texts(tx, project_id, task_id)
            if row is None:
                raise NotFound(f"this project has no task {task_id}")
            lines = {one.task_id: one for one in _rows(tx, project_id, settings)}
            said = _said(tx, project_id, settings, task_id)
        return Opened(row=lines[task_id], pair=views.pair_of(row), said=said)

    def withdraw(self, who: Person | None, project_id: int, ids: Sequence[int], reason: str) -> int:
        """Take tasks out of the queue, the figures and the exports; return how many changed."""
        return self._set_withdrawn(who, project_id, ids, reason, True)

    def restore(self, who: Person | None, project_id: int, ids: Sequence[int], reason: str) -> int:
        """Put withdrawn tasks back; return how many changed."""
        return self._set_withdrawn(who, project_id, ids, reason, False)

    def ask_for(self, who: Person | None, project_id: int, ids: Sequence[int], people: int) -> int:
        """Have tasks annotated by so many people at least; return how many changed.

        Raises:
            Refused: no number of people from 1 to 5.
        """
        if not 1 <= people <= MOST_ANNOTATIONS:
            raise Refused(f"a task takes 1 to {MOST_ANNOTATIONS} annotations")
        changed = 0
        for task_id in checked_ids(ids):
            with self._store.writing() as tx:
                settings = self._allowed(tx, who, project_id, task_id)
                before = queue.lock(tx, task_id)
                if before.kind != "task":
                    continue
                browse.set_least(tx, task_id, people)
                recount(tx, settings, task_id)
                if queue.lock(tx, task_id).wanted != before.wanted:
                    changed += 1
                    acted(tx, self._now(), who, project_id, "overlap", {"least": people}, task_id)
        return changed

    def hand_back(
        self, who: Person | None, project_id: int, ids: Sequence[int], reason: str
    ) -> int:
        """Give tasks that people have in hand without a decision back to the queue; return how many
        were taken out of someone's hands. What they wrote is kept with them."""
        said, changed = checked_reason(reason), 0
        for task_id in checked_ids(ids):
            with self._store.writing() as tx:
                self._allowed(tx, who, project_id, task_id)
                for assignment_id in browse.in_hand(tx, task_id):
                    places = queue.lock(tx, task_id)
                    held = queue.get(tx, assignment_id)
                    if held is None or held.state != "open":
                        continue
                    queue.change(tx, assignment_id, state="returned", lease_until=None)
                    queue.free_place(tx, places)
                    acted(tx, self._now(), who, project_id, "release", {}, task_id, said)
                    changed += 1
        return changed

    def _set_withdrawn(
        self, who: Person | None, project_id: int, ids: Sequence[int], reason: str, withdrawn: bool
    ) -> int:
        said, changed = checked_reason(reason), 0
        for task_id in checked_ids(ids):
            with self._store.writing() as tx:
                self._allowed(tx, who, project_id, task_id)
                if queue.lock(tx, task_id).withdrawn != withdrawn:
                    projects.set_withdrawn(tx, task_id, withdrawn)
                    kind: events.Kind = "withdraw" if withdrawn else "restore"
                    acted(tx, self._now(), who, project_id, kind, {}, task_id, said)
                    changed += 1
        return changed

    def _allowed(
        self, tx: Transaction, who: Person | None, project_id: int, task_id: int
    ) -> Settings:
        settings = allow(tx, who, project_id, "manage")
        if projects.of_task(tx, task_id) != project_id:
            raise NotFound(f"this project has no task {task_id}")
        return settings


def checked_ids(ids: Sequence[int]) -> list[int]:
    """Return the numbers of tasks that one act changes, each once.

    Raises:
        Refused: there are none, or too many.
    """
    once = list(dict.fromkeys(ids))
    if not once:
        raise Refused("please select tasks first")
    if len(once) > MOST_AT_ONCE:
        raise Refused(f"at most {MOST_AT_ONCE} tasks at once")
    return once


def _rows(tx: Transaction, project_id: int, settings: Settings) -> list[TaskRow]:
    flags, given = browse.flags(tx, project_id), groups.assigned(tx, project_id)
    return [
        row.model_copy(update={"assigned": tuple(name for name, _ in given.get(row.task_id, ()))})
        for row in _unassigned(tx, project_id, settings, flags)
    ]


def _unassigned(
    tx: Transaction, project_id: int, settings: Settings, flags: dict[int, int]
) -> list[TaskRow]:
    if settings.kind == "attributes":
        rated = annotated.rated_tasks(tx, project_id)
        return [rated_row(task, flags.get(task.task_id, 0)) for task in rated]
    tasks = annotated.tasks(tx, project_id)
    return [row_of(task, flags.get(task.task_id, 0)) for task in tasks]


def _said(
    tx: Transaction, project_id: int, settings: Settings, task_id: int
) -> tuple[tuple[str, str, str], ...]:
    if settings.kind == "attributes":
        rated = next(one for one in annotated.rated_tasks(tx, project_id) if one.task_id == task_id)
        return tuple(
            line
            for one in rated.annotations
            for line in (
                (one.name, one.said().ratings.model_dump_json(), one.said().justification),
                *_marks(one.name, one.highlights()),
            )
        )
    (task,) = annotated.tasks(tx, project_id, [task_id])
    return tuple(_opinions(task))


def _marks(name: str, marks: Sequence[Highlight]) -> list[tuple[str, str, str]]:
    """Return what someone marked: who, which part and as what, and the note."""
    return [
        (name, f"{mark.kind} in {NAMES[mark.field]}: “{mark.quote}”", mark.note) for mark in marks
    ]


def _opinions(task: Task) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for one in task.annotations:
        stated = one.statement() or "Neither response is valid"
        found += [(one.name, stated, one.elaboration()), *_marks(one.name, one.highlights())]
    if task.judge is not None:
        strength = task.judge.strength
        stated = "undecided" if not strength else statement_of(strength)
        found.append((f"judge {task.judge.model}", stated, task.judge.elaboration))
    if task.decision is not None:
        choice = task.decision.choice
        stated = statement_of(choice.strength) or "Neither response is valid"
        found.append((f"adjudicator {task.decision.name}", stated, choice.justification))
    return found
