"""What becomes of the answers of a round, by hand: pairs, figures, whose turn it is."""

from __future__ import annotations

from typing import Any

import pytest

from judge.online.iterative.figures import (
    RoundFigures,
    held_out_line,
    paired_gain,
    pairs_line,
    reward_by_prompt,
    side_figures,
)
from judge.online.iterative.pairs import ScoredAnswer, best_and_worst, pairs_of
from judge.online.iterative.prompts import Prompt, of_round
from judge.pair import Message
from judge.runs.responses import Responses


def answer(
    name: str, text: str, reward: float | None, sample: int = 0, finish: Any = "stop"
) -> ScoredAnswer:
    said = Responses(
        id=name,
        sample=sample,
        prompt=(Message(role="user", content=f"Ask {name}"),),
        responses=(text,),
        model="m",
        finish=(finish,),
        tokens=(len(text.split()),),
        length=(len(text),),
    )
    return ScoredAnswer(said, reward)


def test_the_best_and_the_worst_become_a_pair() -> None:
    answers = [
        answer("a", "middle", 1.0),
        answer("a", "low", -2.0),
        answer("a", "high", 3.0),
        answer("a", "cut but higher", 9.0, finish="length"),
        answer("b", "x", 1.0),
        answer("b", "y", 1.0),
        answer("c", "only", 1.0),
        answer("c", "nothing said of it", None),
        answer("d", "same  text", 2.0),
        answer("d", "same text\n", 1.0),
        answer("e", "one", 0.0),
        answer("e", "two", -1.0),
    ]
    found = pairs_of(answers, prompts=6, missing=3, source="round-1")
    assert [
        (r["pair_id"], r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in found.rows
    ] == [
        ("a", "high", "low"),
        ("e", "one", "two"),
    ]
    row = found.rows[0]
    assert (row["reward_chosen"], row["reward_rejected"], row["margin"]) == (3.0, -2.0, None)
    assert row["prompt"] == [{"role": "user", "content": "Ask a"}]
    assert found.counts() == {
        "pairs": 2,
        "left_out": {"equal_rewards": 1, "identical_texts": 1, "too_few": 2},
        "answers_left_out": {"no_answer": 3, "no_reward": 1, "truncated": 1},
    }


def test_of_equal_rewards_the_first_is_taken_and_negative_ones_count_as_they_are() -> None:
    several = [answer("a", t, r) for t, r in (("p", -5.0), ("q", -1.0), ("r", -1.0), ("s", -5.0))]
    chosen = best_and_worst(several)
    assert not isinstance(chosen, str)
    assert [one.text for one in chosen] == ["q", "p"]
    assert best_and_worst([answer("a", "x", 1.0), answer("a", " x", 1.0)]) == "identical_texts"


def test_the_figures_by_hand() -> None:
    before = {"a": 1.0, "b": 2.0, "c": 5.0}
    gain = paired_gain(before, {"a": 2.0, "b": 5.0, "d": 9.0})
    assert gain is not None
    assert (gain.mean, gain.standard_error, gain.prompts) == (2.0, 1.0, 2)
    assert paired_gain(before, {"x": 1.0}) is None
    only = paired_gain(before, {"c": 4.0})
    assert only is not None and only.standard_error is None
    answers = [
        answer("a", "one two", 1.0),
        answer("a", "three", 2.0, finish="length"),
        answer("b", "four", None),
    ]
    assert reward_by_prompt(answers) == {"a": 1.5}
    side = side_figures(answers, prompts=3, failed=1)
    assert (side.mean_reward, side.unscored, side.failed) == (1.5, 1, 1)
    assert side.mean_tokens == pytest.approx(4 / 3, abs=1e-6)
    assert side.truncated_share == pytest.approx(1 / 3, abs=1e-6)
    counts = {"train": pairs_of(answers, 3, 1, "r").counts()}
    figures = RoundFigures(round=2, policy="p", held_out=side, gain=gain, pairs=counts)
    assert held_out_line(figures) == (
        "round 2, p on 3 held-out prompts: reward +1.500 (gain over the start +2.000 +- 1.000),"
        " 1 tokens, truncated 33%"
    )
    assert pairs_line(figures) == (
        "round 2: 0 pairs; left out: 3 too few, 1 no answer, 1 no reward, 1 truncated"
    )


def test_rounds_take_the_prompts_in_turn() -> None:
    prompts = [Prompt(str(i), ()) for i in range(5)]
    taken = [[p.id for p in of_round(prompts, n, 2)] for n in (1, 2, 3)]
    assert taken == [["0", "1"], ["2", "3"], ["4", "0"]]
    assert of_round(prompts, 2, None) == prompts == of_round(prompts, 1, 9)
