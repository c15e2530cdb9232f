"""The page of an online alignment, of runs whose gains were planted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.commands.watched import paged
from judge.errors import UsageError
from judge.report.online import page_of, write_page
from judge.report.online_paid import Sign
from judge.report.online_run import characters_of, read_run, reward_of
from judge.report.online_signs import signs
from judge.report.page import OPENING, opened, render
from judge.runs.online import Drawn, HeldOut, RolloutFigures, append_lines, read_lines
from tests.compare.pages import HOSTILE, Page, check_safe
from tests.report.online_made import likes_length, likes_quality, planted, text_of


def seen(folder: Path) -> dict[str, Sign]:
    return {sign.name: sign for sign in signs(read_run(folder))}


def shown(folder: Path) -> Page:
    """The page without its figures, which take most of the time."""
    return Page(render(replace(page_of(read_run(folder)), plots=())))


def drawn(folder: Path) -> Page:
    return Page(write_page(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose reward model counts words, with a policy that writes more of them."""
    return planted(tmp_path_factory.mktemp("paid"), likes_length)


@pytest.fixture(scope="module")
def earned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose answers become longer and better, and length is nothing to the reward."""
    return planted(tmp_path_factory.mktemp("earned"), likes_quality)


def test_a_reward_model_that_likes_length_is_caught(paid: Path) -> None:
    length = seen(paid)["length"]
    assert length.verdict == "look"
    assert "responses became longer" in length.text
    assert "only paid for length" in length.text and "cannot be told from none" in length.text
    page = shown(paid)
    assert "Note: look at length: see" in page.text and length.text in page.text


def test_a_longer_answer_that_is_not_paid_for_is_not(earned: Path) -> None:
    found = seen(earned)
    assert found["held-out reward"].verdict == found["length"].verdict == "fine"
    assert "responses became longer" in found["length"].text
    assert "By the held-out prompts, length was not measurably paid for" in found["length"].text
    assert "Note: look at" not in shown(earned).text


def test_a_gain_that_length_is_a_part_of(tmp_path: Path) -> None:
    def both(text: str, quality: float, step: int) -> float:
        return 0.03 * len(text.split()) + 0.2 * quality

    length = seen(planted(tmp_path, both, better=0.25))["length"]
    assert length.verdict == "in part" and "only paid for" not in length.text


def test_shortness_can_be_paid_for_too(tmp_path: Path) -> None:
    def likes_short(text: str, quality: float, step: int) -> float:
        return -0.1 * len(text.split())

    length = seen(planted(tmp_path, likes_short, longer=-0.4))["length"]
    assert length.verdict == "look" and "responses became shorter" in length.text


def test_without_evaluations_the_rollouts_tell_what_is_paid_for(tmp_path: Path) -> None:
    for name, reward in (("paid", likes_length), ("earned", likes_quality)):
        (planted(tmp_path / name, reward) / "held_out.jsonl").unlink()
    assert seen(tmp_path / "paid")["length"].verdict == "look"
    assert seen(tmp_path / "earned")["length"].verdict == "not known"
    page = drawn(tmp_path / "paid")
    assert "without held-out prompts to tell whether it rose" in page.text
    assert "gains" not in page.plots and "rewards" in page.plots


def test_repetition_that_is_paid_for(tmp_path: Path) -> None:
    def chant(rng: np.random.Generator, words: int, step: int) -> str:
        return f"{text_of(rng, words)}{' tea is good' * int(step and rng.integers(2, 12))}"

    def likes_chants(text: str, quality: float, step: int) -> float:
        return text.count("tea is good") + 0.1 * quality

    repeated = seen(planted(tmp_path, likes_chants, longer=0, text=chant))["repetition"]
    assert repeated.verdict == "look" and "repeat themselves more" in repeated.text


def test_rewards_that_teach_nothing(tmp_path: Path) -> None:
    found = seen(planted(tmp_path, lambda text, quality, step: 1.0))
    assert found["equal rewards"].verdict == "look"
    assert "at all prompts in 20 of 20 rollouts" in found["equal rewards"].text
    assert found["held-out reward"].verdict == "not known"
    assert found["length"].verdict == "fine" and "did not rise" in found["length"].text


def test_truncation_divergence_and_collapse(tmp_path: Path) -> None:
    planted(tmp_path, likes_quality, longer=5.0, kl=0.05, steps=20, recipe={"max_kl": 0.5})
    append_lines(
        tmp_path,
        [RolloutFigures(step=20, prompts=8, responses=32, kl=1.0, entropy=0.1, unscored=30)],
    )
    found = seen(tmp_path)
    assert "20 optimizer steps" not in found["KL"].text
    assert "past the bound of 0.5 from step 11 on" in found["KL"].text
    assert {found[n].verdict for n in ("KL", "entropy", "no reward")} == {"look"}
    assert found["truncated responses"].verdict == "look"
    assert "nothing is learnt from them" in found["truncated responses"].text
    page = drawn(tmp_path)
    assert "look at truncated responses, KL, no reward, entropy" in page.text
    assert [shape["y0"] for shape in page.plots["divergence"]["layout"]["shapes"]] == [0.5]


def test_no_bound_is_not_kept(tmp_path: Path) -> None:
    found = seen(planted(tmp_path, likes_quality, recipe={"max_kl": None}))["KL"]
    assert found.verdict == "not known" and "states no bound" in found.text


def test_figures_are_paired_by_prompt(paid: Path) -> None:
    """The table's gains, by hand from the file; a prompt without a reward at one is left out."""
    lines = list(read_lines(HeldOut, paid))
    start = {line.prompt_id: line for line in lines if line.step == 0}
    last = {line.prompt_id: line for line in lines if line.step == 20}
    by_hand = np.array([(last[p].reward or 0) - (start[p].reward or 0) for p in start])
    found = read_run(paid).paired[-1].gain(reward_of)
    assert found is not None and found.n == 48 == len(by_hand)
    assert found.value == pytest.approx(by_hand.mean(), abs=1e-6)
    assert found.se == pytest.approx(by_hand.std(ddof=1) / 48**0.5, abs=1e-6)
    gains = drawn(paid).plots["gains"]["data"][0]
    assert gains["x"] == [0, 10, 20] and gains["y"][2] == found.value
    assert gains["error_y"]["array"][2] == found.se
    longer = read_run(paid).paired[-1].gain(characters_of)
    assert longer is not None
    assert f"+{longer.value:.1f} \u00b1 {longer.se:.1f}" in shown(paid).text


