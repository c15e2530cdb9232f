"""The choice of a checkpoint: who is looked at, who wins, nothing judged twice, what is copied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from judge.cli import app
from judge.errors import UsageError
from judge.infer import batch
from judge.metrics.accuracy import Score
from judge.runs.selection import Selection
from judge.train.align import dpo
from judge.train.align.config import DPOConfig
from judge.train.checkpoints.config import SelectConfig
from judge.train.checkpoints.seal import seal
from judge.train.checkpoints.select import (
    CheckpointCandidate,
    Evaluated,
    LabelledPairs,
    candidates_of,
    choose,
    copy_chosen,
    run,
)
from judge.train.config import RewardConfig, load_recipe
from judge.train.evaluation.labelled import labelled
from judge.train.reward import training as reward
from tests.train.reward_sets import preference_set, tiny_base
from tests.train.smoke_runs import adapter_of_mini

PAIRS = "examples/pairs.jsonl"


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA run with checkpoints at steps 1 to 3."""
    output = tmp_path_factory.mktemp("selected") / "run"
    adapter_of_mini(prepared, output, steps=3, save_steps=1)
    return output


@pytest.fixture(scope="module")
def chosen(trained: Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, _select(trained, "--all", "--limit", "4"))
    assert done.exit_code == 0, done.output
    assert "checkpoint-2" in done.output and "select.html" in done.output
    result: dict[str, Any] = json.loads((trained / "select" / "select.json").read_text())
    return result


def _select(run: Path, *options: str) -> list[str]:
    return ["train", "select", str(run), "--pairs", PAIRS, *options]


def test_every_checkpoint_is_judged_in_a_run_folder(trained: Path, chosen: dict[str, Any]) -> None:
    steps = [one["step"] for one in chosen["candidates"]]
    assert steps == [1, 2, 3]
    for one in chosen["candidates"]:
        folder = trained / "select" / one["checkpoint"]
        lines = (folder / "judgments.jsonl").read_text().splitlines()
        right = {p.pair.pair_id: p.preferred for p in labelled(PAIRS, 4)}
        hits = sum(right[r["pair_id"]] == r["preference"] for r in map(json.loads, lines))
        assert (one["right"], one["pairs"], one["failures"]) == (hits, 4, 4 - len(lines))
        assert one["low"] <= one["right"] / 4 <= one["high"]
        assert one["validation_loss"] == chosen["validation_losses"][str(one["step"])]
    assert "chosen" in (trained / "select" / "select.html").read_text()


