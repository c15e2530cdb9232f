"""What goes wrong while a model trains: one clear line, and the same command goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from judge.errors import UsageError
from judge.models import resolve_model
from judge.train.checkpoints.seal import SEAL, newest_whole, read_seal, seal, where_to_go_on
from judge.train.config import JustifierConfig, RewardConfig, load_recipe
from judge.train.reward import training as reward
from judge.train.sft import training as justifier
from tests.train.reward_sets import preference_set
from tests.train.smoke_runs import losses, smoke

SHORT = ("max_steps=4", "save_steps=1", "eval_steps=4")


@pytest.fixture(scope="module")
def finished(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps with a checkpoint a step."""
    output = tmp_path_factory.mktemp("faults") / "run"
    justifier.run(smoke(prepared, output, *SHORT))
    return output


def interrupted(finished: Path, output: Path, steps: int) -> None:
    """Make ``output`` what the finished run was after ``steps`` steps."""
    output.mkdir()
    recipe = json.loads((finished / "recipe.json").read_text()) | {"output_dir": str(output)}
    (output / "recipe.json").write_text(json.dumps(recipe))
    for step in range(1, steps + 1):
        shutil.copytree(finished / f"checkpoint-{step}", output / f"checkpoint-{step}")


def one_line(raised: pytest.ExceptionInfo[UsageError]) -> str:
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(
    finished: Path, prepared: Path, tmp_path: Path
) -> None:
    """/dev/full answers every write with "no space left on device": the kernel's own error."""
    output = tmp_path / "run"
    interrupted(finished, output, 2)
    (output / "checkpoint-3").mkdir()
    (output / "checkpoint-3" / "optimizer.pt").symlink_to("/dev/full")
    config = smoke(prepared, output, *SHORT)
    real = justifier.JustifierTrainer._save_checkpoint

    def full(self: Any, *args: Any) -> None:
        folder = output / f"checkpoint-{self.state.global_step}"
        folder.mkdir(exist_ok=True)
        (folder / "optimizer.pt").symlink_to("/dev/full")
        real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(justifier.JustifierTrainer, "_save_checkpoint", full)
        with pytest.raises(UsageError, match="the disk is full") as raised:
            justifier.run(config)
    text = one_line(raised)
    assert f"the last good checkpoint is {output / 'checkpoint-2'};" in text
    assert "save_total_limit" in text and "same command" in text
    assert not (output / "checkpoint-3").exists()  # it only took room
    justifier.run(config)
    assert losses(output) == losses(finished)


