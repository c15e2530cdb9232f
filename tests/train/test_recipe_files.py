"""Recipes laid over one another, and everything that can be wrong with a recipe's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.errors import UsageError
from judge.train.config import JustifierConfig, load_recipe
from judge.train.recipe_files import read_recipe


def write(folder: Path, **recipes: str) -> Path:
    for name, text in recipes.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_sections_are_laid_over_key_by_key_and_null_takes_away(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="a: 1\nb: [1, 2]\nsection: {x: 1, inner: {y: 2, z: 3}}\ngone: {q: 1}\n",
        part="section: {inner: {z: 4}}\nb: [3]\n",
        top="extends: [base, part]\nsection: {x: 5}\ngone: null\n",
    )
    _, values = read_recipe(str(tmp_path / "top.yaml"))
    assert values == {
        "a": 1,
        "b": [3],
        "section": {"x": 5, "inner": {"y": 2, "z": 4}},
        "gone": None,
    }


def test_a_recipe_is_found_beside_the_one_that_extends_it_before_the_bundled(
    tmp_path: Path,
) -> None:
    write(tmp_path, mine="extends: smoke\nmax_length: 7\n")
    assert load_recipe(str(tmp_path / "mine.yaml"), [], JustifierConfig).max_length == 7
    write(tmp_path, smoke="model: m\ndata: d\noutput_dir: o\n")
    found = load_recipe(str(tmp_path / "mine.yaml"), [], JustifierConfig)
    assert (found.model, found.max_length, found.random_init) == ("m", 7, None)


def test_an_override_comes_last(tmp_path: Path) -> None:
    write(tmp_path, mine="extends: smoke\nrandom_init: {hidden_size: 8}\n")
    path = str(tmp_path / "mine.yaml")
    found = load_recipe(path, ["random_init.hidden_size=16"], JustifierConfig)
    assert found.random_init is not None
    assert found.random_init["hidden_size"] == 16 and found.random_init["num_hidden_layers"] == 2


@pytest.mark.parametrize(
    ("recipes", "problem"),
    [
        ({"top": "extends: nothing\n"}, "top.yaml: extends: no recipe 'nothing'"),
        ({"top": "extends: 3\n"}, "expected a recipe's name"),
        ({"top": "extends: [smoke, {a: 1}]\n"}, "expected a recipe's name"),
        (
            {"top": "extends: other\n", "other": "extends: top\n"},
            "back to itself: top -> other -> top",
        ),
        ({"top": "extends: other\n", "other": "model: [\n"}, "other.yaml: not valid YAML"),
        ({"top": "- a\n"}, "expected `key: value` lines, found list"),
        ({"top": "extends: smoke\nlearning_rat: 1\n"}, "top.yaml: learning_rat"),
        ({"top": "extends: smoke\nlora: {rank: 1}\n"}, "lora.rank"),
    ],
)
def test_a_bad_recipe_is_one_clear_line(
    tmp_path: Path, recipes: dict[str, str], problem: str
) -> None:
    write(tmp_path, **recipes)
    with pytest.raises(UsageError) as raised:
        load_recipe(str(tmp_path / "top.yaml"), [], JustifierConfig)
    assert problem in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ("bf16_optimizer_states", "bf16_optimizer_states needs bf16_master_weights_and_grads"),
        ("bf16_master_weights_and_grads", "bf16_master_weights_and_grads needs bf16_opt"),
    ],
)
def test_half_of_bfloat16_states_is_refused_before_anything_is_loaded(
    part: str, problem: str
) -> None:
    override = [f"deepspeed.bf16.{part}=true"]
    with pytest.raises(UsageError, match=problem):
        load_recipe("llama31_70b_zero3", override, JustifierConfig)
    off_loaded = [*override, "deepspeed.zero_optimization.offload_optimizer.device=cpu"]
    if part == "bf16_master_weights_and_grads":
        load_recipe("llama31_70b_zero3", off_loaded, JustifierConfig)


def test_a_count_of_processes_that_does_not_divide_names_those_that_do() -> None:
    recipe = JustifierConfig(model="m", data="d", output_dir="o", global_batch_size=12)
    assert recipe.accumulation(4) == 3
    with pytest.raises(UsageError, match=r"multiple of 5 .* one of 1, 2, 3, 4, 6, 12 processes"):
        recipe.accumulation(5)
