"""Rankings against scikit-learn, choix and known truths; where no finite ranking exists."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from judge.cli import app
from judge.compare.rank.bradley_terry import groups, strengths, wins
from judge.compare.rank.games import Games, read_games
from judge.compare.rank.length_control import controlled, controlled_win_rates, length_term
from judge.compare.rank.ranking import Ranking, rank
from judge.compare.rank.tables import tables
from judge.compare.systems import read_run
from judge.errors import UsageError
from judge.infer import batch
from judge.metrics.intervals import wilson
from tests.scripted import config, engine, row, write_rows

Array = np.ndarray[Any, np.dtype[Any]]


def games(
    models: int, count: int, seed: int = 0, effect: float = 0.0, ties: float = 0.1
) -> tuple[Games, Array]:
    """Games drawn from a Bradley-Terry model with an effect of length; and its strengths."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=models)
    truth -= truth.mean()
    first = rng.integers(0, models, count)
    second = (first + rng.integers(1, models, count)) % models
    longer = np.round(rng.normal(0, 200, count))
    odds = truth[first] - truth[second] + effect * np.tanh(longer / 200)
    points = (rng.random(count) < 1 / (1 + np.exp(-odds))).astype(float)
    points[rng.random(count) < ties] = 0.5
    prompts = np.unique(rng.integers(0, count, count), return_inverse=True)[1]
    names = tuple(f"m{index:02}" for index in range(models))
    return Games(names, first, second, points, prompts, longer), truth


def few(text: str, prompts: list[int] | None = None) -> Games:
    """Games written as "a>b c=d": a beat b, c and d tied."""
    found = [(one[0], one[2], {">": 1.0, "=": 0.5, "<": 0.0}[one[1]]) for one in text.split()]
    models = tuple(sorted({name for one, two, _ in found for name in (one, two)}))
    of = {name: index for index, name in enumerate(models)}
    return Games(
        models,
        np.array([of[one] for one, _, _ in found]),
        np.array([of[two] for _, two, _ in found]),
        np.array([points for _, _, points in found]),
        np.arange(len(found)) if prompts is None else np.array(prompts),
        np.zeros(len(found)),
    )


def points(found: Games) -> Array:
    return wins(found.first, found.second, found.points, np.ones(len(found)), len(found.models))


# --- against independent implementations ----------------------------------------------------------


def by_sklearn(found: Games, term: Array | None = None) -> Array:
    """The same likelihood by scikit-learn: a tie is a row for each side, each of weight a half."""
    design = np.zeros((len(found), len(found.models)))
    design[np.arange(len(found)), found.first] = 1
    design[np.arange(len(found)), found.second] = -1
    if term is not None:
        design = np.column_stack([design, term])
    rows = np.vstack([design, design])
    labels = np.repeat([1, 0], len(found))
    weights = np.concatenate([found.points, 1 - found.points])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=5000)
    at = model.fit(rows[weights > 0], labels[weights > 0], weights[weights > 0]).coef_[0].copy()
    at[: len(found.models)] -= at[: len(found.models)].mean()
    return np.asarray(at)


@pytest.mark.parametrize(("models", "count", "seed"), [(3, 60, 1), (6, 400, 2), (12, 1500, 3)])
def test_strengths_agree_with_scikit_learn_and_choix(models: int, count: int, seed: int) -> None:
    found, _ = games(models, count, seed)
    ours = strengths(points(found))
    assert ours is not None
    assert ours == pytest.approx(by_sklearn(found), abs=1e-4)
    assert ours == pytest.approx(choix.ilsr_pairwise_dense(points(found), max_iter=5000), abs=1e-4)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_length_control_agrees_with_scikit_learn(seed: int) -> None:
    found, _ = games(5, 800, seed, effect=1.0)
    term, unit = length_term(found)
    assert unit == pytest.approx(np.sqrt(np.mean(found.longer**2)))
    assert term == pytest.approx(np.tanh(found.longer / unit))
    ours = controlled(found, term, np.ones(len(found)))
    assert ours is not None and ours == pytest.approx(by_sklearn(found, term), abs=1e-4)


