"""Fine-tuning a policy on chosen responses and on conversations, with a random tiny Llama."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from judge.cli import app
from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.models import resolve_model
from judge.train.align import sft
from judge.train.align.config import PolicySFTConfig
from judge.train.align.conversations import held_out, load_conversations, read_conversations
from judge.train.config import load_recipe
from judge.train.finetune import read_log
from tests.train.reward_sets import example_pairs, preference_set, tiny_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("mini"))
    return tiny_base(tmp_path_factory.mktemp("policy") / "base", tokenizer)


def conversations(path: Path) -> Path:
    rows = [
        {
            "id": f"c{i}",
            "messages": [
                {"role": "user", "content": row["prompt"]},
                {"role": "assistant", "content": row["response_1"]},
            ],
        }
        for i, row in enumerate(example_pairs())
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_loss_is_the_mean_over_response_tokens(base: Path, tmp_path: Path) -> None:
    """Worked out from the saved model through transformers' own forward pass."""
    pairs = preference_set(tmp_path / "pairs")
    fields = [f"model={base}", f"data={pairs}", f"output_dir={tmp_path / 'out'}"]
    manifest = sft.run(load_recipe("policy_smoke", fields, PolicySFTConfig))
    assert manifest is not None
    losses = [row["loss"] for row in read_log(tmp_path / "out") if "loss" in row]
    assert losses[-1] < losses[0] and manifest.steps == 6 and manifest.packed
    assert manifest.counts == {"train_examples": 32, "val_examples": 8}
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    builder = ConversationBuilder(AutoTokenizer.from_pretrained(tmp_path / "out"))
    found = load_conversations(read_conversations(pairs / "val.jsonl"), builder, 1024, None)
    total, tokens = 0.0, 0
    for item in found.items:
        (ids,) = item["sequences"]
        logits = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        total -= sum(logits[i - 1, ids[i]].item() for i in range(item["prompt"], len(ids)))
        tokens += len(ids) - item["prompt"]
    assert manifest.validation_losses["6"] == pytest.approx(total / tokens, rel=1e-5)


def test_a_file_of_conversations_is_divided_by_its_prompts(base: Path, tmp_path: Path) -> None:
    file = conversations(tmp_path / "said.jsonl")
    fields = [f"model={base}", f"data={file}", f"output_dir={tmp_path / 'out'}", "val_share=0.25"]
    done = CliRunner().invoke(
        app, ["align", "sft", "--config", "policy_smoke", *fields, "lora.r=2"]
    )
    assert done.exit_code == 0, done.output
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]
    sides = [held_out(one.conversations[0], 0.25) for one in read_conversations(file)]
    assert counts == {"train_examples": sides.count(False), "val_examples": min(8, sum(sides))}
    assert 4 <= sum(sides) <= 16
    assert not any(held_out(one.conversations[0], 0.0) for one in read_conversations(file))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[]", "line 1: expected an object"),
        ('{"id": 1}', "line 1: expected messages, or prompt and chosen"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "ends with the assistant's message"),
        ('{"messages": [{"role": "user"}]}', "line 1: 0.content: Field required"),
        ("{", "line 1: Expecting"),
        ("", "no conversation to train on"),
    ],
)
def test_bad_files_are_one_line(base: Path, tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text(line)
    fields = [f"model={base}", f"data={file}", f"output_dir={tmp_path / 'out'}"]
    with pytest.raises(UsageError, match=said):
        sft.run(load_recipe("policy_smoke", fields, PolicySFTConfig))


def test_what_cannot_be_learnt_is_counted(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    asked = {"role": "user", "content": "x"}
    replies = ["", "fine", "long " * 2000]
    rows = [{"messages": [asked, {"role": "assistant", "content": text}]} for text in replies]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    builder = ConversationBuilder(AutoTokenizer.from_pretrained(base))
    found = load_conversations(read_conversations(file), builder, 512, None)
    assert found.names == ["line 2"]
    assert dict(found.left_out) == {"empty_response": 1, "too_long": 1}
