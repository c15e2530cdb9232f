"""From chosen responses, or whole conversations, to prompts and responses as token ids."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from judge.annotated import MAX_RATING, Attribute
from judge.conversation import ConversationBuilder
from judge.pair import Message
from judge.steering import SteeredResponse, as_value, attribute_line, without_lines
from judge.train.align.examples import as_turns
from judge.train.batches.sequences import (
    Conversation,
    SequenceExample,
    SequenceSet,
    collect,
    read_lines,
)

_MESSAGES = TypeAdapter(tuple[Message, ...])


class Steering:
    """Turns rated responses into responses that are told their attributes (SteerLM).

    Args:
        attributes: that the line names.
    """

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        self.attributes = tuple(attributes)
        self._seen: dict[str, Counter[int]] = {name: Counter() for name in attributes}

    def steered(self, example: SequenceExample) -> SequenceExample | None:
        """Return an example whose response has its line; None where a rating is missing.

        Args:
            example: of one conversation, its labels the ratings in the order of ``attributes``.
        """
        if any(map(math.isnan, example.labels)):
            return None
        rated = zip(self.attributes, map(as_value, example.labels), strict=True)
        values: dict[str, int] = dict(rated)
        for name, value in values.items():
            self._seen[name][value] += 1
        *prompt, response = example.conversations[0]
        line = attribute_line(values)
        told = SteeredResponse(role="assistant", content=response.content, line=line)
        return replace(example, conversations=((*without_lines(prompt), told),), labels=())

    def most_frequent(self) -> dict[str, int]:
        """Return each attribute's most frequent value, the higher of equal ones."""
        return {
            name: max(seen, key=lambda value: (seen[value], value))
            for name, seen in self._seen.items()
        }


def load_conversations(
    found: Iterator[SequenceExample],
    builder: ConversationBuilder,
    max_length: int,
    limit: int | None,
    steering: Steering | None = None,
) -> SequenceSet:
    """Tokenise conversations, of which at most ``limit`` are taken.

    Left out, besides what every set leaves out: ``empty_response``, ``not_rated``.

    Args:
        builder: makes token ids under the policy's own chat template.
        max_length: a longer one, in tokens, is left out, never cut.
        steering: of examples that are rated.
    """
    left_out: Counter[str] = Counter()

    def spoken() -> Iterator[SequenceExample]:
        for example in found:
            if not example.conversations[0][-1].content.strip():
                left_out["empty_response"] += 1
            elif steering is None:
                yield example
            elif (steered := steering.steered(example)) is not None:
                yield steered
            else:
                left_out["not_rated"] += 1

    return collect(spoken(), as_turns(builder), max_length, limit, left_out)


def read_conversations(
    path: Path, attributes: Sequence[Attribute] | None = None
) -> Iterator[SequenceExample]:
    """Yield the conversation of each line: ``messages``, or ``prompt`` and ``chosen``.

    Args:
        attributes: the ratings that become its labels (NaN where there is none); the response of a
            ``prompt`` is then ``response``.

    Raises:
        UsageError: for a file that cannot be read, naming the line that is none.
    """

    def example(row: dict[str, Any], number: int) -> SequenceExample:
        found = _example(row, number, "chosen" if attributes is None else "response")
        return replace(found, labels=tuple(_rating(row, name) for name in attributes or ()))

    return read_lines(path, example, "cannot be read")


def _rating(row: dict[str, Any], name: str) -> float:
    value = row.get(name)
    if value is None:
        return math.nan
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= MAX_RATING:
        raise ValueError(f"{name} {value!r} is off the scale, expected 0 to {MAX_RATING}")
    return float(value)


def _example(row: dict[str, Any], number: int, response: str) -> SequenceExample:
    if "messages" in row:
        messages = _MESSAGES.validate_python(row["messages"])
    elif "prompt" in row and response in row:
        parts = (_MESSAGES.validate_python(row[name]) for name in ("prompt", response))
        messages = tuple(message for part in parts for message in part)
    else:
        raise ValueError(f"expected messages, or prompt and {response}")
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise ValueError("expected a conversation that ends with the assistant's message")
    return SequenceExample(str(row.get("pair_id", row.get("id", f"line {number}"))), (messages,))


def held_out(conversation: Conversation, share: float) -> bool:
    """Say whether a conversation is among the ``share`` (0 to 1) for validation: by its prompt."""
    words = [(m.role, " ".join(m.content.casefold().split())) for m in conversation[:-1]]
    digest = hashlib.sha256(repr(words).encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
