"""Direct preference optimisation on a random tiny Llama: losses, reference, batches, resume."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.models import resolve_model
from judge.pair import Message
from judge.train.align import dpo
from judge.train.align.config import DPOConfig
from judge.train.align.examples import ResponseCollator, load_pairs
from judge.train.align.log_probs import add_scores, response_log_probs
from judge.train.align.reference import ReferenceFile
from judge.train.align.trainer import figures, implicit_rewards, losses_of
from judge.train.config import load_recipe
from judge.train.finetune import choose_packing, read_log
from tests.train.reward_sets import preference_set, regression_set, tiny_base

LOSSES = ("regular", "margin", "scaled")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("mini"))
    return tiny_base(tmp_path_factory.mktemp("policy") / "base", tokenizer)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preference_set(tmp_path_factory.mktemp("pairs") / "preference")


def recipe(base: Path, pairs: Path, output: Path, *overrides: str) -> DPOConfig:
    fields = [f"model={base}", f"data={pairs}", f"output_dir={output}", *overrides]
    return load_recipe("dpo_smoke", fields, DPOConfig)


def config(loss: str, beta: float) -> DPOConfig:
    return DPOConfig(model="m", data="d", output_dir="o", learning_rate=1e-6, loss=loss, beta=beta)  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("strength", [1, 2, 3])
@pytest.mark.parametrize("difference", [-2.0, -0.5, 0.5, 2.0])
def test_the_losses_are_those_of_the_paper_s_reward_models(
    loss: str, strength: int, difference: float
) -> None:
    """D = beta times the difference of log-ratios in place of the difference of rewards."""
    beta = 0.25
    log_probs = torch.tensor([[-10.0 + difference / beta, -20.0]])
    labels = torch.tensor([[float(strength), -10.0, -20.0]])
    found = losses_of(config(loss, beta), log_probs, labels).item()
    sigmoid = {
        "regular": -math.log(1 / (1 + math.exp(-difference))),
        "margin": -math.log(1 / (1 + math.exp(-(difference - strength)))),
        "scaled": -strength * math.log(1 / (1 + math.exp(-difference))),
    }
    assert found == pytest.approx(sigmoid[loss], abs=1e-5)


def test_the_gradient_is_the_one_by_hand() -> None:
    """Of scaled DPO: beta m (1 - s(D)), downwards for the chosen, upwards for the rejected."""
    asked = config("scaled", 0.1)
    log_probs = torch.tensor([[-3.0, -7.0]], requires_grad=True)
    labels = torch.tensor([[2.0, -5.0, -4.0]])
    losses_of(asked, log_probs, labels).sum().backward()
    size = 0.1 * 2 * (1 - torch.sigmoid(torch.tensor(0.1 * (2.0 + 3.0)))).item()
    assert log_probs.grad is not None
    assert log_probs.grad.tolist()[0] == pytest.approx([-size, size], abs=1e-7)


def test_margin_is_regular_with_a_shifted_reference_and_scaled_is_copies_of_a_pair() -> None:
    log_probs, labels = torch.tensor([[-3.0, -7.0]]), torch.tensor([[3.0, -5.0, -4.0]])
    shifted = labels + torch.tensor([[0.0, 3.0 / 0.1, 0.0]])
    margin = losses_of(config("margin", 0.1), log_probs, labels)
    assert torch.allclose(margin, losses_of(config("regular", 0.1), log_probs, shifted))
    copies = losses_of(config("regular", 0.1), log_probs.repeat(3, 1), labels.repeat(3, 1)).sum()
    assert torch.allclose(losses_of(config("scaled", 0.1), log_probs, labels).sum(), copies)


def test_the_figures_of_a_pair_by_hand() -> None:
    log_probs, labels = torch.tensor([[-3.0, -7.0]]), torch.tensor([[1.0, -5.0, -4.0]])
    found = figures(config("regular", 0.1), log_probs, labels, torch.tensor([[4, 6]]))
    assert {name: round(value.item(), 6) for name, value in found.items()} == {
        "accuracy": 1.0,
        "reward_chosen": 0.2,
        "reward_rejected": -0.3,
        "reward_margin": 0.5,
        "log_prob_chosen": -3.0,
        "log_prob_rejected": -7.0,
        "chosen_change": 2.0,
        "log_ratio": 0.5,
        "tokens_chosen": 4.0,
        "tokens_rejected": 6.0,
    }
    tie = implicit_rewards(config("regular", 0.1), labels[:, 1:], labels)
    assert [reward.item() for reward in tie] == [0.0, 0.0]


def test_packed_padded_and_one_at_a_time_say_the_same(base: Path, pairs: Path) -> None:
    """Against transformers' own forward pass over the whole vocabulary, response by response."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    found = load_pairs(pairs / "train.jsonl", "scaled", ConversationBuilder(tokenizer), 1024, 6)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    expected = []
    for item in found.items:
        for ids in item["sequences"]:
            logits = plain(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            told = [logits[i - 1, ids[i]].item() for i in range(item["prompt"], len(ids))]
            expected.append(sum(told))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    choose_packing(config("scaled", 0.1), model)
    add_scores(model)
    with torch.no_grad():
        packed, tokens = response_log_probs(model, ResponseCollator(True, 0)(found.items))
    assert packed.tolist() == pytest.approx(expected, rel=1e-5)
    lengths = [len(i) - item["prompt"] for item in found.items for i in item["sequences"]]
    assert tokens.tolist() == lengths
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    add_scores(model)
    with torch.no_grad():
        padded, _ = response_log_probs(model, ResponseCollator(False, 0)(found.items))
    assert padded.tolist() == pytest.approx(expected, rel=1e-5)


def test_a_turn_is_the_prompt_that_is_answered_and_what_ends_with_the_end_of_the_turn(
    base: Path,
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    builder = ConversationBuilder(tokenizer)
    end = tokenizer.eos_token
    said = (
        Message(role="user", content=f"Say {end} twice"),
        Message(role="assistant", content="No"),
    )
    (turn,) = builder.turns([said])
    (whole,) = builder.build([said])
    assert turn.prompt + turn.response == whole[: len(turn.prompt) + len(turn.response)]
    asked = [{"role": "user", "content": "Say X twice"}]
    opened = tokenizer.apply_chat_template(asked, tokenize=True, add_generation_prompt=True)
    ids = opened["input_ids"] if not isinstance(opened, list) else opened
    control = [token for token in turn.prompt if token in builder.control_ids]
    assert control == [token for token in ids if token in builder.control_ids]
    assert [t for t in turn.response if t in builder.control_ids] == turn.response[-1:]


def _rows(folder: Path, *changes: dict[str, Any]) -> Path:
    made = preference_set(folder)
    lines = [json.loads(line) for line in (made / "train.jsonl").read_text().splitlines()]
    for row, change in zip(lines, changes, strict=False):
        row |= change
    (made / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    return made


def test_pairs_that_cannot_teach_are_counted(base: Path, tmp_path: Path) -> None:
    def reply(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    made = _rows(
        tmp_path / "set",
        {"chosen": reply("a b"), "rejected": reply("a  b\n")},
        {"chosen": reply("same"), "rejected": reply("same")},
        {"chosen": reply(" ")},
        {"prompt": [{"role": "user", "content": "word " * 2000}]},
    )
    builder = ConversationBuilder(AutoTokenizer.from_pretrained(base))
    found = load_pairs(made / "train.jsonl", "regular", builder, 1024, None)
    assert found.left_out == Counter(
        only_spacing_differs=1, no_preference=1, empty_response=1, too_long=1
    )
    assert len(found) == 28


@pytest.mark.parametrize("loss", ["margin", "scaled"])
def test_strengths_are_asked_for(base: Path, tmp_path: Path, loss: Any) -> None:
    builder = ConversationBuilder(AutoTokenizer.from_pretrained(base))
    for margin, said in (
        (4, f"line 1: strength 4, loss {loss} needs 1 to 3"),
        (None, "line 1: margin None"),
    ):
        made = _rows(tmp_path / f"{margin}", {"margin": margin})
        with pytest.raises(UsageError, match=said):
            load_pairs(made / "train.jsonl", loss, builder, 1024, None)
        assert load_pairs(made / "train.jsonl", "regular", builder, 1024, None).items


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("beta=0", "beta: Input should be greater than 0"),
        ("beta=-1", "beta: Input should be greater than 0"),
        ("loss=hinge", "loss: Input should be 'regular', 'margin' or 'scaled'"),
    ],
)
def test_a_recipe_is_checked(
    base: Path, pairs: Path, tmp_path: Path, override: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        recipe(base, pairs, tmp_path / "out", override)


def test_other_data_is_refused(base: Path, tmp_path: Path) -> None:
    rated = regression_set(tmp_path / "rated")
    with pytest.raises(UsageError, match=r"kind regression; DPO needs .* --kind preference"):
        dpo.run(recipe(base, rated, tmp_path / "out"))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_policy_learns_its_pairs(base: Path, pairs: Path, tmp_path: Path, loss: str) -> None:
    manifest = dpo.run(recipe(base, pairs, tmp_path / "out", f"loss={loss}"))
    log = [row for row in read_log(tmp_path / "out") if "loss" in row]
    start = {"regular": math.log(2), "margin": None, "scaled": None}[loss]
    if start is not None:  # before the first step policy and reference are one
        assert log[0]["loss"] == pytest.approx(start, abs=1e-4)
    assert log[0]["accuracy"] <= 0.5 and log[0]["reward_margin"] == pytest.approx(0, abs=1e-4)
    assert log[-1]["loss"] < log[0]["loss"] and log[-1]["reward_margin"] > 0
    assert manifest is not None
    assert manifest.steps == 6 and manifest.counts["train_examples"] == 32
    assert manifest.packed and manifest.reference_pairs_computed == 40
    assert set(manifest.validation) == {"loss", "accuracy", "reward_margin", "chosen_change"}
    card = json.loads((tmp_path / "out" / "judge.json").read_text())
    assert card["kind"] == "policy" and card["chat_template"].startswith("sha256:")


def test_an_adapter_s_reference_is_the_model_without_it(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    dpo.run(recipe(base, pairs, tmp_path / "whole"))
    dpo.run(recipe(base, pairs, tmp_path / "adapter", "lora.r=4", "learning_rate=1e-2"))
    lines = [
        (tmp_path / name / "reference_train.jsonl").read_text() for name in ("whole", "adapter")
    ]
    assert lines[0] == lines[1]
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    rewards = [row["reward_margin"] for row in read_log(tmp_path / "adapter") if "loss" in row]
    assert rewards[0] == pytest.approx(0, abs=1e-4) and rewards[-1] > 0


def test_the_reference_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    file = ReferenceFile(tmp_path / "reference.jsonl", "key")
    assert file.read() == []
    file.begin([(-1.5, -2.5)])
    file.add([(-3.0, -4.0)])
    with file.path.open("a") as torn:
        torn.write('{"chosen": -5.0, "rej')
    assert file.read() == [(-1.5, -2.5), (-3.0, -4.0)]
    assert ReferenceFile(file.path, "another").read() == []
    file.path.write_text('{"key": "key"}\n{"chosen": 1}\n')
    assert file.read() == []


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bytes(base: Path, pairs: Path, tmp_path: Path) -> None:
    """Killed in the reference's pass, and again after the second checkpoint."""
    dpo.run(recipe(base, pairs, tmp_path / "whole"))
    script = """
import os, signal, sys
from judge.train.align import dpo, reference
from judge.train.align.config import DPOConfig
from judge.train.config import load_recipe
what, *fields = sys.argv[1:]
if what == "reference":
    add = reference.ReferenceFile.add
    def torn(self, found):
        add(self, found[:8])
        open(self.path, "a").write('{"chosen": ')
        os.kill(os.getpid(), signal.SIGKILL)
    reference.ReferenceFile.add = torn
else:
    from judge.train import faults
    sealed = faults.seal
    def killed(folder, size):
        sealed(folder, size)
        if folder.name == "checkpoint-4":
            os.kill(os.getpid(), signal.SIGKILL)
    faults.seal = killed
dpo.run(load_recipe("dpo_smoke", fields, DPOConfig))
"""
    output = tmp_path / "killed"
    fields = [f"model={base}", f"data={pairs}", f"output_dir={output}"]
    for what in ("reference", "training"):
        done = subprocess.run([sys.executable, "-c", script, what, *fields], check=False)
        assert done.returncode == -9
    manifest = dpo.run(recipe(base, pairs, output))
    assert manifest is not None and manifest.reference_pairs_computed == 0
    whole, again = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "whole", output)
    )
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    for name in ("reference_train.jsonl", "reference_val.jsonl"):
        assert (output / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
