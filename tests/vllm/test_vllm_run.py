"""Run folders made by vLLM: the same bytes after an interruption, the shape of transformers'."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.batch import run
from judge.infer.engines.protocol import Sampling
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.infer.engines.vllm.engine import VllmEngine
from tests.scripted import failures, results, write_rows

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "pairs.jsonl"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven example pairs, and between them rows that cannot be judged."""
    lines = EXAMPLES.read_bytes().splitlines()[:11]
    long = {**json.loads(lines[0]), "pair_id": "long", "response_1": "word " * 5000}
    path = tmp_path_factory.mktemp("rows") / "pairs.jsonl"
    every = [*lines[:5], b"{", json.dumps(long).encode(), *lines[5:]]
    path.write_bytes(b"\n".join(every) + b"\n")
    return path


def config(rows: Path, out: Path, **fields: Any) -> BatchConfig:
    values = {"model": "mini", "engine": "vllm", "window": 4, "max_new_tokens": 40, **fields}
    return BatchConfig(input=str(rows), out=str(out), **values)


@pytest.mark.parametrize("mode", ["verdict", "justify"])
def test_a_run_in_parts_has_the_bytes_of_one(
    vllm_engine: VllmEngine, rows: Path, tmp_path: Path, mode: str
) -> None:
    vllm_engine = vllm_engine.bound(sampling=Sampling(40))
    summary = run(config(rows, tmp_path / "one", mode=mode), lambda: vllm_engine)
    assert (summary.judged, summary.failed) == (11, 2)
    assert [f["reason"] for f in failures(tmp_path / "one")] == ["bad_json", "prompt_too_long"]
    for limit in (3, 8, None):
        parts = config(rows, tmp_path / "parts", mode=mode, limit=limit)
        run(parts, lambda: vllm_engine)
    assert results(tmp_path / "one") == results(tmp_path / "parts")


@pytest.mark.parametrize("mode", ["verdict", "justify"])
def test_two_dozen_pairs_have_the_judgments_of_the_transformers_engine(
    vllm_engine: VllmEngine, mini_engine: TransformersEngine, tmp_path: Path, mode: str
) -> None:
    """As `benchmarks/engines_agree.py` compares 500; the Ray engine's bytes are the vLLM one's."""
    rows = write_rows(tmp_path / "in.jsonl", EXAMPLES.read_bytes().splitlines()[:24])
    vllm_engine = vllm_engine.bound(sampling=Sampling(40))
    mini_engine = mini_engine.bound(sampling=Sampling(40))
    run(config(rows, tmp_path / "vllm", mode=mode), lambda: vllm_engine)
    other = config(rows, tmp_path / "transformers", engine="transformers", mode=mode)
    run(other, lambda: mini_engine)
    found = engines_agree().compare(tmp_path / "transformers", tmp_path / "vllm")
    assert (found.pairs, found.same, found.shapes) == (24, 24, 24), found.differences
    assert found.same_elaborations == found.elaborations == (48 if mode == "justify" else 0)
    assert found.furthest < 1e-4


def engines_agree() -> Any:
    """The benchmark; a dependency of ours has a package that is called as its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("engines_agree")


def test_another_vllm_option_is_another_run(
    vllm_engine: VllmEngine, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config(rows, tmp_path, mode="verdict", limit=4), lambda: vllm_engine)
    monkeypatch.setitem(vllm_engine.identity, "tensor_parallel_size", 8)
    with pytest.raises(UsageError, match="tensor_parallel_size"):
        run(config(rows, tmp_path, mode="verdict"), lambda: vllm_engine)