@pytest.mark.parametrize("harm", ["torn", "missing", "unsealed"])
def test_a_torn_checkpoint_is_passed_over(
    harm: str, finished: Path, prepared: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    interrupted(finished, output, 3)
    weights = output / "checkpoint-3" / "model.safetensors"
    if harm == "torn":
        weights.write_bytes(weights.read_bytes()[:-7])
    elif harm == "missing":
        (output / "checkpoint-3" / "optimizer.pt").unlink()
    else:
        (output / "checkpoint-3" / SEAL).unlink()
    assert newest_whole(output) == output / "checkpoint-2"
    justifier.run(smoke(prepared, output, *SHORT))
    assert losses(output) == losses(finished)


def test_older_checkpoints_go_only_after_the_new_one_is_sealed(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from judge.train import faults

    kept: list[set[str]] = []

    def looked_at(checkpoint: Path, world_size: int) -> None:
        kept.append({p.name for p in tmp_path.glob("checkpoint-*") if p != checkpoint})
        seal(checkpoint, world_size)

    monkeypatch.setattr(faults, "seal", looked_at)
    justifier.run(smoke(prepared, tmp_path, *SHORT, "save_total_limit=1"))
    assert kept == [set(), {"checkpoint-1"}, {"checkpoint-2"}, {"checkpoint-3"}]
    assert [p.name for p in tmp_path.glob("checkpoint-*")] == ["checkpoint-4"]


def test_a_loss_that_is_no_number_names_step_batch_and_checkpoint(
    prepared: Path, tmp_path: Path
) -> None:
    """A learning rate of 1e30: after a step the weights are too large for any product."""
    options = ("learning_rate=1e30", "warmup_steps=0", "max_grad_norm=0", "save_steps=1")
    with pytest.raises(
        UsageError, match=r"step 2: the loss is (nan|inf) on the batch of "
    ) as raised:
        justifier.run(smoke(prepared, tmp_path, *options, "eval_steps=6"))
    text = one_line(raised)
    assert f"last good checkpoint is {tmp_path / 'checkpoint-1'}" in text
    assert "lower learning_rate" in text
    rows = map(json.loads, (prepared / "train.jsonl").read_text().splitlines())
    names = {f"{row['pair_id']} ({row['style']}, {row['order']})" for row in rows}
    named = text.split("batch of ")[1].split(";")[0]
    assert any(name in named for name in names)


def test_gradients_that_are_no_numbers_stop_before_anything_is_saved(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of that step is still a number; its checkpoint would hold none."""
    load = justifier.load_model

    def poisoned(config: JustifierConfig, tokenizer: Any) -> Any:
        model, calls = load(config, tokenizer), 0

        def poison(gradient: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return gradient * (torch.nan if calls > 2 else 1.0)  # two micro-batches a step

        model.model.norm.weight.register_hook(poison)
        return model

    monkeypatch.setattr(justifier, "load_model", poisoned)
    with pytest.raises(UsageError, match=r"step 2: the gradient's norm is nan") as raised:
        justifier.run(smoke(prepared, tmp_path, "save_steps=1", "eval_steps=6"))
    assert "last good checkpoint is" in one_line(raised)
    assert [p.name for p in tmp_path.glob("checkpoint-*")] == ["checkpoint-1"]


def test_a_reward_model_s_loss_names_its_pairs(tmp_path: Path) -> None:
    data = preference_set(tmp_path / "data")
    options = [f"data={data}", f"output_dir={tmp_path / 'run'}", "learning_rate=1e30"]
    options += ["warmup_steps=0", "max_grad_norm=0", "save_steps=1", "eval_steps=6"]
    with pytest.raises(
        UsageError, match=r"the loss is (nan|inf) on the batch of pair-\d"
    ) as raised:
        reward.run(load_recipe("reward_smoke", options, RewardConfig))
    assert "last good checkpoint is" in one_line(raised)


def test_processes_that_do_not_divide_the_batch(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UsageError, match="not a multiple of 12") as raised:
        justifier.run(smoke(prepared, tmp_path / "run"))
    assert "use one of 1, 2 processes, or another global_batch_size" in one_line(raised)


def test_another_number_of_processes_under_deepspeed(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "a").write_text("x")
    seal(tmp_path / "checkpoint-2", 8)
    recipe = {"model": "m", "data": "d", "output_dir": str(tmp_path)}
    zero = JustifierConfig(**recipe, deepspeed={"zero_optimization": {"stage": 3}})
    assert where_to_go_on(tmp_path, zero, 8) == str(tmp_path / "checkpoint-2")
    assert where_to_go_on(tmp_path, JustifierConfig(**recipe), 4) is not None
    with pytest.raises(UsageError, match="written by 8 processes, this launch has 4: launch 8"):
        where_to_go_on(tmp_path, zero, 4)


def test_a_seal_is_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "global_step1").mkdir()
    (tmp_path / "global_step1" / "shard.pt").write_bytes(b"1234")
    assert read_seal(tmp_path) is None
    seal(tmp_path, 2)
    assert read_seal(tmp_path) == {"world_size": 2, "files": {"global_step1/shard.pt": 4}}
    (tmp_path / "global_step1" / "shard.pt").write_bytes(b"123")
    assert read_seal(tmp_path) is None


def test_a_tokenizer_without_a_chat_template(
    prepared: Path, tmp_path: Path, mini_tokenizer: Any
) -> None:
    mini_tokenizer.save_pretrained(tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    shutil.copy(Path(resolve_model("mini")) / "config.json", tmp_path / "bare")
    with pytest.raises(UsageError, match="no chat template") as raised:
        justifier.run(smoke(prepared, tmp_path / "run", f"model={tmp_path / 'bare'}"))
    assert "instruct" in one_line(raised)
    options = [f"data={preference_set(tmp_path / 'data')}", f"output_dir={tmp_path / 'reward'}"]
    with pytest.raises(UsageError, match="no chat template") as raised:
        reward.run(
            load_recipe("reward_smoke", [*options, f"model={tmp_path / 'bare'}"], RewardConfig)
        )
    assert "instruct" in one_line(raised)


def test_a_folder_of_another_recipe(finished: Path, prepared: Path) -> None:
    with pytest.raises(UsageError, match="holds a training of another configuration") as raised:
        justifier.run(smoke(prepared, finished, *SHORT, "packing=false", "max_length=512"))
    text = one_line(raised)
    assert "max_length is 1024 there, 512 now" in text
    assert 'packing is "auto" there, false now' in text


def test_a_torn_manifest_is_written_again(finished: Path, prepared: Path, tmp_path: Path) -> None:
    """A kill while an earlier version wrote it; the training goes on from its last checkpoint."""
    output = tmp_path / "run"
    shutil.copytree(finished, output)
    config = smoke(prepared, output, *SHORT)
    (output / "recipe.json").write_text(json.dumps(config.model_dump(mode="json"), indent=1))
    whole = (finished / "manifest.json").read_bytes()
    (output / "manifest.json").write_bytes(whole[: len(whole) // 2])
    manifest = justifier.run(config)
    assert manifest is not None
    assert manifest.to_json() == json.loads((output / "manifest.json").read_bytes())
    assert manifest.validation_losses == json.loads(whole)["validation_losses"]


def test_a_damaged_recipe_is_one_line(finished: Path, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "recipe.json").write_text("{")
    with pytest.raises(UsageError, match="not the recipe of a training") as raised:
        justifier.run(smoke(prepared, tmp_path / "run", *SHORT))
    one_line(raised)
