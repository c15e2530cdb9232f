"""Spans that people marked: the texts they may lie in, checked when stored, and who gets to see
them.

An annotator sees their own marks and nobody else's. Adjudicators see everyone's in the responses,
without names; not those in the judge's explanation, for the judge is hidden from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.errors import Refused
from app.review.annotation import Task, Which
from app.review.highlights import (
    Highlight,
    MarkedField,
    Source,
    digest_of,
    objection,
    quoted,
)
from app.review.project import Person
from app.review.ratings import RatedChoice, RatedTask
from app.review.task import Choice, Final, as_shown, reveal_of, to_given
from app.service.assignments import own_assignment
from app.store import annotated, views
from app.store.database import Store, Transaction
from app.store.queue import Assignment
from judge.pair import Pair
from judge.verdict import Order

RESPONSES: tuple[MarkedField, ...] = ("response_1", "response_2")
Sources = dict[MarkedField, Source]


class Highlighting:
    """What the pages ask for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def sources(self, who: Person, assignment_id: int) -> Sources:
        """Return the texts of the person's task that they may mark, as they see them.

        The judge's explanation is among them once it was revealed.

        Raises:
            NotFound: it is not this person's. NotAllowed.
        """
        with self._store.reading() as tx:
            held, _ = own_assignment(tx, who, assignment_id)
            return _sources(tx, held)


def stored_highlights(
    tx: Transaction, held: Assignment, said: Choice | Final | RatedChoice
) -> tuple[Highlight, ...]:
    """Return the spans of a decision as they are stored, in the pair's own order.

    Args:
        said: as the person sees the pair.

    Raises:
        Refused: a span lies in no text that the person saw, or two overlap.
    """
    if not said.highlights:
        return ()
    wrong = objection(said.highlights, _sources(tx, held))
    if wrong is not None:
        raise Refused(wrong)
    texts = _texts(tx, held, "given")
    # A quote of the explanation names the responses as they are in the pair's own order.
    marked = to_given(said, held.shown).highlights
    kept = [quoted(one, texts[one.field]) for one in marked]
    return tuple(sorted(kept, key=lambda one: (one.field, one.start)))


def highlight_rows(
    tx: Transaction,
    project_id: int,
    tasks: Sequence[Task] | Sequence[RatedTask],
    which: Which = "final",
) -> Iterator[dict[str, Any]]:
    """Yield a row for each span that stands, in the pair's own order; of ratings, too."""
    marked = [task for task in tasks if any(one.highlights() for one in task.annotations)]
    pairs = annotated.texts(tx, project_id, [task.task_id for task in marked])
    for task, pair in zip(marked, pairs, strict=True):
        texts = _given_texts(tx, task.task_id, pair)
        for one in task.annotations:
            before = one.highlights("first") if one.blind else ()
            for span in one.highlights(which):
                text = texts.get(span.field, "")
                is_current = digest_of(text) == span.digest
                yield {
                    "pair_id": task.pair_id,
                    "field": span.field,
                    "start": span.start,
                    "end": span.end,
                    "kind": span.kind,
                    "note": span.note,
                    "annotator": one.name,
                    "text": text[span.start : span.end] if is_current else span.quote,
                    "digest": span.digest,
                    "current": is_current,
                    "before_reveal": span in before,
                    "evaluation": task.evaluation,
                }


def _sources(tx: Transaction, held: Assignment) -> Sources:
    given, seen = _texts(tx, held, "given"), _texts(tx, held, held.shown)
    own: dict[MarkedField, MarkedField] = {"explanation": "explanation"}
    own |= dict(
        zip(RESPONSES, RESPONSES if held.shown == "given" else RESPONSES[::-1], strict=True)
    )
    return {name: Source(text, digest_of(given[own[name]])) for name, text in seen.items()}


def _texts(tx: Transaction, held: Assignment, order: Order) -> dict[MarkedField, str]:
    """Return the texts of a task that its person may mark, in an order."""
    pair = as_shown(views.load(tx, [held.id])[0].pair, order)
    found: dict[MarkedField, str] = {
        "response_1": pair.response_1,
        "response_2": pair.response_2,
    }
    judged = None if held.revealed_at is None else views.judgment_of(tx, held.task_id)
    if judged is not None:
        found["explanation"] = reveal_of(*judged, order).elaboration
    return {name: text for name, text in found.items() if text}


def _given_texts(tx: Transaction, task_id: int, pair: Pair) -> dict[MarkedField, str]:
    judged = views.judgment_of(tx, task_id)
    elaboration = (judged[1].elaboration or "") if judged else ""
    return {
        "response_1": pair.response_1,
        "response_2": pair.response_2,
        "explanation": elaboration,
    }