def test_a_killed_selection_judges_nothing_twice(
    trained: Path, chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = trained / "select"
    shutil.rmtree(output / "checkpoint-2")
    third = output / "checkpoint-3" / "judgments.jsonl"
    third.write_text("".join(third.read_text().splitlines(keepends=True)[:2]))
    (output / "select.json").unlink()
    rows: dict[str, int] = {}
    real = batch.run

    def counted(config: Any, *args: Any) -> Any:
        before = config.out and Path(config.out, "judgments.jsonl")
        had = len(before.read_text().splitlines()) if before.is_file() else 0
        summary = real(config, *args)
        rows[Path(config.out).name] = len(before.read_text().splitlines()) - had
        return summary

    monkeypatch.setattr(batch, "run", counted)
    done = CliRunner().invoke(app, _select(trained, "--all", "--limit", "4"))
    assert done.exit_code == 0, done.output
    assert rows == {"checkpoint-1": 0, "checkpoint-2": 4, "checkpoint-3": 2}
    assert json.loads((output / "select.json").read_text()) == chosen


def test_the_chosen_one_is_copied_as_a_model(
    trained: Path, chosen: dict[str, Any], tmp_path: Path
) -> None:
    copy_chosen(Selection.model_validate(chosen), tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"adapter_model.safetensors", "judge.json", "manifest.json", "recipe.json"} <= names
    assert not names & {
        "optimizer.pt",
        "trainer_state.json",
        "rng_state.pth",
        "scheduler.pt",
        "complete.json",
    }
    selected = json.loads((tmp_path / "model" / "manifest.json").read_text())["selected"]
    assert selected["checkpoint"] == chosen["chosen"]
    options = ["--model", str(tmp_path / "model"), "--mode", "verdict", "--limit", "1"]
    done = CliRunner().invoke(app, ["batch", PAIRS, "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 0, done.output
    with pytest.raises(UsageError, match="exists; name a new folder"):
        copy_chosen(Selection.model_validate(chosen), tmp_path / "model")


def test_a_benchmark_has_its_own_weights(trained: Path, tmp_path: Path) -> None:
    rows = "examples/benchmarks/rewardbench.jsonl"
    options = ["--pairs", rows, "--bench", "rewardbench", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["train", "select", str(trained), *options])
    assert done.exit_code == 0, done.output
    last = json.loads((tmp_path / "select.json").read_text())["candidates"][-1]
    scored = ["bench", "rewardbench", rows, "--out", str(tmp_path / "bench")]
    model = ["--model", str(trained / "checkpoint-3"), "--mode", "verdict"]
    assert CliRunner().invoke(app, [*scored, *model]).exit_code == 0
    bench = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert last["accuracy"] == bench["overall"]["strict"]["value"]
    options = [*options[:-1], str(tmp_path / "few"), "--limit", "1"]
    few = CliRunner().invoke(app, ["train", "select", str(trained), *options])
    assert few.exit_code == 2 and "no rows of" in few.output


def test_other_pairs_are_not_mixed_in(trained: Path, chosen: dict[str, Any]) -> None:
    done = CliRunner().invoke(app, _select(trained, "--all", "--limit", "5"))
    assert done.exit_code == 2, done.output


def test_a_reward_model_s_checkpoints_are_scored(tmp_path: Path, mini_tokenizer: Any) -> None:
    tiny_base(tmp_path / "base", mini_tokenizer)
    values = [f"model={tmp_path / 'base'}", f"data={preference_set(tmp_path / 'sets')}"]
    values += [f"output_dir={tmp_path / 'run'}", "max_steps=2", "save_steps=1", "eval_steps=1"]
    reward.run(load_recipe("reward_smoke", values, RewardConfig))
    done = CliRunner().invoke(app, _select(tmp_path / "run", "--limit", "3"))
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "run" / "select" / "select.json").read_text())
    assert result["kind"] == "reward" and len(result["candidates"]) == 2
    line = (tmp_path / "run" / "select" / "checkpoint-1" / "judgments.jsonl").read_text()
    assert json.loads(line.splitlines()[0])["rewards"]


def test_the_paper_s_few(tmp_path: Path) -> None:
    losses = {"10": 0.9, "20": 0.5, "30": 0.7, "40": 0.6, "50": 0.8, "60": 0.95}
    (tmp_path / "manifest.json").write_text(
        json.dumps({"recipe": {}, "steps": 60, "validation_losses": losses})
    )
    for step in losses:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").touch()
        seal(folder, 1)
    torn = tmp_path / "checkpoint-70"  # of a full disk: it does not count
    torn.mkdir()
    assert [one.step for one in candidates_of(tmp_path, False)] == [20, 30, 40, 60]
    assert [one.step for one in candidates_of(tmp_path, True)] == [10, 20, 30, 40, 50, 60]
    for name in ("model.safetensors", "complete.json"):
        (tmp_path / "checkpoint-60" / name).unlink()
    seal(tmp_path / "checkpoint-60", 1)
    with pytest.raises(UsageError, match="stage3_gather_16bit_weights_on_model_save"):
        candidates_of(tmp_path, False)


def test_ties_and_what_is_missing(tmp_path: Path) -> None:
    def one(step: int, accuracy: float, loss: float | None) -> Evaluated:
        candidate = CheckpointCandidate(step, tmp_path / f"checkpoint-{step}", loss)
        return Evaluated(candidate, Score(accuracy, 1, 2, 0, 1, {}, 0))

    def best(*found: Evaluated) -> int:
        return choose(found).candidate.step

    assert best(one(1, 0.5, 0.1), one(2, 0.6, 0.9)) == 2  # the benchmark decides
    assert best(one(1, 0.6, 0.3), one(2, 0.6, 0.2)) == 2  # then the loss
    assert best(one(1, 0.6, 0.2), one(2, 0.6, 0.2)) == 1  # then the step
    assert best(one(1, 0.6, None), one(2, 0.6, 0.9)) == 2

    def nobody(*_: Any) -> None:
        raise AssertionError

    config = SelectConfig(run=str(tmp_path), pairs=str(PAIRS), output_dir=str(tmp_path / "out"))
    with pytest.raises(UsageError, match="no finished training"):
        run(config, LabelledPairs(PAIRS), nobody)
    (tmp_path / "manifest.json").write_text('{"recipe": {}, "steps": 1}')
    (tmp_path / "judge.json").write_text("{}")
    with pytest.raises(UsageError, match="has no checkpoint"):
        run(config, LabelledPairs(PAIRS), nobody)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory, mini_tokenizer: Any) -> Path:
    """A policy of two steps, each with a checkpoint."""
    folder = tmp_path_factory.mktemp("aligned")
    torch.manual_seed(0)  # weights whose answers are texts, whatever tests came before
    base = tiny_base(folder / "base", mini_tokenizer)
    pairs = preference_set(folder / "pairs")
    fields = [f"model={base}", f"data={pairs}", f"output_dir={folder / 'run'}"]
    fields += ["max_steps=2", "save_steps=1", "eval_steps=1", "warmup_steps=0"]
    dpo.run(load_recipe("dpo_smoke", fields, DPOConfig))
    return folder / "run"


