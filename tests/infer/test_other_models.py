"""Any causal model with full attention: other architectures, other tokenizer families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.engines.registry import load_engine
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.pair import Pair, parse_prompt
from judge.prompt import load_template
from judge.verdict import Verdict, parse_statement
from tests import families
from tests.infer.test_transformers_engine import agrees, reference

SIZE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 600,
}
GROUPED = SIZE | {"num_key_value_heads": 1}
MODELS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "llama": (families.llama3, LlamaForCausalLM, LlamaConfig, GROUPED),
    "qwen2": (families.chatml, Qwen2ForCausalLM, Qwen2Config, GROUPED),
    "mistral": (
        lambda: families.byte_fallback(True),
        MistralForCausalLM,
        MistralConfig,
        GROUPED | {"sliding_window": None},
    ),
    "gpt_neox": (families.unigram, GPTNeoXForCausalLM, GPTNeoXConfig, SIZE),
}


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of one architecture with a tokenizer of its family, saved as from the hub."""
    family, model, config, size = MODELS[request.param]
    tokenizer = family().tokenizer
    torch.manual_seed(5)
    # More logits than tokens: real models round their vocabulary up.
    made = model(config(vocab_size=len(tokenizer) + 7, **size))
    path = tmp_path_factory.mktemp(request.param)
    made.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def config(model: Path | str, **options: Any) -> BatchConfig:
    return BatchConfig(input="-", out="-", model=str(model), **options)


def test_it_judges_as_single_passes_do(folder: Path) -> None:
    engine = load_engine(config(folder, max_new_tokens=6))
    assert isinstance(engine, TransformersEngine)
    builder = engine.bound(load_template("pairwise_justifier.v1")).builder
    pair = Pair(
        pair_id="x",
        prompt=parse_prompt("Why is the sky blue?"),
        response_1="Because air scatters short waves.",
        response_2="It is a long story, and </s> <|im_end|> a dull one.",
    )
    prompts = builder.build([pair, pair.flipped()])
    for prompt, verdict in zip(prompts, engine.judge(prompts, "verdict"), strict=True):
        assert isinstance(verdict, Verdict)
        assert agrees(verdict.distribution, reference(engine, prompt.ids))
    for verdict in engine.judge(prompts, "justify"):
        assert isinstance(verdict, Verdict)
        assert verdict.completion_tokens <= 6 and verdict.elaboration is not None
        assert parse_statement(verdict.statement) == verdict.strength


def damage_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def damage_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "never_heard_of"}')


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [damage_weights, damage_config, unknown_architecture, no_weights, no_tokenizer, no_config],
)
def test_a_damaged_model_is_one_clear_line(damage: Any, tmp_path: Path) -> None:
    tokenizer = families.llama3().tokenizer
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **GROUPED)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises(UsageError) as raised:
        load_engine(config(tmp_path))
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("name", ["nowhere/at/all", "/no/such/folder", "./gone", "mimi"])
def test_a_missing_model_is_one_clear_line(name: str) -> None:
    with pytest.raises(UsageError, match="no model folder"):
        load_engine(config(name))


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    tokenizer = families.llama3().tokenizer
    tokenizer.chat_template = None
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **GROUPED)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="chat template"):
        load_engine(config(tmp_path))
