"""Batched forward passes over a key-value cache: prefill, one more token, read a statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from judge.grammar import Grammar
from judge.infer.engines.protocol import Counts
from judge.verdict import Distribution

ROOM = 64
"""Slots that a layer's cache keeps free, so that most tokens are written without copying it."""


class RoomyLayer(DynamicLayer):
    """A cache layer that grows ``ROOM`` slots at a time; transformers' own copies every token."""

    keys: torch.Tensor
    values: torch.Tensor

    _store: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add ``[rows, heads, tokens, size]`` states; return all of them, views of the store."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        end = length + key_states.shape[-2]
        if self._store is None or self._store[0].shape[-2] < end:
            rows, heads, _, size = key_states.shape
            self._store = tuple(key_states.new_empty(rows, heads, end + ROOM, size) for _ in "kv")
            if length:
                self._store[0][..., :length, :] = self.keys
                self._store[1][..., :length, :] = self.values
        self._store[0][..., length:end, :] = key_states
        self._store[1][..., length:end, :] = value_states
        self.keys, self.values = (states[..., :end, :] for states in self._store)
        return self.keys, self.values

    def batch_repeat_interleave(self, repeats: int) -> None:
        super().batch_repeat_interleave(repeats)
        self._store = None


def new_cache() -> DynamicCache:
    """Return an empty cache of roomy layers."""
    cache = DynamicCache()
    cache.layer_class_to_replicate = RoomyLayer
    return cache


@dataclass
class Context:
    """Rows whose tokens went through the model.

    ``mask`` is bool ``[rows, slots]``: which cache slots hold a token of the row; ``lengths`` is
    int64 ``[rows]``: the row's tokens, which is also the position of the next one; ``logits`` is
    ``[rows, vocabulary]``: the model's answer to the last token.
    """

    cache: DynamicCache
    mask: torch.Tensor
    lengths: torch.Tensor
    logits: torch.Tensor

    def select(self, rows: Sequence[int]) -> Context:
        """Return a copy that holds only ``rows``."""
        index = torch.tensor(rows, device=self.mask.device)
        cache = new_cache()
        for number, layer in enumerate(self.cache.layers):
            cache.update(layer.keys[index], layer.values[index], number)
        return Context(cache, self.mask[index], self.lengths[index], self.logits[index])


