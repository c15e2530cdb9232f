"""What is handed on: merged weights in shards, a card of the manifest, a push that asks first."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
import torch
import yaml
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from judge.cli import app
from judge.errors import UsageError
from judge.models import resolve_model
from judge.runs.training import ExportRecord, ExportSource, TrainingManifest
from judge.train.checkpoints.config import ExportConfig, PushConfig
from judge.train.checkpoints.export import run
from judge.train.checkpoints.licences import licences_of, objections
from judge.train.checkpoints.model_card import render_card
from judge.train.checkpoints.push import plan, send
from tests.train.reward_sets import tiny_base
from tests.train.smoke_runs import adapter_of_mini


@pytest.fixture(scope="module")
def adapter(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA run on the mini judge."""
    output = tmp_path_factory.mktemp("exported") / "run"
    adapter_of_mini(prepared, output, steps=2, save_steps=2)
    return output


@pytest.fixture(scope="module")
def exported(adapter: Path) -> Path:
    out = adapter.parent / "handed-on"
    options = ["--out", str(out), "--shard-gb", "0.006", "--data-licence", "apache-2.0"]
    done = CliRunner().invoke(app, ["train", "export", str(adapter), *options])
    assert done.exit_code == 0, done.output
    return out


def test_the_adapter_is_merged_into_shards(adapter: Path, exported: Path) -> None:
    from peft import PeftModel

    shards = sorted(exported.glob("model-*-of-*.safetensors"))
    index = json.loads((exported / "model.safetensors.index.json").read_text())
    assert len(shards) > 1 and set(index["weight_map"].values()) == {p.name for p in shards}
    assert (
        sum(t.nbytes for p in shards for t in load_file(p).values())
        == (index["metadata"]["total_size"])
    )
    ours = AutoModelForCausalLM.from_pretrained(exported, dtype=torch.float32)
    base = AutoModelForCausalLM.from_pretrained(resolve_model("mini"), dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, str(adapter))
    merged = theirs.merge_and_unload()
    ids = torch.tensor([AutoTokenizer.from_pretrained(exported)("which is better?").input_ids])
    with torch.no_grad():
        expected, found = merged(ids).logits, ours(ids).logits
    # The base is stored in bfloat16, and so is what was merged into it.
    assert torch.allclose(expected, found, atol=0.15) and not torch.equal(expected, found)
    assert AutoTokenizer.from_pretrained(exported).chat_template


def test_it_judges_without_an_option(exported: Path, tmp_path: Path) -> None:
    options = ["--model", str(exported), "--mode", "verdict", "--limit", "1"]
    out = ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["batch", "examples/pairs.jsonl", *out, *options])
    assert done.exit_code == 0, done.output
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["identity"]["template"].startswith("pairwise_justifier.v1")


def test_the_card_says_what_the_manifest_says(exported: Path) -> None:
    text = (exported / "README.md").read_text()
    manifest = json.loads((exported / "manifest.json").read_text())
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["tags"] == ["llm-as-a-judge", "pairwise-justifier"]
    assert "base_model" not in yaml.safe_load(front)  # `mini` is not a hub id
    assert "| pairs.jsonl | apache-2.0 |" in body
    assert f"| 2 | {manifest['validation_losses']['2']:.4f} |" in body
    assert f"| train examples | {manifest['counts']['train_examples']} |" in body
    assert "an adapter merged into `mini`" in body and "pairwise_justifier.v1" in body
    assert str(exported.parent) not in text  # no path of this machine


def test_the_card_of_other_models() -> None:
    manifest = {
        "recipe": {"model": "meta-llama/Llama-3.1-70B-Instruct", "objective": "scaled_bt"},
        "data": {"input": {"nvidia/HelpSteer2": "abc"}, "outputs": {}},
        "steps": 49,
        "versions": {"torch": "2"},
        "selected": {
            "right": 9, "pairs": 10, "low": 0.5, "high": 0.9, "step": 40, "failures": 1,
            "benchmark": {"file": "rewardbench.jsonl", "pairs": 10}, "rule": "every checkpoint",
            "checkpoint": "checkpoint-40", "validation_loss": 0.1, "accuracy": 0.9, "by_source": {},
        },
    }  # fmt: skip
    record = ExportRecord(
        source=ExportSource(name="ours", digest="abc"),
        merged=False,
        licence="llama3.1",
        data_licences={"nvidia/HelpSteer2": "cc-by-4.0"},
        versions={},
    )
    read = TrainingManifest.model_validate(manifest)
    reward = {"kind": "reward", "objective": "scaled_bt", "outputs": ["reward"]}
    text = render_card("ours", read, record, reward)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["base_model"] == "meta-llama/Llama-3.1-70B-Instruct"
    assert front["license"] == "llama3.1" and front["datasets"] == ["nvidia/HelpSteer2"]
    assert "judge score" in text and "0.900 [0.500, 0.900] of 10 pairs" in text
    assert "--mode verdict" in render_card(
        "ours", read, record, {"answer": "label", "template": "t"}
    )


