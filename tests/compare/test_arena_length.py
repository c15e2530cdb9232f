"""AlpacaEval's length-controlled win rate against its published fit, and known truths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import make_scorer
from sklearn.model_selection import GroupKFold

from judge.compare.arena.alpaca_eval import with_control
from judge.compare.arena.config import AlpacaEvalConfig
from judge.compare.arena.difficulty import difficulty_of, read_difficulty, read_gamed
from judge.compare.arena.length_glm import Gamed, controlled
from judge.compare.arena.matches import Match
from judge.compare.arena.tables import tables
from judge.errors import UsageError
from tests.compare.arenas import answers, decider, drawn, play

Array = np.ndarray[Any, np.dtype[Any]]
UNIT = 200.0


def longer_wins(own: float = 0.0, effect: float = 1.5) -> Any:
    """A judge's log-odds: the model's own (answers of ``copy``), and those of a longer answer."""

    def odds(one: str, two: str) -> float:
        mine = (one.startswith("copy") - two.startswith("copy")) * own
        return mine + effect * float(np.tanh((len(one) - len(two)) / UNIT))

    return odds


def copies(folder: Path, prompts: int, extra: float) -> list[str]:
    """The baseline's answers, and the same with up to ``extra`` characters more."""
    texts = [f"text {n} " + "word " * (n % 9) for n in range(prompts)]
    more = ["copy " + t + "x" * int(extra * drawn(t)) for t in texts]
    return [answers(folder, "oak", texts), answers(folder, "copy", more)]


def matched(tmp_path: Path, own: float, extra: float = 700, prompts: int = 300) -> Match:
    files = copies(tmp_path, prompts, extra)
    _, (match,), _ = play("alpaca-eval", tmp_path / "o", files, "oak", decider(longer_wins(own)))
    return match


def published(p: Array, features: Array, weights: Array) -> tuple[Array, float]:
    """The published fit, written as alpaca_eval does; coefficients and the penalty chosen."""
    rows = np.arange(len(p))
    x, groups = np.vstack([features, features]), np.concatenate([rows, rows])
    y = np.concatenate([np.ones(len(p)), np.zeros(len(p))])
    true, twice = np.concatenate([p, 1 - p]), np.concatenate([weights, weights])

    def loss(y_true: Array, y_pred: Array, true_prob: Array, true_sample_weight: Array) -> float:
        label = np.where(y_true == 1, true_prob, 1 - true_prob)
        chance = np.clip(y_pred, 1e-15, 1 - 1e-15)
        all_loss = label * np.log(chance) + (1 - label) * np.log(1 - chance)
        return float(-np.mean(all_loss * true_sample_weight))

    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(loss, response_method="predict_proba", greater_is_better=False)
        scorer = scorer.set_score_request(true_prob=True, true_sample_weight=True)
        model = LogisticRegressionCV(
            cv=GroupKFold(5), scoring=scorer, random_state=123, l1_ratios=[1], Cs=10,
            solver="liblinear", fit_intercept=False, use_legacy_attributes=False,
        ).set_fit_request(sample_weight=True)  # fmt: skip
        model.fit(
            x, y, sample_weight=true * twice, groups=groups, true_prob=true,
            true_sample_weight=twice,
        )  # fmt: skip
    return model.coef_[0], float(np.ravel(model.C_)[0])


@pytest.mark.parametrize("given", ["alone", "difficulty", "gamed"])
def test_the_fit_is_the_published_one(given: str, tmp_path: Path) -> None:
    match = matched(tmp_path, own=0.6)
    n = len(match.games)
    rng = np.random.default_rng(5)
    difficulty = None if given == "alone" else rng.normal(size=n)
    gamed = None
    if given == "gamed":
        gamed = Gamed(rng.random(80), np.tanh(rng.normal(size=80)), rng.normal(size=80))
    ours = controlled(match, 0, 20, difficulty, gamed)

    unit = match.longer.std(ddof=1)
    columns = [np.ones(n), np.tanh(match.longer / unit)]
    columns += [] if difficulty is None else [difficulty]
    features, p, weights = np.column_stack(columns), match.preference, np.ones(n)
    if gamed is not None:
        more = np.column_stack([np.zeros(80), gamed.term, gamed.difficulty])
        features, p = np.vstack([features, more]), np.concatenate([p, gamed.preference])
        weights = np.concatenate([weights, np.full(80, 0.1)])
    theirs, penalty = published(p, features, weights)
    found = [ours.own, ours.length_effect, ours.difficulty_effect][: len(theirs)]
    assert found == pytest.approx(list(theirs), abs=1e-5)
    assert ours.penalty == pytest.approx(penalty, abs=1e-6)
    odds = theirs[0] + (0 if difficulty is None else theirs[2] * difficulty)
    rate = float(np.mean(1 / (1 + np.exp(-odds)) * np.ones(n)))
    assert ours.win_rate.value == pytest.approx(rate, abs=1e-5)


