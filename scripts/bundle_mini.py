"""Copy a trained mini judge into the package: bfloat16 weights, tokenizer, manifest and logs.

python scripts/bundle_mini.py work/mini_judge work/mini_base judge/models/mini_judge
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(trained: Path, base: Path, target: Path) -> None:
    """Write the bundled model to ``target``; its README (the model card) is left alone."""
    target.mkdir(parents=True, exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(trained, dtype=torch.bfloat16)
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(trained).save_pretrained(target)
    for name in ("judge.json", "manifest.json"):
        shutil.copy(trained / name, target / name)
    pretrain = json.loads((base / "pretrain.json").read_text(encoding="utf-8"))
    for folder in ("text_dir", "pairs", "output_dir"):  # where the data lay says nothing
        pretrain["config"].pop(folder)
    (target / "pretrain.json").write_text(json.dumps(pretrain, indent=1) + "\n", encoding="utf-8")
    state = max(trained.glob("checkpoint-*/trainer_state.json"), key=lambda p: p.stat().st_mtime)
    history = json.loads(state.read_text(encoding="utf-8"))["log_history"]
    (target / "training_log.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in history), encoding="utf-8"
    )
    size = sum(file.stat().st_size for file in target.iterdir())
    print(f"{target}: {model.num_parameters():,} parameters, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
