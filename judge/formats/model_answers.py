"""Models' answers in the layouts of AlpacaEval, MT-bench and Arena-Hard, and of ``judge respond``.

Sources: tatsu-lab/alpaca_eval (``results/*/model_outputs.json``), lm-sys/FastChat
(``llm_judge/data/mt_bench/model_answer``), lmarena/arena-hard-auto (``data/*/model_answer``; v0.1
is FastChat's layout with objects as turns, v2.0 has ``uid`` and ``messages``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from judge.errors import RowError, UsageError
from judge.formats.fields import row_fields
from judge.formats.messages import message
from judge.formats.questions import Question, question_of
from judge.formats.records import Record, Source
from judge.formats.sources import FileSource, open_source
from judge.formats.values import kind, text
from judge.pair import Message
from judge.runs.completeness import count_lines
from judge.runs.folder import FAILURES, RESPONSES, SUMMARY
from judge.runs.responses import read_response_summary

T = TypeVar("T")
LAYOUTS = (
    "instruction, output, generator (AlpacaEval); question_id, model_id, choices (MT-bench,"
    " Arena-Hard v0.1); uid, model, messages (Arena-Hard v2.0); prompt, responses, model (judge"
    " respond)"
)


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What one model answered to one prompt, turn by turn."""

    model: str
    question_id: str | None
    asked: tuple[Message, ...]
    """The user's turns and what stands before the first; empty where the layout has ids alone."""
    turns: tuple[str, ...]
    """The answers, at least one."""
    line: int
    sample: int = 0
    category: str | None = None
    tokens: tuple[int | None, ...] = ()
    """Of each answer, where the file says."""
    cut: tuple[bool | None, ...] = ()
    """Whether each answer ended because its tokens ran out, where the file says."""
    reference: tuple[str, ...] = ()
    """Right answers, one a turn, where the file has them."""
    shared_tokens: bool = False
    """Whether the tokens are those of one tokenizer for all models, as in Arena-Hard's layouts."""


def read_answers(name: str) -> list[ModelAnswer]:
    """Return the answers in a file, a run folder of ``judge respond`` or a hub data set.

    Raises:
        UsageError: when it cannot be read or has no answers, or for the first row that is none.
    """
    return list(_read(name, _answers, LAYOUTS, "answers"))


def unanswered(name: str) -> list[str]:
    """Return what a run folder of ``judge respond`` lacks, a line each; nothing of other inputs.

    Raises:
        UsageError: when its files are damaged.
    """
    folder = Path(name)
    if not folder.is_dir():
        return []
    lines = []
    if lost := count_lines(folder / FAILURES) if (folder / FAILURES).exists() else 0:
        lines.append(f"{lost:,} prompts of {name} have no answer: see {FAILURES} there")
    if (folder / SUMMARY).exists() and not read_response_summary(folder).complete:
        lines.append(f"the run {name} is not complete: only what it holds is compared")
    return lines


def read_questions(name: str) -> dict[str, Question]:
    """Return the questions of a file by their ids, as :func:`read_answers`.

    Raises:
        UsageError: also for an id that is given twice.
    """
    layout = "id, question_id or uid, and turns or prompt (question.jsonl)"
    found: dict[str, Question] = {}

    def question(record: Record) -> Iterator[Question]:
        yield question_of(record)

    for one in _read(name, question, layout, "questions"):
        if one.id in found:
            raise UsageError(f"{name} has question {one.id!r} twice")
        found[one.id] = one
    return found


def read_references(name: str) -> dict[str, tuple[str, ...]]:
    """Return right answers by question id: MT-bench's ``reference_answer``, in the layout of
    answers, or a file of questions with ``reference``."""

    def reference(record: Record) -> Iterator[tuple[str, tuple[str, ...]]]:
        fields = row_fields(record.row)
        if "choices" in fields:
            for answer in _fastchat(fields, record.line):
                yield _id(fields), answer.turns
        elif (question := question_of(record)).reference is not None:
            yield question.id, question.reference

    found: dict[str, tuple[str, ...]] = {}
    layout = "question_id, choices (reference_answer of MT-bench), or question_id, turns, reference"
    for question_id, turns in _read(name, reference, layout, "reference answers"):
        if question_id in found:
            raise UsageError(f"{name} has the reference of question {question_id!r} twice")
        found[question_id] = turns
    return found


def _source(name: str) -> Source:
    path = Path(name)
    if path.is_dir():
        if not (path / RESPONSES).is_file():
            raise UsageError(
                f"{name} has no {RESPONSES}: expected a run folder of judge respond, or a file"
            )
        path = path / RESPONSES
    source = open_source(str(path) if path.exists() else name)
    # A table is read whole: its columns are no labels of pairs.
    return FileSource.open(source.path, labels=True) if isinstance(source, FileSource) else source


