"""What two processes saved under ZeRO-3 is what vLLM loads: a whole model, and an adapter."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from judge.config import BatchConfig
from judge.infer.batch import run
from judge.infer.engines.protocol import Engine
from judge.infer.engines.registry import load_engine
from tests.scripted import judgments, write_rows
from tests.train.launches import ROOT, one_after_another, run_all, section, small_llama, smoke

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TRAINING = ROOT / ".venv" / "bin" / "python"
"""DeepSpeed and TRL are in the environment of `make setup`, not in that of vLLM."""
KEPT: list[Engine] = []
"""Engines in one process share what the first of them to go takes down."""


@pytest.fixture(scope="module")
def trained(prepared: Path, mini_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``base``, a random judge of strong opinions, and with what two steps of the 70B
    recipe's ZeRO-3 made of it: ``full`` and the adapter ``lora``."""
    finds = "import importlib.util, sys; sys.exit(importlib.util.find_spec('deepspeed') is None)"
    if not TRAINING.is_file() or subprocess.run([str(TRAINING), "-c", finds]).returncode:
        assert not os.environ.get("CI"), f"{TRAINING} cannot train: make setup"
        pytest.skip(f"{TRAINING} cannot train: make setup")
    folder = tmp_path_factory.mktemp("trained")
    fields: dict[str, Any] = {
        "model": small_llama(folder / "base", mini_tokenizer, initializer_range=0.2),
        "data": str(prepared),
        "deepspeed": section("llama31_70b_zero3"),
        "bf16": True,
        "global_batch_size": 4,
        "learning_rate": 0.02,
        "max_steps": 2,
        "save_steps": 2,
        "eval_steps": 2,
        "eval_limit": 2,
    }
    runs = {"full": smoke("smoke", **fields), "lora": smoke("smoke", **fields, lora={"r": 4})}
    run_all(one_after_another(runs, folder), TRAINING, timeout=600)
    return folder


def probabilities(rows: Path, out: Path, engine: str, model: Path) -> list[float]:
    """Return P(response_1 is better) of each pair, as `judge batch` judges them."""
    options = {"engine": engine, "model": str(model), "mode": "verdict", "dtype": "float32"}
    config = BatchConfig(input=str(rows), out=str(out), **options)
    KEPT.append(load_engine(config))
    summary = run(config, lambda: KEPT[-1])
    assert (summary.judged, summary.failed) == (3, 0)
    return [judgment["probability"] for judgment in judgments(out)]


@pytest.mark.parametrize("name", ["full", "lora"])
def test_vllm_judges_with_what_two_processes_saved(
    name: str, trained: Path, tmp_path: Path
) -> None:
    """With an adapter over its base, as it was saved: nothing is merged."""
    files = {path.name for path in (trained / name).glob("*.safetensors")}
    assert files == {"adapter_model.safetensors" if name == "lora" else "model.safetensors"}
    lines = (ROOT / "examples" / "pairs.jsonl").read_bytes().splitlines()[:3]
    rows = write_rows(tmp_path / "in.jsonl", lines)
    found = probabilities(rows, tmp_path / "vllm", "vllm", trained / name)
    other = probabilities(rows, tmp_path / "transformers", "transformers", trained / name)
    untrained = probabilities(rows, tmp_path / "base", "transformers", trained / "base")
    assert found == pytest.approx(other, abs=1e-4)
    apart = [abs(one - two) for one, two in zip(found, untrained, strict=True)]
    assert min(apart) > 1e-2, "what training changed would not show"