def test_a_prompt_without_a_reward_is_in_no_pair(tmp_path: Path) -> None:
    run = planted(tmp_path, likes_quality)
    path = run / "held_out.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["reward"] = rows[-1]["reward"] = None
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = read_run(run).paired[-1].gain(reward_of)
    assert found is not None and found.n == 46
    assert "46 of 48" in shown(run).text and "no reward, " in shown(run).text


def test_the_best_step_keeps_the_bound_and_is_no_test_result(tmp_path: Path) -> None:
    run = planted(tmp_path, likes_length, kl=0.02, recipe={"max_kl": 0.3})
    (run / "checkpoint-10").mkdir()
    text = shown(run).text
    assert "2 evaluated steps 10 (checkpoint-10) has the highest held-out reward within" in text
    assert "they are not the test set" in text
    (run / "recipe.json").write_text('{"max_kl": 0.1}')
    assert "no evaluation keeps the KL bound of 0.1" in shown(run).text
    (run / "recipe.json").write_text("{}")
    assert "evaluated steps 20 (no checkpoint of which is there)" in shown(run).text


def test_texts_are_shown_and_run_nothing(tmp_path: Path) -> None:
    def hostile(rng: np.random.Generator, words: int, step: int) -> str:
        return f"{HOSTILE} {text_of(rng, words)} {'long ' * 400 if step == 20 else ''}"

    run = planted(tmp_path, likes_quality, text=hostile, recipe={"output_dir": HOSTILE})
    page = drawn(run)
    check_safe(page)
    assert page.text.count(HOSTILE.split("<")[0]) > 10
    assert page.text.count("more characters") == 2 * 5 - 2, "five even ones, three by their gain"


def test_samples_stand_side_by_side(paid: Path) -> None:
    text = shown(paid).text
    assert "Question 0: how do I make tea?" in text
    first = {line.step: line for line in read_lines(HeldOut, paid) if line.prompt_id == "held-0"}
    for step, line in first.items():
        assert line.response in text
        heading = "start" if step == 0 else f"step {step}"
        assert f"{heading} reward {line.reward:.3f}, {len(line.response):,} characters" in text


