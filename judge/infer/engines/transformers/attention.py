"""Attention on the CPU that reads shared keys where they lie, instead of a copy for every head."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from judge.infer.engines.transformers.matmul_precision import products_in

NAME = "grouped_sdpa"
FEW = 8


def grouped_sdpa(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention with grouped queries and a mask, without repeating the keys.

    transformers' own repeats them wherever there is a mask, for the sake of GPU kernels: in a
    decoding step on the CPU that copy of the whole cache costs more than the attention.

    Args:
        query: ``[rows, heads, tokens, size]``.
        key, value: ``[rows, key heads, slots, size]``, views of a larger store allowed.
        attention_mask: bool or additive ``[rows, 1, tokens, slots]``; None is left to transformers.

    Returns:
        ``[rows, tokens, heads, size]`` and None (no attention weights).
    """
    if attention_mask is None or query.device.type != "cpu" or kwargs.get("position_bias"):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    if query.shape[2] <= FEW:
        output = _plain(query, key, value, attention_mask, scaling)
    else:
        output = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, scale=scaling, enable_gqa=True
        )
    return output.transpose(1, 2).contiguous(), None


def _plain(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float | None,
) -> torch.Tensor:
    """The same written out: for a handful of queries the fused kernel's set-up costs the most.

    Its products are exact: for so small operands the fast kernels take longer.
    """
    rows, heads, tokens, size = query.shape
    groups = query.reshape(rows, key.shape[1], -1, size)
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(
            ~mask, torch.finfo(query.dtype).min
        )
    with products_in("exact"):
        scores = groups @ key.transpose(-1, -2)
        scores = scores.view(rows, heads, tokens, -1) * (scaling or size**-0.5) + mask
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
        output = weights.view(*groups.shape[:3], -1) @ value
    return output.view(rows, heads, tokens, -1)


def use_grouped_sdpa(model: Any) -> None:
    """Switch a model of transformers that runs on ``sdpa`` to :func:`grouped_sdpa`."""
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, grouped_sdpa)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)
