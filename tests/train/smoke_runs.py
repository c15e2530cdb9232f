"""The smoke recipe on prepared sets, and what a run of it logged."""

from __future__ import annotations

from pathlib import Path

from judge.train.config import JustifierConfig, load_recipe
from judge.train.finetune import read_log
from judge.train.sft import training as justifier


def smoke(prepared: Path, output: Path, *overrides: str) -> JustifierConfig:
    return load_recipe(
        "smoke", [f"data={prepared}", f"output_dir={output}", *overrides], JustifierConfig
    )


def adapter_of_mini(prepared: Path, output: Path, steps: int, save_steps: int) -> None:
    """Train a LoRA adapter on the mini judge, with a checkpoint every ``save_steps`` steps."""
    values = ["model=mini", "random_init=null", "lora.r=2", f"max_steps={steps}"]
    values += ["train_limit=8", "eval_limit=2", "max_length=400", "learning_rate=0.01"]
    values += [f"save_steps={save_steps}", f"eval_steps={save_steps}"]
    justifier.run(smoke(prepared, output, *values))


def losses(output: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_log(output) if "loss" in row}
