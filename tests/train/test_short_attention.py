"""Short attention in bfloat16 is causal attention within each sequence, to bfloat16's digits."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from judge.train.batches import packing
from judge.train.batches.packing import PACKED, pack, packed_attention
from judge.train.reward.model import read_at_ends
from tests.train.test_packing import SEQUENCES, tiny

LENGTHS = [7, 1, 40, 3, 9, 38]
DIGITS = 2**-8
"""The distance of neighbouring bfloat16 numbers at 1."""


def one_by_one(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return in float64 what PyTorch says of each sequence alone, ``[1, tokens, heads, size]``."""
    bounds = [0, *torch.tensor(LENGTHS).cumsum(0).tolist()]
    parts = [
        scaled_dot_product_attention(
            *(tensor[:, :, start:end] for tensor in (query, key, value)),
            is_causal=True,
            enable_gqa=True,
        )
        for start, end in pairwise(bounds)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2)


@pytest.mark.parametrize("short", [512, 20, 0])
def test_values_and_gradients(monkeypatch: pytest.MonkeyPatch, short: int) -> None:
    """All sequences short, some of them, none: against float64, with four queries to a key."""
    monkeypatch.setattr(packing, "SHORT", short)
    torch.manual_seed(5)
    tokens = sum(LENGTHS)
    shapes = [(1, 8, tokens, 16), (1, 2, tokens, 16), (1, 2, tokens, 16)]
    halves = [torch.randn(shape).bfloat16() for shape in shapes]
    wanted = [tensor.double().requires_grad_() for tensor in halves]
    found = [tensor.clone().requires_grad_() for tensor in halves]
    weights = torch.randn(1, tokens, 8, 16)

    right = one_by_one(*wanted)
    (right * weights).sum().backward()
    module = torch.nn.Module()
    module.num_key_value_groups = 4
    bounds = pack([[0] * n for n in LENGTHS])["cu_seq_lens_q"]
    query, key, value = found
    said, _ = packed_attention(module, query, key, value, None, cu_seq_lens_q=bounds)
    (said * weights).sum().backward()

    assert said.dtype == torch.bfloat16
    assert (said - right).abs().max() < 4 * DIGITS
    for mine, true in zip(found, wanted, strict=True):
        assert (mine.grad - true.grad).norm() < 2 * DIGITS * true.grad.norm()


def test_float32_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("float32 was rounded")

    monkeypatch.setattr("judge.train.compute.short_attention.ShortAttention.apply", never)
    model = tiny("llama")
    read_at_ends(model)
    model.set_attn_implementation(PACKED)
    model(**pack(SEQUENCES))
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(AssertionError, match="float32 was rounded"),
    ):
        model(**pack(SEQUENCES))


def test_what_is_kept_for_the_backward_pass() -> None:
    """Queries, keys, values and weights of each group, in bfloat16, and where its tokens lie: no
    copy of the whole row. (GPUs never come here: the plan counts what they keep.)"""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        held.append(tensor)
        return tensor

    held: list[torch.Tensor] = []  # an address stays its own
    count, width, heads, key_heads, size = 3, 40, 8, 2, 16
    shapes = [(1, n, count * width, size) for n in (heads, key_heads, key_heads)]
    rows = [torch.randn(shape).bfloat16().requires_grad_() for shape in shapes]
    bounds = pack([[0] * width] * count)["cu_seq_lens_q"]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        packed_attention(torch.nn.Module(), *rows, None, cu_seq_lens_q=bounds)
    assert sum(kept.values()) == 2 * count * width * (
        (heads + 2 * key_heads) * size + heads * width
    )
