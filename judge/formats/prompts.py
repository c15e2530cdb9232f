"""The prompts of any input: of annotated pairs, of rated responses, or questions alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from judge.annotated import AnnotatedPair, Problem, RatedResponse, Split
from judge.errors import RowError
from judge.formats.annotated import read_rows
from judge.formats.fields import given_id
from judge.formats.inputs import Wanted
from judge.formats.questions import EXPECTED, IDS, question_of
from judge.formats.records import Record
from judge.formats.registry import AUTO, PAIRS, RATINGS, Parser
from judge.formats.rows import Row
from judge.pair import Message, content_id


@dataclass(frozen=True)
class FoundPrompt:
    """A conversation that waits for a response."""

    id: str
    """The row's own, or one made of its content."""
    split: Split
    messages: tuple[Message, ...]
    """The last one is the user's, or a tool's."""
    source: str
    own_id: bool
    """Whether the row has an id of its own: then no other row may have it."""
    later: int = 0
    """Turns of the user that follow the first answer; they are not part of it."""


def read_prompts(
    path_or_hub_id: str,
    *,
    format: str = AUTO,
    rated: bool = False,
    subset: str | None = None,
    revision: str | None = None,
) -> Iterator[FoundPrompt | Problem]:
    """Yield the prompt of every row, also of one that another row has, and every problem.

    A row is a pair, a rated response or a question, in any layout that pairs, ratings or
    ``judge respond`` may have; responses and what people said of them are not looked at further.

    Args:
        path_or_hub_id: as of :func:`judge.formats.annotated.read_annotated`.
        format: a name of :data:`judge.formats.registry.PAIRS` or ``RATINGS``, or ``auto``: by each
            row's fields.
        rated: of a folder that holds both, read the ratings' files.

    Raises:
        UsageError: as of :func:`judge.formats.annotated.read_annotated`.
    """
    wanted = Wanted(rated, format, None, subset, revision)
    return read_rows(path_or_hub_id, wanted, _Prompts(format), _own_id, empty=True)


class _Prompts:
    """Rows to prompts; a :class:`judge.formats.annotated.RowParser`."""

    def __init__(self, format: str) -> None:
        rated = any(known.name == format for known in RATINGS)
        self._pairs = None if rated else Parser(PAIRS, format)
        self._ratings = Parser(RATINGS, format) if rated or format == AUTO else None
        self._questions = format == AUTO

    def names(self) -> str:
        parts = [parser.names() for parser in (self._pairs, self._ratings) if parser]
        return ", ".join([*parts, f"a question ({EXPECTED})"] if self._questions else parts)

    def parse(self, row: Row) -> list[FoundPrompt] | None:
        pairs = self._pairs.parse(row) if self._pairs else None
        if pairs is not None:
            return [_of_pair(pair) for pair in pairs]
        rated = self._ratings.parse(row) if self._ratings else None
        if rated is not None:
            return [_of_rated(response) for response in rated]
        return _of_question(row) if self._questions else None


def _own_id(prompt: FoundPrompt) -> str | None:
    return prompt.id if prompt.own_id else None


def _of_pair(row: AnnotatedPair) -> FoundPrompt:
    return FoundPrompt(row.pair.pair_id, row.split, row.pair.prompt, row.source, True)


def _of_rated(row: RatedResponse) -> FoundPrompt:
    return FoundPrompt(row.rating_id, row.split, row.prompt, row.source, True)


def _of_question(row: Row) -> list[FoundPrompt] | None:
    try:
        question = question_of(Record(0, row.fields))
    except RowError as error:
        if error.reason == "missing_field":  # nothing in it may be a prompt
            return None
        raise
    own = given_id(row.fields, IDS)
    return [
        FoundPrompt(
            content_id(question.prompt) if own is None else own,
            row.own_split("train"),
            question.prompt,
            row.source(),
            own is not None,
            len(question.later),
        )
    ]
