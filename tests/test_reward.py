"""Rewards of a pair: what follows from them, and what does not."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import RowError
from judge.judgment import Judgment
from judge.reward import (
    DIGITS,
    Objective,
    Rewards,
    Scored,
    ScorerFailure,
    check_weights,
    no_rewards,
    pair_rewards,
)

FIVE = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
rewards = st.floats(-50, 50)
objectives = st.sampled_from(get_args(Objective))


def one(first: float, second: float, objective: Objective = "bt") -> Rewards:
    said = pair_rewards([first], [second], ("reward",), {"reward": 1.0}, objective)
    assert isinstance(said, Rewards)
    return said


@given(rewards, rewards, objectives)
def test_the_preference_is_the_higher_reward_s(a: float, b: float, objective: Objective) -> None:
    said = one(a, b, objective)
    x, y = said.pair
    assert (abs(x - a), abs(y - b)) < (1e-6, 1e-6)
    assert said.scored.preference == (None if x == y else "response_1" if x > y else "response_2")
    if objective == "regression":
        assert said.scored.probability is None
    else:
        assert said.scored.probability == pytest.approx(1 / (1 + math.exp(y - x)), abs=1e-6)


@pytest.mark.parametrize("value", [0.0, -3.25, 1e30])
def test_a_tie_is_no_preference(value: float) -> None:
    said = one(value, value)
    assert said.scored.preference is None
    assert said.scored.probability == 0.5
    assert one(value, value, "regression").scored.probability is None


def test_a_difference_below_the_digits_of_a_file_is_a_tie() -> None:
    """Rounding noise of a batch decides nothing."""
    assert one(1.0, 1.0 + 10.0 ** -(DIGITS + 1)).scored.preference is None
    assert one(1.0, 1.0 + 10.0**-DIGITS * 2).scored.preference == "response_2"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_no_number_is_a_failure(bad: float, side: int) -> None:
    values = [[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]]
    values[side][3] = bad
    said = pair_rewards(*values, FIVE, {"helpfulness": 1.0}, "regression")
    assert isinstance(said, RowError) and said.reason == "engine_error"
    assert "complexity" in said.detail


def test_several_outputs_are_one_weighted_reward() -> None:
    weights = {"helpfulness": 0.5, "verbosity": -0.25}
    said = pair_rewards([4, 3, 2, 1, 0], [0, 1, 2, 3, 4], FIVE, weights, "regression")
    assert isinstance(said, Rewards)
    assert said.pair == (2.0, -1.0)
    assert said.scored.preference == "response_1" and said.scored.probability is None
    assert list(said.scored.attributes) == list(FIVE)
    assert said.scored.attributes["correctness"] == [3.0, 1.0]


@given(rewards, rewards, objectives)
def test_flipping(a: float, b: float, objective: Objective) -> None:
    scored = one(a, b, objective).scored
    assert scored.flipped() == one(b, a, objective).scored
    assert scored.flipped().flipped() == scored


@given(st.tuples(*[rewards] * 5), st.tuples(*[rewards] * 5))
def test_flipping_a_judgment_flips_its_scorers(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    said = pair_rewards(a, b, FIVE, {"helpfulness": 1.0, "coherence": 0.3}, "regression")
    assert isinstance(said, Rewards)
    failed = no_rewards(RowError("prompt_too_long", "9 tokens; the limit is 8"))
    judgment = Judgment(
        pair_id="p",
        preference=said.scored.preference,
        strength=None,
        probability=None,
        consistent=None,
        statement=None,
        elaboration=None,
        orders={},
        rewards={"m": list(said.pair)},
        scorers={"m": said.scored, "broken": failed},
    )
    flipped = judgment.flipped()
    assert flipped.rewards["m"] == list(said.pair)[::-1]
    assert flipped.scorers["m"].attributes["verbosity"] == [round(b[4], 6), round(a[4], 6)]
    assert flipped.scorers["broken"] == failed
    assert flipped.flipped() == judgment
    assert Judgment.from_json(judgment.to_json()) == judgment


def test_a_line_holds_only_what_there_is() -> None:
    assert one(1, 0).scored.to_json().keys() == {"preference", "probability"}
    failed = no_rewards(RowError("engine_error", "no"))
    assert failed.to_json() == {
        "preference": None,
        "probability": None,
        "failure": {"reason": "engine_error", "detail": "no"},
    }
    failure = ScorerFailure(reason="engine_error", detail="no")
    assert failed == Scored(preference=None, probability=None, failure=failure)


@pytest.mark.parametrize(
    ("weights", "wrong"),
    [
        ({"helpfulness": 1.0}, None),
        ({"helpfulness": 1.0, "verbosity": -1.0}, None),
        ({"truth": 1.0}, "no output truth; the model has helpfulness"),
        ({"helpfulness": 0.0}, "every weight is 0"),
        ({}, "every weight is 0"),
        ({"helpfulness": math.nan}, "not a finite number"),
    ],
)
def test_weights_that_fit(weights: dict[str, float], wrong: str | None) -> None:
    found = check_weights(weights, FIVE)
    assert (found is None) if wrong is None else (found is not None and wrong in found)
