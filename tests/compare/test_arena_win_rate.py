"""`judge arena pairs`: planted strengths, ties of the same text, failures and their bounds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from judge.compare.arena.contestants import with_baseline
from judge.compare.arena.plan import plan
from judge.compare.arena.tables import tables
from judge.compare.arena.win_rate import mean_by_prompt
from judge.errors import UsageError
from judge.formats.model_answers import read_questions
from judge.infer.respond.run import run as respond
from judge.metrics.intervals import wilson
from tests.compare.arenas import EXAMPLES, answers, bare, decider, play
from tests.scripted import write_rows
from tests.writers import ScriptedWriter
from tests.writers import config as answer_config

NAMES = ("pine", "fir", "yew")
PLANTED = {"oak": 0.0, "pine": 1.0, "fir": -0.5, "yew": 0.0}


def by_strength(one: str, two: str) -> float:
    """The log-odds planted for the models whose names the answers begin with."""
    return PLANTED[one.split()[0]] - PLANTED[two.split()[0]]


def grove(folder: Path, prompts: int) -> list[str]:
    return [answers(folder, n, [f"{n} {i}" for i in range(prompts)]) for n in ("oak", *NAMES)]


def test_planted_strengths_return(tmp_path: Path) -> None:
    script = decider(by_strength, sure=True)
    files = grove(tmp_path, 400)
    result, _, _ = play("pairs", tmp_path, files, "oak", script, every_pair=True)
    for one in (*result.results, *result.meetings):
        planted = 1 / (1 + math.exp(PLANTED[one.other] - PLANTED[one.model]))
        low, high = one.win_rate.interval or (1, 0)
        assert low < planted < high, (one.model, one.other, one.win_rate)
        assert one.win_rate.value == pytest.approx(planted, abs=0.06)
        assert (one.wins + one.ties + one.losses, one.failures, one.consistent) == (400, {}, 1.0)
        assert one.lowest == one.highest == one.win_rate.value == one.decided.value
    assert len(result.meetings) == 3
    assert result.judge is not None and result.judge.orders == 2


def test_the_place_of_an_answer_does_not_matter(tmp_path: Path) -> None:
    """A judge that always prefers what it sees first prefers nobody, and is said to."""
    files = grove(tmp_path, 40)
    result, _, _ = play("pairs", tmp_path, files, "oak", bare(lambda one, two: -3))
    for one in result.results:
        assert (one.win_rate.value, one.ties, one.consistent) == (0.5, 40, 0.0)
        assert one.decided.why_not == "no game has a winner"
    # In one order alone each stands first about as often: nobody gains much.
    alone = play("pairs", tmp_path / "1", files, "oak", bare(lambda one, two: -3), orders="given")
    assert all(0.2 < (one.win_rate.value or 0) < 0.8 for one in alone[0].results)


def test_identical_models_are_half_and_half_without_a_judge(tmp_path: Path) -> None:
    texts = [f"answer {n}" for n in range(20)]
    files = [answers(tmp_path, name, texts) for name in ("oak", "copy")]
    result, _, _ = play("pairs", tmp_path / "out", files, "oak", None)
    (one,) = result.results
    assert (one.win_rate.value, one.same, one.ties) == (0.5, 20, 20)
    assert one.win_rate.interval == pytest.approx(wilson(10, 20), abs=1e-6)
    assert result.judge is None and not (tmp_path / "out" / "run").exists()


def test_failures_are_in_no_rate_and_in_both_bounds(tmp_path: Path) -> None:
    """Ten prompts: two missing, one doubled, one empty, one refused; the other five are won."""
    base = [f"oak {n}" for n in range(10)]
    mine: list[str | None] = [f"long answer {n}" for n in range(10)]
    mine[0] = mine[1] = None
    mine[3], mine[4] = "", "REFUSE"
    files = [answers(tmp_path, "oak", base), answers(tmp_path, "pine", mine)]
    rows = json.loads((tmp_path / "pine.json").read_text())
    rows.append({**rows[0], "output": "another answer"})  # of question 2
    rows.append({**rows[1], "instruction": "Unasked?"})
    rows.append(rows[-2 - 1])  # the same answer once more: no harm
    (tmp_path / "pine.json").write_text(json.dumps(rows))
    longer = decider(lambda one, two: 9.0 * (len(one) - len(two)), sure=True)
    result, _, _ = play("pairs", tmp_path / "out", files, "oak", longer)
    (one,) = result.results
    assert (one.wins, one.ties, one.losses) == (5, 0, 0)
    assert one.failures == {
        "doubled_answer": 1, "empty_response": 1, "missing_answer": 2, "refused": 1,
    }  # fmt: skip
    assert (one.lowest, one.highest, one.win_rate.value) == (0.5, 1.0, 1.0)
    assert one.win_rate.interval == pytest.approx(wilson(5, 5), abs=1e-6)
    assert result.strangers == {"pine": 1}
    notes = "\n".join(result.notes)
    assert "pine answers 1 prompts twice in different words (the first: lines 1 and 9" in notes
    assert "2 prompts have no answer from" in notes and "1 answers of pine are to prompts" in notes
    assert result.lengths["pine"].empty == 1
    scores = next(iter(tables(result)))
    assert scores.rows[0][-2] == "5"
    assert "5 failures, in no rate; 50.0 % if all were lost, 100.0 % if all were won" in scores.note


def test_intervals_draw_prompts_not_samples(tmp_path: Path) -> None:
    """Ten samples a prompt that all say the same are as sure as one."""
    points = np.array([1, 0, 1, 1, 0, 1, 0, 0], dtype=float)
    prompts = np.arange(8)
    once = mean_by_prompt(points, prompts, "", 0, 500)
    often = mean_by_prompt(np.repeat(points, 10), np.repeat(prompts, 10), "", 0, 500)
    assert once.interval == often.interval and once.value == often.value
    assert (once.n, often.n) == (8, 80)


def test_samples_meet_samples(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{n}", "sample": k, "prompt": [{"role": "user", "content": f"Q{n}"}],
         "responses": [f"{name} {k} {'x' * n}"], "model": name, "finish": ["length"], "tokens": [n]}
        for name in ("oak", "pine") for n in range(4) for k in range(3)
    ]  # fmt: skip
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = decider(by_strength, sure=True)
    result, matches, _ = play("pairs", tmp_path / "out", [str(path)], "oak", script)
    assert (result.prompts, result.results[0].prompts, len(matches[0].games)) == (4, 4, 12)
    assert matches[0].games[1].pair_id == "q0~1:pine:oak"
    assert result.lengths["oak"].tokens == 1.5 and result.lengths["oak"].cut == 12


def test_answers_meet_across_layouts() -> None:
    files = [
        str(EXAMPLES / "alpaca_eval" / "oak.json"),
        f"b={EXAMPLES / 'mt_bench' / 'willow.jsonl'}",
    ]
    questions = read_questions(str(EXAMPLES / "mt_bench" / "question.jsonl"))
    others, base = with_baseline(files, "oak", questions)
    games = plan(others, base)
    assert [other.name for other in others] == ["b"]
    assert len(games) == 5 and all(game.judged for game in games)


@pytest.mark.parametrize(
    ("files", "baseline", "said"),
    [
        (["oak.json"], "oak", "no other model to compare with the baseline 'oak'"),
        (
            ["oak.json", "pine.json"],
            "elm",
            "no baseline 'elm': it is not a file, and the models are",
        ),
        (["oak.json", "again=oak.json", "again=pine.json"], "oak", "both hold answers of 'again'"),
        (["oak.json", "other.json"], "oak", "'other' answers none of the prompts of the baseline"),
        (
            ["oak.json", "ids.jsonl"],
            "oak",
            "names its question by id alone: give the question.jsonl",
        ),
        (["oak.json", "missing.json"], "oak", "cannot read"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    files: list[str], baseline: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("oak", "pine"):
        answers(Path(), name, [f"{name} {n}" for n in range(3)])
    row = {"instruction": "Another?", "output": "x", "generator": "other"}
    Path("other.json").write_text(json.dumps([row]))
    Path("ids.jsonl").write_text(
        json.dumps({"question_id": 1, "model_id": "ids", "choices": [{"turns": ["x"]}]})
    )
    with pytest.raises(UsageError) as caught:
        plan(*with_baseline(files, baseline))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_baseline_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    oak, pine = (answers(tmp_path, name, ["a", "b"]) for name in ("oak", "pine"))
    for given in ([pine], [oak, pine]):
        others, base = with_baseline(given, oak)
        assert (base.name, [c.name for c in others]) == ("oak", ["pine"])
    others, base = with_baseline([pine], f"start={oak}")
    assert base.name == "start"


def test_a_judge_of_its_own_answers_is_told(tmp_path: Path) -> None:
    files = [answers(tmp_path, name, ["a b", "c d"]) for name in ("oak", "pine")]
    rows = json.loads((tmp_path / "pine.json").read_text())
    (tmp_path / "pine.json").write_text(json.dumps([{**r, "output": "other"} for r in rows]))
    script = bare(lambda one, two: -1)
    own = [files[0], f"mini={files[1]}"]
    result = play("pairs", tmp_path / "o", own, "oak", script)[0]
    assert "mini judges answers of its own, which judges tend to prefer" in result.notes


def test_what_a_run_of_answers_lacks_is_told(tmp_path: Path) -> None:
    """Also where the baseline has no answer, so that no game shows it."""
    for name, prompts in (("oak", ["One?", "REFUSE", "Three?"]), ("pine", ["One?", "Three?"])):
        rows = [{"id": f"q{n}", "prompt": prompt} for n, prompt in enumerate(prompts)]
        source = write_rows(tmp_path / f"{name}.jsonl", rows)
        respond(answer_config(source, tmp_path / name, model=name, seed=1), ScriptedWriter)
    runs = [str(tmp_path / name) for name in ("oak", "pine")]
    result = play("pairs", tmp_path / "o", runs, "oak", bare(lambda one, two: -1))[0]
    assert [note for note in result.notes if "have no answer" in note] == [
        f"1 prompts of {tmp_path / 'oak'} have no answer: see failures.jsonl there"
    ]
    assert result.prompts == 2
