"""How often a trained reward model prefers what people preferred, by the source of the pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from judge.conversation import ConversationBuilder
from judge.metrics.accuracy import Accuracy, by_source
from judge.models.layers import layers_of
from judge.models.loading import load_tokenizer
from judge.models.merging import load_merged_classifier
from judge.pair import Message
from judge.train.batches.packing import PACKED, can_pack, pack, pad
from judge.train.evaluation.labelled import Labelled, labelled
from judge.train.reward.model import read_at_ends

BATCH_TOKENS = 8192
"""Tokens that go through a model at once."""


@dataclass(frozen=True)
class LabelledPair:
    """A pair's two conversations, the preferred one first, and where the pair comes from."""

    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    source: str


def labelled_pairs(path: str, limit: int | None = None) -> list[LabelledPair]:
    """Return the pairs of :func:`judge.train.evaluation.labelled.labelled` as conversations.

    Raises:
        UsageError: when the file cannot be read or has no such pair.
    """
    return [_conversations(one) for one in labelled(path, limit)]


def _conversations(one: Labelled) -> LabelledPair:
    first, second = (
        (*one.pair.prompt, Message(role="assistant", content=response))
        for response in (one.pair.response_1, one.pair.response_2)
    )
    chosen, rejected = (first, second) if one.preferred == "response_1" else (second, first)
    return LabelledPair(chosen, rejected, one.source)


def longer_is_better(pairs: Sequence[LabelledPair]) -> dict[str, Accuracy]:
    """Return how far the length of the responses alone goes, by source: the baseline.

    Equally long responses count half: without a model behind it the choice is a guess.
    """
    lengths = [(len(p.chosen[-1].content), len(p.rejected[-1].content)) for p in pairs]
    return by_source(
        (pair.source, ((chosen > rejected) + (chosen >= rejected)) / 2)
        for pair, (chosen, rejected) in zip(pairs, lengths, strict=True)
    )


def reward_values(folder: Path, pairs: Sequence[LabelledPair]) -> list[tuple[float, float]]:
    """Return the rewards of each pair, the chosen response first, by the model in ``folder``.

    The model has one output.
    """
    layers = layers_of(str(folder))
    tokenizer = load_tokenizer(layers.tokenizer)
    model = load_merged_classifier(layers, dtype=torch.float32).eval()
    if torch.cuda.is_available():
        model.cuda()
    # Many pairs share a response: each conversation goes through the model once.
    conversations = list(dict.fromkeys(c for p in pairs for c in (p.chosen, p.rejected)))
    sequences = ConversationBuilder(tokenizer).build(conversations)
    found = dict(zip(conversations, rewards_of(model, sequences)[:, 0].tolist(), strict=True))
    return [(found[p.chosen], found[p.rejected]) for p in pairs]


def rewards_of(model: Any, sequences: Sequence[list[int]]) -> torch.Tensor:
    """Return the outputs at the end of each sequence, float32 ``[sequences, outputs]``.

    ``model`` is left reading at ends (:func:`judge.train.reward.model.read_at_ends`).
    """
    packed = can_pack(model)
    if packed and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(PACKED)
    read_at_ends(model)
    rows: dict[int, torch.Tensor] = {}
    for batch in _batches(sequences):
        chosen = [sequences[i] for i in batch]
        inputs = pack(chosen) if packed else pad(chosen, 0)
        with torch.inference_mode():
            logits = model(
                **{
                    name: value.to(model.device) if isinstance(value, torch.Tensor) else value
                    for name, value in inputs.items()
                }
            ).logits
        rows.update(zip(batch, logits.float().cpu(), strict=True))
    return torch.stack([rows[i] for i in range(len(sequences))])


def _batches(sequences: Sequence[list[int]]) -> Iterator[list[int]]:
    """Yield indices, longest sequences first, of at most BATCH_TOKENS tokens with padding."""
    batch: list[int] = []
    for index in sorted(range(len(sequences)), key=lambda i: -len(sequences[i])):
        if batch and (len(batch) + 1) * len(sequences[batch[0]]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
