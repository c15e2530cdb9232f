"""What a reasoning model writes before it answers, told apart from its answer.

Such a model opens its reply with a block between marks (``<think>`` ... ``</think>``), or goes on
with one that its chat template opened. What stands in it is no part of the answer: a verdict in it
is none, and one that was never closed has no answer after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from judge.errors import RowError


@dataclass(frozen=True)
class Marks:
    """What opens and closes the thinking of a family of models."""

    opening: str
    closing: str


MARKS = (
    Marks("<think>", "</think>"),  # DeepSeek R1, Qwen 3, GLM, Phi-4-reasoning, Nemotron, ...
    Marks("<thinking>", "</thinking>"),
    Marks("<thought>", "</thought>"),
    Marks("<reasoning>", "</reasoning>"),
    Marks("<seed:think>", "</seed:think>"),
    Marks("[THINK]", "[/THINK]"),  # Magistral
    Marks("\u25c1think\u25b7", "\u25c1/think\u25b7"),  # Kimi
    Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    Marks("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
)
USUAL = MARKS[0]
_BY_OPENING = {marks.opening.lower(): marks for marks in MARKS}


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, texts))


_OPENS = re.compile(rf"\s*({_any_of(marks.opening for marks in MARKS)})", re.IGNORECASE)
_OPENS_A_LINE = re.compile(rf"(?m:^)[ \t]*(?:{_any_of(m.opening for m in MARKS)})", re.IGNORECASE)
_ANY_CLOSING = _any_of(marks.closing for marks in MARKS)
_CLOSES = re.compile(_ANY_CLOSING, re.IGNORECASE)
_CLOSES_A_LINE = re.compile(rf"(?:{_ANY_CLOSING})[ \t]*(?=\n|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """A text in its two parts."""

    thinking: str | None
    """Without its marks and the white space around; None where there is none."""
    answer: str
    """What comes after it, white space included."""
    ended: bool = True
    """Whether the thinking was closed; the answer is empty where it was not."""

    @property
    def ambiguous(self) -> bool:
        """Whether there are marks in the answer: it may be thinking, or hold some."""
        return bool(_CLOSES.search(self.answer) or _OPENS_A_LINE.search(self.answer))


def part(text: str, opened: Marks | None = None) -> Reply:
    """Return the thinking that ``text`` opens with, and the answer after it.

    Args:
        opened: the marks of a block that was opened before the text.
    """
    thoughts: list[str] = []
    rest, marks = text, opened
    while True:
        if marks is None:
            opening = _OPENS.match(rest)
            if opening is None:
                break
            marks, rest = _BY_OPENING[opening[1].lower()], rest[opening.end() :]
        closing = re.search(re.escape(marks.closing), rest, re.IGNORECASE)
        if closing is None:
            return Reply("\n\n".join([*thoughts, rest.strip()]).strip(), "", ended=False)
        thoughts.append(rest[: closing.start()].strip())
        rest, marks = rest[closing.end() :], None
    return Reply("\n\n".join(filter(None, thoughts)) or None, rest)


def part_unknown(text: str, closing: re.Pattern[str] = _CLOSES) -> Reply:
    """Return the parts of ``text`` where it is not known whether a template opened its thinking.

    A closing mark says that one did.
    """
    found = None if _OPENS.match(text) else closing.search(text)
    if found is None:
        return part(text)
    after = part(text[found.end() :])
    thoughts = (text[: found.start()].strip(), after.thinking)
    return Reply("\n\n".join(filter(None, thoughts)) or None, after.answer, after.ended)


def opened_by(frame: str) -> Marks | None:
    """Return the marks of a block that ``frame``, a prompt's end, leaves open."""
    for marks in MARKS:
        if frame.rstrip().endswith(marks.opening):
            return marks
    return None


def known_marks(added: Iterable[str]) -> list[Marks]:
    """Return the marks that are tokens of their own among ``added``, a tokenizer's added tokens."""
    there = set(added)
    return [marks for marks in MARKS if marks.opening in there and marks.closing in there]


def may_open(text: str) -> bool:
    """Say whether a text that is still being written may open with thinking, or does."""
    begun = text.lstrip().lower()
    return any(m.startswith(begun) or begun.startswith(m) for m in _BY_OPENING)


def answer_of(name: str, response: str, empty: bool = False) -> str:
    """Return a response without its thinking.

    Args:
        empty: whether nothing may be left of it. Thinking that never ended is no answer anyhow.

    Raises:
        RowError: when nothing is left of it.
    """
    parts = part_response(response)
    if parts.thinking is None and parts.ended:
        return response
    if not parts.ended:
        raise RowError("empty_response", f"{name} is only thinking, which was never closed")
    if not parts.answer.strip() and not empty:
        raise RowError("empty_response", f"{name} is empty after its thinking")
    return parts.answer.strip()


def part_response(response: str) -> Reply:
    """Return the parts of a judged response.

    A closing mark without an opening one counts at the end of a line only: an answer may speak of
    such marks.
    """
    return part_unknown(response, _CLOSES_A_LINE)


def thinking_regex(known: Sequence[Marks]) -> str:
    """Return a regex of any number of whole blocks of thinking, white space after each included."""
    return "(" + "|".join(rf"{re.escape(m.opening)}{rest_regex(m)}" for m in known) + ")*"


def rest_regex(marks: Marks) -> str:
    r"""Return a regex of the rest of an open block: the shortest text up to its closing mark.

    The regex dialect has no look-ahead and no lazy repetition, so every place where a text can
    leave the way to the closing mark is listed. The mark's first character stands in it once.
    """
    first, *others = (re.escape(c) for c in marks.closing)
    plain = list(marks.closing)
    assert plain[0] not in plain[1:]
    exits, begun = [], ""
    for escaped, character in zip(others, plain[1:], strict=True):
        exits.append(f"{begun}[^{in_class(plain[0])}{in_class(character)}]")
        begun += escaped
    broken = "|".join("".join(others[:size]) for size in range(1, len(others)))
    again = f"({first}+({broken}))*" if broken else ""
    block = f"([^{in_class(plain[0])}]|{again}{first}+({'|'.join(exits)}))*"
    return rf"{block}{again}{first}+{''.join(others)}\s*"


def in_class(character: str) -> str:
    """Return ``character`` as it is written inside the brackets of a regex."""
    return "\\" + character if character in "\\]^-[" else character