def test_against_one_baseline_it_is_alpaca_evals_form() -> None:
    """One model against a baseline: the mean prediction with no difference of length."""
    found, _ = games(2, 900, 4, effect=1.5, ties=0)
    term, _ = length_term(found)
    at = controlled(found, term, np.ones(len(found)))
    assert at is not None
    rates = controlled_win_rates(found, at, np.ones(len(found)))
    theta = by_sklearn(found, term)
    assert rates[0] == pytest.approx(1 / (1 + np.exp(theta[1] - theta[0])), abs=1e-5)
    assert rates.sum() == pytest.approx(1)


# --- truths that must be found --------------------------------------------------------------------


def test_planted_strengths_and_length_are_found() -> None:
    found, truth = games(6, 6000, 5, effect=1.2)
    ranking = rank(found, "judge", resamples=200)
    effect = ranking.length_effect
    assert effect.interval is not None and effect.value is not None
    # Ties are drawn without regard to strength, which pulls every estimate a little to 0.
    assert effect.interval[0] < 1.2 and effect.value > 0.9
    at = {s.model: s.strength.value for s in ranking.standings}
    order = [f"m{index:02}" for index in np.argsort(-truth)]
    assert [s.model for s in ranking.standings] == order
    assert [at[name] for name in order] == sorted((at[name] for name in order), reverse=True)
    assert ranking.standings[0].rank == 1 and not ranking.notes


def test_a_judge_that_only_likes_length_is_seen_through() -> None:
    """Two models of the same quality, one of which writes longer."""
    rng = np.random.default_rng(6)
    first = rng.integers(0, 2, 2000)
    longer = np.where(first == 0, 1, -1) * rng.integers(50, 150, 2000) + rng.normal(0, 150, 2000)
    chance = 1 / (1 + np.exp(-2 * np.tanh(longer / 200)))
    found = Games(
        ("long", "short"),
        first,
        1 - first,
        (rng.random(2000) < chance).astype(float),
        np.arange(2000),
        longer,
    )
    ranking = rank(found, "judge", resamples=100)
    of = {s.model: s for s in ranking.standings}
    assert (of["long"].win_rate.value or 0) > 0.6
    ends = of["long"].length_controlled.interval
    assert ends is not None and ends[0] < 0.5 < ends[1]


def test_games_of_one_prompt_stand_and_fall_together() -> None:
    found, _ = games(4, 200, 7)
    once = rank(found, "judge", resamples=300)
    places = np.tile(np.arange(200), 10)
    tenfold = Games(
        found.models,
        found.first[places],
        found.second[places],
        found.points[places],
        found.prompts[places],
        found.longer[places],
    )
    again = rank(tenfold, "judge", resamples=300)
    for one, ten in zip(once.standings, again.standings, strict=True):
        assert one.strength.interval == pytest.approx(ten.strength.interval, abs=1e-6)
        assert ten.games == 10 * one.games


# --- laws -----------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.data())
@settings(max_examples=15)
def test_exchanging_responses_changes_nothing(seed: int, data: st.DataObject) -> None:
    found, _ = games(4, 80, seed, effect=0.5)
    turned = np.array(data.draw(st.lists(st.booleans(), min_size=80, max_size=80)))
    other = Games(
        found.models,
        np.where(turned, found.second, found.first),
        np.where(turned, found.first, found.second),
        np.where(turned, 1 - found.points, found.points),
        found.prompts,
        np.where(turned, -found.longer, found.longer),
    )
    one, two = rank(found, "j", resamples=5), rank(other, "j", resamples=5)
    for a, b in zip(one.standings, two.standings, strict=True):
        assert (a.model, a.wins, a.ties, a.losses) == (b.model, b.wins, b.ties, b.losses)
        for name in ("strength", "win_rate", "length_controlled"):
            assert getattr(a, name).value == pytest.approx(getattr(b, name).value, abs=1e-5)


