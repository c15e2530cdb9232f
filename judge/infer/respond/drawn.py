"""One of the answers that a row of prompts is to have, and how it is read out of the row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from judge.errors import RowError
from judge.formats.fields import row_fields
from judge.formats.questions import Question, id_of, question_of
from judge.formats.records import Record
from judge.formats.values import shown
from judge.idset import IdSet
from judge.runs.responses import NoResponse, key_of, place_of


@dataclass(frozen=True)
class Drawn:
    """A question, and which of its samples."""

    question: Question
    line: int
    """Of the input, from 1."""
    sample: int

    @property
    def key(self) -> str:
        return key_of(self.question.id, self.sample)

    def seed(self, seed: int, turn: int) -> int:
        """Return the seed of a turn's own draws: of 56 bits, the same for every model and batch."""
        text = f"{seed}:{turn}:{self.sample}:{self.question.id}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:7], "big")


def several(samples: int) -> Callable[[Iterator[Record]], Iterator[Record]]:
    """Return what turns a record into one for each of its samples.

    Their lines are those of :func:`judge.runs.responses.place_of`.
    """

    def each(records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            for sample in range(samples):
                yield Record(place_of(record.line, sample, samples), record.row)

    return each


class Reader:
    """Records of samples to what is to be answered; a row is read once for all its samples."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._last: tuple[int, Question | NoResponse] | None = None

    def read(self, record: Record, seen: IdSet) -> Drawn | NoResponse:
        """Return what is to be answered, or what is wrong with the row; add its id to ``seen``."""
        line, sample = divmod(record.line, self._samples)
        question = self._question(record, line)
        if isinstance(question, NoResponse):
            return question.model_copy(update={"sample": sample})
        drawn = Drawn(question, line, sample)
        if not seen.add(drawn.key):
            detail = f"id {shown(question.id)} was used before; expected once"
            return _failure(line, sample, question.id, RowError("duplicate_id", detail))
        return drawn

    def key(self, record: Record) -> str | None:
        """Return what the run folder calls a record; None where it has no id that can be read."""
        line, sample = divmod(record.line, self._samples)
        try:
            return key_of(id_of(row_fields(record.row), line), sample)
        except RowError:
            return None

    def _question(self, record: Record, line: int) -> Question | NoResponse:
        if self._last is None or self._last[0] != line:
            found: Question | NoResponse
            try:
                found = question_of(Record(line, record.row))
            except RowError as error:
                found = _failure(line, 0, _id(record, line), error)
            self._last = (line, found)
        return self._last[1]


def _id(record: Record, line: int) -> str | None:
    try:
        return id_of(row_fields(record.row), line)
    except RowError:
        return None


def _failure(line: int, sample: int, id: str | None, error: RowError) -> NoResponse:
    return NoResponse(line=line, id=id, sample=sample, reason=error.reason, detail=error.detail)