def _read(name: str, parse: Callable[[Record], Iterator[T]], layout: str, what: str) -> Iterator[T]:
    some = False
    for record in _source(name).records():
        some = True
        try:
            yield from parse(record)
        except RowError as error:
            raise UsageError(
                f"{name} line {record.line}: {error.detail}; expected a row of {what}: {layout}"
            ) from None
    if not some:
        raise UsageError(f"{name} has no rows; expected {what}: {layout}")


def _answers(record: Record) -> Iterator[ModelAnswer]:
    """Yield the answers of a row, one a sample, by the layout that its fields are of."""
    fields, line = row_fields(record.row), record.line
    if "responses" in fields and "prompt" in fields:
        yield _responded(fields, line)
    elif "instruction" in fields and "output" in fields:
        yield _alpaca(fields, line)
    elif "choices" in fields:
        yield from _fastchat(fields, line)
    elif "messages" in fields:
        yield _arena_hard(fields, line)
    else:
        raise RowError("missing_field", f"unknown layout, the fields are {', '.join(fields)}")


def _responded(fields: Mapping[str, Any], line: int) -> ModelAnswer:
    turns = _list("responses", fields["responses"])
    finish = fields.get("finish")
    ends = finish if isinstance(finish, list) else [finish] * len(turns)
    return ModelAnswer(
        model=_model(fields, "model"),
        question_id=_id(fields),
        asked=_messages(_list("prompt", fields["prompt"])),
        turns=_turns("responses", turns),
        line=line,
        sample=_whole(fields.get("sample")) or 0,
        category=_word(fields.get("category")),
        tokens=_counts(fields.get("tokens")),
        cut=tuple(None if end is None else end == "length" for end in ends),
        reference=_references(fields.get("reference")),
    )


def _alpaca(fields: Mapping[str, Any], line: int) -> ModelAnswer:
    instruction = text("instruction", fields["instruction"])
    return ModelAnswer(
        model=_model(fields, "generator"),
        question_id=None,
        asked=(Message(role="user", content=instruction),),
        turns=_turns("output", [fields["output"]]),
        line=line,
        category=_word(fields.get("dataset")),
    )


def _fastchat(fields: Mapping[str, Any], line: int) -> Iterator[ModelAnswer]:
    for index, choice in enumerate(_list("choices", fields["choices"])):
        if not isinstance(choice, dict):
            raise RowError("wrong_type", f"choices holds {kind(choice)}, expected objects")
        turns = _list("turns", choice.get("turns"))
        tokens = [t.get("token_len") if isinstance(t, dict) else None for t in turns]
        yield ModelAnswer(
            model=_model(fields, "model_id", "model"),
            question_id=_id(fields),
            asked=(),
            turns=_turns("turns", turns),
            line=line,
            sample=index,
            tokens=_counts(tokens),
            shared_tokens=True,
        )


def _arena_hard(fields: Mapping[str, Any], line: int) -> ModelAnswer:
    said = _list("messages", fields["messages"])
    if not said or not isinstance(said[-1], dict) or said[-1].get("role") != "assistant":
        raise RowError("bad_prompt", "messages does not end with the assistant's answer")
    answers = [m.get("content") for m in said if isinstance(m, dict) and m["role"] == "assistant"]
    asked = [m for m in said if isinstance(m, dict) and m["role"] != "assistant"]
    metadata = fields.get("metadata")
    tokens = metadata.get("token_len") if isinstance(metadata, dict) else None
    return ModelAnswer(
        model=_model(fields, "model", "model_id"),
        question_id=_id(fields),
        asked=_messages(asked),
        turns=_turns("messages", answers),
        line=line,
        tokens=_counts([tokens] if len(answers) == 1 else None),
        shared_tokens=True,
    )


def _id(fields: Mapping[str, Any]) -> str:
    for name in ("question_id", "uid", "id"):
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return text(name, str(value))
    raise RowError("missing_field", "question_id is missing")


def _model(fields: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(value := fields.get(name), str) and value.strip():
            return text(name, value)
    raise RowError("missing_field", f"{names[0]} is missing: it names the model that answered")


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise RowError("wrong_type", f"{name} is {kind(value)}, expected a list")
    return value


def _messages(values: list[Any]) -> tuple[Message, ...]:
    if not any(isinstance(value, dict) and value.get("role") == "user" for value in values):
        raise RowError("bad_prompt", "the prompt has no message from the user")
    return tuple(message("prompt", value, "bad_prompt") for value in values)


def _turns(name: str, values: list[Any]) -> tuple[str, ...]:
    """Return the texts of turns; null is an answer without a word, which fails when judged."""
    if not values:
        raise RowError("missing_field", f"{name} holds no answer")
    found = []
    for value in values:
        if isinstance(value, dict):
            value = value.get("content", value.get("answer"))
        if isinstance(value, dict):  # Arena-Hard v2.0: {"answer": ...} as the content
            value = value.get("answer")
        found.append("" if value is None else text(name, value))
    return tuple(found)


def _references(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    return tuple(text("reference", item) for item in values)


def _counts(values: Any) -> tuple[int | None, ...]:
    return tuple(_whole(value) for value in values) if isinstance(values, list) else ()


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
