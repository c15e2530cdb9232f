"""From chosen responses, or whole conversations, to prompts and responses as token ids."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from judge.conversation import ConversationBuilder, Turn
from judge.errors import RowError, UsageError
from judge.pair import Message

_MESSAGES = TypeAdapter(tuple[Message, ...])
_BATCH = 512
Conversation = tuple[Message, ...]


@dataclass
class ConversationSet:
    """Conversations as token ids.

    An item holds ``index`` (into ``names``), ``prompt`` (how many ids of its sequence are given),
    ``sequences`` (one) and ``labels`` (none).
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Those that were not used, by why: ``empty_response``, ``too_long``, ``bad_prompt``."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> list[int]:
        """Tokens of every conversation."""
        return [len(item["sequences"][0]) for item in self.items]


def load_conversations(
    found: Iterator[tuple[str, Conversation]],
    builder: ConversationBuilder,
    max_length: int,
    limit: int | None,
) -> ConversationSet:
    """Tokenise conversations by name, of which at most ``limit`` are taken.

    One of more than ``max_length`` tokens is left out and counted, never cut.
    """
    result = ConversationSet()
    while batch := list(islice(found, _BATCH)):
        spoken = [(name, c) for name, c in batch if c[-1].content.strip()]
        result.left_out["empty_response"] += len(batch) - len(spoken)
        for (name, _), turn in zip(spoken, _turns([c for _, c in spoken], builder), strict=True):
            if turn is None:
                result.left_out["bad_prompt"] += 1
            elif len(turn.prompt) + len(turn.response) > max_length:
                result.left_out["too_long"] += 1
            elif limit is None or len(result) < limit:
                ids = turn.prompt + turn.response
                place = {"index": len(result), "prompt": len(turn.prompt)}
                result.items.append(place | {"sequences": [ids], "labels": []})
                result.names.append(name)
        if limit is not None and len(result) >= limit:
            break
    return result


def _turns(
    conversations: list[Conversation], builder: ConversationBuilder
) -> Iterator[Turn | None]:
    """Yield each conversation's turn, None where a text cannot be encoded."""
    try:
        yield from builder.turns(conversations)
    except RowError:  # of one of them: each by itself
        for conversation in conversations:
            try:
                yield builder.turns([conversation])[0]
            except RowError:
                yield None


def read_conversations(path: Path) -> Iterator[tuple[str, Conversation]]:
    """Yield name and conversation of each line: ``messages``, or ``prompt`` and ``chosen``.

    Raises:
        UsageError: naming the line that is none.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield _conversation(json.loads(line), number)
                except (ValueError, KeyError, TypeError, ValidationError) as error:
                    raise UsageError(f"{path}, line {number}: {_one_line(error)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from None


def _conversation(row: Any, number: int) -> tuple[str, Conversation]:
    if not isinstance(row, dict):
        raise ValueError("expected an object")
    if "messages" in row:
        messages = _MESSAGES.validate_python(row["messages"])
    elif "prompt" in row and "chosen" in row:
        messages = tuple(
            message
            for part in (row["prompt"], row["chosen"])
            for message in _MESSAGES.validate_python(part)
        )
    else:
        raise ValueError("expected messages, or prompt and chosen")
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise ValueError("expected a conversation that ends with the assistant's message")
    name = row.get("pair_id", row.get("id", f"line {number}"))
    return str(name), messages


def held_out(conversation: Conversation, share: float) -> bool:
    """Say whether a conversation is among the ``share`` for validation: by its prompt alone."""
    words = [(m.role, " ".join(m.content.casefold().split())) for m in conversation[:-1]]
    digest = hashlib.sha256(repr(words).encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split())[:300]
