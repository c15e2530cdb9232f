"""A policy's weights as whatever draws its responses is given them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from judge.online.policy_weights import base_of, is_tied, whole_weights
from tests.train.launches import run_all


def base(tied: bool) -> Any:
    torch.manual_seed(1)
    shape = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    return LlamaForCausalLM(LlamaConfig(**shape, **layers, tie_word_embeddings=tied))


def adapted(model: Any, **options: Any) -> Any:
    """The model with an adapter that says something."""
    policy = get_peft_model(model, LoraConfig(r=2, lora_alpha=3, **options))
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
    return policy


@pytest.mark.parametrize("tied", [True, False])
def test_a_whole_policy_gives_its_own_weights_and_tied_ones_once(tied: bool) -> None:
    model = base(tied)
    found = dict(whole_weights(model))
    assert found.keys() == dict(model.named_parameters()).keys()
    assert ("lm_head.weight" in found) != tied == is_tied(model)
    everything = dict(whole_weights(model, untied=True))
    assert everything.keys() == {*found, "lm_head.weight"}
    assert torch.equal(everything["lm_head.weight"], model.lm_head.weight)
    assert all(torch.equal(found[name], value) for name, value in model.named_parameters())


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": "all-linear"},
        {"target_modules": ["q_proj", "down_proj"], "use_rslora": True},
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
        {"target_modules": ["embed_tokens", "v_proj"]},
    ],
)
def test_an_adapter_is_merged_and_the_policy_stays_as_it_is(options: Any) -> None:
    policy = adapted(base(False), **options)
    before = {name: value.clone() for name, value in policy.named_parameters()}
    found = dict(whole_weights(policy))
    after = dict(policy.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert base_of(policy).config.hidden_size == 16
    merged = dict(policy.merge_and_unload().named_parameters())
    assert found.keys() == merged.keys()
    for name, value in merged.items():
        torch.testing.assert_close(found[name], value)
    plain = dict(base(False).named_parameters())
    assert any(not torch.equal(found[name], plain[name]) for name in plain)


@pytest.mark.slow
def test_zero3_gathers_each_weight_while_it_is_read() -> None:
    said = run_all([str(Path(__file__).with_name("zero3_weights.py"))])
    told = re.findall(r"\b\d:(?:full|lora):\d+\b", said)  # DeepSpeed writes between
    assert sorted(told) == ["0:full:20", "0:lora:20", "1:full:20", "1:lora:20"]


def test_the_sum_is_rounded_once() -> None:
    """Where a policy is in bfloat16, merging and unmerging it in place would leave other bits."""
    policy = adapted(base(True), target_modules="all-linear").to(torch.bfloat16)
    found = dict(whole_weights(policy))
    layer = policy.base_model.model.model.layers[0].mlp.down_proj
    added = layer.get_delta_weight("default").float()
    whole = (layer.base_layer.weight.float() + added).to(torch.bfloat16)
    assert torch.equal(found["model.layers.0.mlp.down_proj.weight"], whole)
