"""The comparison of reward models: its runs, its table, and that nothing is done twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.errors import UsageError
from judge.train.ablation.rewards import AblationConfig, planned_runs, run
from judge.train.ablation.rewards_table import LENGTH, OVERALL, RewardRow, render, summarise
from judge.train.evaluation.reward_accuracy import labelled_pairs, longer_is_better
from judge.train.reward import training as reward
from tests.train.reward_sets import annotated_pairs, preference_set, regression_set, tiny_base

TINY = {
    "max_steps": 1,
    "global_batch_size": 4,
    "per_device_batch_size": 4,
    "train_limit": 8,
    "eval_limit": 4,
    "bf16": False,
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, mini_tokenizer: Any) -> dict[str, Any]:
    """A recipe on a random tiny Llama, with test pairs of two sources in HelpSteer2's layout."""
    folder = tmp_path_factory.mktemp("ablation")
    tiny_base(folder / "base", mini_tokenizer)
    annotated_pairs(folder / "test.jsonl", 9)
    return {
        "model": str(folder / "base"),
        "regression_data": str(regression_set(folder / "regression")),
        "preference_data": str(preference_set(folder / "preference")),
        "test": str(folder / "test.jsonl"),
        "output_dir": str(folder / "out"),
        "seeds": [1, 2],
        "objectives": ["bt", "scaled_bt"],
        "expo_pairs": 4,
        "compare": [["scaled_bt-from_regression", "bt-from_base"], ["expo", "regression"]],
        "regression": TINY,
        "bradley_terry": TINY,
    }


@pytest.fixture(scope="module")
def result(recipe: dict[str, Any]) -> dict[str, Any]:
    return ran(recipe)


