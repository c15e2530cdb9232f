"""The grid search of attribute weights: against brute force, ties, folds, files, the command."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from judge.annotated import ATTRIBUTES
from judge.cli import app
from judge.errors import UsageError
from judge.train.reward import attribute_weights
from judge.train.reward.attribute_fit import read_rewards, run
from judge.train.reward.attribute_weights import (
    STEPS,
    count_right,
    fold_of,
    grid_search,
    scaled,
    weights_at,
)
from judge.train.reward.config import WeightsConfig
from tests.checkpoints import preferences, save_model, tiny_model

# --- counts --------------------------------------------------------------------------------------


def brute_force(
    differences: list[list[Fraction]], place: list[int], folds: int, steps: int
) -> np.ndarray:
    """Count with fractions, one combination and one pair at a time."""
    counts = []
    for weights in itertools.product(range(-steps, steps + 1), repeat=len(differences[0])):
        row = [0] * folds
        for difference, fold in zip(differences, place, strict=True):
            row[fold] += sum(w * d for w, d in zip(weights, difference, strict=True)) > 0
        counts.append(row)
    return np.array(counts)


RATINGS = st.integers(-12, 12).map(lambda n: Fraction(n, 3))
TENTHS = st.integers(-40, 40).map(lambda n: Fraction(n, 10))
ANY = st.floats(-4, 4).map(Fraction)


@settings(max_examples=80)
@given(
    st.sampled_from([RATINGS, TENTHS]).flatmap(
        lambda values: st.lists(
            st.tuples(st.lists(values, min_size=3, max_size=3), st.integers(0, 1)),
            min_size=1,
            max_size=12,
        )
    ),
    st.integers(1, 3),
    st.sampled_from([1, 7, 1 << 20]),
)
def test_counts_are_those_of_brute_force_ties_included(
    pairs: list[tuple[list[Fraction], int]], steps: int, cells: int
) -> None:
    """Thirds and tenths have no exact binary form, and whole weights make them tie all the time."""
    differences = [difference for difference, _ in pairs]
    place = [fold for _, fold in pairs]
    numbers = scaled(np.array([[float(x) for x in row] for row in differences]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribute_weights, "_CELLS", cells)
        found = count_right(numbers, np.array(place), 2, steps)
    assert (found == brute_force(differences, place, 2, steps)).all()


@given(st.lists(st.lists(ANY, min_size=3, max_size=3), min_size=1, max_size=6))
def test_counts_of_any_numbers_are_those_of_their_rounding(rows: list[list[Fraction]]) -> None:
    numbers = scaled(np.array([[float(x) for x in row] for row in rows]))
    whole = [[Fraction(x) for x in row] for row in numbers.tolist()]
    place = [0] * len(rows)
    assert (count_right(numbers, np.array(place), 1, 2) == brute_force(whole, place, 1, 2)).all()
    assert np.abs(numbers).max() <= 2**40


def test_weights_are_numbered_as_a_product() -> None:
    for steps, attributes in ((1, 2), (2, 3)):
        product = list(itertools.product(range(-steps, steps + 1), repeat=attributes))
        assert [weights_at(i, attributes, steps) for i in range(len(product))] == product


@given(st.integers(1, 2**30), st.floats(1e-6, 1e6))
def test_a_common_factor_of_all_rewards_changes_nothing(seed: int, factor: float) -> None:
    differences = np.random.default_rng(seed).normal(size=(20, 3))
    place = np.zeros(20, dtype=int)
    one, two = (count_right(scaled(d), place, 1, 2) for d in (differences, differences * factor))
    assert (one == two).all()


# --- search --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searched() -> Any:
    """One search on all 4,084,101 combinations: 200 pairs that true weights decide, with noise."""
    rng = np.random.default_rng(3)
    differences = rng.normal(size=(200, 5))
    truth = np.array([0.6, 0.8, 0.4, -0.2, -0.3])
    wrong = differences @ truth + 0.3 * rng.normal(size=200) < 0
    differences[wrong] *= -1
    prompts = [f"prompt {i // 2}" for i in range(200)]
    return differences, prompts, grid_search(differences, prompts, folds=4, seed=5)


def right(differences: np.ndarray, weights: Any) -> int:
    return int((differences @ np.array(weights) / STEPS > 1e-9).sum())


def test_the_best_is_at_least_as_good_as_others(searched: Any) -> None:
    differences, _, result = searched
    assert right(differences, result.weights) == result.right
    assert result.pairs == 200 and result.prompts == 100
    rng = np.random.default_rng(4)
    drawn = rng.integers(-STEPS, STEPS + 1, size=(20_000, 5))
    assert ((differences @ drawn.T) > 0).sum(axis=0).max() <= result.right
    assert right(differences, [6, 8, 4, -2, -3]) <= result.right
    assert result.alone == {
        name: int((differences[:, i] > 0).sum()) for i, name in enumerate(ATTRIBUTES)
    }
    assert result.accuracy > 0.9


def test_each_fold_is_judged_by_weights_that_did_not_see_it(searched: Any) -> None:
    differences, prompts, result = searched
    place = fold_of(prompts, 4, 5)
    rng = np.random.default_rng(6)
    drawn = rng.integers(-STEPS, STEPS + 1, size=(20_000, 5))
    for number, fold in enumerate(result.folds):
        inside = place == number
        assert fold.pairs == inside.sum()
        assert fold.right == right(differences[inside], fold.weights)
        others = differences[~inside]
        assert ((others @ drawn.T) > 0).sum(axis=0).max() <= right(others, fold.weights)
    assert result.cross_validated == sum(fold.right for fold in result.folds) / 200


def test_noise_looks_good_in_sample_and_is_a_coin_cross_validated() -> None:
    """Why the second figure stands beside the first."""
    differences = np.random.default_rng(0).normal(size=(100, 5))
    result = grid_search(differences, [str(i) for i in range(100)], 5)
    assert result.accuracy > 0.6
    assert result.cross_validated < result.accuracy - 0.1


def test_of_equals_the_smallest_then_the_first_attributes() -> None:
    differences = np.array([[1.0, 1.0, 0.0, 0.0, 0.0]] * 4)
    result = grid_search(differences, list("abcd"), 2)
    assert result.weights == (1, 0, 0, 0, 0)
    assert result.right == 4
    assert result.equals == sum(a + b > 0 for a in range(-10, 11) for b in range(-10, 11)) * 21**3


@given(
    st.lists(st.integers(0, 15), min_size=2, max_size=60).filter(lambda x: len(set(x)) >= 3),
    st.integers(0, 99),
    st.randoms(),
)
def test_a_prompt_is_in_one_fold_whatever_the_order(
    prompts: list[int], seed: int, random: Any
) -> None:
    names = [f"p{n}" for n in prompts]
    place = dict(zip(names, fold_of(names, 3, seed), strict=True))
    assert all(place[n] == fold for n, fold in zip(names, fold_of(names, 3, seed), strict=True))
    shuffled = random.sample(names, len(names))
    assert dict(zip(shuffled, fold_of(shuffled, 3, seed), strict=True)) == place
    assert set(place.values()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("differences", "prompts", "folds", "message"),
    [
        (np.ones((4, 5)), list("aabb"), 3, "as many prompts: 2"),
        (np.ones((4, 5)), list("abcd"), 1, "2 or more folds"),
        (np.full((4, 5), np.nan), list("abcd"), 2, "not finite"),
    ],
)
def test_what_cannot_be_searched(
    differences: np.ndarray, prompts: list[str], folds: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        grid_search(differences, prompts, folds)


# --- files ---------------------------------------------------------------------------------------


def line(**changes: Any) -> str:
    rewards = dict.fromkeys(ATTRIBUTES, 1.0)
    return json.dumps({"prompt": "p", "chosen": rewards, "rejected": rewards} | changes)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("no json", "line 2: expected"),
        (line(chosen={"helpfulness": 1.0}), "line 2: expected"),
        (line(chosen=dict.fromkeys(ATTRIBUTES, "x")), "line 2: expected"),
        (line(chosen=dict.fromkeys(ATTRIBUTES, float("nan"))), "line 2: expected"),
        (line(chosen=dict.fromkeys([*ATTRIBUTES, "charm"], 1.0)), "line 2: expected"),
        ('{"prompt": "\\ud800"}', "line 2: expected"),
    ],
)
def test_a_bad_line_of_rewards_is_named(bad: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rewards.jsonl"
    path.write_text(f"{line()}\n{bad}\n")
    with pytest.raises(UsageError, match=message) as caught:
        read_rewards(path, None)
    assert "\n" not in str(caught.value)
    assert len(read_rewards(path, 1)) == 1
    with pytest.raises(UsageError, match="no pair"):
        read_rewards(path, 0)


def test_the_command_scores_pairs_and_writes_weights_that_the_scorer_reads(
    mini_tokenizer: Any, tmp_path: Path
) -> None:
    model = save_model(tmp_path / "five", tiny_model(mini_tokenizer, 5, 1), mini_tokenizer)
    pairs = preferences(tmp_path / "val.jsonl", 12)
    arguments = ["train", "weights", str(pairs), "--model", str(model), "--folds", "3"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "accuracy cross-validated: " in result.stdout
    report = json.loads((tmp_path / "out" / "weights.json").read_text())
    assert list(report["weights"]) == list(ATTRIBUTES)
    assert report["pairs"] == 12 and report["prompts"] == 6

    rows = read_rewards(tmp_path / "out" / "rewards.jsonl", None)
    weights = np.array(list(report["weights"].values()))
    assert ((np.array([row.difference() for row in rows]) @ weights) > 1e-9).mean() == report[
        "in_sample_accuracy"
    ]
    again = run(
        WeightsConfig(
            pairs=str(tmp_path / "out" / "rewards.jsonl"),
            output_dir=str(tmp_path / "again"),
            folds=3,
        )
    )
    assert again == report

    from judge.infer.scorers.load import load_scorer

    scorer = load_scorer(str(model), weights_file=str(tmp_path / "out" / "weights.json"))
    assert scorer.weights == report["weights"]


def test_a_model_without_the_five_outputs_is_one_line(mini_tokenizer: Any, tmp_path: Path) -> None:
    model = save_model(tmp_path / "one", tiny_model(mini_tokenizer, 1, 1), mini_tokenizer)
    with pytest.raises(UsageError, match="its outputs are reward; expected helpfulness"):
        run(
            WeightsConfig(
                pairs=str(preferences(tmp_path / "val.jsonl", 4)),
                output_dir=str(tmp_path / "out"),
                model=str(model),
            )
        )
