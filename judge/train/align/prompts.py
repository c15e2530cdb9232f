"""From a set of prompts to token ids that a policy goes on from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from judge.conversation import ConversationBuilder
from judge.errors import RowError
from judge.pair import Message
from judge.train.batches.sequences import Conversation, read_lines, refuse_none

_MESSAGES = TypeAdapter(tuple[Message, ...])
_BATCH = 512


@dataclass
class PromptSet:
    """Prompts in file order; the three lists go together."""

    names: list[str] = field(default_factory=list)
    """``prompt_id``, for errors and samples."""
    conversations: list[Conversation] = field(default_factory=list)
    """Without a response: what a reward model is given before one."""
    ids: list[list[int]] = field(default_factory=list)
    """Token ids, the assistant's turn opened."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many were not used, by why: ``too_long``, ``bad_prompt``."""

    def __len__(self) -> int:
        return len(self.ids)

    def refuse_none(self, where: Path, wanted: str) -> None:
        """Refuse to go on without any prompt.

        Args:
            wanted: as ``prompt to train on``.

        Raises:
            UsageError: when there is none, with the reasons.
        """
        refuse_none(self.ids, self.left_out, where, wanted)


def load_prompts(
    path: Path, builder: ConversationBuilder, max_length: int, limit: int | None
) -> PromptSet:
    """Read and tokenise a file of ``judge data prepare --kind prompts``.

    Args:
        path: ``train.jsonl`` or ``val.jsonl``.
        builder: makes token ids under the policy's own chat template.
        max_length: most tokens of a prompt: the recipe's ``max_length`` less those of a response. A
            longer one is left out, never cut.
        limit: only the first so many usable ones.

    Raises:
        UsageError: for an unreadable file, or a line that is no prompt (with its number).
    """
    result = PromptSet()
    rest = read_prompts(path)
    while batch := list(islice(rest, _BATCH)):
        encoded = _encoded(builder, [conversation for _, conversation in batch])
        for (name, conversation), ids in zip(batch, encoded, strict=True):
            if limit is not None and len(result) >= limit:
                return result
            if ids is None:
                result.left_out["bad_prompt"] += 1
            elif len(ids) > max_length:
                result.left_out["too_long"] += 1
            else:
                result.names.append(name)
                result.conversations.append(conversation)
                result.ids.append(ids)
    return result


def read_prompts(path: Path) -> Iterator[tuple[str, Conversation]]:
    """Yield the id and the conversation of each line.

    Raises:
        UsageError: for a file that cannot be read, naming the line that is no prompt.
    """
    return read_lines(path, _prompt, "cannot be read")


def _prompt(row: dict[str, Any], number: int) -> tuple[str, Conversation]:
    name, messages = row["prompt_id"], _MESSAGES.validate_python(row["messages"])
    if not isinstance(name, str):
        raise ValueError("prompt_id: expected a text")
    if not messages or messages[-1].role not in ("user", "tool"):
        raise ValueError("messages: expected a conversation that ends with the user's turn")
    return name, messages


def _encoded(
    builder: ConversationBuilder, conversations: Sequence[Conversation]
) -> list[list[int] | None]:
    """Return the ids of each prompt, None where a text cannot be encoded."""
    try:
        return list(builder.prompts(conversations))
    except RowError:  # of one of them: each by itself
        return [_alone(builder, conversation) for conversation in conversations]


def _alone(builder: ConversationBuilder, conversation: Conversation) -> list[int] | None:
    try:
        return builder.prompts([conversation])[0]
    except RowError:
        return None
