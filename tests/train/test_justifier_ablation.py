"""The comparison of justifiers: its runs, its figures and table, and that nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.data.prepare import PrepareConfig
from judge.data.prepare import run as prepare
from judge.errors import UsageError
from judge.train.ablation.justifiers import JustifierAblationConfig, planned_runs, run
from judge.train.ablation.justifiers_table import JustifierRow, render, summary_of
from judge.train.ablation.result import JudgeRunResult
from judge.train.ablation.rewards_table import OVERALL
from judge.train.evaluation.labelled import Labelled, labelled
from judge.train.evaluation.verdict_accuracy import FIGURES, hits_of, measure, write_pairs
from judge.train.sft import training as justifier
from judge.train.sft.examples import read_rows
from tests.train.reward_sets import annotated_pairs, tiny_base

TRAINING = {
    "max_steps": 1,
    "global_batch_size": 4,
    "per_device_batch_size": 4,
    "train_pairs": 4,
    "eval_limit": 4,
    "bf16": False,
    "save_steps": 5,
    "eval_steps": 5,
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, mini_tokenizer: Any) -> dict[str, Any]:
    """A recipe on a random tiny Llama, with four test pairs of two sources."""
    folder = tmp_path_factory.mktemp("judges")
    tiny_base(folder / "base", mini_tokenizer)
    annotated_pairs(folder / "test.jsonl", 5)
    prepare(
        PrepareConfig(
            input="examples/pairs.jsonl",
            output_dir=str(folder / "sets"),
            styles=("elaboration_first", "label_only"),
        )
    )
    return {
        "model": str(folder / "base"),
        "variants": [
            {"name": "all", "data": str(folder / "sets"), "style": "elaboration_first"},
            {"name": "label_only", "data": str(folder / "sets"), "style": "label_only"},
        ],
        "test": str(folder / "test.jsonl"),
        "max_new_tokens": 4,
        "output_dir": str(folder / "out"),
        "seeds": [1, 2],
        "compare": [["all", "label_only"]],
        "training": TRAINING,
    }


@pytest.fixture(scope="module")
def shown(recipe: dict[str, Any]) -> str:
    """What the command shows."""
    done = CliRunner().invoke(app, ["train", "ablation", "--config", _file(recipe)])
    assert done.exit_code == 0, done.output
    return done.output


def _file(recipe: dict[str, Any]) -> str:
    path = Path(recipe["test"]).with_name("recipe.yaml")
    path.write_text(json.dumps(recipe))
    return str(path)


def test_it_trains_and_tests_every_run(recipe: dict[str, Any], shown: str) -> None:
    output = Path(recipe["output_dir"])
    result = json.loads((output / "ablation.json").read_text())
    rows = {(row["variant"], row["mode"]): row["runs"] for row in result["rows"]}
    assert set(rows) == {("all", "justify"), ("all", "verdict"), ("label_only", "verdict")}
    for runs in rows.values():
        assert [r["seed"] for r in runs] == [1, 2]
        assert all(r["both_orders"]["odd"][1] == 2 for r in runs)
        assert all(r["both_orders"]["even"][1] == 2 for r in runs)  # one had no majority
    assert (output / "ablation.md").read_text() in shown
    assert not list(output.glob("*/checkpoint-*"))
    # A judge of bare labels is read where it answers: a side without a degree.
    line = (
        (output / "label_only-1" / "test-verdict" / "judgments.jsonl").read_text().splitlines()[0]
    )
    given = json.loads(line)["orders"]["given"]
    assert [p is None for p in given["log_probs"]] == [True, False, True, True, False, True]
    assert abs(given["strength"]) == 2


def test_variants_are_compared_as_they_write_first(recipe: dict[str, Any], shown: str) -> None:
    output = Path(recipe["output_dir"])
    pairs = labelled(recipe["test"])
    right = {}
    for name, mode in (("all", "justify"), ("label_only", "verdict")):
        folders = [output / f"{name}-{seed}" / f"test-{mode}" for seed in (1, 2)]
        right[name] = sum(sum(hits_of(folder, pairs)["both_orders"]) for folder in folders)
    (compared,) = json.loads((output / "ablation.json").read_text())["compared"]
    assert (compared["first"], compared["second"], compared["pairs"]) == ("all", "label_only", 4)
    assert compared["difference"] == pytest.approx((right["all"] - right["label_only"]) / 8)
    assert "| all | label only |" in shown


def test_nothing_is_done_twice(
    recipe: dict[str, Any], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Path(recipe["output_dir"])
    (output / "label_only-2" / "manifest.json").unlink()
    trained = []
    real = justifier.load_model
    monkeypatch.setattr(
        justifier, "load_model", lambda c, t: trained.append(Path(c.output_dir).name) or real(c, t)
    )
    loaded: list[str] = []

    def judging(model: Path, pairs: Path, folder: Path, mode: str) -> None:
        if not (folder / "summary.json").is_file():
            loaded.append(folder.parent.name)

    table = run(JustifierAblationConfig(**recipe), judging).table
    assert trained == ["label_only-2"] and loaded == []
    assert table in shown


def test_a_judge_of_labels_cannot_justify(recipe: dict[str, Any], shown: str) -> None:
    model = str(Path(recipe["output_dir"]) / "label_only-1")
    options = ["--model", model, "--out", str(Path(recipe["output_dir"]).parent / "refused")]
    done = CliRunner().invoke(app, ["batch", "examples/pairs.jsonl", *options])
    assert done.exit_code == 2
    assert "--mode verdict" in done.output


def test_another_configuration_is_refused(recipe: dict[str, Any], shown: str) -> None:
    with pytest.raises(UsageError, match="seeds"):
        run(JustifierAblationConfig(**recipe | {"seeds": [1, 2, 3]}), lambda *_: None)


def test_a_recipe_s_mistakes_are_named(recipe: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="sets seed"):
        list(planned_runs(JustifierAblationConfig(**recipe | {"training": {"seed": 3}})))
    with pytest.raises(UsageError, match=r"all: .*learning_rat"):
        list(planned_runs(JustifierAblationConfig(**recipe | {"training": {"learning_rat": 3}})))
    with pytest.raises(UsageError, match="compare: no some; there are all, label_only"):
        JustifierAblationConfig(**recipe | {"compare": [["all", "some"]]})
    with pytest.raises(ValueError, match="different names"):
        JustifierAblationConfig(**recipe | {"variants": [recipe["variants"][0]] * 2})


def test_figures_by_hand(tmp_path: Path) -> None:
    pairs = [one.pair for one in labelled("examples/pairs.jsonl")[:3]]
    known = [Labelled(pair, "response_1", "s") for pair in pairs]
    write_pairs(known, tmp_path / "pairs.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert [r["pair_id"] for r in rows] == [p.pair_id for p in pairs]
    assert set(rows[0]) == {"pair_id", "prompt", "response_1", "response_2"}  # no label, no source
    # The first is right in both orders; the second in the given one alone; the third has none.
    (tmp_path / "judgments.jsonl").write_text(
        _judgment(pairs[0].pair_id, "response_1", -2, 2, True)
        + _judgment(pairs[1].pair_id, None, -2, -2, False)
    )
    assert measure(tmp_path, known) == {
        "both_orders": {"s": [1.0, 3]},
        "one_order": {"s": [1.5, 3]},
        "consistent": {"s": [1.0, 3]},
    }


def _judgment(pair_id: str, preference: str | None, given: int, flipped: int, agree: bool) -> str:
    def order(strength: int) -> dict[str, Any]:
        return {
            "strength": strength,
            "statement": "",
            "elaboration": None,
            "log_probs": None,
            "off_grammar": None,
            "finish_reason": "read",
        }

    row = {
        "pair_id": pair_id,
        "preference": preference,
        "strength": -2 if preference else 0,
        "probability": None,
        "consistent": agree,
        "statement": None,
        "elaboration": None,
        "orders": {"given": order(given), "flipped": order(flipped)},
    }
    return json.dumps(row) + "\n"


def test_the_table_s_shape() -> None:
    shares = {figure: {"a": [1.0, 2], "b": [2.0, 2]} for figure in FIGURES}
    trained = {"train_examples": 4, "steps": 1, "seconds": 1, "validation_losses": {}}
    runs = [JudgeRunResult.model_validate({"seed": 1, **trained, **shares})] * 2
    table = render({JustifierRow("all_flipped", "justify"): summary_of(runs)}).splitlines()
    assert table[0] == (
        "| variant | verdict | both orders, overall | both orders, a | both orders, b | one order"
        " | consistent |"
    )
    assert table[2].startswith("| all flipped | as written | 0.750 ± 0.000 | 0.500 ± 0.000 [")
    assert summary_of(runs)["one_order"][OVERALL].mean == 0.75


def test_the_first_pairs_are_the_same_in_every_style(recipe: dict[str, Any]) -> None:
    file = Path(recipe["variants"][0]["data"]) / "train.jsonl"
    some = [
        {row["pair_id"] for row in read_rows(file, {style: 1.0}, None, pairs=3)}
        for style in ("elaboration_first", "label_only")
    ]
    assert len(some[1]) == 3 and some[0] <= some[1]
