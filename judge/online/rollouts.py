"""Responses drawn by transformers with the very weights that are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from judge.infer.capacity import BATCH_TOKENS, cache_tokens
from judge.infer.engines.protocol import Counts
from judge.infer.engines.transformers.attention import use_grouped_sdpa
from judge.infer.engines.transformers.batches import Limits
from judge.infer.engines.transformers.token_writer import TokenWriter
from judge.infer.engines.writing import Drawing, Speech
from judge.train.align.rloo_config import RolloutSection
from judge.train.align.rollouts import DrawnTokens


class TransformersRollouts:
    """A :class:`judge.train.align.rollouts.RolloutEngine` in the trainer's process.

    Args:
        section: how responses are drawn.
        tokenizer: of the policy.
        context: the most tokens of a prompt and its response.
    """

    whole_policy = True

    def __init__(self, section: RolloutSection, tokenizer: Any, context: int) -> None:
        self._section = section
        self._drawing = Drawing(section.max_new_tokens, section.temperature)
        self._ends = Speech(tokenizer, {}, context, self._drawing).ends
        pad = tokenizer.pad_token_id
        self._pad: int = tokenizer.eos_token_id if pad is None else pad
        self.counts = Counts()

    def describe(self) -> dict[str, Any]:
        return {"engine": "transformers", **self._drawing.describe()}

    def draw(
        self, policy: Any, prompts: Sequence[Sequence[int]], seeds: Sequence[int]
    ) -> list[DrawnTokens]:
        use_grouped_sdpa(policy)
        writer = TokenWriter(policy, self._pad, self._ends, self._drawing, self.counts)
        most = self._section.batch_tokens
        limits = Limits(
            most or BATCH_TOKENS,
            None if most else cache_tokens(policy),
            self._drawing.max_new_tokens,
        )
        drawn: dict[int, DrawnTokens] = {}
        lengths = list(map(len, prompts))
        for batch in limits.batches([[i] for i in range(len(prompts))], lengths):
            written = writer.write([prompts[i] for i in batch], [seeds[i] for i in batch])
            for i, tokens in zip(batch, written, strict=True):
                drawn[i] = DrawnTokens(tuple(tokens), tokens[-1] in self._ends)
        return [drawn[i] for i in range(len(prompts))]