def test_a_longer_copy_of_the_same_answers_is_near_a_half(tmp_path: Path) -> None:
    match = matched(tmp_path, own=0.0)
    found = controlled(match, 0, 100)
    assert match.preference.mean() > 0.65  # raw: the judge likes length alone
    assert found.win_rate.value == pytest.approx(0.5, abs=0.03)
    assert found.win_rate.interval is not None
    assert (found.length_effect or 0) > 1
    assert any("100 % of its answers are longer" in note for note in found.notes)
    assert any("far from the raw one" in note for note in found.notes)


def test_what_is_not_length_stays(tmp_path: Path) -> None:
    match = matched(tmp_path, own=1.0)
    found = controlled(match, 0, 100)
    assert found.win_rate.value == pytest.approx(1 / (1 + np.exp(-1.0)), abs=0.03)
    low, high = found.win_rate.interval or (1, 0)
    assert low < (found.win_rate.value or 0) < high
    assert found.standard_error == pytest.approx((high - low) / 3.92, rel=0.4)


def test_identical_models_and_too_few_prompts(tmp_path: Path) -> None:
    texts = [f"answer {n}" for n in range(20)]
    files = [answers(tmp_path, name, texts) for name in ("oak", "copy")]
    _, (match,), _ = play("alpaca-eval", tmp_path / "o", files, "oak", None)
    found = controlled(match, 0, 20)
    assert found.win_rate.value == pytest.approx(0.5)
    low, high = found.win_rate.interval or (1, 1)
    assert low < 0.5 < high
    few = [answers(tmp_path, name, texts[:4]) for name in ("oak", "copy")]
    _, (short,), _ = play("alpaca-eval", tmp_path / "p", few, "oak", None)
    assert "fewer than 10 decided prompts" in str(controlled(short, 0, 20).win_rate.why_not)


def test_the_tables_say_what_the_fit_lacks(tmp_path: Path) -> None:
    files = copies(tmp_path, 30, 700)
    result, matches, base = play(
        "alpaca-eval", tmp_path / "o", files, "oak", decider(longer_wins())
    )
    asked = AlpacaEvalConfig(answers=tuple(files), baseline="oak", out="o", resamples=50)
    found = with_control(asked, result, matches, base)
    assert list(found.controlled) == ["copy"]
    notes = "\n".join(found.notes)
    for words in ("no --difficulty", "no --gamed", "AlpacaEval has 805", "not comparable"):
        assert words in notes
    first = next(iter(tables(found)))
    assert first.columns[1] == "LC win rate (SE)" and first.rows[0][0] == "copy"


def test_difficulties_by_index_and_by_instruction(tmp_path: Path) -> None:
    files = copies(tmp_path, 12, 700)
    _, (match,), base = play("pairs", tmp_path / "o", files, "oak", decider(longer_wins()))
    by_index = tmp_path / "index.csv"
    rows = "".join(f"{n},{n / 10}\n" for n in range(12))
    by_index.write_text(f",instruction_difficulty\n{rows}")
    by_text = tmp_path / "text.csv"
    rows = "".join(f"Question {n}?,{n / 10}\n" for n in reversed(range(12)))
    by_text.write_text(f"instruction,instruction_difficulty\n{rows}")
    expected = [n / 10 for n in range(12)]
    for file in (by_index, by_text):
        assert list(difficulty_of(match, read_difficulty(str(file), base))) == expected
    by_index.write_text(",instruction_difficulty\n0,1\n")
    with pytest.raises(
        UsageError, match="difficulties of 1 instructions, but the baseline 'oak' 12"
    ):
        read_difficulty(str(by_index), base)
    by_text.write_text("instruction,instruction_difficulty\nQuestion 1?,1\n")
    with pytest.raises(UsageError, match="lacks the difficulty of 11"):
        read_difficulty(str(by_text), base)
    by_text.write_text("instruction,instruction_difficulty\nQuestion 1?,hard\n")
    with pytest.raises(UsageError, match="line 1: instruction_difficulty is not a number"):
        read_difficulty(str(by_text), base)


def test_gamed_games_are_read_as_they_are_published(tmp_path: Path) -> None:
    file = tmp_path / "gamed.csv"
    head = "index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline,model\n"
    file.write_text(f"{head}0,0.25,-1.5,0.3,False,long\n1,1,2,0.1,False,short\n")
    found = read_gamed(str(file))
    assert list(found.preference) == [0.25, 1] and list(found.difficulty) == [0.3, 0.1]
    assert list(found.term) == pytest.approx([np.tanh(1.5), np.tanh(-2)])
    file.write_text(f"{head}0,1.5,1,0,False,x\n")
    with pytest.raises(UsageError, match="preference is not between 0 and 1"):
        read_gamed(str(file))
