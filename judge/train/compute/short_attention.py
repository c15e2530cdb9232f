"""Attention within short sequences on a CPU, in bfloat16: by products of whole groups.

PyTorch's fused attention for CPUs works through a sequence in small blocks. Below a few hundred
tokens those blocks are so small that it reaches a tenth of what the processor can do, and in
bfloat16 less than in float32. Here sequences of like length make one group, its scores are one
product in bfloat16 (whose sums, like the softmax's, are taken in float32), and the query heads that
share a key are rows of the same product. Gradients go straight to their places: no tensor of the
whole row is made for each group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

SHORT = 512
"""Tokens: the scores of longer sequences would take more memory than they save time."""


@dataclass(frozen=True)
class Group:
    """Sequences of like length: B of them, the longest of n tokens."""

    index: torch.Tensor
    """``[B * n]``: which tokens of the row; after a sequence's end, a neighbour's."""
    real: torch.Tensor
    """``[B * n]``: whether that token is the sequence's own."""
    width: int
    """n."""

    @classmethod
    def of(cls, starts: list[int], lengths: list[int], last: int) -> Group:
        """Return the group of the sequences at ``starts``; ``last`` is the row's last token."""
        width = max(lengths)
        step = torch.arange(width)[None]
        index = (torch.tensor(starts)[:, None] + step).clamp_(max=last)
        real = step < torch.tensor(lengths)[:, None]
        return cls(index.flatten(), real.flatten(), width)

    def take(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return ``[tokens, heads, size]`` as ``[B, heads, n, size]``."""
        chosen = tokens.index_select(0, self.index)
        return chosen.unflatten(0, (-1, self.width)).transpose(1, 2)

    def put(self, into: torch.Tensor, values: torch.Tensor) -> None:
        """Write the real tokens of ``[B, heads, n, size]`` to their places in a row."""
        flat = values.transpose(1, 2).flatten(0, 1)
        into[self.index[self.real]] = flat[self.real]


class ShortAttention(torch.autograd.Function):
    """Causal attention of each sequence of some groups; 0 at tokens of none.

    ``apply(query, key, value, groups, scaling)`` takes bfloat16 ``[tokens, heads, size]`` (of key
    and value ``[tokens, key heads, size]``) and returns ``[tokens, heads, size]``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        groups: list[Group],
        scaling: float,
    ) -> torch.Tensor:
        output = torch.zeros_like(query)
        kept = []
        with torch.autocast("cpu", enabled=False):
            for group in groups:
                q = _by_key_head(group.take(query) * scaling, key.shape[1])
                k, v = (group.take(t).flatten(0, 1) for t in (key, value))
                scores = torch.bmm(q, k.transpose(1, 2)).unflatten(1, (-1, group.width))
                later = torch.ones(group.width, group.width, dtype=torch.bool).triu_(1)
                weights = scores.masked_fill_(later, -torch.inf).softmax(-1).flatten(1, 2)
                group.put(output, _by_query_head(torch.bmm(weights, v), group, query.shape[1]))
                kept += [q, k, v, weights]
        ctx.save_for_backward(*kept)
        ctx.groups, ctx.scaling, ctx.key_heads = groups, scaling, key.shape[1]
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (given,) = gradients
        kept, heads, key_heads = ctx.saved_tensors, given.shape[1], ctx.key_heads
        to_query = torch.zeros_like(given)
        to_key, to_value = given.new_zeros(2, len(given), key_heads, given.shape[-1])
        for place, group in enumerate(ctx.groups):
            q, k, v, weights = kept[4 * place : 4 * place + 4]
            # Nobody's gradient at tokens after a sequence's end: they are a neighbour's.
            out = group.take(given) * group.real.view(-1, 1, group.width, 1)
            out = _by_key_head(out, key_heads)
            to_weights = torch.bmm(out, v.transpose(1, 2))
            to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
            by_key = (
                torch.bmm(to_scores.transpose(1, 2), q),
                torch.bmm(weights.transpose(1, 2), out),
            )
            by_query = torch.bmm(to_scores, k).mul_(ctx.scaling)
            group.put(to_query, _by_query_head(by_query, group, heads))
            group.put(to_key, by_key[0].unflatten(0, (-1, key_heads)))
            group.put(to_value, by_key[1].unflatten(0, (-1, key_heads)))
        return to_query, to_key, to_value, None, None


def _by_key_head(tensor: torch.Tensor, key_heads: int) -> torch.Tensor:
    """Return ``[B, heads, n, size]`` as ``[B * key heads, heads / key heads * n, size]``: the
    query heads that share a key lie one after another."""
    return tensor.unflatten(1, (key_heads, -1)).flatten(2, 3).flatten(0, 1)


def _by_query_head(tensor: torch.Tensor, group: Group, heads: int) -> torch.Tensor:
    """Return what :func:`_by_key_head` made as ``[B, heads, n, size]`` again."""
    return tensor.unflatten(1, (-1, group.width)).flatten(0, 1).unflatten(0, (-1, heads))
