"""Sequences one after another in one row: whether a model can, and attention that stays inside.

A packed row has ``position_ids`` that start again with every sequence and the bounds of the
sequences (``cu_seq_lens_q``), the arguments that transformers hands to FlashAttention's kernels for
sequences of different lengths. Those kernels need a GPU and a package. :func:`packed_attention`
takes the same arguments and needs neither: each sequence attends to itself through PyTorch's SDPA,
so that no mask of [tokens, tokens] is ever made.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import accumulate, pairwise
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel

from judge.train.compute.short_attention import SHORT, Group, ShortAttention

PACKED = "packed_sdpa"
"""The name of :func:`packed_attention` among transformers' attention implementations."""
_UNKNOWN = ("sliding_window", "softcap", "s_aux", "position_bias")
SLACK = 1.25
"""Sequences share a call where the longest is at most so many times as long as the shortest."""


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Return causal attention within each sequence of a packed row.

    Args:
        module: the attention layer.
        query: ``[1, heads, tokens, head size]``.
        key: ``[1, key heads, tokens, head size]``.
        value: the same.
        attention_mask: must be None: padding has no place in a packed row.
        dropout: on the attention weights.
        scaling: of the scores.
        cu_seq_lens_q: ``[sequences + 1]``, where each sequence starts, and the end.
        others: what else transformers hands over; an argument that changes the scores (a sliding
            window, soft-capped logits, sinks) is an error, never ignored.

    Returns:
        ``[1, tokens, heads, head size]`` and None for the weights.
    """
    changed = [name for name in _UNKNOWN if others.get(name) is not None]
    if attention_mask is not None or cu_seq_lens_q is None or changed:
        found = ", ".join(changed) or "a mask"
        raise ValueError(
            f"packed attention is plain and causal, but found {found}; use packing=false"
        )
    bounds = cu_seq_lens_q.tolist()
    rows = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]  # [tokens, heads, size]
    last = bounds[-1] - 1
    short: list[tuple[list[int], list[int]]] = []
    long: list[tuple[list[int], list[int]]] = []
    for group in like_lengths(bounds):
        (short if _is_short(group[1], value, dropout) else long).append(group)
    output = torch.zeros_like(rows[0])
    if short:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        chosen = [Group.of(*group, last) for group in short]
        halves = [tensor.bfloat16() for tensor in rows]
        output = ShortAttention.apply(*halves, chosen, scale).to(query.dtype)
    if long:
        times = getattr(module, "num_key_value_groups", 1)
        rows[1:] = [tensor.repeat_interleave(times, dim=1) for tensor in rows[1:]]
        parts = [_fused(rows, group, last, dropout, scaling) for group in long]
        places, values = (torch.cat(found) for found in zip(*parts, strict=True))
        # Not index_copy, whose backward pass keeps the values that it only needs the shape of.
        output = output.index_put((places,), values.to(query.dtype))
    return output[None], None


def _is_short(lengths: list[int], value: torch.Tensor, dropout: float) -> bool:
    """Say whether a group's attention is :class:`ShortAttention`'s: on a CPU, short, in bfloat16.

    Values are bfloat16 where products are (``bf16``); queries may have been rotated in float32.
    """
    half_on_cpu = value.device.type == "cpu" and value.dtype == torch.bfloat16
    return half_on_cpu and not dropout and max(lengths) <= SHORT


def _fused(
    rows: list[torch.Tensor],
    group: tuple[list[int], list[int]],
    last: int,
    dropout: float,
    scaling: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which tokens of the row a group holds, and their attention by PyTorch's SDPA.

    Args:
        rows: query, key and value, ``[tokens, heads, size]`` each.
        group: starts and lengths of its sequences.
        last: the row's last token.
        dropout, scaling: as of :func:`packed_attention`.
    """
    starts, lengths = group
    device = rows[0].device
    first = torch.tensor(starts, device=device)[:, None]
    step = torch.arange(max(lengths), device=device)[None]
    real = step < torch.tensor(lengths, device=device)[:, None]
    # Tokens after a sequence's end are a neighbour's; nothing before them looks at them.
    index = (first + step).clamp(max=last)
    on_cpu = device.type == "cpu"
    if on_cpu:  # where bfloat16 attention takes three times as long
        rows = [tensor.float() for tensor in rows]
    with torch.autocast("cpu", enabled=False) if on_cpu else nullcontext():
        output = torch.nn.functional.scaled_dot_product_attention(
            *(tensor[index].transpose(1, 2) for tensor in rows),
            dropout_p=dropout,
            scale=scaling,
            is_causal=True,
        )
    return index[real], output.transpose(1, 2)[real]


