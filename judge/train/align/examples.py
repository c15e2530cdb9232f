"""From prepared preferences to prompts with a chosen and a rejected response, as token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from judge.conversation import ConversationBuilder
from judge.steering import opening_of
from judge.train.align.config import BRADLEY_TERRY, PreferenceLoss
from judge.train.batches.sequences import (
    Conversation,
    Encode,
    SequenceCollator,
    SequenceExample,
    SequenceSet,
    collect,
)
from judge.train.reward.data import read_examples

STRENGTHS = 1, 3
"""What a margin may be: the size of an overall strength."""


def load_pairs(
    path: Path,
    loss: PreferenceLoss,
    builder: ConversationBuilder,
    max_length: int,
    limit: int | None,
) -> SequenceSet:
    """Read and tokenise a file of ``judge data prepare --kind preference``.

    Items hold chosen and rejected, and the margin. Left out, besides what every set leaves out:
    ``no_preference`` (identical responses among them), ``only_spacing_differs``,
    ``empty_response``.

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

    def check(strength: float) -> None:
        low, high = STRENGTHS
        if loss != "regular" and not low <= strength <= high:
            raise ValueError(f"strength {strength:g}, loss {loss} needs {low} to {high}")

    left_out: Counter[str] = Counter()
    examples = read_examples(path, BRADLEY_TERRY[loss], ("reward",), left_out, check)
    usable = (example for example in examples if _is_usable(example, left_out))
    result = collect(usable, as_turns(builder), max_length, limit, left_out)
    result.refuse_none(path, "pair to train on")
    return result


def as_turns(builder: ConversationBuilder) -> Encode:
    """Return how a policy's conversations become ids: the prompt is given, the response written."""

    def encode(conversations: list[Conversation]) -> list[tuple[int, list[int]]]:
        turns = builder.turns(conversations, [opening_of(c[-1]) for c in conversations])
        return [(len(turn.prompt), turn.prompt + turn.response) for turn in turns]

    return encode


def _is_usable(example: SequenceExample, left_out: Counter[str]) -> bool:
    """Say whether a pair can be trained on; count why not."""
    chosen, rejected = (messages[-1].content.split() for messages in example.conversations)
    if not chosen or not rejected:
        left_out["empty_response"] += 1
    elif chosen == rejected:
        left_out["only_spacing_differs"] += 1
    return bool(chosen and rejected and chosen != rejected)


@dataclass
class ResponseCollator:
    """Puts the sequences of a batch into one input, and says where their responses are.

    Returns what a :class:`SequenceCollator` does without ``ends``, and with N = all tokens of
    responses: ``score_at`` (``[N]``, the positions before them, counted over all rows),
    ``shift_labels`` (``[1, N]``, the tokens) and ``of`` (``[N]``, whose sequence each is).
    """

    packed: bool
    pad_id: int

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        batch = SequenceCollator(self.packed, self.pad_id)(items)
        sequences = [(item["prompt"], ids) for item in items for ids in item["sequences"]]
        ends = batch.pop("ends").tolist()
        at: list[int] = []
        tokens: list[int] = []
        of: list[int] = []
        for number, ((given, ids), end) in enumerate(zip(sequences, ends, strict=True)):
            written = len(ids) - given
            at += range(end - written, end)
            tokens += ids[given:]
            of += [number] * written
        return batch | {
            "score_at": torch.tensor(at),
            "shift_labels": torch.tensor([tokens]),
            "of": torch.tensor(of),
        }