def test_a_policy_s_checkpoint_is_chosen_by_its_answers(aligned: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    rows = [{"id": str(n), "prompt": f"Name {n} animals."} for n in range(3)]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["train", "select", str(aligned), "--prompts", str(prompts), "--judge", "mini"]
    command += ["--max-new-tokens", "8", "--copy", str(tmp_path / "model")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    result = json.loads((aligned / "select" / "select.json").read_text())
    assert result["kind"] == "policy" and result["benchmark"]["judge"] == "mini"
    assert result["benchmark"]["pairs"] == 3
    for one in result["candidates"]:
        folder = aligned / "select" / one["checkpoint"]
        (found,) = json.loads((folder / "arena.json").read_text())["results"]
        failed = sum(found["failures"].values())
        assert (one["right"], one["failures"]) == (found["wins"] + found["ties"] / 2, failed)
        assert len((folder / "answers" / "responses.jsonl").read_text().splitlines()) == 3
    assert "by mini" in (aligned / "select" / "select.html").read_text()
    chosen = json.loads((tmp_path / "model" / "manifest.json").read_text())["selected"]
    assert chosen["checkpoint"] == result["chosen"]


def test_policies_have_prompts_and_judges_have_pairs(
    aligned: Path, trained: Path, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "Hello"}\n')
    asked = ["--prompts", str(prompts)]
    wrong = {
        "give --prompts, not --pairs": [str(aligned), "--pairs", PAIRS],
        "give --pairs, not --prompts": [str(trained), *asked],
        "give pairs (of a judge": [str(trained)],
        "prompts are of none": [str(aligned), *asked, "--bench", "llmbar"],
    }
    for problem, words in wrong.items():
        done = CliRunner().invoke(app, ["train", "select", *words, "--out", str(tmp_path / "out")])
        assert done.exit_code == 2 and problem in " ".join(done.output.split()), done.output
        assert not (tmp_path / "out").exists()
