"""Models other than the bundled one: adapters, other tokenizers, and what vLLM does not run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.engines.protocol import MODES
from judge.infer.engines.registry import load_engine
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.infer.engines.vllm.engine import VllmEngine
from judge.models import resolve_model
from judge.pair import Pair, parse_prompt
from judge.prompt import Prompt, load_template
from judge.verdict import Verdict, parse_statement
from tests import families
from tests.infer.test_transformers_engine import agrees, reference
from tests.scripted import row, write_rows
from tests.small_base import write_adapter

TEMPLATE = load_template("pairwise_justifier.v1")


def config(model: Path | str, **options: Any) -> BatchConfig:
    values = {"engine": "vllm", "max_new_tokens": 12, "max_model_len": 512, **options}
    return BatchConfig(input="-", out="-", model=str(model), dtype="float32", **values)


KEPT: list[VllmEngine] = []
"""Engines in one process share what the first of them to go takes down."""


def load(model: Path | str, **options: Any) -> VllmEngine:
    engine = load_engine(config(model, **options))
    assert isinstance(engine, VllmEngine)
    KEPT.append(engine)
    return engine


def transformers(model: Path | str, **options: Any) -> TransformersEngine:
    engine = load_engine(config(model, engine="transformers", max_model_len=None, **options))
    assert isinstance(engine, TransformersEngine)
    return engine


def prompts_of(engine: VllmEngine | TransformersEngine) -> list[Prompt]:
    pair = Pair(
        pair_id="x",
        prompt=parse_prompt("Why is the sky blue?"),
        response_1="Because air scatters short waves.",
        response_2="It is a long story, and </s> <|im_end|> a dull one.",
    )
    return engine.bound(TEMPLATE).builder.build([pair, pair.flipped()])


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA judge over the bundled one, rank 3, as PEFT saves it: no tokenizer of its own."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(resolve_model("mini"), dtype=torch.float32)
    targets = ["q_proj", "v_proj", "o_proj", "down_proj"]
    lora = LoraConfig(r=3, lora_alpha=6, target_modules=targets, task_type="CAUSAL_LM")
    adapted: Any = get_peft_model(model, lora)
    generator = torch.Generator().manual_seed(3)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
    folder = tmp_path_factory.mktemp("adapter")
    adapted.save_pretrained(folder)
    return folder


def test_an_adapter_is_served_without_merging(adapter: Path, vllm_engine: VllmEngine) -> None:
    from peft import PeftModel

    engine, merged = load(adapter), transformers("mini")
    plain = vllm_engine.judge(prompts_of(vllm_engine), "verdict")
    merged.model = PeftModel.from_pretrained(merged.model, adapter).merge_and_unload().eval()
    merged._decoder.model = merged.model
    prompts = prompts_of(engine)
    prompts_of(merged)
    for prompt, verdict, base in zip(prompts, engine.judge(prompts, "verdict"), plain, strict=True):
        assert isinstance(verdict, Verdict) and isinstance(base, Verdict)
        assert agrees(verdict.distribution, reference(merged, prompt.ids))
        assert base.distribution is not None
        assert not agrees(verdict.distribution, base.distribution), "the adapter changes nothing"
    written = [v.elaboration for v in engine.judge(prompts, "justify") if isinstance(v, Verdict)]
    other = [v.elaboration for v in merged.judge(prompts, "justify") if isinstance(v, Verdict)]
    assert written == other and len(written) == 2
    described = engine.describe()
    assert described["base_digest"] == vllm_engine.describe()["model_digest"]
    assert described["model_digest"] != described["base_digest"]


@pytest.mark.parametrize("upon", ["the base", "another adapter"])
def test_an_adapter_over_our_own_base_is_served_merged(
    upon: str, cached: Path, tmp_path: Path
) -> None:
    """Written into the cache once, in float32: verdicts and texts are the transformers engine's."""
    folder = write_adapter(tmp_path / "judge", seed=1)
    if upon == "another adapter":
        folder = write_adapter(tmp_path / "upper", str(folder), seed=2)
    ours, theirs = load(folder), transformers(folder)
    assert ours.lora is None and (cached.parent / "merged").is_dir()
    prompts = prompts_of(ours)
    prompts_of(theirs)
    for mode in MODES:
        for one, other in zip(*(e.judge(prompts, mode) for e in (ours, theirs)), strict=True):
            assert isinstance(one, Verdict) and isinstance(other, Verdict)
            assert one.distribution and other.distribution
            assert agrees(one.distribution, other.distribution)
            assert one.elaboration == other.elaboration
    assert ours.describe()["base_digest"] == theirs.describe()["base_digest"]


