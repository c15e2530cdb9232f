"""A judge's adapter starts from what a reward model's adapter learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from judge.errors import UsageError
from judge.train.config import JustifierConfig, RewardConfig, load_recipe
from judge.train.reward import training as reward
from judge.train.sft import training as justifier
from tests.train import reward_sets

SHAPE = ("random_init.hidden_size=16", "random_init.intermediate_size=32", "lora.r=2")
SHORT = (
    "max_steps=1",
    "warmup_steps=0",
    "save_steps=1",
    "eval_steps=1",
    "train_limit=8",
    "eval_limit=4",
)


def _reward(data: Path, output: Path, *more: str) -> RewardConfig:
    fields = [f"data={data}", f"output_dir={output}", *SHAPE, *SHORT, *more]
    return load_recipe("reward_smoke", fields, RewardConfig)


def _judge(data: Path, output: Path, *more: str) -> JustifierConfig:
    fields = [f"data={data}", f"output_dir={output}", *SHAPE, *SHORT, *more]
    return load_recipe("smoke", fields, JustifierConfig)


def _adapter(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter_model.safetensors"))


@pytest.fixture(scope="module")
def preferences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reward_sets.preference_set(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def trained(preferences: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward adapter, one step away from LoRA's own start; of a base called ``mini``."""
    folder = tmp_path_factory.mktemp("reward")
    reward.run(_reward(preferences, folder, "learning_rate=0.1"))
    about = (folder / "adapter_config.json").read_text()
    named = about.replace('"base_model_name_or_path": ""', '"base_model_name_or_path": "mini"')
    named = named.replace('"base_model_name_or_path": null', '"base_model_name_or_path": "mini"')
    assert '"base_model_name_or_path": "mini"' in named
    (folder / "adapter_config.json").write_text(named)
    return folder


def test_a_judge_starts_from_the_adapter_of_a_reward_model(
    trained: Path, prepared: Path, tmp_path: Path
) -> None:
    start = f"lora.start={trained}"
    justifier.run(_judge(prepared, tmp_path, start, "learning_rate=0"))
    given, found = _adapter(trained), _adapter(tmp_path)
    assert len(found) == 28  # two layers, seven modules, A and B; the head stays behind
    assert any("score" in key for key in given) and not any("score" in key for key in found)
    for key, tensor in found.items():
        assert torch.equal(tensor, given[key]), key
    assert any(given[key].abs().sum() > 0 for key in found if "lora_B" in key)


def test_another_reward_model_takes_the_head_over_too(
    trained: Path, preferences: Path, tmp_path: Path
) -> None:
    reward.run(_reward(preferences, tmp_path, f"lora.start={trained}", "learning_rate=0"))
    given, found = _adapter(trained), _adapter(tmp_path)
    assert given.keys() == found.keys() and any("score" in key for key in found)
    assert all(torch.equal(found[key], given[key]) for key in found)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lora.r=4 lora.alpha=64", "rank and target_modules must be the same"),
        ("lora.alpha=8", "its alpha / r is 16.0, the recipe's 4.0"),
        ("lora.target_modules=[q_proj]", "rank and target_modules must be the same"),
        ("lora.start=nowhere/at/all", "no model folder at nowhere/at/all"),
        ("lora.start=mini", "no LoRA adapter"),
        ("model=mini-bt", "its base is mini, the recipe's mini-bt"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    override: str, message: str, trained: Path, prepared: Path, tmp_path: Path
) -> None:
    config = _judge(prepared, tmp_path, f"lora.start={trained}", *override.split())
    with pytest.raises(UsageError) as caught:
        justifier.run(config)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_it_does_not_run_under_deepspeed(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lora\.start runs without deepspeed"):
        _judge(prepared, tmp_path, "lora.start=x", "deepspeed.zero_optimization.stage=3")