def test_what_cannot_be_exported(
    adapter: Path, exported: Path, tmp_path: Path, mini_tokenizer: Any
) -> None:
    with pytest.raises(UsageError, match="exists; name a new folder"):
        run(ExportConfig(model=str(adapter), output_dir=str(exported)))
    bare = tmp_path / "bare"
    tiny_base(bare, mini_tokenizer)
    with pytest.raises(UsageError, match="is not a trained model"):
        run(ExportConfig(model=str(bare), output_dir=str(tmp_path / "out")))
    with pytest.raises(UsageError, match=r"inputs are pairs\.jsonl"):
        config = ExportConfig(
            model=str(adapter), output_dir=str(tmp_path / "out"), data_licences=("x=mit",)
        )
        run(config)
    assert list(tmp_path.iterdir()) == [bare]


def test_licences() -> None:
    inputs = ("nvidia/HelpSteer2", "ours.jsonl")
    assert licences_of(inputs) == {"nvidia/HelpSteer2": "cc-by-4.0", "ours.jsonl": None}
    assert licences_of(inputs, ["MIT"])["ours.jsonl"] == "mit"
    assert licences_of(inputs, ["nvidia/HelpSteer2=other"])["nvidia/HelpSteer2"] == "other"
    assert objections({"a": None, "b": "mit"}) == ["the licence of a is not known"]
    assert objections({"a": "cc-by-nc-4.0", "b": "cc-by-nd-4.0", "c": "proprietary"}) == [
        "a is under cc-by-nc-4.0",
        "b is under cc-by-nd-4.0",
        "c is under proprietary",
    ]
    assert objections({"a": "cc-by-4.0", "b": "apache-2.0"}) == []
    assert objections({}) == ["the manifest names no training data"]


def test_nothing_is_sent_before_it_is_said_twice(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    shown = CliRunner().invoke(app, ["train", "push", str(exported), "us/judge"])
    assert shown.exit_code == 0 and "nothing was sent" in shown.output
    assert "model.safetensors.index.json" in shown.output
    refused = CliRunner().invoke(app, ["train", "push", str(exported), "us/judge", "--yes"])
    assert refused.exit_code == 2 and "HF_TOKEN" in refused.output


def test_what_is_sent(exported: Path) -> None:
    hub = create_autospec(HfApi, instance=True, spec_set=True)
    hub.upload_folder.return_value = SimpleNamespace(commit_url="https://hub/us/judge/commit/1")
    upload = plan(PushConfig(folder=str(exported), repo="us/judge"))
    assert send(upload, hub) == "https://hub/us/judge/commit/1"
    hub.create_repo.assert_called_once_with("us/judge", private=True, exist_ok=True)
    sent = hub.upload_folder.call_args.kwargs
    assert sent["folder_path"] == str(exported) and sent["repo_id"] == "us/judge"
    assert set(sent["allow_patterns"]) == {path.name for path in exported.iterdir()}
    response = SimpleNamespace(headers={}, request=None, status_code=403)
    hub.create_repo.side_effect = HfHubHTTPError("403 Forbidden\nmore", response=response)
    with pytest.raises(UsageError, match="did not accept us/judge: 403 Forbidden"):
        send(upload, hub)


def test_a_licence_that_speaks_against_it(exported: Path, tmp_path: Path) -> None:
    def planned(licence: str | None, *given: str, despite: bool = False) -> Any:
        manifest = json.loads((exported / "manifest.json").read_text())
        manifest["export"]["data_licences"] = {"pairs.jsonl": licence}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return plan(
            PushConfig(
                folder=str(tmp_path),
                repo="us/judge",
                public=True,
                data_licences=given,
                despite_licences=despite,
            )
        )

    with pytest.raises(UsageError, match=r"the licence of pairs\.jsonl is not known"):
        planned(None)
    with pytest.raises(UsageError, match=r"is under cc-by-nc-4\.0"):
        planned("cc-by-nc-4.0")
    assert planned(None, "pairs.jsonl=mit").private is False
    assert planned("cc-by-nc-4.0", despite=True).repo_id == "us/judge"
    with pytest.raises(UsageError, match="OWNER/NAME"):
        plan(PushConfig(folder=str(exported), repo="judge"))
    with pytest.raises(UsageError, match="not a folder of judge train export"):
        plan(PushConfig(folder=str(tmp_path / "nothing"), repo="us/judge"))
