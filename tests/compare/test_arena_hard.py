"""Arena-Hard's rule: grades by hand, its fits against scikit-learn, style that is planted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from judge.compare.arena.arena_hard import with_grades
from judge.compare.arena.battles import Battles, battles_of, grade, grades_of
from judge.compare.arena.config import ArenaHardConfig
from judge.compare.arena.grades import graded
from judge.compare.arena.matches import Match
from judge.compare.arena.style import counts, differences
from judge.compare.arena.tables import tables
from judge.compare.rank.bradley_terry import fit
from tests.compare.arenas import EXAMPLES, answers, bare, drawn, play

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.mark.parametrize(
    ("strength", "strong", "even", "expected"),
    [
        (3, 3, 0, "A>>B"), (2, 3, 0, "A>B"), (1, 3, 0, "A>B"), (0, 3, 0, "A=B"),
        (-1, 3, 0, "B>A"), (-3, 3, 0, "B>>A"), (2, 2, 0, "A>>B"), (-2, 2, 1, "B>>A"),
        (1, 3, 1, "A=B"), (-1, 3, 1, "A=B"),
    ],
)  # fmt: skip
def test_grades(strength: int, strong: int, even: int, expected: str) -> None:
    assert grade(strength, strong, even) == expected


def by_word(one: str, two: str) -> int:
    """The strength that the model's answer names: it is its own when it stands second."""
    mine, sign = (one, -1) if one.startswith("pine") else (two, 1)
    given = int(mine.split()[1])
    return sign * given


def test_scores_by_hand(tmp_path: Path) -> None:
    """+3, +1, -2, -3, the same text, a failure; both orders say the same."""
    base = ["a", "b", "c", "d", "same text", "f"]
    mine: list[str | None] = ["pine 3", "pine 1", "pine -2", "pine -3", "same text", None]
    files = [answers(tmp_path, "oak", base), answers(tmp_path, "pine", mine)]
    result, matches, _ = play("arena-hard", tmp_path / "o", files, "oak", bare(by_word))
    found = graded(matches, 3, 0, 0, 100).models["pine"]
    assert found.grades == {"A>>B": 2, "A>B": 2, "A=B": 2, "B>A": 2, "B>>A": 2}
    # (3 + 1 + 0 + 0 + 0.5) of (3 + 1 + 1 + 3 + 1), twice each
    assert found.score.value == pytest.approx(4.5 / 9, abs=1e-6)
    assert found.published.value == found.score.value
    assert found.lowest == pytest.approx(4.5 / 10, abs=1e-6)
    assert found.highest == pytest.approx(5.5 / 10, abs=1e-6)
    assert result.results[0].failures == {"missing_answer": 1}
    looser = graded(matches, 2, 1, 0, 100).models["pine"]
    assert looser.grades == {"A>>B": 2, "A>B": 0, "A=B": 4, "B>A": 0, "B>>A": 4}


def test_orders_that_disagree_are_two_battles(tmp_path: Path) -> None:
    files = [answers(tmp_path, n, [f"{n} {i}" for i in range(12)]) for n in ("oak", "pine")]
    _, matches, _ = play("arena-hard", tmp_path / "o", files, "oak", bare(lambda one, two: -1))
    found = graded(matches, 3, 0, 0, 100).models["pine"]
    assert found.grades == {"A>>B": 0, "A>B": 12, "A=B": 0, "B>A": 12, "B>>A": 0}
    assert found.score.value == 0.5


def styled(folder: Path, prompts: int = 150) -> tuple[list[str], Any]:
    """Two models whose answers differ in style, and a judge that likes length, and a model."""
    odds = {"oak": 0.0, "pine": 0.8, "fir": 0.0}

    def text(name: str, n: int) -> str:
        amount = drawn(f"{name}{n}")
        marks = "\n# head" * int(3 * drawn(f"# {n}{name}"))
        marks += "\n- item" * int(4 * drawn(f"- {n}{name}")) + "\n"
        marks += "**x** " * int(3 * drawn(f"bold {n}{name}"))
        return f"{name} {n} {marks}" + "word " * int(5 + 60 * amount * (1 + 2 * (name == "fir")))

    def strength(one: str, two: str) -> int:
        a, b = (t.split()[0] for t in (one, two))
        lead = odds[a] - odds[b] + 4 * (len(one) - len(two)) / (len(one) + len(two))
        first = drawn(f"{one}|{two}") < 1 / (1 + math.exp(-lead))
        return (-1 if first else 1) * (3 if drawn(f"{two}|{one}") < 0.2 else 1)

    files = [answers(folder, n, [text(n, i) for i in range(prompts)]) for n in odds]
    return files, bare(strength)


