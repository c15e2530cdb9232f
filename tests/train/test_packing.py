"""Packed rows give what each sequence gives alone, in every kind of model that is packed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForSequenceClassification

from judge.train.batches.packing import (
    PACKED,
    PLAIN_DECODERS,
    SLACK,
    can_pack,
    like_lengths,
    pack,
    packed_attention,
    pad,
)
from judge.train.reward.model import read_at_ends

SEQUENCES = [[5, 6, 7, 8, 9, 10, 11], [12], [13, 14, 15], [16, 17, 18, 19, 20, 21, 22, 23, 24]]


def tiny(kind: str, **options: Any) -> Any:
    """Return a random two-layer model of a kind with two key heads and one output."""
    values = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 64,
        "num_local_experts": 2,
        "sliding_window": None,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "num_labels": 1,
        "attn_implementation": "sdpa",
    }
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **(values | options))
    return AutoModelForSequenceClassification.from_config(config).eval()


@pytest.mark.parametrize("kind", sorted(PLAIN_DECODERS))
def test_packed_padded_and_alone_are_the_same(kind: str) -> None:
    """Rewards and gradients: packed through our attention, padded through SDPA, one by one through
    the model's own forward."""
    model = tiny(kind)
    assert can_pack(model)
    alone = torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in SEQUENCES])
    alone.sum().backward()
    wanted = model.model.embed_tokens.weight.grad.clone()

    read_at_ends(model)
    padded = model(**pad(SEQUENCES, 0)).logits
    model.set_attn_implementation(PACKED)
    model.zero_grad()
    packed = model(**pack(SEQUENCES)).logits
    packed.sum().backward()
    assert torch.allclose(alone, padded, atol=1e-5)
    assert torch.allclose(alone, packed, atol=1e-5)
    assert torch.allclose(wanted, model.model.embed_tokens.weight.grad, atol=1e-5)


def test_neighbours_do_not_matter() -> None:
    model = tiny("llama")
    read_at_ends(model)
    model.set_attn_implementation(PACKED)
    first = model(**pack(SEQUENCES)).logits[2]
    other = model(**pack([[40] * 9, [41, 42], SEQUENCES[2], [43]])).logits[2]
    assert torch.allclose(first, other, atol=1e-6)


def test_the_reward_of_a_text_that_ends_with_the_padding_token() -> None:
    """transformers looks for the last token that is no padding; ours is told where it is."""
    model = tiny("llama")
    sequences = [[5, 6, 0], [7, 8, 9, 10]]
    read_at_ends(model)
    rewards = model(**pad(sequences, 0)).logits
    again = model(**pad([sequences[0]], 0)).logits
    assert torch.allclose(rewards[0], again[0], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("mistral", {"sliding_window": 8}),
        ("gemma2", {"sliding_window": 8}),
        ("gpt2", {"n_embd": 32, "n_head": 4, "n_layer": 1}),
        ("llama", {"attn_implementation": "eager"}),
    ],
)
def test_other_models_are_padded(kind: str, options: dict[str, Any]) -> None:
    assert not can_pack(tiny(kind, **options))


def test_what_packed_attention_cannot_do_is_an_error() -> None:
    q = torch.randn(1, 2, 4, 8)
    bounds = torch.tensor([0, 4])
    module = torch.nn.Module()
    packed_attention(module, q, q, q, None, cu_seq_lens_q=bounds)
    with pytest.raises(ValueError, match="sliding_window"):
        packed_attention(module, q, q, q, None, cu_seq_lens_q=bounds, sliding_window=2)
    with pytest.raises(ValueError, match="packing=false"):
        packed_attention(module, q, q, q, None)
    with pytest.raises(ValueError, match="packing=false"):
        packed_attention(module, q, q, q, torch.ones(1, 1, 4, 4), cu_seq_lens_q=bounds)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_groups_of_like_length_hold_every_sequence_once(lengths: list[int]) -> None:
    inputs = pack([[1] * length for length in lengths])
    bounds = inputs["cu_seq_lens_q"].tolist()
    groups = like_lengths(bounds)
    found = sorted((s, n) for starts, ns in groups for s, n in zip(starts, ns, strict=True))
    assert found == [(start, n) for start, n in zip(bounds, lengths, strict=False)]
    assert all(max(ns) <= SLACK * min(ns) for _, ns in groups)


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=9), min_size=1, max_size=9))
def test_ends_point_at_each_last_token(sequences: list[list[int]]) -> None:
    for inputs in (pack(sequences), pad(sequences, 0)):
        last = inputs["input_ids"].flatten()[inputs["ends"]].tolist()
        assert last == [ids[-1] for ids in sequences]
        assert inputs["position_ids"].flatten()[inputs["ends"]].tolist() == [
            len(ids) - 1 for ids in sequences
        ]
