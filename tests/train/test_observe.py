"""What a run says of its steps: operations, batches, the log a line a step, its page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from judge.cli import app
from judge.errors import UsageError
from judge.report.training import write_page
from judge.train.batches.facts import BatchFacts
from judge.train.batches.packing import pack, pad
from judge.train.compute.flops import forward_flops, peak_of, shape_of, training_flops
from judge.train.config import JustifierConfig, RewardConfig, load_recipe
from judge.train.observe import read_steps, reporters
from judge.train.progress import TrainingFacts, TrainingProgress, Unwatched
from judge.train.reward import training as reward
from tests.train.reward_sets import preference_set, tiny_base

TINY = LlamaConfig(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    attn_implementation="eager",
)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_operations_are_those_that_torch_counts(frozen: bool) -> None:
    model = LlamaForCausalLM(TINY)
    ids = torch.randint(0, 100, (2, 24))
    shape = shape_of(model.config)
    assert shape is not None
    if frozen:  # as under LoRA: gradients flow through the base, none are made of its weights
        model.requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
        logits = model(inputs_embeds=embedded).logits
    rotary = counter.get_total_flops() - forward_flops(shape, [24, 24], 48)
    assert 0 <= rotary < 0.01 * counter.get_total_flops()  # the angles: a tiny product
    with FlopCounterMode(display=False) as counter:
        logits.sum().backward()
    backward = training_flops(shape, [24, 24], 48, frozen) - forward_flops(shape, [24, 24], 48)
    assert counter.get_total_flops() == backward


def test_the_operations_of_the_paper_s_model() -> None:
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=8192,
        intermediate_size=28_672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
    )
    shape = shape_of(config)
    assert shape is not None and shape.per_token == 68_451_041_280  # 70.6 B less two embeddings
    assert training_flops(shape, [1], 1) == pytest.approx(6 * 69.5e9, rel=0.001)
    assert shape_of(AutoConfig.for_model("gpt2")) is None
    assert peak_of("NVIDIA H100 80GB HBM3") == 989.4e12 and peak_of("NVIDIA H100 PCIe") == 756e12
    assert peak_of("a chip of tomorrow") is None


def test_a_batch_s_tokens_padding_and_digest() -> None:
    sequences = [[5, 6, 7], [8, 9, 10, 11, 12]]
    padded, packed, bare = BatchFacts(), BatchFacts(), BatchFacts()
    padded.add(pad(sequences, 0))
    packed.add(pack(sequences))
    whole = pack(sequences)
    bare.add({name: whole[name] for name in ("input_ids", "position_ids")})
    assert sorted(padded.lengths) == sorted(packed.lengths) == sorted(bare.lengths) == [3, 5]
    assert (padded.positions, packed.positions) == (10, 8)
    again, other = BatchFacts(), BatchFacts()
    again.add(pad(sequences, 0))
    other.add(pad([[5, 6, 7], [8, 9, 10, 11, 13]], 0))
    assert again.digest == padded.digest != other.digest
    again.add(pad(sequences, 0))
    assert again.digest != padded.digest and again.tokens == 16
    judge = BatchFacts()
    judge.add({"input_ids": torch.tensor([[5, 6, 7]]), "score_at": torch.tensor([0, 1])})
    assert (judge.answers, padded.answers) == (2, 2)  # two trained tokens; two rewards


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, mini_tokenizer: Any) -> RewardConfig:
    folder = tmp_path_factory.mktemp("observed")
    tiny_base(folder / "base", mini_tokenizer)
    values = [
        f"model={folder / 'base'}",
        f"data={preference_set(folder / 'sets')}",
        f"output_dir={folder / 'run'}",
        "max_steps=4",
        "save_steps=2",
        "eval_steps=2",
        "peak_tflops=0.001",
    ]
    return load_recipe("reward_smoke", values, RewardConfig)


@pytest.fixture(scope="module")
def rows(run: RewardConfig) -> list[dict[str, Any]]:
    reward.run(run)
    return read_steps(Path(run.output_dir) / "steps.jsonl")


def test_a_line_a_step(run: RewardConfig, rows: list[dict[str, Any]]) -> None:
    steps = [row for row in rows if "tokens" in row]
    assert [row["step"] for row in steps] == [1, 2, 3, 4]
    assert [row["step"] for row in rows if "eval_loss" in row] == [2, 4]
    state = Path(run.output_dir) / "checkpoint-4" / "trainer_state.json"
    logged = {r["step"]: r for r in json.loads(state.read_text())["log_history"] if "loss" in r}
    for row in steps:
        assert row["loss"] == pytest.approx(logged[row["step"]]["loss"], abs=1e-3)
        assert row["accuracy"] == pytest.approx(logged[row["step"]]["accuracy"], abs=1e-4)
        assert row["tokens"] > 0 and row["tokens_per_second"] > 0 and row["memory_bytes"] > 2**20
        assert row["mfu"] > 0 and 0 <= row["padding_share"] < 1
    assert len({row["data"] for row in steps}) == 4
    observed = json.loads((Path(run.output_dir) / "observed.json").read_text())
    assert observed == {"device": "cpu", "devices": 1, "peak_flops": 1e9, "no_mfu": None}


class Watcher(Unwatched):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.begun: tuple[int, int, float | None] | None = None
        self.steps: list[Any] = []
        self.saves: list[tuple[int, str]] = []

    def begin(self, facts: TrainingFacts, steps: int, done: int, best: float | None) -> None:
        self.begun = (steps, done, best)

    def step(self, row: Any) -> None:
        self.steps.append(row)

    def validated(self, row: Any) -> None:
        self.steps.append(row)

    def saved(self, step: int, folder: str) -> None:
        self.saves.append((step, folder))


def test_a_resumed_run_saw_the_same_data(
    run: RewardConfig, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = run.model_copy(update={"output_dir": str(tmp_path / "run"), "peak_tflops": None})

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("judge.train.reward.training.RewardTrainer.log", _until(3, stop))
        with pytest.raises(KeyboardInterrupt):
            reward.run(again)
    assert "not finished" in write_page(tmp_path / "run").read_text()
    watcher = Watcher()
    reward.run(again, watcher)
    found = read_steps(tmp_path / "run" / "steps.jsonl")
    validated = [row for row in found if "eval_loss" in row]
    assert watcher.begun == (4, 2, validated[0]["eval_loss"])
    assert [step for step in watcher.steps if "tokens" in step] == found[-3:-1]
    assert watcher.steps[-1] == found[-1] == validated[1]
    assert watcher.saves == [(4, str(tmp_path / "run" / "checkpoint-4"))]
    digests = [[r["data"] for r in of if "data" in r] for of in (found, rows)]
    assert digests[0] == digests[1]
    assert {row["mfu"] for row in found if "tokens" in row} == {None}
    page = write_page(tmp_path / "run").read_text()
    assert "the highest rate of this CPU is not known" in page and "not finished" not in page
    assert not any(mark in page for mark in ('src="http', 'href="http', "@import"))


def _until(step: int, then: Any) -> Any:
    real = reward.RewardTrainer.log

    def log(self: Any, *args: Any, **named: Any) -> None:
        if self.state.global_step >= step:
            then()
        real(self, *args, **named)

    return log


def test_the_page_by_itself(run: RewardConfig, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "report", run.output_dir])
    assert done.exit_code == 0 and done.output.strip().endswith("training.html")
    nothing = CliRunner().invoke(app, ["train", "report", str(tmp_path)])
    assert nothing.exit_code == 2 and "no training run" in nothing.output


def test_a_scheduler_s_signal_leaves_the_page(
    rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(config: RewardConfig, progress: TrainingProgress) -> None:
        folder = Path(config.output_dir)
        folder.mkdir()
        (folder / "steps.jsonl").write_text(f"{json.dumps(rows[0])}\n")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(reward, "run", interrupted)
    options = ["--config", "reward_smoke", f"output_dir={tmp_path / 'run'}"]
    done = CliRunner().invoke(app, ["train", "reward", *options])
    assert done.exit_code == 130, done.output
    assert "1 steps over" in (tmp_path / "run" / "training.html").read_text()


def test_services_are_checked_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def config(*names: str) -> JustifierConfig:
        return JustifierConfig(model="m", data="d", output_dir="o", report_to=names)

    assert reporters(config()) == [] and reporters(config("tensorboard")) == ["tensorboard"]
    with pytest.raises(UsageError, match=r"'tensorbord': expected any of .*tensorboard"):
        reporters(config("tensorbord"))
    monkeypatch.setattr("judge.train.observe.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="package wandb is not installed"):
        reporters(config("wandb"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's VmHWM")
def test_peak_memory_is_not_that_of_the_program_that_started_it() -> None:
    started = "import subprocess, sys; held = b'1' * (2 << 30); "
    started += "subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    child = "from judge.train.observe import peak_memory; print(peak_memory())"
    done = subprocess.run(
        [sys.executable, "-c", started, child], capture_output=True, text=True, check=True
    )
    assert 50 << 20 < int(done.stdout) < 1 << 30
