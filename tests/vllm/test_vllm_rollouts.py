"""Rollouts by the real vLLM in the trainer's process: it draws what the policy's weights draw."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from judge.errors import UsageError
from judge.models import resolve_model
from judge.online.vllm_rollouts import VllmRollouts
from judge.train.align.rloo_config import RolloutSection
from judge.train.align.rollouts import DrawnTokens
from tests.policies import plant

NEW = 8
PROMPTS: list[list[int]] = [[1, 5, 9, 20], [1, 5, 9, 20], [1, 7, 8, 30, 31, 32, 33]]
SEEDS = [1, 2, 1 << 62]


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(resolve_model("mini"))


@pytest.fixture(scope="session")
def engine(tokenizer: Any) -> VllmRollouts:
    """One engine: it is given the weights of whatever policy draws.

    Kept to the end: all of vLLM in a process share its groups, which go when the first one goes.
    """
    return VllmRollouts(RolloutSection(engine="vllm", max_new_tokens=NEW), tokenizer, 64)


def policy(tokenizer: Any, sharp: float = 1.0, tied: bool = False) -> Any:
    """A random policy; a sharp one hardly has a choice."""
    torch.manual_seed(0)
    shape = {"vocab_size": len(tokenizer), "hidden_size": 128, "intermediate_size": 128}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(**shape, **layers, max_position_embeddings=128, tie_word_embeddings=tied)
    made = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        made.lm_head.weight.normal_().mul_(sharp)
        for layer in made.model.layers:
            for part in (layer.self_attn, layer.mlp):
                for weight in part.parameters():
                    weight.normal_(std=0.1)
    return made


def likeliest(model: Any, tokenizer: Any, prompt: list[int]) -> list[int]:
    """What a model writes that always takes the likeliest token, without a cache."""
    ids = list(prompt)
    for _ in range(NEW):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_a_draw_is_of_its_seed_alone(engine: VllmRollouts, tokenizer: Any) -> None:
    model = policy(tokenizer, 0.01)
    first = engine.draw(model, PROMPTS, SEEDS)
    assert engine.draw(model, PROMPTS, SEEDS) == first
    assert first[0] != first[1], "one prompt, two seeds"
    assert engine.draw(model, PROMPTS[::-1], SEEDS[::-1]) == first[::-1]
    assert {len(one.tokens) for one in first} == {NEW} and not any(one.ended for one in first)


@pytest.mark.parametrize("tied", [False, True])
def test_weights_are_handed_over_before_every_rollout(
    engine: VllmRollouts, tokenizer: Any, tied: bool
) -> None:
    model = policy(tokenizer, 30.0, tied)
    written = [one.tokens for one in engine.draw(model, PROMPTS, SEEDS)]
    assert written == [tuple(likeliest(model, tokenizer, prompt)) for prompt in PROMPTS]
    plant(model, 77)
    assert engine.draw(model, PROMPTS, SEEDS) == [DrawnTokens((77,) * NEW, False)] * 3
    end = int(tokenizer.eos_token_id)
    plant(model, end)
    assert engine.draw(model, PROMPTS, SEEDS) == [DrawnTokens((end,), True)] * 3


def test_an_adapter_is_merged_into_what_draws(engine: VllmRollouts, tokenizer: Any) -> None:
    base = policy(tokenizer, 30.0)
    without = [tuple(likeliest(base, tokenizer, prompt)) for prompt in PROMPTS]
    adapted = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    before = {name: value.clone() for name, value in adapted.named_parameters()}
    written = [one.tokens for one in engine.draw(adapted, PROMPTS, SEEDS)]
    assert all(torch.equal(value, before[name]) for name, value in adapted.named_parameters())
    assert written == [tuple(likeliest(adapted, tokenizer, prompt)) for prompt in PROMPTS]
    assert written != without


def test_what_vllm_cannot_do_is_one_line(engine: VllmRollouts, tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="vLLM failed in a rollout: "):
        engine.draw(policy(tokenizer), [[1] * 200], [1])
    assert engine.draw(policy(tokenizer), PROMPTS, SEEDS)
