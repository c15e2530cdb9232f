"""From conversations to what a judge is asked, and back to its grades, read strictly.

A grade is ``[[n]]``, 1 to 10, once (or always the same) in a reply that came to its end. A reply
without one, with several, out of range or cut is a failure with that reason: the published code
records -1, takes the first of several and a number in single brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.compare.arena.mt_bench.talks import Asked, Speaker
from judge.compare.arena.mt_bench.wording import Wording
from judge.compare.arena.plan import DOUBLED, MISSING
from judge.formats.questions import Question
from judge.prompt import render_conversation
from judge.runs.identity import made_files
from judge.runs.jsonlines import encode_line
from judge.runs.responses import NoResponse, Responses, read_no_responses, read_responses

PROMPTS = "prompts.jsonl"
LOWEST, HIGHEST = 1, 10
EMPTY = "empty_answer"
OTHERS = "the prompts of other answers, questions or wording"
TASTE = ("writing", "roleplay", "extraction", "stem", "humanities")
"""MT-bench's categories that the published rule grades without a right answer, if there is one."""
_GRADE = re.compile(r"\[\[\s*(\d+(?:\.\d+)?)\s*\]\]")


@dataclass(frozen=True, slots=True)
class Grade:
    """One turn of one model's answer to one question, to be graded."""

    speaker: Speaker
    question: str
    sample: int
    turn: int
    """From 1."""
    category: str | None
    number: int
    """Of the question, from 0."""
    failure: str | None = None
    """Why it is not asked for."""

    @property
    def id(self) -> str:
        sample = f"~{self.sample}" if self.sample else ""
        return f"{self.question}{sample}:{self.speaker.name}:{self.turn}"


def plan(speakers: Sequence[Speaker], asked: Asked) -> list[Grade]:
    """Return all grades, question by question; an answer that lacks is a failure already."""
    return [
        _grade(speaker, name, sample, turn, asked, number)
        for number, (name, question) in enumerate(asked.questions.items())
        for sample in sorted(asked.samples)
        for speaker in speakers
        for turn in range(1, question.turns + 1)
    ]


def _grade(speaker: Speaker, name: str, sample: int, turn: int, asked: Asked, number: int) -> Grade:
    key, failure = (name, sample), None
    if key in speaker.doubled:
        failure = DOUBLED
    elif key not in speaker.talks or len(speaker.talks[key].answers) < turn:
        failure = MISSING
    elif not speaker.talks[key].answers[turn - 1].strip():
        failure = EMPTY
    category = asked.questions[name].category
    return Grade(speaker, name, sample, turn, category, number, failure)


def write_prompts(
    folder: Path, grades: Sequence[Grade], asked: Asked, wording: Wording, fresh: bool
) -> Path:
    """Write what the judge is asked as the input of a run of answers; return the file.

    Raises:
        UsageError: when the folder holds other prompts and ``fresh`` is not set, or the disk
            refuses.
    """
    path = folder / PROMPTS
    with made_files([path], OTHERS, fresh) as (file,):
        file.writelines(_lines(grades, asked, wording))
    return path


def _lines(grades: Sequence[Grade], asked: Asked, wording: Wording) -> Iterator[bytes]:
    for grade in grades:
        if grade.failure is not None:
            continue
        question = asked.questions[grade.question]
        answers = grade.speaker.talks[grade.question, grade.sample].answers
        references = references_of(question)
        referred = len(references) >= grade.turn
        values = _values(render_conversation(question.prompt), question.later, answers, references)
        row: dict[str, Any] = {
            "id": grade.id,
            "prompt": [m.model_dump() for m in wording.messages(grade.turn, values, referred)],
        }
        yield encode_line(row if grade.category is None else {**row, "category": grade.category})


def references_of(question: Question) -> tuple[str, ...]:
    """Return the right answers that a judge is shown: not for MT-bench's categories of taste."""
    return () if question.category in TASTE else question.reference or ()


def _values(
    first: str, later: Sequence[str], answers: Sequence[str], references: Sequence[str]
) -> dict[str, str]:
    questions = [first, *later]
    found = {"question": first, "answer": answers[0]}
    found |= {f"question_{n}": text for n, text in enumerate(questions, 1)}
    found |= {f"answer_{n}": text for n, text in enumerate(answers, 1)}
    return found | {f"ref_answer_{n}": text for n, text in enumerate(references, 1)}


def grade_of(reply: str, cut: bool) -> float | str:
    """Return the grade in a judge's reply, or the reason of a failure."""
    if cut:
        return "cut_reply"
    said = {float(number) for number in _GRADE.findall(reply)}
    if not said:
        return "no_grade"
    if len(said) > 1:
        return "several_grades"
    (value,) = said
    return value if LOWEST <= value <= HIGHEST else "out_of_range"


def read_grades(folder: Path) -> tuple[dict[str, float | str], dict[str, str]]:
    """Return the grades in a run folder, or why there is none, and the replies; both by id.

    Raises:
        UsageError: when it is no run folder, or damaged.
    """
    found: dict[str, float | str] = {}
    replies: dict[str, str] = {}
    for row in read_responses(folder):
        found[row.id], replies[row.id] = _read(row), row.responses[0]
    for failure in read_no_responses(folder):
        found |= _failed(failure)
    return found, replies


def _read(row: Responses) -> float | str:
    return grade_of(row.responses[0], row.finish[0] == "length")


def _failed(failure: NoResponse) -> Mapping[str, str]:
    return {} if failure.id is None else {failure.id: failure.reason}
