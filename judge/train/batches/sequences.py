"""Examples that are conversations, as token ids; what is not used is counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError

from judge.errors import RowError, UsageError
from judge.pair import Message
from judge.train.batches.packing import pack, pad

Conversation = tuple[Message, ...]
Encode = Callable[[list[Conversation]], list[tuple[int, list[int]]]]
"""From conversations to how many ids of each are given, and its ids; a :class:`RowError` where a
text cannot be encoded."""
T = TypeVar("T")
_BATCH = 512


@dataclass(frozen=True)
class SequenceExample:
    """A labelled example."""

    name: str
    """``pair_id`` or ``rating_id``, for errors."""
    conversations: tuple[Conversation, ...]
    """Chosen and rejected, or a single one; the last message of each is the response."""
    labels: tuple[float, ...] = ()
    """The margin, or the ratings by output (NaN where there is none), or nothing."""


@dataclass
class SequenceSet:
    """Examples as token ids.

    An item holds ``index`` (into ``names``), ``sequences`` (a list of ids each conversation),
    ``prompt`` (how many ids of each sequence are given, 0 where that is of no account) and
    ``labels``.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """How many examples were not used, by why: ``too_long``, ``bad_prompt``, and what the reader
    of the rows counts."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> list[int]:
        """Tokens of every item's longest sequence."""
        return [max(map(len, item["sequences"])) for item in self.items]

    @property
    def tokens(self) -> int:
        """Tokens of all sequences."""
        return sum(len(ids) for item in self.items for ids in item["sequences"])

    @property
    def last_ids(self) -> set[int]:
        """The ids that sequences end with: padding must be another one."""
        return {ids[-1] for item in self.items for ids in item["sequences"]}

    def refuse_none(self, where: Path, wanted: str) -> None:
        """Refuse to go on without any example.

        Args:
            wanted: as ``example to train on``.

        Raises:
            UsageError: when there is none, with the reasons.
        """
        refuse_none(self.items, self.left_out, where, wanted)


def refuse_none(found: Sized, left_out: Mapping[str, int], where: Path, wanted: str) -> None:
    """Refuse to go on where nothing was found.

    Args:
        found: what is there to go on with.
        left_out: how many were not used, by why.
        where: the file.
        wanted: as ``example to train on``.

    Raises:
        UsageError: when there is none, with the reasons.
    """
    if not found:
        reasons = ", ".join(f"{n} {why}" for why, n in sorted(left_out.items()) if n)
        raise UsageError(f"{where}: no {wanted} ({reasons or 'the file is empty'})")


def collect(
    examples: Iterable[SequenceExample],
    encode: Encode,
    max_length: int,
    limit: int | None,
    left_out: Counter[str],
) -> SequenceSet:
    """Return the examples as token ids.

    Args:
        examples: in their order.
        max_length: one with a longer sequence is left out, never cut.
        limit: only the first so many usable ones.
        left_out: counts of the reader of ``examples``, which become the set's.
    """
    result = SequenceSet(left_out=left_out)
    rest = iter(examples)
    while batch := list(islice(rest, _BATCH)):
        for example, encoded in zip(batch, _encoded(batch, encode), strict=True):
            if encoded is None:
                result.left_out["bad_prompt"] += 1
            elif max(len(ids) for _, ids in encoded) > max_length:
                result.left_out["too_long"] += 1
            elif limit is None or len(result) < limit:
                result.items.append(
                    {
                        "index": len(result),
                        "prompt": encoded[0][0],
                        "sequences": [ids for _, ids in encoded],
                        "labels": list(example.labels),
                    }
                )
                result.names.append(example.name)
        if limit is not None and len(result) >= limit:
            break
    return result


def _encoded(
    batch: list[SequenceExample], encode: Encode
) -> Iterator[list[tuple[int, list[int]]] | None]:
    """Yield what each example's conversations become, None where a text cannot be encoded."""
    try:
        flat = encode(list(chain.from_iterable(example.conversations for example in batch)))
    except RowError:  # of one of them: each by itself
        for example in batch:
            try:
                yield encode(list(example.conversations))
            except RowError:
                yield None
        return
    rest = iter(flat)
    for example in batch:
        yield list(islice(rest, len(example.conversations)))


def read_lines(path: Path, parse: Callable[[dict[str, Any], int], T], expected: str) -> Iterator[T]:
    """Yield what ``parse`` makes of each line's object and its number.

    Args:
        expected: what the file should be, for the error.

    Raises:
        UsageError: for a file that cannot be read, or naming the line that is something else.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("expected an object")
                    found = parse(row, number)
                except (ValueError, KeyError, TypeError, ValidationError) as error:
                    raise UsageError(f"{path}, line {number}: {_one_line(error)}") from None
                yield found
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {expected} ({error})") from None


def _one_line(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no field {error}"
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split())[:300]


@dataclass
class SequenceCollator:
    """Puts the sequences of a batch (of pairs chosen and rejected in turn) into one input.

    Returns ``index`` (``[items]``, which examples these are), ``labels`` (``[items, labels]``) and
    the arguments of :func:`judge.train.batches.packing.pack` or ``pad``.
    """

    packed: bool
    pad_id: int

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        sequences = [ids for item in items for ids in item["sequences"]]
        inputs = pack(sequences) if self.packed else pad(sequences, self.pad_id)
        return {
            "index": torch.tensor([item["index"] for item in items]),
            "labels": torch.tensor([item["labels"] for item in items]),
            **inputs,
        }