def ran(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return what the ablation came to, as it is written, with its table."""
    found = run(AblationConfig(**recipe))
    return json.loads(json.dumps(found.to_json())) | {"table": found.table}


def test_the_runs_of_the_paper_s_table() -> None:
    config = AblationConfig(
        model="m", regression_data="r", preference_data="p", test="t", output_dir="o"
    )
    runs = list(planned_runs(config))
    assert len(runs) == 3 + 3 * 2 * 3
    names = [Path(r.recipe.output_dir).name for r in runs]
    assert len(set(names)) == len(names)
    for one in runs:
        if one.row.start == "regression":  # initialised from the regression of its own seed
            assert one.recipe.model == f"o/regression-{one.seed}"
            assert names.index(f"regression-{one.seed}") < runs.index(one)
        assert one.recipe.seed == one.seed and one.recipe.attributes == ("helpfulness",)


def test_it_trains_and_tests_every_run(recipe: dict[str, Any], result: dict[str, Any]) -> None:
    rows = {(r["start"], r["objective"]): r for r in result["rows"]}
    assert set(rows) == {
        ("base", "regression"),
        *((start, loss) for start in ("base", "regression") for loss in ("bt", "scaled_bt")),
        ("regression", "expo"),
    }
    for row in rows.values():
        assert [r["seed"] for r in row["runs"]] == [1, 2]
        assert all(r["accuracy"]["odd"][1] == 4 for r in row["runs"])
        assert all(r["accuracy"]["even"][1] == 4 for r in row["runs"])  # one had no majority
    output = Path(recipe["output_dir"])
    assert (output / "ablation.md").read_text() == result["table"]
    assert json.loads((output / "ablation.json").read_text())["rows"] == result["rows"]
    assert not list(output.glob("*/checkpoint-*"))
    assert all(1.0 <= r["factor"] <= 2.1 for r in rows["regression", "expo"]["runs"])


def test_models_are_compared_pair_by_pair(recipe: dict[str, Any], result: dict[str, Any]) -> None:
    output = Path(recipe["output_dir"])
    first, second = (
        [json.loads((output / f"{name}-{seed}" / "accuracy.json").read_text()) for seed in (1, 2)]
        for name in ("scaled_bt-from_regression", "bt-from_base")
    )
    for one in (*first, *second):
        assert len(one["hits"]) == 8
        assert sum(one["hits"]) == sum(right for right, _ in one["accuracy"].values())
    expected = (sum(sum(o["hits"]) for o in first) - sum(sum(o["hits"]) for o in second)) / 16
    compared = result["compared"]
    assert [(c["first"], c["second"]) for c in compared] == [tuple(c) for c in recipe["compare"]]
    assert compared[0]["difference"] == pytest.approx(expected)
    assert "| scaled bt, from regression | bt, from base |" in result["table"]


@pytest.fixture(scope="module")
def processed(recipe: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A recipe of sets that differ in how the annotations were processed."""
    folder = tmp_path_factory.mktemp("processed")
    own = ("model", "preference_data", "test", "bradley_terry")
    return {
        **{name: recipe[name] for name in own},
        "sets": {"no_filter": str(preference_set(folder / "no_filter"))},
        "starts": ["base"],
        "output_dir": str(folder / "out"),
        "seeds": [1],
        "objectives": ["scaled_bt"],
        "compare": [["scaled_bt-from_base", "scaled_bt-on_no_filter"]],
    }


def test_sets_are_compared_with_everything_else_alike(processed: dict[str, Any]) -> None:
    runs = list(planned_runs(AblationConfig(**processed)))
    assert [one.name for one in runs] == ["scaled_bt-from_base", "scaled_bt-on_no_filter"]
    own, other = (one.recipe.model_dump(exclude={"data", "output_dir"}) for one in runs)
    assert own == other
    assert runs[1].recipe.data == processed["sets"]["no_filter"]
    found = ran(processed)
    assert [(r["data"], len(r["runs"])) for r in found["rows"]] == [("", 1), ("no_filter", 1)]
    lines = found["table"].splitlines()
    assert lines[0].startswith("| trained for | from | on | overall |")
    assert [line.split(" | ")[2] for line in lines[3:5]] == ["the paper's rules", "no_filter"]
    # The same examples in both sets, the same seed: the same model, so no pair differs.
    [difference] = found["compared"]
    assert (difference["first_better"], difference["second_better"]) == (0, 0)


def test_a_start_and_its_data_go_together(
    recipe: dict[str, Any], processed: dict[str, Any]
) -> None:
    for wrong in (processed | {"starts": ["base", "regression"]}, recipe | {"starts": ["base"]}):
        with pytest.raises(UsageError, match="regression"):
            list(planned_runs(AblationConfig(**wrong)))
    with pytest.raises(ValueError, match="pattern"):
        AblationConfig(**processed | {"sets": {"../a": "x"}})


def test_a_comparison_of_nothing_is_refused(recipe: dict[str, Any]) -> None:
    fresh = recipe | {"output_dir": f"{recipe['output_dir']}-none", "compare": [["bt", "expo"]]}
    with pytest.raises(UsageError, match=r"compare: no bt; there are regression, bt-from_base"):
        run(AblationConfig(**fresh))
    assert not Path(fresh["output_dir"]).exists()
    with pytest.raises(UsageError, match="needs scaled_bt"):
        list(planned_runs(AblationConfig(**recipe | {"objectives": ["bt"]})))


def test_an_adapter_starts_from_the_regression_s_adapter(recipe: dict[str, Any]) -> None:
    lora = {"bradley_terry": {**TINY, "lora": {"r": 4, "alpha": 8}}}
    for one in planned_runs(AblationConfig(**recipe | lora)):
        if one.row.start == "regression":
            assert one.recipe.model == recipe["model"]
            assert one.recipe.lora is not None and one.recipe.lora.r == 4
            assert one.recipe.lora.start == f"{recipe['output_dir']}/regression-{one.seed}"
        elif one.recipe.lora is not None:
            assert one.recipe.lora.start is None


def test_finished_runs_are_not_repeated(
    recipe: dict[str, Any], result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Path(recipe["output_dir"])
    (output / "scaled_bt-from_regression-2" / "manifest.json").unlink()
    trained = []
    real = reward.load_sets
    monkeypatch.setattr(
        reward, "load_sets", lambda c, t: trained.append(Path(c.output_dir).name) or real(c, t)
    )
    again = CliRunner().invoke(app, ["train", "ablation", "--config", _file(recipe, output)])
    assert again.exit_code == 0, again.output
    assert trained == ["scaled_bt-from_regression-2"]
    assert result["table"] in again.output


def test_another_configuration_is_refused(recipe: dict[str, Any], result: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="seeds"):
        run(AblationConfig(**recipe | {"seeds": [1, 2, 3]}))


def test_a_section_cannot_say_what_the_ablation_says(recipe: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="sets seed"):
        list(planned_runs(AblationConfig(**recipe | {"regression": {"seed": 3}})))
    with pytest.raises(UsageError, match="learning_rat"):
        list(planned_runs(AblationConfig(**recipe | {"bradley_terry": {"learning_rat": 3}})))


def test_the_longer_response_is_a_baseline(recipe: dict[str, Any]) -> None:
    pairs = labelled_pairs(recipe["test"])
    assert len(pairs) == 8
    found = longer_is_better(pairs)
    lengths = [(len(p.chosen[-1].content), len(p.rejected[-1].content)) for p in pairs]
    expected = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in lengths)
    assert sum(a.right for a in found.values()) == expected
    twins = [replace(p, rejected=p.chosen) for p in pairs]
    assert all(a.share == 0.5 for a in longer_is_better(twins).values())
    assert len(labelled_pairs(recipe["test"], 3)) == 3


def test_means_deviations_and_intervals_by_hand() -> None:
    cells = summarise([{"a": [50, 100], "b": [9, 10]}, {"a": [60, 100], "b": [7, 10]}])
    assert cells["a"].mean == pytest.approx(0.55)
    assert cells["a"].deviation == pytest.approx(0.0707107, abs=1e-6)  # of the sample
    # Wilson, 55 of 100: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    assert (cells["a"].low, cells["a"].high) == pytest.approx((0.45245, 0.64386), abs=1e-5)
    assert cells[OVERALL].mean == pytest.approx((0.55 + 0.8) / 2)  # plain mean of the sources
    assert cells[OVERALL].deviation == pytest.approx(0.0353553, abs=1e-6)  # of 0.70 and 0.65
    assert summarise([{"a": [1, 2]}])["a"].deviation is None


def test_the_table_has_the_paper_s_shape() -> None:
    cells = summarise([{"a": [1, 2]}, {"a": [2, 2]}])
    table = render(
        {RewardRow("regression", "bt"): cells, LENGTH: cells, RewardRow("base", "bt"): cells}
    )
    lines = table.splitlines()
    assert lines[0] == "| trained for | from | overall | a |"
    assert lines[2].startswith("| the longer response | no model | 0.750 ± 0.354 |")
    assert [line.split(" | ")[1] for line in lines[3:]] == ["regression", "base"]


def _file(recipe: dict[str, Any], folder: Path) -> str:
    path = folder.parent / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    return str(path)
