"""Comments on a task between the person who annotates it and adjudicators, nobody named.

A thread belongs to one person's part in a task: no other annotator ever sees it. Comments are kept
in the pair's own order and shown in each reader's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.errors import NotAllowed, NotFound, Refused
from app.review.project import Person
from app.service.access import allow, project_of
from app.service.assignments import EXCERPT, add_event, is_stored, locked, own_assignment
from app.store import browse, comments, events, queue, views
from app.store.database import Store, Transaction
from app.store.queue import Assignment
from judge.pair import Pair
from judge.verdict import Order, flip_names

LONGEST = 2000


class Comment(BaseModel):
    """What someone said of a task."""

    model_config = ConfigDict(frozen=True)

    by: Literal["annotator", "adjudicator"]
    text: str
    at: datetime


class Question(BaseModel):
    """A thread that waits for an adjudicator's answer."""

    model_config = ConfigDict(frozen=True)

    assignment_id: int
    task_id: int
    excerpt: str


class Thread(BaseModel):
    """A thread as an adjudicator sees it, with its task in the pair's own order."""

    model_config = ConfigDict(frozen=True)

    pair: Pair
    comments: tuple[Comment, ...]


class Commenting:
    """What annotators and adjudicators say to each other about a task."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def own(self, who: Person, assignment_id: int) -> list[Comment]:
        """Return the comments on one's own part in a task; an answer counts as read then.

        Raises:
            NotFound: it is not this person's.
        """
        with self._store.reading() as tx:
            held, _ = own_assignment(tx, who, assignment_id)
            found = _comments(tx, held, held.shown)
        if held.answer_id is not None:
            with self._store.writing() as tx:
                held, _, _ = locked(tx, who, assignment_id)
                queue.change(tx, held.id, answer_id=None)
        return found

    def ask(self, who: Person, assignment_id: int, text: str, token: str) -> list[Comment]:
        """Say something of one's own part in a task, for adjudicators.

        Raises:
            Refused: no text, or a very long one.
        """
        with self._store.writing() as tx:
            held, _, _ = locked(tx, who, assignment_id)
            if not is_stored(tx, who, held, "comment", token):
                made = self._add(tx, who, held, text, held.shown, token)
                queue.change(tx, held.id, question_id=made, answer_id=None)
            return _comments(tx, held, held.shown)

    def questions(self, who: Person, project_id: int) -> list[Question]:
        """Return the threads that wait for an adjudicator's answer, longest first."""
        with self._store.reading() as tx:
            allow(tx, who, project_id, "adjudicate")
            found = comments.waiting(tx, project_id, who.account_id)
            ids = [task_id for _, task_id in found]
            excerpts = browse.excerpts(tx, project_id, ids, EXCERPT)
        return [
            Question(assignment_id=one, task_id=task_id, excerpt=excerpts[task_id])
            for one, task_id in found
        ]

    def thread(self, who: Person, assignment_id: int) -> Thread:
        """Return a thread for an adjudicator.

        Raises:
            NotFound: there is none in a project of this person's.
            NotAllowed: the person is no adjudicator there, or annotates the task themselves.
        """
        with self._store.reading() as tx:
            held = self._for_adjudicator(tx, who, assignment_id)
            pair = views.load(tx, [held.id])[0].pair
            return Thread(pair=pair, comments=tuple(_comments(tx, held, "given")))

    def answer(self, who: Person, assignment_id: int, text: str, token: str) -> Thread:
        """Say something to the annotator of a task: an answer, or of what is complete anything.

        Raises:
            NotFound, NotAllowed: as :meth:`thread`.
            Refused: the person is still at work and asked nothing: a word would influence theirs.
        """
        with self._store.writing() as tx:
            held = self._for_adjudicator(tx, who, assignment_id)
            queue.lock(tx, held.task_id)
            if not is_stored(tx, who, held, "comment", token):
                if held.state != "complete" and not comments.of_assignment(tx, held.id):
                    raise Refused("the annotator is still at work on this task and asked nothing")
                made = self._add(tx, who, held, text, "given", token)
                queue.change(tx, held.id, question_id=None, answer_id=made)
        return self.thread(who, assignment_id)

    def _for_adjudicator(self, tx: Transaction, who: Person, assignment_id: int) -> Assignment:
        held = queue.get(tx, assignment_id)
        if held is None:
            raise NotFound("there is no such annotation")
        project_of(tx, who, held.task_id, "adjudicate")
        if comments.has_part(tx, held.task_id, who.account_id):
            raise NotAllowed("you annotate this task yourself; another adjudicator must answer")
        return held

    def _add(
        self, tx: Transaction, who: Person, held: Assignment, text: str, order: Order, token: str
    ) -> int:
        said = text.replace("\0", "").encode("utf-8", "replace").decode().strip()
        if not said or len(said) > LONGEST:
            raise Refused(f"a comment has 1 to {LONGEST:,} characters")
        data: dict[str, object] = {"text": _turned(said, order)}
        return add_event(tx, who, held, "comment", self._now(), data=data, token=token)


def _comments(tx: Transaction, held: Assignment, order: Order) -> list[Comment]:
    return [_comment(one, held, order) for one in comments.of_assignment(tx, held.id)]


def _comment(one: events.Event, held: Assignment, order: Order) -> Comment:
    by: Literal["annotator", "adjudicator"] = (
        "annotator" if one.account_id == held.account_id else "adjudicator"
    )
    return Comment(by=by, text=_turned(str(one.data["text"]), order), at=one.at)


def _turned(text: str, order: Order) -> str:
    """Return a text for the other order, or as it is; twice is the identity."""
    return flip_names(text) if order == "flipped" else text
