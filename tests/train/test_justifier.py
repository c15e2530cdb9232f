"""The training path end to end on a random tiny Llama: loss, resume, manifest, LoRA, recipes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
from pydantic import BaseModel

from judge.errors import UsageError
from judge.pair import Pair, parse_prompt
from judge.train.ablation.justifiers import JustifierAblationConfig
from judge.train.ablation.rewards import AblationConfig
from judge.train.align.config import DPOConfig, PolicySFTConfig
from judge.train.align.iterate_config import IterateConfig
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import (
    JustifierConfig,
    PretrainConfig,
    RewardConfig,
    load_recipe,
)
from judge.train.losses import statement_loss
from judge.train.recipe_files import RECIPES
from judge.train.sft import training as justifier
from judge.verdict import Verdict
from tests.train.smoke_runs import losses, smoke

KINDS: dict[str, type[BaseModel]] = {
    "ablation_justifier_mini": JustifierAblationConfig,
    "ablation_justifier_small": JustifierAblationConfig,
    "ablation_mini": AblationConfig,
    "ablation_processing_mini": AblationConfig,
    "ablation_small": AblationConfig,
    "dpo_smoke": DPOConfig,
    "iterate_smoke": IterateConfig,
    "llama31_70b_steerlm": PolicySFTConfig,
    "small_steerlm": PolicySFTConfig,
    "steerlm_smoke": PolicySFTConfig,
    "small_iterate": IterateConfig,
    "llama31_70b_iterate": IterateConfig,
    "llama31_70b_dpo": DPOConfig,
    "llama31_70b_margin_dpo": DPOConfig,
    "llama31_70b_scaled_dpo": DPOConfig,
    "llama31_70b_scaled_dpo_lora": DPOConfig,
    "llama31_70b_scaled_dpo_qlora": DPOConfig,
    "llama31_8b_scaled_dpo": DPOConfig,
    "llama31_8b_scaled_dpo_1gpu": DPOConfig,
    "llama31_70b_rloo": RLOOConfig,
    "llama31_70b_rloo_lora": RLOOConfig,
    "llama31_8b_rloo": RLOOConfig,
    "llama31_8b_rloo_1gpu": RLOOConfig,
    "policy_smoke": PolicySFTConfig,
    "rloo_smoke": RLOOConfig,
    "small_rloo": RLOOConfig,
    "llama31_70b_bf16_states": JustifierConfig,
    "llama31_70b_bt": RewardConfig,
    "llama31_70b_lora": JustifierConfig,
    "llama31_70b_margin_bt": RewardConfig,
    "llama31_70b_offload": JustifierConfig,
    "llama31_70b_qlora": JustifierConfig,
    "llama31_70b_regression": RewardConfig,
    "llama31_70b_regression_bf16_states": RewardConfig,
    "llama31_70b_regression_lora": RewardConfig,
    "llama31_70b_regression_offload": RewardConfig,
    "llama31_70b_regression_qlora": RewardConfig,
    "llama31_70b_scaled_bt": RewardConfig,
    "llama31_70b_scaled_bt_bf16_states": RewardConfig,
    "llama31_70b_scaled_bt_lora": RewardConfig,
    "llama31_70b_scaled_bt_offload": RewardConfig,
    "llama31_70b_scaled_bt_qlora": RewardConfig,
    "llama31_70b_zero3": JustifierConfig,
    "llama31_8b_1gpu": JustifierConfig,
    "llama31_8b_lora": JustifierConfig,
    "llama31_8b_regression": RewardConfig,
    "llama31_8b_regression_1gpu": RewardConfig,
    "llama31_8b_scaled_bt": RewardConfig,
    "llama31_8b_scaled_bt_1gpu": RewardConfig,
    "llama31_8b_zero3": JustifierConfig,
    "mini": JustifierConfig,
    "mini_answers": RewardConfig,
    "mini_arguments": RewardConfig,
    "mini_bt": RewardConfig,
    "mini_coherence": RewardConfig,
    "mini_contrast": JustifierConfig,
    "mini_long_arguments": RewardConfig,
    "mini_pretrain": PretrainConfig,
    "mini_regression": RewardConfig,
    "mini_scaled_bt": RewardConfig,
    "mini_topic": RewardConfig,
    "small_answers": RewardConfig,
    "small_bt": RewardConfig,
    "small_mixed": RewardConfig,
    "small_dpo": DPOConfig,
    "small_judge": JustifierConfig,
    "small_own": JustifierConfig,
    "small_quotes": JustifierConfig,
    "small_reasons": JustifierConfig,
    "small_regression": RewardConfig,
    "small_verdicts": JustifierConfig,
    "reward_smoke": RewardConfig,
    "smoke": JustifierConfig,
}


@pytest.fixture(scope="module")
def finished(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "smoke"
    justifier.run(smoke(prepared, output))
    return output


def test_the_smoke_recipe_learns_and_leaves_a_manifest(finished: Path) -> None:
    logged = losses(finished)
    assert sorted(logged) == [1, 2, 3, 4, 5, 6]
    assert logged[6] < logged[1]
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["steps"] == 6 and sorted(manifest["validation_losses"]) == ["2", "4", "6"]
    assert manifest["template"]["name"] == "pairwise_justifier.v1"
    assert len(manifest["data"]["outputs"]["train.jsonl"]["sha256"]) == 64
    assert {"torch", "trl", "transformers"} <= manifest["versions"].keys()
    assert json.loads((finished / "judge.json").read_text())["template"] == "pairwise_justifier.v1"
    assert list((finished / "runs").rglob("events.out.tfevents.*")), "no TensorBoard log"
    for step in (2, 4, 6):
        assert (finished / f"checkpoint-{step}" / "optimizer.pt").is_file()


def test_an_interrupted_run_goes_on_exactly(
    finished: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in step 4 (after the checkpoint of step 2), the same command ends with the same
    losses and weights as the run that was never stopped."""
    config = smoke(prepared, tmp_path / "run")
    real = justifier.JustifierTrainer.training_step
    calls = 0

    def die(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 7:  # two micro-batches a step: in the middle of step 4
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(justifier.JustifierTrainer, "training_step", die)
    with pytest.raises(KeyboardInterrupt):
        justifier.run(config)
    monkeypatch.setattr(justifier.JustifierTrainer, "training_step", real)
    assert not (tmp_path / "run" / "manifest.json").exists()
    justifier.run(config)
    assert losses(tmp_path / "run") == losses(finished)
    resumed, whole = (_weights(folder) for folder in (tmp_path / "run", finished))
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_finished_run_is_not_repeated_and_another_is_refused(
    finished: Path, prepared: Path
) -> None:
    before = (finished / "model.safetensors").stat().st_mtime_ns
    justifier.run(smoke(prepared, finished))
    assert (finished / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match=r"learning_rate is 0\.001 there, 0\.5 now"):
        justifier.run(smoke(prepared, finished, "learning_rate=0.5"))


def test_lora_trains_an_adapter_only(prepared: Path, tmp_path: Path) -> None:
    justifier.run(smoke(prepared, tmp_path / "lora", "lora.r=4", "max_steps=2"))
    adapter = json.loads((tmp_path / "lora" / "adapter_config.json").read_text())
    assert adapter["r"] == 4 and adapter["peft_type"] == "LORA"
    assert not (tmp_path / "lora" / "model.safetensors").exists()


def test_an_adapter_judges_on_top_of_its_base(prepared: Path, tmp_path: Path) -> None:
    """What `judge train` writes, `judge batch --model FOLDER` loads: a PEFT adapter too."""
    from judge.config import BatchConfig
    from judge.infer.engines.registry import load_engine
    from judge.models import default_template

    output = tmp_path / "lora"
    justifier.run(
        smoke(prepared, output, "random_init=null", "lora.r=4", "max_steps=2", "save_steps=1")
    )
    assert default_template(str(output)) == "pairwise_justifier.v1"
    engines = [load_engine(BatchConfig(input="-", out="-", model=m)) for m in ("mini", str(output))]
    pair = Pair(pair_id="x", prompt=parse_prompt("Why?"), response_1="So.", response_2="Because.")
    base, adapted = (e.judge(e.builder.build([pair]), "verdict")[0] for e in engines)
    assert isinstance(base, Verdict) and isinstance(adapted, Verdict)
    assert base.distribution != adapted.distribution


def test_data_of_another_template_is_refused(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pairwise_justifier\.v1 .* guided\.v1"):
        justifier.run(smoke(prepared, tmp_path / "run", "template=guided.v1"))


def test_statement_loss_by_hand() -> None:
    """Two twins, vocabulary of 4, tokens 1 and 2 the sides: the numbers worked out on paper."""
    inputs = {
        "input_ids": torch.tensor([[3, 1], [3, 2]]),
        "score_at": torch.tensor([0, 2]),
        "shift_labels": torch.tensor([[1, 2]]),
        "weights": torch.tensor([3.0, 1.0]),
        "branch": torch.tensor([0, 2]),
        "said": torch.tensor([1, 2]),
    }
    at_branch = torch.tensor([[0.0, 2.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    logits = torch.stack([at_branch, torch.zeros(2, 4)], dim=1)

    def model(**kwargs: Any) -> Any:
        scored = logits.flatten(0, 1)[kwargs["score_at"]].log_softmax(-1)
        return SimpleNamespace(log_probs=scored.gather(1, kwargs["shift_labels"].T).T)

    loss, parts = statement_loss(model, inputs, [1, 2], order_consistency=0.5)
    first = -2 + math.log(math.exp(2) + 3)  # says 1, as it should
    second = math.log(math.exp(1) + 3)  # leans to 1 too, should say 2
    penalty = (2.0 + 1.0) ** 2  # z_given + z_flipped
    expected = (3 * first + second) / 4 + 0.5 * penalty
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    assert parts["verdict_accuracy"] == 0.5 and parts["consistent"] == 0.0
    assert parts["order_penalty"] == pytest.approx(9.0)


def test_weight_one_without_penalty_is_trl_s_own_loss(prepared: Path, tmp_path: Path) -> None:
    """The statement loss with every weight 1 starts where plain completion-only SFT starts."""
    justifier.run(smoke(prepared, tmp_path / "plain", "max_steps=2"))
    justifier.run(smoke(prepared, tmp_path / "tiny", "max_steps=2", "statement_weight=1.0000001"))
    plain, ours = losses(tmp_path / "plain"), losses(tmp_path / "tiny")
    # TRL averages over the step's tokens, ours over each micro-batch's: close, not equal.
    assert ours[1] == pytest.approx(plain[1], rel=2e-3)


def test_every_recipe_is_listed_here_and_loads() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == KINDS.keys()
    for name, kind in KINDS.items():
        load_recipe(name, [], kind)


def test_the_70b_recipe_has_the_paper_s_hyper_parameters() -> None:
    recipe = load_recipe("llama31_70b_zero3", [], JustifierConfig)
    assert recipe.global_batch_size == 128 and recipe.warmup_steps == 10
    assert recipe.learning_rate in (1e-6, 2e-6, 3e-6)
    assert recipe.lr_scheduler == "constant_with_warmup" and recipe.save_steps == 10
    assert recipe.epochs == 1.0 and recipe.statement_weight == 1.0
    assert recipe.order_consistency == 0.0 and recipe.lora is None
    assert recipe.deepspeed is not None
    assert recipe.deepspeed["zero_optimization"]["stage"] == 3
    # DeepSpeed itself accepts the section; "auto" is filled by transformers at the launch.
    zero = {k: v for k, v in recipe.deepspeed["zero_optimization"].items() if v != "auto"}
    assert DeepSpeedZeroConfig(**zero).stage == 3
    # What the file leaves out is the paper's too.
    defaults = JustifierConfig(model="m", data="d", output_dir="o")
    assert defaults.accumulation(32) == 4 and defaults.accumulation(128) == 1
    with pytest.raises(UsageError, match="multiple"):
        defaults.accumulation(48)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["learning_rat=1"], "learning_rat"),
        (["learning_rate=fast"], "learning_rate"),
        (["max_steps"], "key=value"),
        (["lora.rank=3"], "lora.rank"),
        (["max_length.x=3"], "max_length"),
        (["per_device_batch_size=3"], "multiple"),
    ],
)
def test_a_wrong_override_is_one_clear_line(overrides: list[str], problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_recipe("smoke", overrides, JustifierConfig)
    assert problem in str(raised.value) and "\n" not in str(raised.value)


def test_a_missing_recipe_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="smoke"):
        load_recipe("nothing", [], JustifierConfig)


def test_a_broken_recipe_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("model: [")
    with pytest.raises(UsageError, match="not valid YAML") as raised:
        load_recipe(str(path), [], JustifierConfig)
    assert "\n" not in str(raised.value)
    path.write_text(yaml.safe_dump(["a"]))
    with pytest.raises(UsageError):
        load_recipe(str(path), [], JustifierConfig)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
