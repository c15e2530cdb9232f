"""From prepared preferences and ratings to token ids with labels; what is not used is counted."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from judge.annotated import MAX_RATING
from judge.conversation import ConversationBuilder
from judge.errors import RowError, UsageError
from judge.pair import Message
from judge.reward import Objective

_MESSAGES = TypeAdapter(list[Message])
_BATCH = 512


@dataclass(frozen=True)
class RewardExample:
    """A labelled example: conversations that a reward is read at the end of, and the label."""

    name: str
    """``pair_id`` or ``rating_id``."""
    conversations: tuple[tuple[Message, ...], ...]
    """Chosen and rejected, or the one that was rated."""
    labels: tuple[float, ...]
    """The margin, or the ratings by output; NaN where there is none."""


@dataclass
class RewardSet:
    """Examples as token ids. An item holds ``index`` (into ``names``), ``sequences`` (one or two
    lists of ids) and ``labels``."""

    items: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """How many examples were not used, by why: ``no_preference``, ``no_rating``, ``too_long``,
    ``bad_prompt``."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> list[int]:
        """Tokens of every item's longest sequence."""
        return [max(map(len, item["sequences"])) for item in self.items]


def load_set(
    path: Path,
    objective: Objective,
    outputs: tuple[str, ...],
    builder: ConversationBuilder,
    max_length: int,
    limit: int | None,
) -> RewardSet:
    """Read and tokenise a file of ``judge data prepare`` (kind preference or regression).

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
    result = RewardSet()
    examples = read_examples(path, objective, outputs, result.left_out)
    while batch := list(islice(examples, _BATCH)):
        for example, sequences in zip(batch, _tokenise(batch, builder), strict=True):
            if sequences is None:
                result.left_out["bad_prompt"] += 1
            elif max(map(len, sequences)) > max_length:
                result.left_out["too_long"] += 1
            elif limit is None or len(result) < limit:
                item = {
                    "index": len(result),
                    "sequences": sequences,
                    "labels": list(example.labels),
                }
                result.items.append(item)
                result.names.append(example.name)
        if limit is not None and len(result) >= limit:
            break
    if not result.items:
        reasons = ", ".join(f"{n} {why}" for why, n in sorted(result.left_out.items()))
        raise UsageError(f"{path}: no example to train on ({reasons or 'the file is empty'})")
    return result


def read_examples(
    path: Path, objective: Objective, outputs: tuple[str, ...], left_out: Counter[str]
) -> Iterator[RewardExample]:
    """Yield the usable examples of a prepared file; count the others in ``left_out``.

    Raises:
        UsageError: naming the line, when it is not what the objective needs.
    """
    parse = _rated if objective == "regression" else _compared
    needs_margin = objective in ("margin_bt", "scaled_bt")
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("expected an object")
                    found = parse(row, outputs, needs_margin)
                except (ValueError, KeyError, TypeError, ValidationError) as error:
                    raise UsageError(f"{path}, line {number}: {_one_line(error)}") from None
                if isinstance(found, str):
                    left_out[found] += 1
                else:
                    yield found
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a file of `judge data prepare` ({error})") from None


def _compared(
    row: dict[str, Any], outputs: tuple[str, ...], needs_margin: bool
) -> RewardExample | str:
    """Return a pair as an example, or why it has no strict preference."""
    margin: Any = row.get("margin")
    if margin is None and not needs_margin:
        margin = 1
    if not _is_number(margin) or not 0 <= margin <= MAX_RATING:
        raise ValueError(f"margin {margin!r} is off the scale, expected 0 < margin <= {MAX_RATING}")
    chosen, rejected = _conversation(row, "chosen"), _conversation(row, "rejected")
    if margin == 0 or chosen == rejected:
        return "no_preference"
    return RewardExample(str(row["pair_id"]), (chosen, rejected), (float(margin),))


def _rated(
    row: dict[str, Any], outputs: tuple[str, ...], needs_margin: bool
) -> RewardExample | str:
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
    return RewardExample(str(row["rating_id"]), (conversation,), tuple(ratings))


def _conversation(row: dict[str, Any], key: str) -> tuple[Message, ...]:
    """Return the prompt and the response under ``key``, which ends it."""
    messages = (*_MESSAGES.validate_python(row["prompt"]), *_MESSAGES.validate_python(row[key]))
    if not messages or messages[-1].role != "assistant":
        raise ValueError(f"{key}: expected messages that end with the assistant's")
    return messages


def _is_number(value: object) -> bool:
    """Say whether a JSON value is a number; true, false and NaN are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _one_line(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no field {error}"
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split())[:300]


def _tokenise(
    examples: list[RewardExample], builder: ConversationBuilder
) -> Iterator[list[list[int]] | None]:
    """Yield each example's sequences, None where a text cannot be encoded."""
    try:
        flat = builder.build([c for example in examples for c in example.conversations])
    except RowError:  # of one of them: each by itself
        for example in examples:
            try:
                yield builder.build(example.conversations)
            except RowError:
                yield None
        return
    rest = iter(flat)
    for example in examples:
        yield list(islice(rest, len(example.conversations)))
