"""The benchmark that needs a GPU, on a CPU with a tiny shape: it runs, learns and reports."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from judge.train.plan.architecture import architecture_of

TINY = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 9,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 200,
}


@pytest.mark.parametrize("way", [[], ["--qlora"]], ids=["every weight", "qlora"])
def test_a_slice_of_a_tiny_shape(
    root: Path,
    tmp_path: Path,
    way: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = importlib.util.spec_from_file_location("slice", root / "benchmarks" / "layer_slice.py")
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    words = ["--model", str(tmp_path), "--layers", "2", "--tokens", "24", "--steps", "3", *way]
    monkeypatch.setattr("sys.argv", ["layer_slice.py", *words])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main() == 0
    printed = capsys.readouterr().out
    record = json.loads(printed[printed.index("{") :])
    assert record["device"] == "cpu" and record["measured_gib"] is None and record["checks"] == {}
    assert (record["layers"], record["tokens"], record["qlora"]) == (2, 24, bool(way))
    sliced = replace(architecture_of(str(tmp_path)), layers=2)
    assert record["parameters"] == sliced.parameters()
    states = (8 if not way else 0.5) * 2 * sliced.layer_weights
    assert states / 2**30 < record["predicted_gib"] < 0.01
    first, last = record["losses"]
    assert last < first
    reached = record["tflops"] / record["matrix_tflops"]
    assert record["share_of_matrix_rate"] == pytest.approx(reached, abs=0.001)