@pytest.mark.parametrize("family", ["chatml", "byte_fallback"])
def test_other_tokenizers_and_architectures(family: str, tmp_path: Path) -> None:
    """Random models write anything they may: never a control token, always a statement."""
    from transformers import MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

    size = {
        "hidden_size": 128,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 600,
    }
    made: Any
    if family == "chatml":
        tokenizer = families.chatml().tokenizer
        made = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer) + 7, **size))
    else:
        tokenizer = families.byte_fallback(True).tokenizer
        made = MistralForCausalLM(
            MistralConfig(vocab_size=len(tokenizer) + 7, sliding_window=None, **size)
        )
    torch.manual_seed(5)
    made.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    engine, plain = load(tmp_path), transformers(tmp_path)
    prompts = prompts_of(engine)
    assert prompts == prompts_of(plain)
    for prompt, verdict in zip(prompts, engine.judge(prompts, "verdict"), strict=True):
        assert isinstance(verdict, Verdict)
        assert agrees(verdict.distribution, reference(plain, prompt.ids))
    for verdict in engine.judge(prompts, "justify"):
        assert isinstance(verdict, Verdict) and verdict.elaboration is not None
        assert parse_statement(verdict.statement) == verdict.strength
        control = [tokenizer.convert_ids_to_tokens(i) for i in engine.builder.control_ids]
        assert not any(marker in verdict.elaboration for marker in control)


def change(adapter: Path, folder: Path, **values: Any) -> Path:
    """Copy an adapter with other values in its configuration."""
    for file in adapter.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_model_len": 100_000}, r"max_model_len \(100000\) is greater than"),
        ({"quantization": "fp7"}, "Unknown quantization method: fp7"),
        ({"quantization": "fp8_per_tensor"}, "float32 is not supported for quantization"),
        ({"tensor_parallel_size": 3}, r"attention heads \(4\) must be divisible"),
    ],
)
def test_options_that_do_not_fit_the_model_are_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=f"vLLM does not run model mini: .*{said}") as raised:
        load("mini", **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"r": 600}, "has rank 600; vLLM serves 512 at most"),
        ({"r": None}, "expected the rank r of a LoRA adapter"),
        ({"base_model_name_or_path": "/nowhere"}, "its base: no model folder at /nowhere"),
    ],
)
def test_an_adapter_that_cannot_be_served_is_one_line(
    adapter: Path, tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        load(changed(adapter, tmp_path / "a", "adapter_config.json", **values))
    assert "\n" not in str(raised.value)


def test_what_fails_while_vllm_starts_is_one_line(adapter: Path, tmp_path: Path) -> None:
    """In processes of their own: vLLM takes down what engines in one process share."""
    mini = Path(resolve_model("mini"))
    models = {
        changed(mini, tmp_path / "a", "config.json", max_position_embeddings=1_000_000): (
            "larger than the available KV cache memory"
        ),
        changed(adapter, tmp_path / "b", "adapter_config.json", use_dora=True): "DoRA",
    }
    for model, said in models.items():
        rows = write_rows(tmp_path / "in.jsonl", [row(1)])
        command = ["judge.cli", "batch", rows, "--out", tmp_path / "out", "--model", model]
        done = subprocess.run(
            [sys.executable, "-m", *map(str, command), "--engine", "vllm"],
            capture_output=True,
            text=True,
        )
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert done.returncode == 2 and len(errors) == 1, done.stderr
        assert errors[0].startswith(f"error: vLLM does not run model {model}: ")
        assert said in errors[0]


def changed(model: Path, folder: Path, name: str, **values: Any) -> Path:
    """Copy a model with other values in one of its JSON files."""
    shutil.copytree(model, folder)
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder
