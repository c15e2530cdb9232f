"""QLoRA: the recipe's section for transformers, and real steps on 4-bit weights on a CPU."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from judge.errors import UsageError
from judge.train import finetune
from judge.train.align import dpo, policy_tuning
from judge.train.align.config import DPOConfig
from judge.train.config import JustifierConfig, RewardConfig, load_recipe
from judge.train.finetune import quantization_config, read_log
from judge.train.reward import training as reward
from judge.train.sections import QuantizationSection
from judge.train.sft import training as justifier
from tests.train.reward_sets import preference_set, tiny_base

SECTIONS = [
    "random_init=null",
    "quantization.type=nf4",
    "quantization.compute=float32",
    "lora.r=4",
    "bf16=false",
    "max_steps=2",
    "global_batch_size=2",
    "per_device_batch_size=2",
    "eval_limit=2",
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, mini_tokenizer: Any) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "model", mini_tokenizer, hidden=64)


def losses(output: Path) -> list[float]:
    return [row["loss"] for row in read_log(output) if "loss" in row]


def test_the_section_for_transformers() -> None:
    found = quantization_config(QuantizationSection())
    assert found.load_in_4bit and found.bnb_4bit_use_double_quant
    assert found.bnb_4bit_quant_type == "nf4" and found.bnb_4bit_compute_dtype == torch.bfloat16
    plain = quantization_config(QuantizationSection(type="fp4", double=False, compute="float32"))
    assert not plain.bnb_4bit_use_double_quant and plain.bnb_4bit_quant_type == "fp4"
    assert plain.bnb_4bit_compute_dtype == torch.float32


def test_a_judge_is_trained_on_4_bit_weights(
    prepared: Path, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = {}
    real = justifier.load_model

    def keep(*args: object) -> object:
        loaded["model"] = real(*args)  # type: ignore[arg-type]
        return loaded["model"]

    monkeypatch.setattr(justifier, "load_model", keep)
    overrides = [f"data={prepared}", f"output_dir={tmp_path / 'run'}", f"model={base}", *SECTIONS]
    justifier.run(load_recipe("smoke", overrides, JustifierConfig))
    model = loaded["model"]
    assert model.is_loaded_in_4bit  # type: ignore[attr-defined]
    types = {
        name: parameter.dtype
        for name, parameter in model.named_parameters()  # type: ignore[attr-defined]
        if "lora" not in name
    }
    packed = {
        name.split(".")[-3 if "base_layer" in name else -2]
        for name, dtype in types.items()
        if dtype == torch.uint8
    }
    assert packed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert all(map(torch.isfinite, map(torch.tensor, losses(tmp_path / "run"))))
    adapter = json.loads((tmp_path / "run" / "adapter_config.json").read_text())
    assert adapter["peft_type"] == "LORA" and adapter["r"] == 4


def test_a_reward_model_is_trained_on_4_bit_weights(tmp_path: Path, base: Path) -> None:
    data = preference_set(tmp_path / "data")
    overrides = [
        f"data={data}",
        f"output_dir={tmp_path / 'run'}",
        f"model={base}",
        "gradient_checkpointing=true",
        *SECTIONS,
    ]
    manifest = reward.run(load_recipe("reward_smoke", overrides, RewardConfig))
    assert manifest is not None and manifest.steps == 2 and len(losses(tmp_path / "run")) == 2


def test_a_policy_is_aligned_on_4_bit_weights(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its reference is the 4-bit model without its adapter: before the first step D is 0.

    bitsandbytes would lay the weights out anew when the reference is asked, and that layout has no
    gradient.
    """
    loaded: list[Any] = []

    def keep(*args: Any) -> Any:
        loaded.append(justifier.load_model(*args))
        return loaded[0]

    monkeypatch.setattr(policy_tuning, "load_model", keep)
    data, output = preference_set(tmp_path / "data"), tmp_path / "run"
    overrides = [f"data={data}", f"output_dir={output}", f"model={base}", *SECTIONS]
    overrides += ["max_steps=3", "eval_steps=1", "warmup_steps=0"]
    manifest = dpo.run(load_recipe("dpo_smoke", overrides, DPOConfig))
    first, second, third = losses(output)
    assert manifest is not None
    assert manifest.reference_pairs_computed == manifest.counts["train_examples"] + 2
    assert first == pytest.approx(math.log(2), abs=1e-4)
    assert len({first, second, third}) == 3  # it goes on learning after validations
    laid_out = [getattr(m, "support_avx512bf16_for_cpu", None) for m in loaded[0].modules()]
    assert [here for here in laid_out if here is not None] == [False] * 7


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["quantization.type=nf4"], "lora section"),
        (["quantization.type=int3", "lora.r=4"], "quantization.type"),
        (["quantization.type=nf4", "lora.r=4", "deepspeed.bf16.enabled=true"], "deepspeed: null"),
        (["quantization.type=nf4", "lora.r=4"], "random_init has none"),
    ],
)
def test_what_does_not_go_together_is_one_line(overrides: list[str], problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_recipe("smoke", overrides, JustifierConfig)
    assert problem in str(raised.value) and "\n" not in str(raised.value)


def test_without_bitsandbytes_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="extra `qlora`"):
        quantization_config(QuantizationSection())
