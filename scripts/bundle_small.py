"""Copy a trained adapter over small-base into the package: bfloat16, no paths, manifest and log.

python scripts/bundle_small.py work/small_judge judge/models/small_judge
python scripts/bundle_small.py work/small_bt_expo judge/models/small_bt --log work/small_bt

The tokenizer is the base's and is not copied; a README (the card) in the target is left alone.
Weights that `judge train expo` wrote have no log of their own: ``--log`` names the training whose
log they take.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from judge.errors import UsageError
from judge.models import JUDGE_FILE, resolve_model
from judge.models.adapters import read_adapter
from judge.models.base import SMALL
from judge.models.layers import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    BASE_DIGEST,
    digest_of,
    read_base_name,
)

MANIFEST = "manifest.json"


def main(trained: Path, target: Path, log: Path | None = None) -> None:
    """Write the bundled adapter to ``target``.

    Raises:
        UsageError: when ``trained`` is no plain LoRA adapter, or stands on other weights.
    """
    digest = SMALL.weights_digest[:16]
    named = read_base_name(trained)
    there = digest if named == SMALL.name else digest_of(resolve_model(named))
    if there != digest:
        raise UsageError(f"{trained} stands on {named} (digest {there}), not on {SMALL.name}")
    read_adapter(trained)  # that it is one which can be merged
    target.mkdir(parents=True, exist_ok=True)
    tensors = load_file(trained / ADAPTER_WEIGHTS)
    stored = {  # a head is read in float32, and is small
        name: tensor.to(torch.bfloat16) if ".lora_" in name else tensor.float()
        for name, tensor in tensors.items()
    }
    save_file(stored, target / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = _read(trained / ADAPTER_CONFIG)
    config |= {"base_model_name_or_path": SMALL.name, "revision": None, "inference_mode": True}
    _write(target / ADAPTER_CONFIG, config)
    _write(target / JUDGE_FILE, _read(trained / JUDGE_FILE) | {BASE_DIGEST: digest})
    log = log or trained
    manifest = _without_places(_read(log / MANIFEST))
    manifest["recipe"]["model"] = SMALL.name
    _write(target / MANIFEST, manifest)
    _write_log(log, target / "training_log.jsonl")
    read_adapter(target)
    count = sum(tensor.numel() for tensor in stored.values())
    size = sum(file.stat().st_size for file in target.iterdir())
    print(f"{target}: {count:,} parameters, {size / 1e6:.1f} MB")


def _write_log(log: Path, target: Path) -> None:
    state = max(log.glob("checkpoint-*/trainer_state.json"), key=lambda p: p.stat().st_mtime)
    history = _without_places(_read(state)["log_history"])
    target.write_text("".join(json.dumps(row) + "\n" for row in history), encoding="utf-8")


def _without_places(value: Any) -> Any:
    """Return ``value`` with every absolute path in it cut to its last part."""
    if isinstance(value, dict):
        return {name: _without_places(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_places(inner) for inner in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Copy a trained small adapter into the package.")
    asked.add_argument("trained", type=Path)
    asked.add_argument("target", type=Path)
    asked.add_argument("--log", type=Path, help="the training whose manifest and log are taken")
    main(**vars(asked.parse_args()))
