"""LoRA adapters as checkpoints: what PEFT's own merge gives, tensor by tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, LoraConfig, get_peft_model

from judge.errors import UsageError
from judge.models import shards
from judge.models.checkpoint import open_checkpoint
from judge.train.expo.config import ExpoConfig
from judge.train.expo.extrapolate import run
from tests.checkpoints import read, save_model, tiny_model


@pytest.fixture(scope="module")
def base(mini_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model: its head is no part of the reward models trained on it."""
    from transformers import LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    classifier = tiny_model(mini_tokenizer, 1, 0)
    LlamaForCausalLM(classifier.config).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    for name in ("id2label", "label2id"):
        config.pop(name, None)
    (folder / "config.json").write_text(json.dumps(config))
    mini_tokenizer.save_pretrained(folder)
    return folder


def adapter(folder: Path, base: Path, seed: int, card: bool = True, **options: Any) -> Path:
    """Save a LoRA adapter with random weights over ``base``."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    config = LoraConfig(
        **({"r": 3, "lora_alpha": 7, "target_modules": "all-linear", "task_type": "SEQ_CLS"})
        | options
    )
    adapted: Any = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    adapted.save_pretrained(folder)
    if card:
        described = {"kind": "reward", "objective": "bt", "outputs": ["reward"]}
        (folder / "judge.json").write_text(json.dumps(described))
    return folder


def by_peft(folder: Path) -> dict[str, torch.Tensor]:
    """Return the state of the model that PEFT makes of an adapter."""
    loaded = AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    merged: dict[str, torch.Tensor] = loaded.merge_and_unload().state_dict()
    return merged


@pytest.mark.parametrize(
    ("options", "piece"),
    [
        ({}, 1 << 20),
        ({}, 1000),
        ({"target_modules": ["q_proj"]}, 7),
        ({"use_rslora": True}, 1 << 20),
        ({"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 11, "mlp.up_proj": 5}}, 99),
        ({"target_modules": ["q_proj", "embed_tokens"]}, 1001),
    ],
    ids=["plain", "pieces", "split rows", "rslora", "patterns", "embedding"],
)
@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_the_tensors_are_those_of_pefts_merge(
    options: dict[str, Any],
    piece: int,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shards, "PIECE", piece)
    folder = adapter(tmp_path / "adapter", base, 1, **options)
    expected = by_peft(folder)
    found = open_checkpoint(str(folder)).tensors
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if piece < 100 and value.numel() > 10_000:
            continue  # the embedding: thousands of pieces, and nothing that the others lack
        whole = torch.cat(list(found[name].pieces())).view(found[name].shape)
        torch.testing.assert_close(whole.float(), value, rtol=1e-5, atol=1e-6)


def test_expo_of_two_adapters_over_one_base_is_a_whole_reward_model(
    base: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    weak, strong = (
        adapter(tmp_path / side, base, seed, card=False)
        for side, seed in (("weak", 1), ("strong", 2))
    )
    (strong / "judge.json").write_text('{"kind": "reward", "outputs": ["reward"]}')
    record = run(
        ExpoConfig(weak=str(weak), strong=str(strong), output_dir=str(tmp_path / "out"), factor=1.5)
    )
    assert record.weak != record.strong
    a, b = by_peft(weak), by_peft(strong)
    found = read(tmp_path / "out")
    assert found.keys() == b.keys()
    for name in found:
        torch.testing.assert_close(found[name], a[name] + 1.5 * (b[name] - a[name]))
    loaded, report = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert loaded.config.id2label == {0: "reward"}
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template
    assert not (tmp_path / "out" / "adapter_config.json").exists()


def test_an_adapter_and_a_whole_model_fit_together(
    base: Path, mini_tokenizer: Any, tmp_path: Path
) -> None:
    save_model(tmp_path / "weak", tiny_model(mini_tokenizer, 1, 5), mini_tokenizer)
    strong = adapter(tmp_path / "strong", base, 2)
    run(
        ExpoConfig(
            weak=str(tmp_path / "weak"),
            strong=str(strong),
            output_dir=str(tmp_path / "out"),
            factor=1.0,
        )
    )
    for name, value in by_peft(strong).items():
        torch.testing.assert_close(read(tmp_path / "out")[name], value)


def test_a_base_that_moved_is_given_by_hand(base: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", base, 1)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "./gone"
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"its base: no model folder at \./gone.*give it with"):
        open_checkpoint(str(folder))
    assert "score.weight" in open_checkpoint(str(folder), str(base)).tensors
    with pytest.raises(UsageError, match="is based on itself"):
        open_checkpoint(str(folder), str(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "uses use_dora; merge it with PEFT first"),
        ({"bias": "all"}, "uses bias=all"),
        ({"init_lora_weights": "pissa"}, "uses init_lora_weights=pissa"),
        ({"peft_type": "IA3"}, "a IA3 adapter; only LORA"),
        ({"peft_type": "NONSENSE"}, "adapter_config.json"),
    ],
)
def test_an_adapter_without_a_plain_merge_is_one_line(
    change: dict[str, Any], message: str, base: Path, tmp_path: Path
) -> None:
    folder = adapter(tmp_path / "adapter", base, 1)
    config = json.loads((folder / "adapter_config.json").read_text())
    if change.get("peft_type") == "IA3":
        config = {"base_model_name_or_path": str(base)}
    (folder / "adapter_config.json").write_text(json.dumps(config | change))
    with pytest.raises(UsageError, match=message) as caught:
        open_checkpoint(str(folder))
    assert "\n" not in str(caught.value)


def test_an_adapter_of_another_base_is_one_line(
    base: Path, mini_tokenizer: Any, tmp_path: Path
) -> None:
    folder = adapter(tmp_path / "adapter", base, 1)
    other = tiny_model(mini_tokenizer, 1, 3)
    other.model.layers[0].mlp.up_proj = torch.nn.Linear(16, 20, bias=False)
    save_model(tmp_path / "other", other, mini_tokenizer)
    with pytest.raises(UsageError, match=r"up_proj is \[24, 3\] x \[3, 16\], .* weight \[20, 16\]"):
        open_checkpoint(str(folder), str(tmp_path / "other"))
