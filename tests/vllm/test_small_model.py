"""The small judge, merged into a plain folder by ``judge train export``, judges alike in vLLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from judge.config import BatchConfig
from judge.infer.batch import run
from judge.infer.engines.protocol import Engine
from judge.infer.engines.registry import load_engine
from judge.train.checkpoints.config import ExportConfig
from judge.train.checkpoints.export import run as export
from tests.scripted import judgments, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PAIRS = 5
KEPT: list[Engine] = []
"""Engines in one process share what the first of them to go takes down."""


def judged(rows: Path, out: Path, engine: str, model: str) -> list[dict[str, Any]]:
    """Return the judgments of ``judge batch --mode verdict``."""
    fields: dict[str, Any] = {} if engine == "transformers" else {"max_model_len": 2048}
    config = BatchConfig(
        input=str(rows), out=str(out), engine=engine, model=model, mode="verdict",
        dtype="float32", **fields,
    )  # fmt: skip
    KEPT.append(load_engine(config))
    summary = run(config, lambda: KEPT[-1])
    assert (summary.judged, summary.failed) == (PAIRS, 0)
    return judgments(out)


def test_vllm_judges_with_the_merged_model_as_transformers_does(
    real_base: Path, root: Path, tmp_path: Path
) -> None:
    merged = tmp_path / "merged"
    export(ExportConfig(model="small", output_dir=str(merged)))
    assert (merged / "model.safetensors").is_file() or list(merged.glob("model-*.safetensors"))
    assert not (merged / "adapter_config.json").exists()
    lines = (root / "examples" / "pairs.jsonl").read_bytes().splitlines()[:PAIRS]
    rows = write_rows(tmp_path / "in.jsonl", lines)
    found = judged(rows, tmp_path / "vllm", "vllm", str(merged))
    other = judged(rows, tmp_path / "transformers", "transformers", str(merged))
    for ours, theirs in zip(found, other, strict=True):
        assert (ours["preference"], ours["strength"]) == (theirs["preference"], theirs["strength"])
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-3)
