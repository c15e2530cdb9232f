"""Tasks whose annotations lie too far apart, decided by an adjudicator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.errors import NotAllowed, NotFound, Refused
from app.review.annotation import Annotated, Task, of_queue
from app.review.highlights import Highlight
from app.review.project import Person
from app.review.rules import spread
from app.review.statement import lacks_reason
from app.review.task import Choice
from app.service.access import allow, checked_reason, checked_token, project_of
from app.service.highlighting import RESPONSES
from app.store import annotated, events, projects, queue
from app.store.database import Store, Transaction
from judge.pair import Message, Pair

_UNEVEN = 100
"""Some found a response valid and some none: wider than any spread of strengths."""


class Opinion(BaseModel):
    """One annotation as an adjudicator sees it: in the pair's own order, nobody named."""

    model_config = ConfigDict(frozen=True)

    strength: int
    statement: str
    elaboration: str
    first_strength: int
    """Before the judge was revealed."""
    assignment_id: int
    """Under which its annotator is written to."""
    highlights: tuple[Highlight, ...]
    """In the responses; what was marked in the judge's explanation would show it."""


class Dispute(BaseModel):
    """A task for adjudication, in the pair's own order. Nothing of the judge is in here."""

    model_config = ConfigDict(frozen=True)

    task_id: int
    prompt: tuple[Message, ...]
    response_1: str
    response_2: str
    opinions: tuple[Opinion, ...]
    spread: int | None
    """Of the valid strengths; None where only some annotators found a response valid."""
    decision: Choice | None
    """The adjudicator's, where there is one."""
    reason: str | None


class Adjudicating:
    """What an adjudicator does. Nobody adjudicates a task that they annotated."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def queue(self, who: Person, project_id: int, limit: int = 50) -> list[Dispute]:
        """Return undecided tasks that have all their annotations and spread by more than 2, or of
        which only some annotators found a response valid: the widest first."""
        with self._store.reading() as tx:
            if allow(tx, who, project_id, "adjudicate").kind == "attributes":
                return []  # what still lies too far apart is dropped (HelpSteer2, section 2)
            found = [
                task
                for task in of_queue(annotated.tasks(tx, project_id))
                if task.is_disputed and not _annotated_by(task, who)
            ]
            found.sort(key=lambda task: -_width(task))
            return _disputes(tx, project_id, found[:limit])

    def view(self, who: Person, task_id: int) -> Dispute:
        """Return one task that all annotations are there of, decided or not.

        Raises:
            NotFound, NotAllowed: also for a task that the person annotated.
            Refused: annotations are missing.
        """
        with self._store.reading() as tx:
            return _disputes(tx, *self._task(tx, who, task_id))[0]

    def decide(
        self, who: Person, task_id: int, decision: Choice, reason: str, token: str
    ) -> Dispute:
        """Store the strength and justification that stand for the task, and why.

        Deciding again replaces the decision; both stay in the history.

        Raises:
            Refused: annotations are missing, or there is no reason or justification.
        """
        with self._store.writing() as tx:
            project_id, (task,) = self._task(tx, who, task_id)
            settings = allow(tx, who, project_id, "adjudicate")
            queue.lock(tx, task_id)
            before = events.by_token(tx, who.account_id, checked_token(token))
            if before is not None and (before.kind, before.task_id) != ("adjudication", task_id):
                raise Refused("this token was used for something else")
            if before is None:
                if lacks_reason(settings, decision.strength, [decision.justification]):
                    raise Refused("please write the justification that stands for the task")
                made = events.add(
                    tx,
                    project_id,
                    "adjudication",
                    self._now(),
                    account_id=who.account_id,
                    task_id=task.task_id,
                    data=decision.model_dump(),
                    reason=checked_reason(reason),
                    token=token,
                )
                projects.set_adjudication(tx, task_id, made)
            return _disputes(tx, *self._task(tx, who, task_id))[0]

    def _task(self, tx: Transaction, who: Person, task_id: int) -> tuple[int, list[Task]]:
        project_id = project_of(tx, who, task_id, "adjudicate")
        if allow(tx, who, project_id, "adjudicate").kind == "attributes":
            raise Refused("ratings are not adjudicated")
        found = of_queue(annotated.tasks(tx, project_id, [task_id]))
        if not found:
            raise NotFound("there is no such task")
        if _annotated_by(found[0], who):
            raise NotAllowed("you annotated this task; another adjudicator must decide")
        if not found[0].has_all:
            raise Refused("this task still waits for annotations")
        return project_id, found


def _annotated_by(task: Task, who: Person) -> bool:
    return any(one.account_id == who.account_id for one in task.annotations)


def _width(task: Task) -> int:
    apart = spread(task.strengths())
    return _UNEVEN if apart is None else apart


def _disputes(tx: Transaction, project_id: int, tasks: Sequence[Task]) -> list[Dispute]:
    pairs = annotated.texts(tx, project_id, [task.task_id for task in tasks])
    return [_dispute(task, pair) for task, pair in zip(tasks, pairs, strict=True)]


def _dispute(task: Task, pair: Pair) -> Dispute:
    return Dispute(
        task_id=task.task_id,
        prompt=pair.prompt,
        response_1=pair.response_1,
        response_2=pair.response_2,
        opinions=tuple(map(_opinion, task.annotations)),
        spread=spread(task.strengths()),
        decision=None if task.decision is None else task.decision.choice,
        reason=None if task.decision is None else task.decision.reason,
    )


def _opinion(one: Annotated) -> Opinion:
    return Opinion(
        strength=one.strength(),
        statement=one.statement(),
        elaboration=one.elaboration(),
        first_strength=one.strength("first"),
        assignment_id=one.assignment_id,
        highlights=tuple(mark for mark in one.highlights() if mark.field in RESPONSES),
    )