def matched(tmp_path: Path) -> list[Match]:
    files, script = styled(tmp_path)
    return play("arena-hard", tmp_path / "o", files, "oak", script)[1]


def battles(matches: list[Match]) -> Battles:
    return battles_of(matches, [grades_of(match, 3, 0) for match in matches], tokens=False)


def by_sklearn(found: Battles, style: Array | None) -> Array:
    """Win rates over the baseline by the published fit: no penalty, a tie is half a win each."""
    n = len(found.models)
    design = np.zeros((len(found.points), n + 1))
    design[np.arange(len(design)), found.model] = 1
    design[:, n] = -1
    if style is not None:
        design = np.column_stack([design, style])
    rows = np.vstack([design, design])
    labels = np.repeat([1, 0], len(design))
    weights = np.concatenate([found.points, 1 - found.points]) * np.tile(found.weights, 2)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=10_000)
    at = model.fit(rows, labels, sample_weight=weights).coef_[0]
    return np.asarray(1 / (1 + np.exp(at[n] - at[:n])))


def test_the_published_fits_are_scikit_learns(tmp_path: Path) -> None:
    matches = matched(tmp_path)
    found, of = battles(matches), graded(matches, 3, 0, 0, 50).models
    assert set(of) == {"pine", "fir"} and found.models == ("pine", "fir")
    scores = [of[name].published.value for name in found.models]
    assert scores == pytest.approx(list(by_sklearn(found, None)), abs=1e-4)
    rows = np.repeat(found.style, found.weights.astype(int), axis=0)
    scaled = (found.style - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)
    rates = [of[name].published_controlled.value for name in found.models]
    assert rates == pytest.approx(list(by_sklearn(found, scaled)), abs=1e-4)
    unit = np.sqrt(np.mean(found.style**2, axis=0))
    ours = [of[name].controlled.value for name in found.models]
    assert ours == pytest.approx(list(by_sklearn(found, found.style / unit)), abs=1e-4)


def test_style_is_told_from_what_a_model_does(tmp_path: Path) -> None:
    """fir wins by its length alone, pine by what it is."""
    found = graded(matched(tmp_path), 3, 0, 0, 200)
    fir, pine = found.models["fir"], found.models["pine"]
    assert (fir.score.value or 0) > 0.65
    assert fir.controlled.value == pytest.approx(0.5, abs=0.1)
    low, high = fir.controlled.interval or (1, 0)
    assert low < 0.5 < high
    assert (pine.controlled.value or 0) > 0.6
    length = found.style["length"].interval or (0, 0)
    assert length[0] > 0
    for other in ("headers", "lists", "bold"):
        low, high = found.style[other].interval or (1, 1)
        assert low < 0.15 and high > -0.15, other


def test_the_same_seed_the_same_figures_and_intervals_by_prompt(tmp_path: Path) -> None:
    matches = matched(tmp_path)
    one, two, other = (graded(matches, 3, 0, seed, 60) for seed in (0, 0, 1))
    assert one == two != other
    of = one.models["pine"]
    low, high = of.score.interval or (0, 0)
    assert of.published.interval is not None and of.published_90 is not None
    assert of.published_90[0] >= of.published.interval[0]
    assert low < (of.score.value or 0) < high


def test_a_model_that_wins_everything_leaves_the_others_their_style(tmp_path: Path) -> None:
    files, script = styled(tmp_path, 60)
    best = answers(tmp_path, "best", [f"best {n}" for n in range(60)])
    judge = script

    def with_best(text: str, mode: Any) -> Any:
        shown = text.split("@Response 1:\n")[1]
        if "best " not in shown:
            return judge(text, mode)
        return bare(lambda one, two: -2 if one.startswith("best") else 2)(text, mode)

    _, matches, _ = play("arena-hard", tmp_path / "o", [*files, best], "oak", with_best)
    found = graded(matches, 3, 0, 0, 50).models
    assert found["best"].score.value == 1.0 and found["best"].score.interval is not None
    assert "won or lost every battle" in str(found["best"].controlled.why_not)
    assert found["pine"].controlled.value is not None


