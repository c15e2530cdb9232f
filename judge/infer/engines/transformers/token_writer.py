"""Texts that are written freely, as token ids: prompts that share a beginning, draws row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from judge.infer.engines.protocol import Counts
from judge.infer.engines.transformers.decode import Context, Decoder
from judge.infer.engines.transformers.drawing import noise, nucleus
from judge.infer.engines.writing import Drawing


@dataclass
class _Row:
    """A text that is being written."""

    generator: torch.Generator
    tokens: list[int] = field(default_factory=list)
    ended: bool = False


class TokenWriter:
    """Writes token ids with a causal language model of transformers.

    Args:
        model: in eval mode, on its device.
        pad_id: any token id.
        ends: the tokens one of which ends a text.
        drawing: how texts are written.
        counts: updated with every pass.
    """

    def __init__(
        self, model: Any, pad_id: int, ends: frozenset[int], drawing: Drawing, counts: Counts
    ) -> None:
        self.ends = ends
        self.drawing = drawing
        self.counts = counts
        self._decoder = Decoder(model, pad_id, counts)

    def write(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[list[int]]:
        """Return what follows each prompt, in their order; all go through the model together.

        Args:
            seeds: of each text's own draws, so that its neighbours do not matter to it.

        Returns:
            Token ids, never none, up to one of ``ends`` or the most that ``drawing`` allows.
        """
        texts = [_Row(torch.Generator().manual_seed(seed)) for seed in seeds]
        self._write(texts, prompts)
        return [row.tokens for row in texts]

    def _write(self, rows: list[_Row], prompts: Sequence[Sequence[int]]) -> None:
        """Write on; rows that ended leave the batch when they are half of it."""
        context = self._prefill(prompts)
        for left in range(self.drawing.max_new_tokens - 1, -1, -1):
            self._append(rows, context.logits)
            live = [place for place, row in enumerate(rows) if not row.ended]
            if not live or not left:
                return
            if 2 * len(live) <= len(rows):
                rows, context = [rows[place] for place in live], context.select(live)
            going = [not row.ended for row in rows]
            self._decoder.step(context, [row.tokens[-1] for row in rows], going)

    def _prefill(self, prompts: Sequence[Sequence[int]]) -> Context:
        """Run prompts through the model, those of several samples once."""
        places: dict[tuple[int, ...], int] = {}
        rows = [places.setdefault(tuple(ids), len(places)) for ids in prompts]
        context = self._decoder.prefill(list(map(list, places)))
        return context if len(places) == len(rows) else context.select(rows)

    def _append(self, rows: list[_Row], logits: torch.Tensor) -> None:
        """Append the next token of each row that goes on."""
        scores = logits.float()
        if self.drawing.temperature > 0:
            scores = nucleus(scores / self.drawing.temperature, self.drawing.top_p)
            scores = scores + noise([row.generator for row in rows], scores)
        for row, token in zip(rows, scores.argmax(-1).tolist(), strict=True):
            if not row.ended:
                row.tokens.append(token)
                row.ended = token in self.ends
                self.counts.completion_tokens += 1