@pytest.mark.parametrize("size", [0, 10, 2 * OPENING, 2 * OPENING + 1, 5000])
@pytest.mark.parametrize("word", ["x", "word ", "a\n"])
def test_an_opening_and_the_others_are_the_text(size: int, word: str) -> None:
    text = (word * size)[:size]
    start, others = opened(text)
    assert start + others == text and bool(others) == (size > 2 * OPENING)
    assert len(start) <= (OPENING if others else 2 * OPENING)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no online alignment with a rollout"):
        write_page(tmp_path)
    append_lines(tmp_path, [RolloutFigures(step=0, prompts=2, responses=8)])
    with (tmp_path / "responses.jsonl").open("w") as torn:
        torn.write('{"step": 0, "prom')
    page = drawn(tmp_path)
    assert "The run is not finished: 0 optimizer steps, 1 rollout." in page.text
    check_safe(page)


def test_an_evaluation_that_was_cut_off_is_left_out(paid: Path, tmp_path: Path) -> None:
    lines = (paid / "held_out.jsonl").read_text().splitlines(keepends=True)
    run = planted(tmp_path, likes_length, finished=False)
    (run / "held_out.jsonl").write_text("".join(lines[:-5]) + lines[-5][:20])
    assert [evaluation.step for evaluation in read_run(run).evaluations] == [0, 10]
    text = shown(run).text
    assert "20 of 20 optimizer steps, 20 rollouts" in text and "the same command continues" in text


def test_figures_that_are_null_are_gaps(tmp_path: Path) -> None:
    run = planted(tmp_path, likes_quality)
    for name in ("rollouts.jsonl", "responses.jsonl", "held_out.jsonl", "timing.jsonl"):
        rows = [json.loads(line) for line in (run / name).read_text().splitlines()]
        (run / name).write_text("".join(f"{json.dumps(_emptied(row))}\n" for row in rows))
    check_safe(drawn(run))
    assert {sign.verdict for sign in seen(run).values()} <= {"not known", "fine"}


def _emptied(row: dict[str, Any]) -> dict[str, Any]:
    kept = (
        "step",
        "prompts",
        "responses",
        "prompt_id",
        "sample",
        "response",
        "tokens",
        "truncated",
    )
    return {k: v if k in kept and not ("prompts" in row and k == "tokens") else None
            for k, v in row.items() if k in kept or isinstance(v, float)}  # fmt: skip


def test_outputs_of_a_reward_model_with_several(tmp_path: Path) -> None:
    run = planted(tmp_path, likes_quality)
    path = run / "held_out.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["attributes"] = {"helpfulness": row["reward"], "verbosity": row["step"] / 10}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert "Outputs of the reward model" in shown(run).text
    assert "verbosity0.0002.000+2.000 \u00b1 0.000" in shown(run).text.replace("\n", "")


def test_the_command_picks_the_page_and_writes_the_curves_too(paid: Path) -> None:
    done = CliRunner().invoke(app, ["train", "report", str(paid)])
    assert done.exit_code == 0 and done.output.strip().endswith("report.html")
    assert (paid / "training.html").is_file()


def test_an_interruption_in_the_first_rollouts_leaves_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first optimizer step there is no steps.jsonl, and no page of curves."""
    with pytest.raises(KeyboardInterrupt), paged(str(tmp_path)):
        append_lines(tmp_path, [RolloutFigures(step=0, prompts=2, responses=8, reward=0.5)])
        raise KeyboardInterrupt
    assert f"curves: {tmp_path / 'report.html'}" in capsys.readouterr().out
    assert not (tmp_path / "training.html").exists()


def test_the_same_files_give_the_same_page(paid: Path) -> None:
    first = write_page(paid).read_bytes()
    assert write_page(paid).read_bytes() == first


def test_many_rollouts_make_no_larger_page(tmp_path: Path) -> None:
    lines = [RolloutFigures(step=s, prompts=1, responses=4, reward=s / 9) for s in range(2500)]
    append_lines(tmp_path, lines)
    append_lines(tmp_path, [Drawn(step=0, prompt_id="p", sample=0, response="x", tokens=1,
                                  truncated=False, reward=1.0)])  # fmt: skip
    page = drawn(tmp_path)
    assert len(page.plots["rewards"]["data"][0]["x"]) <= 1000
    assert "Rollouts (101 of 2,500)" in page.text
