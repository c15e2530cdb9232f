"""What goes into the package of a trained small adapter: no more than it needs, and no place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from judge.errors import UsageError
from judge.models.adapters import read_adapter
from judge.models.layers import layers_of
from tests import small_base
from tests.small_base import Tiny
from tests.test_scripts import load


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """An adapter as training leaves it, with a checkpoint's log."""
    folder = small_base.write_adapter(tmp_path / "trained", outputs=1)
    recipe = {"model": "/tmp/base", "data": "/tmp/x/sets", "output_dir": "work/bt", "seed": 17}
    manifest = {"recipe": recipe, "best_checkpoint": "/tmp/x/trained/checkpoint-4", "steps": 4}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "checkpoint-4").mkdir()
    state = {"log_history": [{"step": 4, "loss": 0.5}]}
    (folder / "checkpoint-4" / "trainer_state.json").write_text(json.dumps(state))
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def test_a_bundled_adapter_is_small_and_says_what_it_stands_on(
    trained: Path, tiny: Tiny, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load("bundle_small")
    monkeypatch.setattr(script, "SMALL", tiny.base)
    script.main(trained, tmp_path / "bundled")
    there = {path.name for path in (tmp_path / "bundled").iterdir()}
    assert there == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "judge.json",
        "manifest.json",
        "training_log.jsonl",
    }
    before = load_file(trained / "adapter_model.safetensors")
    after = load_file(tmp_path / "bundled" / "adapter_model.safetensors")
    assert after.keys() == before.keys()
    for name, tensor in after.items():
        wanted = before[name] if "score" in name else before[name].bfloat16()
        assert torch.equal(tensor, wanted), name
    about = json.loads((tmp_path / "bundled" / "judge.json").read_text())
    assert about["base_digest"] == tiny.base.weights_digest[:16] and about["outputs"] == ["reward"]
    text = (tmp_path / "bundled" / "manifest.json").read_text()
    assert "/tmp" not in text and json.loads(text)["recipe"]["model"] == "small-base"
    layers = layers_of(str(tmp_path / "bundled"))
    assert layers.base == layers.tokenizer == str(cached)
    assert read_adapter(tmp_path / "bundled").classifies


def test_an_adapter_over_other_weights_is_not_bundled(
    trained: Path, tiny: Tiny, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((trained / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(tiny.made)
    (trained / "adapter_config.json").write_text(json.dumps(config))
    script = load("bundle_small")
    monkeypatch.setattr(script, "SMALL", small_base.SMALL)  # whose digest the tiny one has not
    digest = tiny.base.weights_digest[:16]
    with pytest.raises(UsageError, match=rf"\(digest {digest}\), not on small-base"):
        script.main(trained, tmp_path / "bundled")
    assert not (tmp_path / "bundled").exists()
