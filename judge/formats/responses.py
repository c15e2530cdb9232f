"""A prompt and two responses out of a row: plain texts, messages, or two whole conversations.

Public preference sets write the same pair in three ways: a prompt beside two texts; a prompt beside
two conversations that may repeat it (UltraFeedback, TRL's explicit prompts); two conversations
alone, alike up to their last answers (TRL's implicit prompts, HH-RLHF's transcripts). Two
conversations that part earlier have no prompt in common: they are no pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from judge.errors import RowError
from judge.formats.fields import ends_with_the_user, messages_of, response
from judge.formats.messages import is_message, message, transcript
from judge.formats.values import CONVERSATIONS
from judge.pair import Message


class Texts(NamedTuple):
    """What a pair is made of."""

    prompt: tuple[Message, ...]
    response_1: str
    response_2: str


class _Side(NamedTuple):
    before: tuple[Message, ...]
    """What its conversation holds before the response."""
    said: Any
    """The response, not yet checked."""


def prompt_field(fields: Mapping[str, Any], name: str, one: str, two: str) -> str | None:
    """Return the field that holds the prompt of two responses; None where they hold it themselves.

    Raises:
        KeyError: when there is no prompt anywhere.
    """
    found = next((known for known in (name, *CONVERSATIONS) if _given(fields, known)), None)
    if found is not None or all(_is_conversation(fields.get(side)) for side in (one, two)):
        return found
    if name in fields:
        return name
    raise KeyError(name)


def has_pair(fields: Mapping[str, Any], name: str, one: str, two: str) -> bool:
    """Say whether a row has these two responses and a prompt, in whichever way."""
    if one not in fields or two not in fields:
        return False
    try:
        prompt_field(fields, name, one, two)
    except KeyError:
        return False
    return True


def texts_of(
    fields: Mapping[str, Any], name: str | None, one: str, two: str, empty: bool = False
) -> Texts:
    """Return the prompt in the field ``name`` (or in the responses) and the responses.

    Args:
        empty: as :func:`judge.formats.fields.response`.

    Raises:
        RowError: when one of them cannot be used, or they do not belong together.
    """
    asked = None if name is None else messages_of(name, fields[name])
    sides = [_side(side, fields[side]) for side in (one, two)]
    if all(isinstance(fields[side], str) for side in (one, two)):
        sides = _transcripts(fields[one], fields[two], asked) or sides
    (before, first), (other, second) = sides
    if before != other:
        raise RowError("bad_prompt", f"{one} and {two} differ before their last answers")
    whole = before if asked is None else _joined(asked, before)
    if whole is None:
        raise RowError("bad_prompt", f"{name} is not the conversation before the last answers")
    where = name or f"{one} without its last answer"
    answers = response(one, first, empty), response(two, second, empty)
    return Texts(ends_with_the_user(where, whole), *answers)


def _given(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    return value is not None and value != ""


def _is_conversation(value: Any) -> bool:
    """Say whether a response's field holds turns before the response."""
    if isinstance(value, str):
        return transcript(value) is not None
    return isinstance(value, list) and len(value) > 1 and all(map(is_message, value))


def _side(name: str, value: Any) -> _Side:
    if not isinstance(value, list) or not value or not is_message(value[0]):
        return _Side((), value)
    turns = [message(name, item, "bad_prompt") for item in value[:-1]]
    last = message(name, value[-1], "wrong_type")
    if last.role != "assistant":
        raise RowError(
            "wrong_type", f"{name} ends with a message of the {last.role}, expected the assistant"
        )
    return _Side(tuple(turns), last.content)


def _transcripts(one: str, two: str, asked: tuple[Message, ...] | None) -> list[_Side] | None:
    """Return both sides of two transcripts; None of texts that are to be taken as they are.

    Beside a prompt they are transcripts only of its conversation: an answer may be a dialogue.
    """
    found = [transcript(text) for text in (one, two)]
    if not all(turns is not None and turns[-1].role == "assistant" for turns in found):
        return None
    sides = [_Side(tuple(turns[:-1]), turns[-1].content) for turns in found if turns]
    if asked is not None and (
        sides[0].before != sides[1].before or _joined(asked, sides[0].before) is None
    ):
        return None
    return sides


def _joined(asked: tuple[Message, ...], before: tuple[Message, ...]) -> tuple[Message, ...] | None:
    """Return the one conversation of a prompt and of what stands before the responses.

    One may repeat the other or leave out its beginning; the prompt may also be the beginning, which
    the conversation repeats or goes on from. None where they are two conversations.
    """
    if not before or _ends_with(asked, before):
        return asked
    if _ends_with(before, asked) or _same(before[: len(asked)], asked):
        return before
    goes_on = before[0].role == "assistant" or asked[-1].role == "system"
    return (*asked, *before) if goes_on else None


def _ends_with(whole: Sequence[Message], end: Sequence[Message]) -> bool:
    return len(end) <= len(whole) and _same(whole[len(whole) - len(end) :], end)


def _same(one: Sequence[Message], two: Sequence[Message]) -> bool:
    return [(m.role, m.content.strip()) for m in one] == [(m.role, m.content.strip()) for m in two]
