"""What a batch of training is: its tokens, its padding, a digest of what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass
class BatchFacts:
    """The micro-batches of one step on one process."""

    lengths: list[int] = field(default_factory=list)
    """Tokens of every sequence, without padding."""
    positions: int = 0
    """Token positions that go through the model, padding included."""
    answers: int = 0
    """Positions at which the head's output is needed."""
    digest: str = ""
    """sha256 over token ids and labels of the micro-batches in their order, 16 hex digits."""

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    def add(self, inputs: Mapping[str, Any]) -> None:
        """Add a micro-batch: the tensors that a trainer gives its model.

        Sequences are told apart by ``cu_seq_lens_q`` (packed), by the mask, or by positions that
        start again. ``score_at`` holds the positions of a judge's head; of a reward model, whose
        head is asked once a sequence, there is none.
        """
        ids, labels = inputs["input_ids"], inputs.get("labels")
        lengths = _lengths(inputs)
        self.lengths += lengths
        self.positions += ids.numel()
        self.answers += inputs["score_at"].numel() if "score_at" in inputs else len(lengths)
        whole = hashlib.sha256(self.digest.encode())
        for tensor in (ids, labels):
            if tensor is not None:
                whole.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
                whole.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        self.digest = whole.hexdigest()[:16]


def _lengths(inputs: Mapping[str, Any]) -> list[int]:
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    if "cu_seq_lens_q" in inputs:
        return [end - start for start, end in pairwise(inputs["cu_seq_lens_q"].tolist())]
    if mask is not None and mask.shape == ids.shape:
        return [n for n in mask.sum(-1).tolist() if n]
    positions = inputs.get("position_ids")
    if positions is not None and positions.shape == ids.shape:
        starts = (positions.flatten() == 0).nonzero().flatten().tolist()
        return [end - start for start, end in pairwise([*starts, ids.numel()])]
    return [ids.shape[-1]] * ids.shape[0]
