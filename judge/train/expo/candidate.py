"""A reward model in memory whose weights are set from files, and what it says of preferences."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoConfig

from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.models.checkpoint import Checkpoint
from judge.models.loading import load_classifier, load_tokenizer
from judge.models.shards import FLOATS
from judge.train.batches.packing import pad
from judge.train.batches.sequences import SequenceSet
from judge.train.expo.matching import TensorMatch
from judge.train.reward.data import load_set
from judge.train.reward.model import read_at_ends

BATCH_TOKENS = 8192
"""Tokens, padding included, that go through a model at once; one longer conversation goes alone."""
LONGEST = 4096
"""The most tokens of a conversation, where the model itself takes no fewer (as in training)."""


class ExpoCandidate:
    """The model that ExPO would write for a factor, without writing it.

    On a CPU it computes in float32, with the weights as they would be stored.

    Raises:
        UsageError: when the model does not load, or its files name the weights in another way.
    """

    def __init__(self, matches: dict[str, TensorMatch], strong: Checkpoint) -> None:
        self.strong = strong
        cuda = torch.cuda.is_available()
        self.model = load_classifier(
            str(strong.base or strong.folder),
            str(strong.folder),
            brought=lambda key: True,  # every weight is set below
            config=AutoConfig.for_model(**strong.config),
            dtype="auto" if cuda else torch.float32,
            device_map="auto" if cuda else None,
        )
        self.model.eval()
        state = self.model.state_dict()
        self.places = {
            name: (match, state[name])
            for name, match in matches.items()
            if name in state and match.strong.dtype in FLOATS
        }
        filled = {place.data_ptr() for _, place in self.places.values()}
        lost = [name for name, place in state.items() if place.data_ptr() not in filled]
        if lost:
            raise UsageError(f"{strong.folder}: its files do not name {lost[0]}; merge it first")
        read_at_ends(self.model)

    def set(self, factor: float) -> None:
        """Give the model the weights that the checkpoint with this factor would have."""
        for name, (match, place) in self.places.items():
            values, position = place.view(-1), 0
            for piece in match.combined(factor, name):
                values[position : position + len(piece)].copy_(piece)
                position += len(piece)

    def read(self, pairs: Path, limit: int | None) -> SequenceSet:
        """Read a ``preference`` file of ``judge data prepare`` under the model's chat template.

        Raises:
            UsageError: when file or tokenizer cannot be used.
        """
        tokenizer = load_tokenizer(str(self.strong.tokenizer_folder))
        context = getattr(self.model.config, "max_position_embeddings", None) or LONGEST
        longest = min(LONGEST, context)
        return load_set(pairs, "bt", (), ConversationBuilder(tokenizer), longest, limit)

    def outputs(self, preferences: SequenceSet) -> torch.Tensor:
        """Return the outputs for chosen and rejected: float32 ``[pairs, 2, outputs]``."""
        sequences = [ids for item in preferences.items for ids in item["sequences"]]
        found: list[torch.Tensor] = [torch.empty(0)] * len(sequences)
        with torch.inference_mode():
            for batch in _batches(sequences):
                inputs = pad([sequences[i] for i in batch], 0)
                inputs = {name: value.to(self.model.device) for name, value in inputs.items()}
                for i, row in zip(batch, self.model(**inputs).logits.float().cpu(), strict=True):
                    found[i] = row
        return torch.stack(found).view(len(preferences), 2, -1)

    def count_right(self, preferences: SequenceSet, output: int) -> int:
        """Return how many chosen responses get a strictly higher reward; a tie is wrong."""
        rewards = self.outputs(preferences)[:, :, output]
        return int((rewards[:, 0] > rewards[:, 1]).sum())


def _batches(sequences: list[list[int]]) -> list[list[int]]:
    """Return indices of sequences of like length, longest first."""
    order = sorted(range(len(sequences)), key=lambda i: (-len(sequences[i]), i))
    batches = []
    while order:
        size = max(1, BATCH_TOKENS // len(sequences[order[0]]))
        batches.append(order[:size])
        order = order[size:]
    return batches
