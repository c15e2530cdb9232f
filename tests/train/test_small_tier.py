"""Training on a named base, and on an adapter over it: what is saved, and what loads it again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.engines.registry import load_engine
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.infer.scorers.load import load_scorer
from judge.infer.scorers.transformers import TransformersScorer
from judge.models import BUNDLED, FOLDER
from judge.models.layers import digest_of, layers_of
from judge.models.writing import merged_folder
from judge.train.checkpoints import export
from judge.train.checkpoints.config import ExportConfig
from judge.train.config import RewardConfig, load_recipe
from judge.train.plan.architecture import architecture_of
from judge.train.reward import training as reward
from judge.train.reward.model import load_reward_model
from judge.train.sft import training as justifier
from judge.train.sft.training import load_model
from tests.small_base import Tiny, write_adapter
from tests.train.reward_sets import preference_set
from tests.train.smoke_runs import losses, smoke

SHORT = ["random_init=null", "lora.r=2", "train_limit=8", "eval_limit=2", "max_length=400"]
SHORT += ["max_steps=2", "save_steps=1", "eval_steps=2", "learning_rate=0.01"]


@pytest.fixture
def small(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Adapters over the tiny base as the bundled small models, each with a manifest."""
    folders = {
        "small": write_adapter(tmp_path / "small_judge", seed=1),
        "small-bt": write_adapter(tmp_path / "small_bt", seed=2, outputs=1),
    }
    for name, folder in folders.items():
        monkeypatch.setitem(BUNDLED, name, str(folder))
        shutil.copy(FOLDER / "mini_judge" / "manifest.json", folder)
    return folders


def of(folder: Path, file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / file).read_text())
    return found


def engine_of(folder: Path | str) -> TransformersEngine:
    engine = load_engine(
        BatchConfig(input="-", out="-", model=str(folder), template="guided.v1", dtype="float32")
    )
    assert isinstance(engine, TransformersEngine)
    return engine


def share(*models: Path | str) -> bool:
    """Say whether judges of these models have one decoder in memory."""
    engines = [engine_of(model) for model in models]
    return len({id(engine.model.base_model) for engine in engines}) == 1


