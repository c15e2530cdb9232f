"""From chosen responses, or whole conversations, to prompts and responses as token ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from judge.conversation import ConversationBuilder
from judge.pair import Message
from judge.train.align.examples import as_turns
from judge.train.batches.sequences import (
    Conversation,
    SequenceExample,
    SequenceSet,
    collect,
    read_lines,
)

_MESSAGES = TypeAdapter(tuple[Message, ...])


def load_conversations(
    found: Iterator[SequenceExample],
    builder: ConversationBuilder,
    max_length: int,
    limit: int | None,
) -> SequenceSet:
    """Tokenise conversations, of which at most ``limit`` are taken.

    Left out, besides what every set leaves out: ``empty_response``.

    Args:
        builder: makes token ids under the policy's own chat template.
        max_length: a longer one, in tokens, is left out, never cut.
    """
    left_out: Counter[str] = Counter()

    def spoken() -> Iterator[SequenceExample]:
        for example in found:
            if example.conversations[0][-1].content.strip():
                yield example
            else:
                left_out["empty_response"] += 1

    return collect(spoken(), as_turns(builder), max_length, limit, left_out)


def read_conversations(path: Path) -> Iterator[SequenceExample]:
    """Yield the conversation of each line: ``messages``, or ``prompt`` and ``chosen``.

    Raises:
        UsageError: for a file that cannot be read, naming the line that is none.
    """
    return read_lines(path, _example, "cannot be read")


def _example(row: dict[str, Any], number: int) -> SequenceExample:
    if "messages" in row:
        messages = _MESSAGES.validate_python(row["messages"])
    elif "prompt" in row and "chosen" in row:
        parts = (_MESSAGES.validate_python(row[name]) for name in ("prompt", "chosen"))
        messages = tuple(message for part in parts for message in part)
    else:
        raise ValueError("expected messages, or prompt and chosen")
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise ValueError("expected a conversation that ends with the assistant's message")
    return SequenceExample(str(row.get("pair_id", row.get("id", f"line {number}"))), (messages,))


def held_out(conversation: Conversation, share: float) -> bool:
    """Say whether a conversation is among the ``share`` (0 to 1) for validation: by its prompt."""
    words = [(m.role, " ".join(m.content.casefold().split())) for m in conversation[:-1]]
    digest = hashlib.sha256(repr(words).encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