def test_the_same_games_and_seed_give_the_same_ranking() -> None:
    found, _ = games(5, 150, 8)
    assert rank(found, "j", 3, 50) == rank(found, "j", 3, 50)
    assert rank(found, "j", 3, 50) != rank(found, "j", 4, 50)


@given(st.integers(0, 1000))
@settings(max_examples=15)
def test_counts_add_up(seed: int) -> None:
    found, _ = games(4, 50, seed)
    ranking = rank(found, "j", resamples=2)
    assert sum(s.games for s in ranking.standings) == 2 * len(found) == 100
    assert sum(s.wins for s in ranking.standings) == sum(s.losses for s in ranking.standings)
    assert sum(m.wins + m.ties + m.losses for m in ranking.meetings) == len(found)
    for s in ranking.standings:
        assert s.win_rate.value == pytest.approx((s.wins + s.ties / 2) / s.games, abs=1e-6)


# --- where there is no finite ranking -------------------------------------------------------------


def of(ranking: Ranking) -> dict[str, Any]:
    return {s.model: s for s in ranking.standings}


def test_a_model_that_wins_everything_has_no_strength_but_a_place() -> None:
    found = few("a>b a>c b>c c>b b=c")
    assert groups(points(found)) == [[0], [1, 2]] and strengths(points(found)) is None
    ranking = rank(found, "j", resamples=20)
    top = of(ranking)["a"]
    assert (top.rank, top.group, top.wins, top.strength.value) == (1, 1, 2, None)
    assert "won every game" in top.strength.why_not
    assert of(ranking)["b"].strength.value == 0 and of(ranking)["b"].group == 2
    assert of(ranking)["b"].length_controlled.value is None
    assert any("group 1 (a) won every game against group 2 (b, c)" in n for n in ranking.notes)
    json.dumps(ranking.model_dump(mode="json"), allow_nan=False)


def test_models_that_no_game_connects_are_not_ranked_together() -> None:
    """Whatever their names are: no group that never met another stands before or behind it."""
    for text in ("a>b b>a c>d d>c", "c>d d>c x>y y>x", "a>d d>a b>c c>b"):
        ranking = rank(few(text), "j", resamples=20)
        assert [s.group for s in ranking.standings] == [1, 1, 2, 2]
        assert {s.rank for s in ranking.standings} == {None}
        assert any("played no model of group 2" in note for note in ranking.notes)
        assert any("list's order says nothing" in note for note in ranking.notes)
        assert len(ranking.meetings) == 2


def test_a_rank_is_what_games_say_also_through_others() -> None:
    """a and b, who never met, both beat c, who beat d: c is third and d fourth, whatever a is."""
    ranks = {s.model: s.rank for s in rank(few("a>c b>c c>d"), "j", resamples=5).standings}
    assert ranks == {"a": None, "b": None, "c": 3, "d": 4}
    ranks = {s.model: s.rank for s in rank(few("z>b b>a"), "j", resamples=5).standings}
    assert ranks == {"z": 1, "b": 2, "a": 3}, "z is before a through b"
    alone = rank(few("a>b c>d"), "j", resamples=5)
    assert {s.rank for s in alone.standings} == {None}
    many = rank(few(" ".join(f"{x}>{x.upper()}" for x in "abcdefg")), "j", resamples=5)
    assert any("more groups without an order" in note for note in many.notes)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
@settings(max_examples=15)
def test_ranks_do_not_depend_on_names(pairs: list[tuple[int, int]]) -> None:
    text = [(a, b) for a, b in pairs if a != b]
    if not text:
        return
    names, other = "abcdef", "fedcba"
    one = of(rank(few(" ".join(f"{names[a]}>{names[b]}" for a, b in text)), "j", resamples=3))
    two = of(rank(few(" ".join(f"{other[a]}>{other[b]}" for a, b in text)), "j", resamples=3))
    assert {m: s.rank for m, s in one.items()} == {
        names[other.index(m)]: s.rank for m, s in two.items()
    }