def test_identical_models(tmp_path: Path) -> None:
    files = [answers(tmp_path, n, [f"text {i}" for i in range(20)]) for n in ("oak", "copy")]
    _, matches, _ = play("arena-hard", tmp_path / "o", files, "oak", None)
    of = graded(matches, 3, 0, 0, 50).models["copy"]
    low, high = of.score.interval or (1, 1)
    assert of.score.value == 0.5 and low < 0.5 < high
    assert of.controlled.value == pytest.approx(0.5)


def test_markdown_is_counted_outside_code() -> None:
    text = (
        "# Head\n\n1. one\n2. two\n- three\n\n**bold** and __bold__\n```\n# no\n- no\n**no**\n```\n"
    )
    assert counts(text) == (1, 3, 2)
    assert counts("#no header\nwords - no list ** no bold **\n") == (0, 0, 1)


def test_differences_of_style_are_those_of_the_source() -> None:
    from judge.compare.arena.contestants import read_contestants

    oak, willow = read_contestants(
        [str(EXAMPLES / "arena_hard" / f"{n}.jsonl") for n in ("oak", "willow")], None
    )
    pairs = [(willow.answers[key], oak.answers[key]) for key in oak.answers]
    by_tokens = differences(pairs, tokens=True)
    one, two = pairs[1]
    assert one.tokens is not None and two.tokens is not None
    a, b = one.tokens, two.tokens
    lists, bold = counts(one.text)[1] / a, counts(one.text)[2] / a
    assert by_tokens[1] == pytest.approx(
        [(a - b) / (a + b), 0, lists / (lists + 1), bold / (bold + 1)]
    )
    by_characters = differences(pairs, tokens=False)
    m, n = len(one.text), len(two.text)
    assert by_characters[1, 0] == pytest.approx((m - n) / (m + n))


def test_several_covariates_are_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 3))
    first = rng.integers(0, 3, 600)
    second = (first + 1) % 3
    odds = np.array([0.5, 0.0, -0.5])[first] - np.array([0.5, 0.0, -0.5])[second] + x @ [1, -0.5, 0]
    points = (rng.random(600) < 1 / (1 + np.exp(-odds))).astype(float)
    found = fit(first, second, points, np.ones(600), 3, x)
    design = np.zeros((600, 3))
    design[np.arange(600), first], design[np.arange(600), second] = 1, -1
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs = model.fit(np.column_stack([design, x]), points).coef_[0]
    assert found is not None
    assert found[3:] == pytest.approx(theirs[3:], abs=1e-4)
    assert found[:3] == pytest.approx(theirs[:3] - theirs[:3].mean(), abs=1e-4)
    assert fit(first, second, points, np.ones(600), 3, np.column_stack([x, x[:, 0]])) is None


def test_the_tables(tmp_path: Path) -> None:
    files, script = styled(tmp_path, 30)
    result, matches, base = play("arena-hard", tmp_path / "o", files, "oak", script)
    asked = ArenaHardConfig(answers=tuple(files), baseline="oak", out="o", resamples=30)
    found = with_grades(asked, result, matches, base)
    first, style, *_ = tables(found)
    assert first.section == "hard" and [row[0] for row in first.rows] == ["pine", "fir"]
    assert len(style.rows) == 4 and "characters" in style.note
    assert any("Arena-Hard has 500 or 750" in note for note in found.notes)


def test_what_nobody_can_tell_apart_has_no_effect_of_its_own(tmp_path: Path) -> None:
    """Every header stands over one item, and nothing is bold."""
    texts = {
        name: [f"{name} {n} " + "\n# h\n- i\n" * int(5 * drawn(f"{n}{name}")) for n in range(60)]
        for name in ("oak", "pine")
    }
    files = [answers(tmp_path, name, of) for name, of in texts.items()]
    script = bare(lambda one, two: -1 if drawn(one + two) < 0.5 else 1)
    _, matches, _ = play("arena-hard", tmp_path / "o", files, "oak", script)
    found = graded(matches, 3, 0, 0, 30)
    assert found.style["lists"].value is None and found.style["bold"].value is None
    assert found.style["headers"].value is not None
    assert found.models["pine"].controlled.value is not None


def test_nothing_but_failures_has_no_score(tmp_path: Path) -> None:
    files = [answers(tmp_path, "oak", ["a", "b"]), answers(tmp_path, "pine", ["", ""])]
    script = bare(lambda one, two: -1)
    _, matches, _ = play("arena-hard", tmp_path / "o", files, "oak", script)
    of = graded(matches, 3, 0, 0, 10).models["pine"]
    assert of.score.why_not == "no battle was decided" and of.published_90 is None
    assert (of.lowest, of.highest) == (0.0, 1.0)
