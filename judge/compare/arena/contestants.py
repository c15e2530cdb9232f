"""Models and their answers: read, named, and matched by what they were asked.

A prompt is known by its content, so answers in different layouts meet. Only the first turn of a
conversation takes part: later turns of two models have no prompt in common.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from judge.errors import RowError, UsageError
from judge.formats.model_answers import ModelAnswer, read_answers
from judge.formats.questions import Question
from judge.formats.rows import content_id
from judge.lookalikes import told_apart
from judge.pair import Message
from judge.thinking import answer_of

_NAMED = re.compile(r"([^=/\\]+)=(.+)", re.S)
Key = tuple[str, int]
"""The content of a prompt, and the number of the sample."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A model's answer to the first turn of a prompt."""

    prompt: tuple[Message, ...]
    text: str
    question_id: str | None
    category: str | None
    tokens: int | None
    cut: bool | None
    shared_tokens: bool
    """Whether they are of one tokenizer for all models."""
    several: bool
    """Whether the conversation had more turns."""


@dataclass
class Contestant:
    """A model with its answers."""

    name: str
    source: str
    """The path or id that was given."""
    answers: dict[Key, Answered] = field(default_factory=dict)
    doubled: dict[Key, str] = field(default_factory=dict)
    """Prompts with two different answers of one sample, and the lines of the two: which of them
    counts nobody can say, so both are out of :attr:`answers`."""
    unknown: int = 0
    """Answers to questions that the file of questions lacks."""

    def add(self, key: Key, answer: Answered, lines: str) -> None:
        """Add an answer; the same one again changes nothing."""
        if key in self.doubled:
            return
        there = self.answers.get(key)
        if there is None:
            self.answers[key] = answer
        elif there.text != answer.text:
            self.doubled[key] = lines
            del self.answers[key]


def read_contestants(
    inputs: Sequence[str], questions: dict[str, Question] | None, strip_thinking: bool = False
) -> list[Contestant]:
    """Return the models whose answers are in ``inputs``, in that order.

    Args:
        inputs: each ``PATH`` or ``NAME=PATH``.
        questions: by id, for layouts without prompts.
        strip_thinking: leave out what a reasoning model wrote before each answer.

    Raises:
        UsageError: for what cannot be read, a name that two inputs give, answers whose prompts
            nobody says, or a file none of whose answers is to one of the questions.
    """
    found: dict[str, Contestant] = {}
    for given in dict.fromkeys(inputs):
        name, path = named_path(given)
        for contestant in _contestants(path, name, questions, strip_thinking):
            other = found.get(contestant.name)
            if other is not None:
                raise UsageError(
                    f"{other.source} and {path} both hold answers of {contestant.name!r}; name"
                    " them, as in first=PATH"
                )
            found[contestant.name] = contestant
    return list(found.values())


def with_baseline(
    inputs: Sequence[str],
    baseline: str,
    questions: dict[str, Question] | None = None,
    strip_thinking: bool = False,
) -> tuple[list[Contestant], Contestant]:
    """Return the models but the baseline, and the baseline: a model's name, or answers.

    Raises:
        UsageError: as :func:`read_contestants`, where there is no such baseline or nobody else.
    """
    contestants = read_contestants(inputs, questions, strip_thinking)
    own = named_path(baseline)[1]
    by_source = [c for c in contestants if baseline == c.name or own == c.source]
    named = [c for c in contestants if c.name == baseline] or by_source
    if not named:
        if not Path(own).exists() and "/" not in own:
            known = ", ".join(told_apart(c.name for c in contestants).values())
            raise UsageError(
                f"no baseline {baseline!r}: it is not a file, and the models are {known}"
            )
        contestants = read_contestants([*inputs, baseline], questions, strip_thinking)
        named = [c for c in contestants if c.source == own]
    if len(named) != 1:
        raise UsageError(f"{own} holds {len(named)} models; name one of them as the baseline")
    others = [c for c in contestants if c is not named[0]]
    if not others:
        raise UsageError(f"there is no other model to compare with the baseline {named[0].name!r}")
    return others, named[0]


def named_path(given: str) -> tuple[str | None, str]:
    """Return name and path of ``NAME=PATH``; a path that is there is one, whatever is in it."""
    match = None if Path(given).exists() else _NAMED.fullmatch(given)
    return (match[1], match[2]) if match else (None, given)


def _contestants(
    path: str, name: str | None, questions: dict[str, Question] | None, strip_thinking: bool
) -> list[Contestant]:
    by_model: dict[str, Contestant] = {}
    lines: dict[tuple[str, Key], int] = {}
    for answer in read_answers(path):
        model = name or answer.model
        of = by_model.setdefault(model, Contestant(model, path))
        asked = _asked(answer, path, questions)
        if asked is None:
            of.unknown += 1
            continue
        prompt, category = asked
        key = (content_id(prompt), answer.sample)
        first = lines.setdefault((model, key), answer.line)
        made = _first_turn(answer, prompt, category, strip_thinking)
        of.add(key, made, f"lines {first} and {answer.line}")
    for contestant in by_model.values():
        if not contestant.answers and not contestant.doubled:
            raise UsageError(f"{path}: none of the answers is to one of the questions")
    return list(by_model.values())


def _asked(
    answer: ModelAnswer, path: str, questions: dict[str, Question] | None
) -> tuple[tuple[Message, ...], str | None] | None:
    """Return the first turn of what was asked and its category; None for an unknown question."""
    question = None if questions is None else questions.get(answer.question_id or "")
    if answer.asked:
        category = answer.category or (question.category if question else None)
        return _first(answer), category
    if questions is None:
        raise UsageError(
            f"{path} line {answer.line} names its question by id alone: give the"
            " question.jsonl that it belongs to as --questions FILE"
        )
    return None if question is None else (question.prompt, question.category)


def _first(answer: ModelAnswer) -> tuple[Message, ...]:
    """Return the messages before the first answer: all of them where there is one answer."""
    if len(answer.turns) == 1:
        return answer.asked
    users = [place for place, m in enumerate(answer.asked) if m.role == "user"]
    first = users[max(0, len(users) - len(answer.turns))]
    return answer.asked[: first + 1]


def _first_turn(
    answer: ModelAnswer, prompt: tuple[Message, ...], category: str | None, strip_thinking: bool
) -> Answered:
    return Answered(
        prompt=prompt,
        text=without_thinking(answer.turns[0]) if strip_thinking else answer.turns[0],
        question_id=answer.question_id,
        category=category,
        tokens=answer.tokens[0] if answer.tokens else None,
        cut=answer.cut[0] if answer.cut else None,
        shared_tokens=answer.shared_tokens,
        several=len(answer.turns) > 1,
    )


def without_thinking(text: str) -> str:
    """Return an answer without what a reasoning model wrote before it."""
    try:
        return answer_of("answer", text, empty=True)
    except RowError:
        return text  # the run refuses it, in words