AttentionInterface.register(PACKED, packed_attention)


def like_lengths(bounds: list[int]) -> list[tuple[list[int], list[int]]]:
    """Return the sequences between ``bounds`` in groups of like length: (starts, lengths) each."""
    lengths = [end - start for start, end in pairwise(bounds)]
    groups: list[tuple[list[int], list[int]]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not groups or groups[-1][1][0] > SLACK * lengths[index]:
            groups.append(([], []))
        groups[-1][0].append(bounds[index])
        groups[-1][1].append(lengths[index])
    return groups


PLAIN_DECODERS = frozenset(
    {"gemma", "llama", "mistral", "mixtral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"}
)
"""Model types in which tokens meet only in attention through transformers' interface, with rotary
positions: each is compared with its unpacked self in a test."""


def can_pack(model: PreTrainedModel) -> bool:
    """Say whether ``model`` computes the same on a packed row as on each sequence alone.

    It does with FlashAttention's kernels, and with SDPA where :func:`packed_attention` can stand in
    for it: plain causal attention in every layer, no sliding window.
    """
    config = model.config.get_text_config()
    if config.model_type not in PLAIN_DECODERS:
        return False
    implementation = str(config._attn_implementation)
    if implementation.startswith("flash_attention"):
        return True
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    return implementation in ("sdpa", PACKED) and layers == {"full_attention"} and not window


def pack(sequences: list[list[int]]) -> dict[str, Any]:
    """Return one row of all ``sequences`` (at least one, none empty) as a model's arguments.

    ``input_ids`` and ``position_ids`` of shape ``[1, tokens]``; ``cu_seq_lens_q`` and
    ``cu_seq_lens_k``, int32 ``[sequences + 1]``; ``max_length_q`` and ``max_length_k``, the
    longest; and ``ends``, ``[sequences]``: each sequence's last token, counted over the row.
    """
    lengths = [len(ids) for ids in sequences]
    bounds = torch.tensor([0, *accumulate(lengths)])
    return {
        "input_ids": torch.tensor([[token for ids in sequences for token in ids]]),
        "position_ids": torch.tensor([[i for length in lengths for i in range(length)]]),
        "cu_seq_lens_q": bounds.int(),
        "cu_seq_lens_k": bounds.int(),
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
        "ends": bounds[1:] - 1,
    }


def pad(sequences: list[list[int]], pad_id: int) -> dict[str, Any]:
    """Return ``sequences`` as rows padded on the right, as a model's arguments.

    ``input_ids``, ``attention_mask`` and ``position_ids`` of shape ``[sequences, longest]``;
    ``ends``, ``[sequences]``: each sequence's last token, counted over all rows.
    """
    width = max(map(len, sequences))
    lengths = torch.tensor([len(ids) for ids in sequences])
    steps = torch.arange(width).expand(len(sequences), width)
    return {
        "input_ids": torch.tensor([ids + [pad_id] * (width - len(ids)) for ids in sequences]),
        "attention_mask": (steps < lengths[:, None]).long(),
        "position_ids": steps.clone(),
        "ends": torch.arange(len(sequences)) * width + lengths - 1,
    }
