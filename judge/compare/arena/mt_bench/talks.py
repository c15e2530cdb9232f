"""Models' conversations: what was asked turn by turn, what each model answered, right answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from judge.compare.arena.contestants import named_path, without_thinking
from judge.errors import UsageError
from judge.formats.model_answers import ModelAnswer, read_answers
from judge.formats.questions import Question
from judge.formats.rows import content_id

MOST_TURNS = 2
Key = tuple[str, int]
"""A question's name, and the number of the sample."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What one model answered to one question."""

    answers: tuple[str, ...]
    tokens: tuple[int | None, ...]
    cut: tuple[bool | None, ...]


@dataclass
class Speaker:
    """A model with its conversations."""

    name: str
    source: str
    talks: dict[Key, Talk] = field(default_factory=dict)
    doubled: dict[Key, str] = field(default_factory=dict)
    """Conversations given twice in different words, and the lines of the two: in no figure."""
    unknown: int = 0
    """Answers to questions that the file of questions lacks."""


@dataclass
class Asked:
    """The questions, in order."""

    questions: dict[str, Question] = field(default_factory=dict)
    """By name: the id, or where there is none the content."""
    samples: set[int] = field(default_factory=set)


def read_talks(
    inputs: Sequence[str],
    questions: Mapping[str, Question] | None,
    references: Mapping[str, tuple[str, ...]],
    strip_thinking: bool = False,
) -> tuple[list[Speaker], Asked]:
    """Return the models and what they were asked.

    Args:
        inputs: each ``PATH`` or ``NAME=PATH``.
        questions: by id; None where the answers hold their prompts.
        references: right answers by question id, which go before those that questions hold.

    Raises:
        UsageError: for what cannot be read, a name that two inputs give, answers whose prompts
            nobody says or that are to none of the questions, questions of more than two turns,
            or two questions of one name.
    """
    asked = Asked(dict(questions or {}))
    found: dict[str, Speaker] = {}
    for given in dict.fromkeys(inputs):
        name, path = named_path(given)
        for speaker in _speakers(path, name, questions, asked, strip_thinking):
            if speaker.name in found:
                raise UsageError(
                    f"{found[speaker.name].source} and {path} both hold answers of"
                    f" {speaker.name!r}; name them, as in first=PATH"
                )
            found[speaker.name] = speaker
    for known in asked.questions.values():
        if known.turns > MOST_TURNS:
            raise UsageError(
                f"question {known.id!r} has {known.turns} turns; MT-bench grades {MOST_TURNS}"
            )
    for name, turns in references.items():
        if name in asked.questions:
            asked.questions[name] = replace(asked.questions[name], reference=turns)
    return list(found.values()), asked


def _speakers(
    path: str,
    name: str | None,
    questions: Mapping[str, Question] | None,
    asked: Asked,
    strip_thinking: bool,
) -> list[Speaker]:
    """Return the models of one input; add to ``asked`` what they were asked."""
    here: dict[str, Speaker] = {}
    lines: dict[tuple[str, Key], int] = {}
    for answer in read_answers(path):
        speaker = here.setdefault(name or answer.model, Speaker(name or answer.model, path))
        question = _question(answer, path, questions, asked)
        if question is None:
            speaker.unknown += 1
            continue
        key = (question, answer.sample)
        asked.samples.add(answer.sample)
        first = lines.setdefault((speaker.name, key), answer.line)
        _add(speaker, key, answer, f"lines {first} and {answer.line}", strip_thinking)
    for speaker in here.values():
        if not speaker.talks and not speaker.doubled:
            raise UsageError(f"{path}: none of the answers is to one of the questions")
    return list(here.values())


def _question(
    answer: ModelAnswer, path: str, questions: Mapping[str, Question] | None, asked: Asked
) -> str | None:
    """Return the name of the question that an answer is to, None for an unknown one."""
    if questions is not None:
        return answer.question_id if answer.question_id in questions else None
    if not answer.asked:
        raise UsageError(
            f"{path} line {answer.line} names its question by id alone: give the"
            " question.jsonl that it belongs to as --questions FILE"
        )
    name = answer.question_id or content_id(answer.asked)
    users = [place for place, m in enumerate(answer.asked) if m.role == "user"]
    first = users[max(0, len(users) - len(answer.turns))]
    question = Question(
        name,
        answer.asked[: first + 1],
        tuple(m.content for m in answer.asked[first + 1 :] if m.role == "user"),
        answer.category,
        answer.reference or None,
    )
    there = asked.questions.setdefault(name, question)
    if there.messages != question.messages:
        raise UsageError(
            f"{path} line {answer.line}: question {name!r} has another text than before: the"
            " answers belong to different sets of questions"
        )
    return name


def _add(speaker: Speaker, key: Key, answer: ModelAnswer, lines: str, strip: bool) -> None:
    turns = tuple(without_thinking(text) if strip else text for text in answer.turns)
    talk = Talk(turns, answer.tokens, answer.cut)
    if key in speaker.doubled:
        return
    there = speaker.talks.get(key)
    if there is None:
        speaker.talks[key] = talk
    elif there.answers != talk.answers:
        speaker.doubled[key] = lines
        del speaker.talks[key]
