"""From prepared preferences to prompts with a chosen and a rejected response, as token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch

from judge.conversation import ConversationBuilder, Turn
from judge.errors import RowError, UsageError
from judge.train.align.config import BRADLEY_TERRY, PreferenceLoss
from judge.train.batches.packing import pack, pad
from judge.train.reward.data import RewardExample, read_examples

STRENGTHS = 1, 3
"""What a margin may be: the size of an overall strength."""
_BATCH = 512


@dataclass
class PairSet:
    """Pairs as token ids.

    An item holds ``index`` (into ``names``), ``prompt`` (how many ids of each sequence are given),
    ``sequences`` (chosen and rejected, each prompt and response) and ``labels`` (the margin).
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Pairs that were not used, by why: ``no_preference`` (identical responses among them),
    ``only_spacing_differs``, ``empty_response``, ``too_long``, ``bad_prompt``."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> list[int]:
        """Tokens of every pair's longer sequence."""
        return [max(map(len, item["sequences"])) for item in self.items]


def load_pairs(
    path: Path,
    loss: PreferenceLoss,
    builder: ConversationBuilder,
    max_length: int,
    limit: int | None,
) -> PairSet:
    """Read and tokenise a file of ``judge data prepare --kind preference``.

    Args:
        path: ``train.jsonl`` or ``val.jsonl``.
        loss: ``margin`` and ``scaled`` need strengths of 1 to 3.
        builder: makes token ids under the policy's own chat template.
        max_length: a pair with a longer sequence is left out, never cut.
        limit: only the first so many usable pairs.

    Raises:
        UsageError: for an unreadable file, a line that is none of this kind (with its number), or
            when no pair is left.
    """
    result = PairSet()
    examples = read_examples(path, BRADLEY_TERRY[loss], ("reward",), result.left_out)
    while batch := list(islice(examples, _BATCH)):
        usable = [one for one in batch if _is_usable(path, loss, one, result.left_out)]
        for example, turns in zip(usable, _turns(usable, builder), strict=True):
            if turns is None:
                result.left_out["bad_prompt"] += 1
            elif max(len(turn.prompt) + len(turn.response) for turn in turns) > max_length:
                result.left_out["too_long"] += 1
            elif limit is None or len(result) < limit:
                _add(result, example, turns)
        if limit is not None and len(result) >= limit:
            break
    if not result.items:
        reasons = ", ".join(f"{n} {why}" for why, n in sorted(result.left_out.items()))
        raise UsageError(f"{path}: no pair to train on ({reasons or 'the file is empty'})")
    return result


def _is_usable(
    path: Path, loss: PreferenceLoss, example: RewardExample, left_out: Counter[str]
) -> bool:
    """Say whether a pair can be trained on; count why not.

    Raises:
        UsageError: when the loss needs another strength.
    """
    low, high = STRENGTHS
    if loss != "regular" and not low <= example.labels[0] <= high:
        raise UsageError(
            f"{path}: {example.name}: strength {example.labels[0]:g}, loss {loss} needs {low} to"
            f" {high}"
        )
    chosen, rejected = (messages[-1].content.split() for messages in example.conversations)
    if not chosen or not rejected:
        left_out["empty_response"] += 1
    elif chosen == rejected:
        left_out["only_spacing_differs"] += 1
    return bool(chosen and rejected and chosen != rejected)


def _turns(
    examples: list[RewardExample], builder: ConversationBuilder
) -> Iterator[list[Turn] | None]:
    """Yield chosen and rejected of each pair, None where a text cannot be encoded."""
    try:
        flat = builder.turns(list(chain.from_iterable(one.conversations for one in examples)))
    except RowError:  # of one of them: each by itself
        for example in examples:
            try:
                yield builder.turns(example.conversations)
            except RowError:
                yield None
        return
    rest = iter(flat)
    for _ in examples:
        yield list(islice(rest, 2))


def _add(result: PairSet, example: RewardExample, turns: list[Turn]) -> None:
    result.items.append(
        {
            "index": len(result),
            "prompt": len(turns[0].prompt),
            "sequences": [turn.prompt + turn.response for turn in turns],
            "labels": list(example.labels),
        }
    )
    result.names.append(example.name)


@dataclass
class ResponseCollator:
    """Puts the sequences of a batch (of pairs chosen and rejected in turn) into one input.

    Returns ``index`` (``[items]``), ``labels`` (``[items, labels]``), the arguments of
    :func:`judge.train.batches.packing.pack` or ``pad`` without ``ends``, and with N = all tokens of
    responses: ``score_at`` (``[N]``, the positions before them, counted over all rows),
    ``shift_labels`` (``[1, N]``, the tokens) and ``of`` (``[N]``, whose sequence each is).
    """

    packed: bool
    pad_id: int

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        sequences = [ids for item in items for ids in item["sequences"]]
        given = [item["prompt"] for item in items for _ in item["sequences"]]
        inputs = pack(sequences) if self.packed else pad(sequences, self.pad_id)
        ends = inputs.pop("ends").tolist()
        at: list[int] = []
        tokens: list[int] = []
        of: list[int] = []
        for number, (ids, prompt, end) in enumerate(zip(sequences, given, ends, strict=True)):
            written = len(ids) - prompt
            at += range(end - written, end)
            tokens += ids[prompt:]
            of += [number] * written
        return {
            "index": torch.tensor([item["index"] for item in items]),
            "labels": torch.tensor([item["labels"] for item in items]),
            **inputs,
            "score_at": torch.tensor(at),
            "shift_labels": torch.tensor([tokens]),
            "of": torch.tensor(of),
        }
