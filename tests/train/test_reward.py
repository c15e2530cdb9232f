"""Reward models end to end on a random tiny Llama: loss, batches, heads, resume, bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from typer.testing import CliRunner

from judge.cli import app
from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.infer.scorers.transformers import TransformersScorer
from judge.train.config import RewardConfig, load_recipe
from judge.train.evaluation.reward_accuracy import rewards_of
from judge.train.finetune import read_log
from judge.train.reward import training as reward
from judge.train.reward.data import load_set
from judge.train.reward.model import choose_padding, head_rows, load_reward_model
from judge.train.reward.trainer import RewardTrainer
from tests.train.reward_sets import preference_set, regression_set, tiny_base

FIVE = ["helpfulness", "correctness", "coherence", "complexity", "verbosity"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reward")
    return {
        "preference": preference_set(folder / "preference"),
        "regression": regression_set(folder / "regression"),
    }


def smoke(sets: dict[str, Path], output: Path, *overrides: str) -> RewardConfig:
    rated = any("objective=regression" in override for override in overrides)
    data = sets["regression" if rated else "preference"]
    fields = [f"data={data}", f"output_dir={output}", *overrides]
    return load_recipe("reward_smoke", fields, RewardConfig)


def losses(output: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_log(output) if "loss" in row}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return found


@pytest.fixture(scope="module")
def finished(sets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "bt"
    reward.run(smoke(sets, output))
    return output


@pytest.fixture(scope="module")
def five(sets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "five"
    reward.run(smoke(sets, output, "objective=regression", "max_steps=2"))
    return output


def test_the_smoke_recipe_learns_and_leaves_a_checkpoint(finished: Path) -> None:
    logged = read_log(finished)
    assert sorted(losses(finished)) == [1, 2, 3, 4, 5, 6]
    assert all(row["padding_share"] == 0 for row in logged if "loss" in row)
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["steps"] == 6 and sorted(manifest["validation_losses"]) == ["2", "4", "6"]
    falling = list(manifest["validation_losses"].values())
    assert falling == sorted(falling, reverse=True)
    assert manifest["packed"] and 0 <= manifest["validation"]["accuracy"] <= 1
    assert manifest["counts"] == {"train_examples": 32, "val_examples": 8}
    judge = json.loads((finished / "judge.json").read_text())
    assert (judge["kind"], judge["objective"], judge["outputs"]) == (
        "reward",
        "scaled_bt",
        ["reward"],
    )
    config = json.loads((finished / "config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    assert config["id2label"] == {"0": "reward"} and "packed_sdpa" not in json.dumps(config)
    assert list((finished / "runs").rglob("events.out.tfevents.*")), "no TensorBoard log"


def test_the_validation_loss_is_the_mean_of_the_paper_s_formula(
    finished: Path, sets: dict[str, Path]
) -> None:
    """Worked out from the saved model through transformers' own forward pass."""
    model = AutoModelForSequenceClassification.from_pretrained(finished)
    tokenizer = AutoTokenizer.from_pretrained(finished)
    examples = load_set(
        sets["preference"] / "val.jsonl",
        "scaled_bt",
        ("reward",),
        ConversationBuilder(tokenizer),
        1024,
        8,
    )
    expected = []
    for item in examples.items:
        r = [model(input_ids=torch.tensor([ids])).logits.item() for ids in item["sequences"]]
        expected.append(item["labels"][0] * math.log1p(math.exp(r[1] - r[0])))
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["validation"]["loss"] == pytest.approx(sum(expected) / 8, abs=1e-5)


def test_rewards_are_the_same_in_training_and_in_scoring(
    finished: Path, five: Path, sets: dict[str, Path]
) -> None:
    """Packed as in training, through the scorer, and through transformers' own forward: 1e-5."""
    for folder, count in ((finished, 1), (five, 5)):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        builder = ConversationBuilder(tokenizer)
        examples = load_set(
            sets["preference"] / "val.jsonl", "bt", ("reward",), builder, 1024, None
        )
        sequences = [ids for item in examples.items for ids in item["sequences"]]
        own = torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in sequences])
        scorer = TransformersScorer(
            AutoModelForSequenceClassification.from_pretrained(folder).eval(),
            tokenizer,
            {},
            outputs=tuple("abcde"[:count]),
            objective="bt",
            context=1024,
        )
        scored = torch.tensor(scorer.score(sequences))
        trained = rewards_of(model, sequences)
        assert model.config._attn_implementation == "packed_sdpa"
        assert trained.shape == (len(sequences), count)
        assert torch.allclose(trained, own, atol=1e-5)
        assert torch.allclose(trained, scored, atol=1e-5)


