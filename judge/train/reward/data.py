"""From prepared preferences and ratings to token ids with labels; what is not used is counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from judge.annotated import MAX_RATING
from judge.conversation import ConversationBuilder
from judge.pair import Message
from judge.reward import Objective
from judge.train.batches.sequences import (
    Conversation,
    SequenceExample,
    SequenceSet,
    collect,
    read_lines,
)

_MESSAGES = TypeAdapter(list[Message])


def load_set(
    path: Path,
    objective: Objective,
    outputs: tuple[str, ...],
    builder: ConversationBuilder,
    max_length: int,
    limit: int | None,
) -> SequenceSet:
    """Read and tokenise a file of ``judge data prepare`` (kind preference or regression).

    Items hold chosen and rejected with the margin, or a response with its ratings. Left out,
    besides what every set leaves out: ``no_preference``, ``no_rating``.

    Args:
        path: ``train.jsonl`` or ``val.jsonl``.
        objective: decides what a line must hold.
        outputs: for regression the attributes to learn.
        builder: makes token ids under the model's own chat template.
        max_length: an example with a longer sequence is left out, never cut.
        limit: only the first so many usable examples.

    Raises:
        UsageError: for an unreadable file, a line that is none of this kind or off the scale (with
            its number), or when no example is left.
    """

    def encode(conversations: list[Conversation]) -> list[tuple[int, list[int]]]:
        return [(0, ids) for ids in builder.build(conversations)]

    left_out: Counter[str] = Counter()
    examples = read_examples(path, objective, outputs, left_out)
    result = collect(examples, encode, max_length, limit, left_out)
    result.refuse_none(path, "example to train on")
    return result


def read_examples(
    path: Path,
    objective: Objective,
    outputs: tuple[str, ...],
    left_out: Counter[str],
    check: Callable[[float], None] | None = None,
) -> Iterator[SequenceExample]:
    """Yield the usable examples of a prepared file; count the others in ``left_out``.

    Args:
        check: of a pair's margin; raises ValueError for one that cannot be used.

    Raises:
        UsageError: naming the line, when it is not what the objective needs.
    """
    needs_margin = objective in ("margin_bt", "scaled_bt")

    def parse(row: dict[str, Any], number: int) -> SequenceExample | str:
        found = _rated(row, outputs) if objective == "regression" else _compared(row, needs_margin)
        if check is not None and isinstance(found, SequenceExample):
            check(found.labels[0])
        return found

    for found in read_lines(path, parse, "not a file of `judge data prepare`"):
        if isinstance(found, str):
            left_out[found] += 1
        else:
            yield found


def _compared(row: dict[str, Any], needs_margin: bool) -> SequenceExample | str:
    """Return a pair as an example, or why it has no strict preference."""
    margin: Any = row.get("margin")
    if margin is None and not needs_margin:
        margin = 1
    if not _is_number(margin) or not 0 <= margin <= MAX_RATING:
        raise ValueError(f"margin {margin!r} is off the scale, expected 0 < margin <= {MAX_RATING}")
    chosen, rejected = _conversation(row, "chosen"), _conversation(row, "rejected")
    if margin == 0 or chosen == rejected:
        return "no_preference"
    return SequenceExample(str(row["pair_id"]), (chosen, rejected), (float(margin),))


def _rated(row: dict[str, Any], outputs: tuple[str, ...]) -> SequenceExample | str:
    """Return a rated response as an example, or that it has none of the wanted ratings."""
    ratings = []
    for name in outputs:
        value: Any = row.get(name)
        if value is not None and (not _is_number(value) or not 0 <= value <= MAX_RATING):
            raise ValueError(f"{name} {value!r} is off the scale, expected 0 to {MAX_RATING}")
        ratings.append(math.nan if value is None else float(value))
    conversation = _conversation(row, "response")
    if all(map(math.isnan, ratings)):
        return "no_rating"
    return SequenceExample(str(row["rating_id"]), (conversation,), tuple(ratings))


def _conversation(row: dict[str, Any], key: str) -> tuple[Message, ...]:
    """Return the prompt and the response under ``key``, which ends it."""
    messages = (*_MESSAGES.validate_python(row["prompt"]), *_MESSAGES.validate_python(row[key]))
    if not messages or messages[-1].role != "assistant":
        raise ValueError(f"{key}: expected messages that end with the assistant's")
    return messages


def _is_number(value: object) -> bool:
    """Say whether a JSON value is a number; true, false and NaN are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
