"""Rows to the questions that a model answers, one turn after the other.

Three benchmarks' layouts and anything with a prompt: MT-Bench (``question_id``, ``category``,
``turns``, ``reference``; FastChat, ``llm_judge/data/mt_bench/question.jsonl``), AlpacaEval
(``instruction``, ``dataset``; data set card of tatsu-lab/alpaca_eval), Arena-Hard (``uid`` or
``question_id``, ``prompt`` or ``turns`` of objects, ``cluster``; lmarena/arena-hard-auto). What a
row holds besides, responses and labels among it, is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judge.errors import RowError
from judge.formats.fields import check_length, ends_with_the_user, given_id, messages_of, row_fields
from judge.formats.records import Record
from judge.formats.values import CONVERSATIONS, kind, listed, shown, text
from judge.pair import Message

PROMPTS = ("prompt", "instruction", "question", "input", *CONVERSATIONS)
"""The fields that may hold a prompt; the first that a row has is taken."""
IDS = ("id", "question_id", "uid", "pair_id", "prompt_id")
EXPECTED = "prompt, turns, instruction, question, input or messages"
_CATEGORIES = ("category", "cluster", "dataset")
_VERSION = "arena-hard-v"
"""Arena-Hard's first questions have the set's name for a category; their subject is the cluster."""


@dataclass(frozen=True)
class Question:
    """A conversation that waits for an answer, and what the user says after each answer."""

    id: str
    prompt: tuple[Message, ...]
    """Up to the first turn that is to be answered."""
    later: tuple[str, ...] = ()
    """The user's later turns."""
    category: str | None = None
    reference: tuple[str, ...] | None = None
    """Answers that a judge may be shown, one a turn."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation without any answer: the user's later turns after the first one."""
        return (*self.prompt, *(Message(role="user", content=said) for said in self.later))

    @property
    def turns(self) -> int:
        """How many answers there are to be."""
        return 1 + len(self.later)


def question_of(record: Record) -> Question:
    """Return the question of a row.

    Raises:
        RowError: when it has none, or one that cannot be used.
    """
    fields = row_fields(record.row)
    prompt, later = _turns(fields)
    question = Question(
        id_of(fields, record.line), prompt, later, _category(fields), _reference(fields)
    )
    check_length(question.messages, *(question.reference or ()))
    return question


def id_of(fields: Mapping[str, Any], line: int) -> str:
    """Return the id of the row with these fields on this line of an input.

    Raises:
        RowError: when its own id is neither a text nor a whole number.
    """
    own = given_id(fields, IDS)
    return f"row-{line}" if own is None else own


def _turns(fields: Mapping[str, Any]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return the prompt of a row and the user's later turns."""
    if fields.get("turns") is not None:
        first, *later = _texts_of_turns(fields["turns"])
        return (Message(role="user", content=first),), tuple(later)
    name = next((name for name in PROMPTS if fields.get(name) not in (None, "")), None)
    if name is None:
        empty = next((n for n in PROMPTS if fields.get(n) == ""), None)
        if empty is not None:
            raise RowError("bad_prompt", f"{empty} is empty text")
        raise RowError("missing_field", f"no prompt; expected {EXPECTED}")
    if name == "instruction" and fields.get("input"):
        raise RowError(
            "bad_prompt", "an instruction with an input beside it; expected both in one prompt"
        )
    return ends_with_the_user(name, messages_of(name, fields[name])), ()


def _texts_of_turns(value: Any) -> list[str]:
    turns = listed(value)
    if not turns:
        found = "an empty list" if turns == [] else kind(value)
        raise RowError("wrong_type", f"turns is {found}, expected a list of texts")
    texts = [text("turns", t.get("content") if isinstance(t, dict) else t) for t in turns]
    blank = next((place for place, said in enumerate(texts, start=1) if not said.strip()), None)
    if blank is not None:
        raise RowError("bad_prompt", f"turn {blank} of turns is empty text")
    return texts


def _category(fields: Mapping[str, Any]) -> str | None:
    for name in _CATEGORIES:
        value = fields.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            continue
        if name == "category" and str(value).startswith(_VERSION) and fields.get("cluster"):
            continue
        return text(name, str(value))
    return None


def _reference(fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the reference answers of a row; None where it has none.

    Raises:
        RowError: when they are no texts: a judge could not be shown them.
    """
    value = fields.get("reference")
    if value in (None, "", []):
        return None
    answers = [value] if isinstance(value, str) else value
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise RowError(
            "wrong_type",
            f"reference is {shown(value)}, expected a list of texts, one for each turn",
        )
    return tuple(text("reference", answer) for answer in answers)