def test_an_interrupted_run_goes_on_exactly(
    finished: Path, sets: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in step 4 (after the checkpoint of step 2), the same command ends with the same
    losses and weights as the run that was never stopped."""
    config = smoke(sets, tmp_path / "run")
    real = RewardTrainer.training_step
    calls = 0

    def die(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 7:  # two micro-batches a step: in the middle of step 4
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(RewardTrainer, "training_step", die)
    with pytest.raises(KeyboardInterrupt):
        reward.run(config)
    monkeypatch.setattr(RewardTrainer, "training_step", real)
    assert not (tmp_path / "run" / "manifest.json").exists()
    reward.run(config)
    assert losses(tmp_path / "run") == losses(finished)
    resumed, whole = weights(tmp_path / "run"), weights(finished)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    before = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
    reward.run(config)  # finished: not repeated
    assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("objective", ["scaled_bt", "regression"])
def test_neither_micro_batches_nor_packing_change_the_loss(
    objective: str, sets: dict[str, Path], tmp_path: Path
) -> None:
    """The loss of a step is the mean over its labels, though some rows lack ratings."""
    everything = ["max_steps=1", "global_batch_size=32", f"objective={objective}"]
    found = []
    for name, overrides in {
        "whole": ["per_device_batch_size=32"],
        "micro": ["per_device_batch_size=2"],
        "padded": ["per_device_batch_size=4", "packing=false"],
    }.items():
        reward.run(smoke(sets, tmp_path / name, *everything, "save_steps=1", *overrides))
        found.append((losses(tmp_path / name)[1], weights(tmp_path / name)["score.weight"]))
    for loss, head in found[1:]:
        assert loss == pytest.approx(found[0][0], abs=1e-4)
        assert torch.allclose(head, found[0][1], atol=1e-5)
    padded = json.loads((tmp_path / "padded" / "manifest.json").read_text())
    assert not padded["packed"] and 0 < padded["padding_share"] < 0.5
    assert read_log(tmp_path / "padded")[0]["padding_share"] == padded["padding_share"]


def test_a_regression_on_five_attributes_names_them(five: Path) -> None:
    config = json.loads((five / "config.json").read_text())
    assert list(config["id2label"].values()) == FIVE
    manifest = json.loads((five / "manifest.json").read_text())
    assert -1 <= manifest["validation"]["pearson"] <= 1
    assert weights(five)["score.weight"].shape == (5, 32)


def test_bradley_terry_starts_from_the_helpfulness_head(
    five: Path, finished: Path, sets: dict[str, Path], tmp_path: Path
) -> None:
    config = smoke(sets, tmp_path, f"model={five}", "random_init=null")
    model = load_reward_model(config, None)  # type: ignore[arg-type]
    assert torch.equal(model.score.weight, weights(five)["score.weight"][:1])
    assert model.config.id2label == {0: "reward"} and model.num_labels == 1
    same = load_reward_model(config.model_copy(update={"model": str(finished)}), None)  # type: ignore[arg-type]
    assert torch.equal(same.score.weight, weights(finished)["score.weight"])
    reward.run(config.model_copy(update={"output_dir": str(tmp_path / "next"), "max_steps": 1}))
    assert weights(tmp_path / "next")["score.weight"].shape == (1, 32)


def test_which_rows_of_a_head_are_taken_over() -> None:
    assert head_rows(["LABEL_0"], ("reward",)) == [0]
    assert head_rows(["reward"], ("helpfulness",)) == [0]
    assert head_rows(FIVE, ("reward",)) == [0]
    assert head_rows(FIVE[::-1], tuple(FIVE)) == [4, 3, 2, 1, 0]
    assert head_rows(FIVE, ("helpfulness",)) == [0]
    assert head_rows(["LABEL_0", "LABEL_1"], ("reward",)) is None
    assert head_rows(["reward"], tuple(FIVE)) is None


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, mini_tokenizer: Any) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"), mini_tokenizer)


def test_a_new_head_follows_the_seed(sets: dict[str, Path], base: Path, tmp_path: Path) -> None:
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        config = smoke(sets, tmp_path, f"model={base}", "random_init=null")
        heads.append(load_reward_model(config, None).score.weight)  # type: ignore[arg-type]
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_an_adapter_keeps_its_head_and_is_a_base(
    sets: dict[str, Path], base: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    options = ["random_init=null", "max_steps=2", "eval_limit=2", "learning_rate=0.05"]
    reward.run(smoke(sets, adapter, f"model={base}", "lora.r=2", *options))
    assert not (adapter / "model.safetensors").exists()
    kept = load_file(adapter / "adapter_model.safetensors")
    head = next(value for name, value in kept.items() if name.endswith("score.weight"))
    config = smoke(sets, tmp_path / "next", f"model={adapter}", *options)
    merged = load_reward_model(config, None)  # type: ignore[arg-type]
    assert torch.equal(merged.score.weight, head)
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(merged.state_dict()[name], weights(base)[name])
    torch.manual_seed(0)
    reward.run(config)
    assert weights(tmp_path / "next")["score.weight"].shape == (1, 16)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["objective=regression", "model=BT", "random_init=null"], "outputs reward; .* regression"),
        (["model=nowhere/at-all/x", "random_init=null"], "no model folder"),
        (
            ["packing=true", "attn_implementation=eager", "model=BASE", "random_init=null"],
            "packing=true: llama",
        ),
        (["objective=scaled"], "objective"),
        (["attributes=[helpfulness, helpfulness]"], "attributes"),
        (["attributes=[beauty]"], "attributes"),
        (["per_device_batch_size=3"], "multiple"),
        (["max_length=3"], "32 too_long"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_line(
    overrides: list[str],
    problem: str,
    finished: Path,
    base: Path,
    sets: dict[str, Path],
    tmp_path: Path,
) -> None:
    overrides = [o.replace("=BT", f"={finished}").replace("BASE", str(base)) for o in overrides]
    with pytest.raises(UsageError, match=problem) as raised:
        reward.run(smoke(sets, tmp_path / "run", *overrides))
    assert "\n" not in str(raised.value)


def test_data_of_another_kind_is_refused(
    sets: dict[str, Path], prepared: Path, tmp_path: Path
) -> None:
    for data, found in ((sets["regression"], "regression"), (prepared, "justifier")):
        arguments = ["train", "reward", "--config", "reward_smoke", f"data={data}"]
        result = CliRunner().invoke(app, [*arguments, f"output_dir={tmp_path / found}"])
        assert result.exit_code == 2
        assert f"data of kind {found}" in result.output and "--kind preference" in result.output


def test_a_loss_that_is_no_number_names_its_batch(sets: dict[str, Path], tmp_path: Path) -> None:
    config = smoke(sets, tmp_path, "random_init.rms_norm_eps=.nan")
    with pytest.raises(UsageError, match=r"step 1: the loss is nan on the batch of pair-\d+"):
        reward.run(config)
    reward.run(smoke(sets, tmp_path, "max_steps=1"))  # nothing is left of it: another recipe may go
    assert (tmp_path / "manifest.json").is_file()


def test_a_base_without_a_chat_template(
    finished: Path, sets: dict[str, Path], tmp_path: Path
) -> None:
    base = copy_of(finished, tmp_path / "base")
    (base / "chat_template.jinja").unlink()
    with pytest.raises(UsageError, match="no chat template"):
        reward.run(smoke(sets, tmp_path / "run", f"model={base}", "random_init=null"))


@pytest.mark.parametrize("damage", ["head_lost", "head_of_another_size", "trunk_lost"])
def test_a_checkpoint_that_is_not_whole(
    damage: str, finished: Path, sets: dict[str, Path], tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    base = copy_of(finished, tmp_path / "base")
    tensors = weights(finished)
    if damage == "head_lost":
        del tensors["score.weight"]
    elif damage == "trunk_lost":
        del tensors["model.norm.weight"]
    else:
        tensors["score.weight"] = torch.zeros(1, 16)
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"model .*base(: | lacks ).+") as raised:
        reward.run(smoke(sets, tmp_path / "run", f"model={base}", "random_init=null"))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500


def test_padding_is_a_token_that_no_conversation_ends_with() -> None:
    from tests.families import every_family

    for family in every_family():
        tokenizer = family.tokenizer
        end = tokenizer.eos_token_id
        tokenizer.pad_token = tokenizer.eos_token
        choose_padding(tokenizer, {end})
        assert tokenizer.pad_token_id not in (None, end), family.name
    with pytest.raises(UsageError, match="pad"):
        choose_padding(tokenizer, set(range(len(tokenizer))))


@pytest.mark.parametrize(
    ("name", "objective", "epochs"),
    [
        ("llama31_70b_regression", "regression", 2.0),
        ("llama31_70b_bt", "bt", 1.0),
        ("llama31_70b_margin_bt", "margin_bt", 1.0),
        ("llama31_70b_scaled_bt", "scaled_bt", 1.0),
    ],
)
def test_the_70b_recipes_have_the_paper_s_hyper_parameters(
    name: str, objective: str, epochs: float
) -> None:
    recipe = load_recipe(name, [], RewardConfig)
    assert (recipe.objective, recipe.epochs) == (objective, epochs)
    assert recipe.global_batch_size == 128 and recipe.warmup_steps == 10
    assert recipe.learning_rate in (1e-6, 2e-6, 3e-6)
    assert recipe.lr_scheduler == "constant_with_warmup" and recipe.save_steps == 10
    assert recipe.lora is None and recipe.deepspeed is not None
    zero = {k: v for k, v in recipe.deepspeed["zero_optimization"].items() if v != "auto"}
    assert DeepSpeedZeroConfig(**zero).stage == 3
    defaults = RewardConfig(model="m", data="d", output_dir="o", objective="bt")
    assert defaults.accumulation(32) == 4 and defaults.attributes == tuple(FIVE)


def copy_of(model: Path, target: Path) -> Path:
    """Return a copy of a model's own files."""
    target.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (target / name).write_bytes((model / name).read_bytes())
    template = model / "chat_template.jinja"
    (target / template.name).write_bytes(template.read_bytes())
    return target
