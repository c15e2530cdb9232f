"""Run under torchrun: the recipes and commands of a JSON file, one after another in the same
processes.

A test of its own would pay for starting two interpreters with DeepSpeed every time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from judge import cli
from judge.online import rloo
from judge.train.align import dpo
from judge.train.align.config import DPOConfig
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import JustifierConfig, RewardConfig
from judge.train.reward import training as reward
from judge.train.sft import training as justifier


def train(fields: dict[str, Any]) -> None:
    """Train as the fields of a recipe say; which kind it is, they tell."""
    if "objective" in fields:
        reward.run(RewardConfig.model_validate(fields))
    elif "samples" in fields:
        rloo.run(RLOOConfig.model_validate(fields))
    elif "beta" in fields:
        dpo.run(DPOConfig.model_validate(fields))
    else:
        justifier.run(JustifierConfig.model_validate(fields))


def command(words: list[str]) -> None:
    """Run a command as ``python -m judge.cli`` does; a failed one ends the process."""
    sys.argv = ["judge", *words]
    try:
        cli.main()
    except SystemExit as ended:
        if ended.code:
            raise


def main() -> None:
    for entry in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        if "command" in entry:
            command(entry["command"])
        else:
            train(entry)


if __name__ == "__main__":
    main()
