"""The smoke recipe on prepared sets, and what a run of it logged."""

from __future__ import annotations

from pathlib import Path

from judge.train.config import JustifierConfig, load_recipe
from judge.train.finetune import read_log


def smoke(prepared: Path, output: Path, *overrides: str) -> JustifierConfig:
    return load_recipe(
        "smoke", [f"data={prepared}", f"output_dir={output}", *overrides], JustifierConfig
    )


def losses(output: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_log(output) if "loss" in row}