def test_only_ties_are_equal_strengths() -> None:
    ranking = rank(few("a=b b=c a=c"), "j", resamples=20)
    assert {s.strength.value for s in ranking.standings} == {0.0}
    assert {s.win_rate.value for s in ranking.standings} == {0.5}
    assert {(s.strength.interval, s.rank) for s in ranking.standings} == {(None, None)}


def test_what_never_varies_is_not_sure() -> None:
    """Five wins of five say as much in the standings as in the meetings; the bootstrap, nothing."""
    ranking = rank(few("a>b a>b a>b a>b a>b"), "j", resamples=50)
    low, high = wilson(5, 5)
    for standing, ends in (("a", (low, high)), ("b", (1 - high, 1 - low))):
        rate = of(ranking)[standing].win_rate
        assert rate.interval == pytest.approx(ends, abs=1e-6) and rate.n == 5
    assert ranking.meetings[0].win_rate.interval == of(ranking)["a"].win_rate.interval


def test_games_on_one_prompt_are_one_observation() -> None:
    """The resamples are all the same: intervals of no width, and so ranks, would be made up."""
    ranking = rank(few("a>b b>a a>b a>b", prompts=[0, 0, 0, 0]), "j", resamples=50)
    top = of(ranking)["a"]
    assert top.win_rate.interval == pytest.approx(wilson(0.75, 1), abs=1e-6)
    assert top.strength.value is not None and top.strength.interval is None
    assert top.length_controlled.interval == pytest.approx(wilson(0.75, 1), abs=1e-4)
    assert ranking.length_effect.interval is None
    assert {s.rank for s in ranking.standings} == {None}
    assert any("all resamples have the same strengths" in note for note in ranking.notes)


@given(st.integers(0, 1000), st.integers(1, 12))
@settings(max_examples=15)
def test_no_interval_has_no_width(seed: int, count: int) -> None:
    found, _ = games(3, count, seed)
    ranking = rank(found, "j", resamples=20)
    for s in ranking.standings:
        for name in ("win_rate", "strength", "length_controlled"):
            ends = getattr(s, name).interval
            assert ends is None or ends[0] < ends[1], (s.model, name)


def test_one_game_is_one_winner() -> None:
    ranking = rank(few("a>b"), "j", resamples=5)
    assert [s.rank for s in ranking.standings] == [1, 2]
    assert "it never won" in str(of(ranking)["b"].strength.why_not)


def test_a_length_that_tells_every_winner_has_no_finite_effect() -> None:
    found = few("a>b b>a a>b b>a")
    longer = np.where(found.points == 1, 100.0, -100.0)
    told = Games(found.models, found.first, found.second, found.points, found.prompts, longer)
    ranking = rank(told, "j", resamples=5)
    assert ranking.length_effect.value is None
    assert ranking.standings[0].strength.value == 0.0
    assert any("length predicts the winners" in note for note in ranking.notes)


def test_too_few_games_give_no_intervals_and_no_ranks() -> None:
    ranking = rank(few("a>b b>c c>a a>b"), "j", resamples=200)
    assert all(s.strength.value is not None for s in ranking.standings)
    assert {s.strength.interval for s in ranking.standings} == {None}
    assert {s.rank for s in ranking.standings} == {None}
    assert any("resamples have no finite strengths: no intervals" in n for n in ranking.notes)


# --- run folders ----------------------------------------------------------------------------------


def judged(tmp_path: Path, rows: list[Any]) -> Path:
    source = write_rows(tmp_path / "in.jsonl", rows)
    batch.run(config(source, tmp_path / "run"), engine)
    return tmp_path / "run"