def test_a_judge_trained_on_the_base_names_it_and_loads_over_it(
    tiny: Tiny, cached: Path, prepared: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    justifier.run(smoke(prepared, output, "model=small-base", *SHORT))
    for folder in (output, output / "checkpoint-1"):
        assert of(folder, "adapter_config.json")["base_model_name_or_path"] == "small-base"
        assert layers_of(str(folder)).base == str(cached)
    assert of(output, "judge.json")["base_digest"] == tiny.base.weights_digest[:16]
    assert share(output, "small-base")
    whole = losses(output)
    shutil.rmtree(output / "checkpoint-2")
    for name in ("manifest.json", "judge.json", "adapter_model.safetensors"):
        (output / name).unlink()
    justifier.run(smoke(prepared, output, "model=small-base", *SHORT))  # goes on from the first
    assert losses(output) == whole


def test_a_judge_trained_on_an_adapter_stands_upon_it(
    small: dict[str, Path], cached: Path, prepared: Path, tmp_path: Path
) -> None:
    config = smoke(prepared, tmp_path / "run", "model=small", *SHORT)
    start = load_model(config, None).state_dict()  # type: ignore[arg-type]
    base = AutoModelForCausalLM.from_pretrained(cached, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, small["small"]).merge_and_unload().state_dict()
    assert start.keys() == merged.keys()
    for name, value in merged.items():
        torch.testing.assert_close(start[name], value, rtol=1e-5, atol=1e-6)
    justifier.run(config)
    folder = Path(config.output_dir)
    assert of(folder, "adapter_config.json")["base_model_name_or_path"] == "small"
    assert of(folder, "judge.json")["base_digest"] == digest_of(str(small["small"]))
    assert layers_of(str(folder)).adapters == (small["small"], folder)
    assert share(folder, "small")
    shutil.rmtree(small["small"])
    write_adapter(small["small"], seed=9)  # as another version of this package would bring
    with pytest.raises(UsageError, match="was trained on another base"):
        layers_of(str(folder))


def reward_recipe(data: Path, output: Path, *overrides: str) -> RewardConfig:
    values = [f"data={data}", f"output_dir={output}", *SHORT, *overrides]
    return load_recipe("reward_smoke", values, RewardConfig)


def test_a_reward_model_trained_on_the_base_shares_it(
    tiny: Tiny, cached: Path, tmp_path: Path
) -> None:
    data = preference_set(tmp_path / "set")
    config = reward_recipe(data, tmp_path / "run", "model=small-base")
    reward.run(config)
    folder = Path(config.output_dir)
    assert of(folder, "adapter_config.json")["base_model_name_or_path"] == "small-base"
    assert of(folder, "judge.json")["base_digest"] == tiny.base.weights_digest[:16]
    scorer, engine = load_scorer(str(folder)).scorer, engine_of("small-base")
    assert isinstance(scorer, TransformersScorer)
    assert scorer.model.base_model is engine.model.base_model


def test_a_reward_model_starts_from_an_adapter_of_either_kind(
    small: dict[str, Path], tmp_path: Path
) -> None:
    data = preference_set(tmp_path / "set")
    weights = {}
    for name in ("small", "small-bt"):
        config = reward_recipe(data, tmp_path / name, f"model={name}")
        model = load_reward_model(config, None)  # type: ignore[arg-type]
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert model.config.id2label == {0: "reward"}
        weights[name] = model.state_dict()
    expected = AutoModelForSequenceClassification.from_pretrained(
        merged_folder("small-bt", "F32")
    ).state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(weights["small-bt"][name], value, rtol=1e-5, atol=1e-6)
    one = "model.layers.1.mlp.up_proj.weight"
    assert not torch.equal(weights["small"][one], weights["small-bt"][one])


def test_adapters_are_no_base_in_four_bits(small: dict[str, Path], prepared: Path) -> None:
    config = smoke(prepared, Path("x"), "model=small", *SHORT, "quantization.type=nf4")
    with pytest.raises(
        UsageError, match="model small: an adapter cannot be a base in 4 bits; merge it"
    ):
        load_model(config, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["small", "small-bt"])
def test_an_exported_model_is_whole_and_says_the_same(
    name: str, small: dict[str, Path], cached: Path, tmp_path: Path
) -> None:
    manifest = export.run(ExportConfig(model=name, output_dir=str(tmp_path / "out")))
    assert manifest.export is not None and manifest.export.merged
    out = tmp_path / "out"
    assert not (out / "adapter_config.json").exists() and not (out / "base.json").exists()
    assert AutoTokenizer.from_pretrained(out).chat_template
    if name == "small":
        whole = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
        base = AutoModelForCausalLM.from_pretrained(cached, dtype=torch.float32)
    else:
        auto = AutoModelForSequenceClassification
        whole = auto.from_pretrained(out, dtype=torch.float32)
        base = auto.from_pretrained(cached, dtype=torch.float32, num_labels=1)
    merged = PeftModel.from_pretrained(base, small[name]).merge_and_unload().state_dict()
    for key, value in whole.state_dict().items():  # in the base's format: rounded once
        torch.testing.assert_close(value, merged[key], rtol=2**-8, atol=1e-6)


def test_the_merged_folder_is_written_once_in_full_precision(
    small: dict[str, Path], cached: Path
) -> None:
    folder = merged_folder("small", "F32")
    assert folder.parent == cached.parent / "merged" and of(folder, "config.json")["dtype"]
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert merged_folder("small", "F32") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    base = AutoModelForCausalLM.from_pretrained(cached, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, small["small"]).merge_and_unload().state_dict()
    whole = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    for name, value in whole.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, merged[name], rtol=1e-6, atol=1e-6)
    assert merged_folder("small", "BF16") != folder
    shutil.rmtree(small["small"])
    write_adapter(small["small"], seed=8)
    assert merged_folder("small", "F32") != folder


def test_plans_know_the_base_without_fetching_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_CACHE", str(tmp_path))
    found = architecture_of("small-base")
    assert (found.layers, found.hidden, found.tied) == (30, 576, True)
    assert round(found.parameters() / 1e6, 1) == 134.5
