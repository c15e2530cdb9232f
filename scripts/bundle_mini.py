"""Copy a trained mini model into the package: bfloat16 weights, tokenizer, manifest and logs.

python scripts/bundle_mini.py work/mini_judge judge/models/mini_judge work/mini_base
python scripts/bundle_mini.py work/mini_bt_mean judge/models/mini_bt --log work/mini_scaled_bt

The third folder is the base that was pre-trained for the model; its log goes along. Weights that
`judge train expo` wrote have no log of their own: ``--log`` names the training whose log they take.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)


def main(trained: Path, target: Path, base: Path | None = None, log: Path | None = None) -> None:
    """Write the bundled model to ``target``; its README (the model card) is left alone."""
    target.mkdir(parents=True, exist_ok=True)
    scores = "SequenceClassification" in str(AutoConfig.from_pretrained(trained).architectures)
    kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    model = kind.from_pretrained(trained, dtype=torch.bfloat16)
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(trained).save_pretrained(target)
    log = log or trained
    shutil.copy(trained / "judge.json", target / "judge.json")
    shutil.copy(log / "manifest.json", target / "manifest.json")
    if base is not None:
        _copy_pretraining(base, target)
    state = max(log.glob("checkpoint-*/trainer_state.json"), key=lambda p: p.stat().st_mtime)
    history = json.loads(state.read_text(encoding="utf-8"))["log_history"]
    (target / "training_log.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in history), encoding="utf-8"
    )
    size = sum(file.stat().st_size for file in target.iterdir())
    print(f"{target}: {model.num_parameters():,} parameters, {size / 1e6:.1f} MB")


def _copy_pretraining(base: Path, target: Path) -> None:
    pretrain = json.loads((base / "pretrain.json").read_text(encoding="utf-8"))
    for folder in ("text_dir", "pairs", "output_dir"):  # where the data lay says nothing
        pretrain["config"].pop(folder)
    (target / "pretrain.json").write_text(json.dumps(pretrain, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Copy a trained mini model into the package.")
    asked.add_argument("trained", type=Path)
    asked.add_argument("target", type=Path)
    asked.add_argument("base", type=Path, nargs="?")
    asked.add_argument("--log", type=Path, help="the training whose manifest and log are taken")
    main(**vars(asked.parse_args()))