def arena_rows() -> list[Any]:
    models = ["ada", "bob", "cy"]
    rows = [
        row(n, model_a=models[n % 3], model_b=models[(n + 1 + n // 20) % 3], prompt=f"Q {n % 7}?")
        for n in range(40)
    ]
    rows[3] |= {"response_1": "REFUSE"}
    rows[4] |= {"model_b": None}
    rows[5] |= {"model_b": rows[5]["model_a"]}
    return [*rows, b"no json", rows[0]]


def test_a_run_becomes_games(tmp_path: Path) -> None:
    (system,) = read_run(judged(tmp_path, arena_rows()))
    assert system.origin is not None
    found = read_games(system.origin, system.decisions, ("model_a", "model_b"))
    assert found.models == ("ada", "bob", "cy") and found.clusters == 7
    assert found.left_out == {
        "a model against itself": 1,
        "failed: duplicate_id": 1,
        "failed: refused": 1,
        "no names of two models": 1,
    }
    assert len(found) == 37
    winner = {"response_1": 1.0, "response_2": 0.0, None: 0.5}
    assert found.points[0] == winner[system.decisions["p0"].preference]
    with pytest.raises(UsageError, match="no judged row with left and right"):
        read_games(system.origin, system.decisions, ("left", "right"))
    (tmp_path / "in.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="is not the input that was judged"):
        read_games(system.origin, system.decisions, ("model_a", "model_b"))


def test_the_command(tmp_path: Path) -> None:
    folder = judged(tmp_path, arena_rows())
    arguments = ["rank", str(folder), "--resamples", "50"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "3 models by" in done.stdout and "37 games on 7 prompts" in done.stdout
    assert "group" not in done.stdout
    written = (folder / "rank.json").read_bytes()
    ranking = Ranking.model_validate_json(written)
    assert ranking.games == 37 and len(ranking.meetings) == 3
    CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "again.json")])
    assert (tmp_path / "again.json").read_bytes() == written


def test_the_ranking_goes_into_a_folder_or_a_named_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(tmp_path, arena_rows())
    monkeypatch.chdir(tmp_path)
    for out, written in (("new/ranked", "new/ranked/rank.json"), ("named.json", "named.json")):
        done = CliRunner().invoke(app, ["rank", "run", "--out", out, "--resamples", "3"])
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[-1] == written and Path(written).is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (
            ["run", "--model-columns", "a"],
            "--model-columns: expected two names, as in a,b, not 'a'",
        ),
        (["run", "--model-columns", "a,a"], "expected two names"),
        (["run", "--model-columns", "x,y"], "has no judged row with x and y"),
        (["run", "--by", "bt"], "has no judgments by 'bt'; it has"),
        (["run", "--out", "no/such/rank.json"], "cannot write no/such/rank.json"),
    ],
)
def test_a_bad_command_is_one_line(
    arguments: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(tmp_path, arena_rows())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["rank", *arguments, "--resamples", "3"])
    assert done.exit_code == 2, done.output
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and expected in errors[0], done.stderr


def test_models_whose_names_look_the_same_are_told_apart() -> None:
    """ "oak" and "oak " are two models; so are two that differ in a character nobody sees."""
    models = ("elm", "oak", "oak ", "oak\u200b")
    ranking = rank(replace(few("a>b b>c c>d d>a"), models=models), "j", resamples=5)
    standings, matrix = tables(ranking)
    names = {row[0] for row in standings.rows}
    assert names == {"elm", "oak", "oak␣", "oak\\u200b"}
    assert set(matrix.columns) == {"", *names} and {row[0] for row in matrix.rows} == names
    assert {s.model for s in ranking.standings} == set(models), "as they are in rank.json"
    apart = rank(replace(few("a>b"), models=("oak", "oak ")), "j", resamples=2)
    assert apart.notes[0] == "group 1 (oak) won every game against group 2 (oak␣): 1"