class Decoder:
    """The forward passes of one causal language model with full attention.

    Args:
        model: a transformers causal language model, on its device and in eval mode.
        pad_id: any token id; what stands at padding is masked.
        counts: updated with every pass.
    """

    def __init__(self, model: Any, pad_id: int, counts: Counts) -> None:
        self.model = model
        self.device: torch.device = model.device
        self.pad_id = pad_id
        self.counts = counts

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Context:
        """Run prompts through the model, each alone."""
        ids, mask = self._pad(prompts)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = new_cache()
        logits = self._forward(ids, mask, positions, cache)
        self._count(ids, mask)
        return Context(cache, mask, mask.sum(-1), logits)

    def prefill_twins(self, prompts: Sequence[Sequence[int]]) -> Context:
        """Run prompts, ``2k`` and ``2k + 1`` side by side: what both begin with, once."""
        shared = [common_prefix(prompts[i], prompts[i + 1]) for i in range(0, len(prompts), 2)]
        context = self.prefill([prompts[2 * i][:size] for i, size in enumerate(shared)])
        context.cache.batch_repeat_interleave(2)
        sizes = torch.tensor(shared, device=self.device).repeat_interleave(2)
        ids, mask = self._pad([ids[shared[i // 2] :] for i, ids in enumerate(prompts)])
        positions = sizes[:, None] + (mask.cumsum(-1) - 1).clamp(min=0)
        whole = torch.cat([context.mask.repeat_interleave(2, dim=0), mask], dim=1)
        logits = self._forward(ids, whole, positions, context.cache)
        self._count(ids, mask)
        return Context(context.cache, whole, sizes + mask.sum(-1), logits)

    def step(self, context: Context, tokens: Sequence[int], live: Sequence[bool]) -> None:
        """Give every row one more token, in place; a row that is not ``live`` gets a masked one."""
        alive = torch.tensor(live, device=self.device)
        ids = torch.tensor(tokens, device=self.device)[:, None]
        context.mask = torch.cat([context.mask, alive[:, None]], dim=1)
        context.logits = self._forward(ids, context.mask, context.lengths[:, None], context.cache)
        context.lengths = context.lengths + alive
        self._count(ids, alive[:, None])

    def read(
        self, context: Context, grammar: Grammar, lead: Sequence[int], led: Sequence[bool]
    ) -> list[Distribution]:
        """Return each row's distribution over strengths, were a statement to follow now.

        All branches go through the model in one pass, as a tree: a token sees its row's context,
        the lead and its own ancestors. ``lead`` (a newline) stands before the statement in the rows
        that are ``led``. The context's cache is used up.
        """
        rows, slots = context.mask.shape
        nodes, ahead = grammar.nodes, len(lead)
        tokens = [*lead, *(node.token for node in nodes)]
        width = len(tokens)
        has_lead = torch.tensor(led, device=self.device)
        depths = torch.tensor([*range(ahead), *(node.depth for node in nodes)], device=self.device)
        after = torch.tensor([0] * ahead + [1] * len(nodes), device=self.device)
        positions = (
            context.lengths[:, None] + depths[None] + (has_lead[:, None] * after[None] * ahead)
        )
        sees = torch.zeros(rows, width, width, dtype=torch.bool, device=self.device)
        sees[:, :ahead, :ahead] = torch.ones(ahead, ahead, device=self.device).tril().bool()
        sees[:, ahead:, :ahead] = has_lead[:, None, None]
        for index in range(len(nodes)):
            sees[:, ahead + index, [ahead + a for a in grammar.ancestors(index)]] = True
        past = context.mask[:, None, :].expand(rows, width, slots)
        visible = torch.cat([past, sees], dim=2)[:, None]
        dtype = self.model.dtype
        bias = torch.zeros(visible.shape, dtype=dtype, device=self.device)
        bias.masked_fill_(~visible, torch.finfo(dtype).min)
        forks = [i for i, node in enumerate(nodes) if len(node.children) > 1]
        ids = torch.tensor([tokens] * rows, device=self.device)
        keep = torch.tensor([ahead + i for i in forks], device=self.device)
        with torch.inference_mode():
            logits = self.model(
                input_ids=ids,
                attention_mask=bias,
                position_ids=positions,
                past_key_values=context.cache,
                use_cache=True,
                logits_to_keep=keep,
            ).logits
        used = torch.ones_like(ids, dtype=torch.bool)
        used[:, :ahead] = has_lead[:, None]
        self._count(ids, used)
        log_probs = torch.log_softmax(logits.float(), dim=-1).cpu()
        return [self._distribution(grammar, forks, row) for row in log_probs]

    def _distribution(
        self, grammar: Grammar, forks: list[int], log_probs: torch.Tensor
    ) -> Distribution:
        values: list[dict[int, float]] = [{} for _ in grammar.nodes]
        for fork, row in zip(forks, log_probs, strict=True):
            values[fork] = {token: float(row[token]) for token in grammar.nodes[fork].children}
        return grammar.distribution(values)

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        with torch.inference_mode():
            output = self.model(
                input_ids=ids,
                attention_mask=mask.long(),
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pad on the left; return ids and a bool mask, both ``[rows, longest]``."""
        width = max(map(len, rows))
        ids = torch.tensor([[self.pad_id] * (width - len(r)) + list(r) for r in rows])
        mask = torch.tensor([[False] * (width - len(r)) + [True] * len(r) for r in rows])
        return ids.to(self.device), mask.to(self.device)

    def _count(self, ids: torch.Tensor, used: torch.Tensor) -> None:
        self.counts.forwarded_tokens += ids.numel()
        self.counts.padding_tokens += ids.numel() - int(used.sum())


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens both begin with, short of all of either (one must remain to run)."""
    size = 0
    for a, b in zip(first[:-1], second[:-1], strict=False):
        if a != b:
            break
        size += 1
    return size
