"""Both orders reconciled, and the lines of a run folder."""

from __future__ import annotations

import json
import math

import orjson
import pytest
from hypothesis import given
from pydantic import ValidationError

from judge.judgment import Failure, Judgment, reconcile
from judge.verdict import STRENGTHS, Distribution, Order, Verdict, render_statement
from tests import strategies

OTHER: dict[Order, Order] = {"given": "flipped", "flipped": "given"}


def verdict(
    strength: int, shares: list[float] | None = None, elaboration: str | None = None
) -> Verdict:
    """A verdict in the words of its own order; ``shares`` are the probabilities of the six."""
    distribution = shares and Distribution.model_validate(
        {"log_probs": [math.log(p) if p else -math.inf for p in shares]}
    )
    return Verdict(
        strength=strength,
        statement=render_statement(strength),
        elaboration=elaboration,
        distribution=distribution or None,
        finish_reason="stop",
    )


def sure(strength: int, probability: float = 1.0) -> list[float]:
    """Shares with ``probability`` on ``strength`` and the rest on its opposite."""
    return [
        probability if s == strength else (1 - probability if s == -strength else 0)
        for s in STRENGTHS
    ]


def test_probability_is_the_sigmoid_of_the_mean_log_odds() -> None:
    # Given: P(1) = 0.8, odds 4. Flipped: the model saw Response 1 second and gave it 0.5, odds 1.
    # The geometric mean of the odds is 2, so P = 2/3; the mean of the probabilities is not asked.
    judgment = reconcile(
        "p", {"given": verdict(-2, sure(-2, 0.8)), "flipped": verdict(-2, sure(-2, 0.5))}
    )
    assert judgment.probability == pytest.approx(2 / 3, abs=1e-6)
    assert judgment.preference == "response_1"
    assert judgment.strength == -2
    assert judgment.statement == "@Response 1 is better than @Response 2."
    assert judgment.consistent is False


def test_agreeing_orders() -> None:
    judgment = reconcile(
        "p",
        {
            "given": verdict(3, sure(3, 0.9), "@Response 2 is right."),
            "flipped": verdict(-3, sure(-3, 0.99), "@Response 1 is right, @Response 2 wrong."),
        },
    )
    assert judgment.preference == "response_2"
    assert judgment.strength == 3
    assert judgment.consistent is True
    # 9 * 99 = 891, its root 29.85: P(2) = 29.85 / 30.85.
    assert judgment.probability == pytest.approx(
        1 - math.sqrt(891) / (1 + math.sqrt(891)), abs=1e-6
    )
    # The surer order speaks, in the names of the given order.
    assert judgment.elaboration == "@Response 2 is right, @Response 1 wrong."


def test_the_degree_comes_from_both_distributions() -> None:
    # Response 1 in both; slightly 0.5 + 0.1, much 0.3 + 0.6 of the two.
    given = [0.3, 0.1, 0.5, 0.04, 0.03, 0.03]
    flipped = [0.03, 0.03, 0.04, 0.1, 0.2, 0.6]
    judgment = reconcile("p", {"given": verdict(-1, given), "flipped": verdict(3, flipped)})
    assert judgment.strength == -3
    assert judgment.consistent is True


def test_one_order() -> None:
    judgment = reconcile("p", {"flipped": verdict(1, sure(1, 0.75), "@Response 2 it is.")})
    assert (judgment.preference, judgment.strength) == ("response_1", -1)
    assert judgment.probability == 0.75
    assert judgment.consistent is None
    assert judgment.elaboration == "@Response 1 it is."


def test_without_probabilities_disagreement_is_no_preference() -> None:
    judgment = reconcile("p", {"given": verdict(-2), "flipped": verdict(-2)})
    assert judgment.preference is None
    assert judgment.strength == 0
    assert judgment.probability is None
    assert judgment.statement is None
    assert judgment.elaboration is None
    assert judgment.consistent is False


def test_without_probabilities_agreement_takes_the_mean_degree() -> None:
    judgment = reconcile("p", {"given": verdict(-1), "flipped": verdict(3)})
    assert (judgment.preference, judgment.strength) == ("response_1", -2)
    assert judgment.probability is None
    assert judgment.consistent is True


@pytest.mark.parametrize(("strength", "probability"), [(-2, 1.0), (2, 0.0)])
def test_certainty(strength: int, probability: float) -> None:
    both = {
        "given": verdict(strength, sure(strength)),
        "flipped": verdict(-strength, sure(-strength)),
    }
    judgment = reconcile("p", both)  # type: ignore[arg-type]
    assert judgment.probability == probability
    assert judgment.strength == strength


def test_opposite_certainties_cancel() -> None:
    judgment = reconcile("p", {"given": verdict(-2, sure(-2)), "flipped": verdict(-2, sure(-2))})
    assert judgment.probability == 0.5
    assert judgment.preference is None
    assert judgment.strength == 0
    assert judgment.consistent is False


def test_an_order_that_chose_the_other_response_never_speaks() -> None:
    # Both texts chose what the model saw first, the given order more surely.
    judgment = reconcile(
        "p",
        {
            "given": verdict(-2, sure(-2, 0.9), "@Response 1 is clear."),
            "flipped": verdict(-1, sure(-1, 0.6), "@Response 1 is short."),
        },
    )
    assert judgment.preference == "response_1"
    assert judgment.elaboration == "@Response 1 is clear."


def test_nothing_to_reconcile() -> None:
    with pytest.raises(ValueError, match="p: no verdict"):
        reconcile("p", {})


@given(strategies.orders())
def test_reconciling_the_flipped_pair_gives_the_flipped_judgment(
    orders: dict[Order, Verdict],
) -> None:
    judgment = reconcile("p", orders)
    flipped = reconcile("p", {OTHER[order]: verdict for order, verdict in orders.items()})
    assert flipped == judgment.flipped()


@given(strategies.orders())
def test_flipping_a_judgment_twice_is_the_identity(orders: dict[Order, Verdict]) -> None:
    judgment = reconcile("p", orders).model_copy(update={"rewards": {"bt": [1.5, -0.5]}})
    assert judgment.flipped().flipped() == judgment
    assert judgment.flipped().rewards == {"bt": [-0.5, 1.5]}


@given(strategies.orders())
def test_a_judgment_says_one_thing(orders: dict[Order, Verdict]) -> None:
    judgment = reconcile("p", orders)
    assert (judgment.preference is None) == (judgment.strength == 0)
    if judgment.preference:
        assert (judgment.preference == "response_1") == (judgment.strength < 0)
        assert judgment.statement == render_statement(judgment.strength)
        if judgment.probability is not None:
            assert (judgment.probability >= 0.5) or judgment.preference == "response_2"
    assert (judgment.consistent is None) == (len(orders) == 1)


@given(strategies.orders())
def test_a_line_of_the_run_folder_reads_back(orders: dict[Order, Verdict]) -> None:
    judgment = reconcile("p", orders, neutralised=2)
    line = orjson.dumps(judgment.to_json())
    assert json.loads(line) == orjson.loads(line)
    again = Judgment.from_json(orjson.loads(line))
    assert orjson.dumps(again.to_json()) == line
    assert again.model_copy(update={"orders": {}}) == judgment.model_copy(update={"orders": {}})
    assert {o: v.statement for o, v in again.orders.items()} == {
        o: v.statement for o, v in orders.items()
    }


def test_the_fields_of_a_line() -> None:
    row = reconcile("p", {"given": verdict(-2, sure(-2, 0.9))}).to_json()
    assert list(row) == [
        "pair_id",
        "preference",
        "strength",
        "probability",
        "consistent",
        "statement",
        "elaboration",
        "orders",
        "rewards",
        "neutralised",
    ]
    assert row["orders"]["given"]["log_probs"] == [None, -0.105361, None, None, -2.302585, None]


def test_orders_are_written_in_one_sequence() -> None:
    one, two = verdict(-2), verdict(2)
    forward = reconcile("p", {"given": one, "flipped": two})
    backward = reconcile("p", {"flipped": two, "given": one})
    assert orjson.dumps(forward.to_json()) == orjson.dumps(backward.to_json())


def test_a_damaged_line_is_refused() -> None:
    row = reconcile("p", {"given": verdict(-2)}).to_json()
    with pytest.raises(ValidationError, match="strength"):
        Judgment.from_json({**row, "strength": "much"})
    with pytest.raises(ValidationError, match="confidence"):
        Judgment.from_json({**row, "confidence": 1})


@given(strategies.failures)
def test_flipping_a_failure_twice_is_the_identity(failure: Failure) -> None:
    assert failure.flipped().flipped() == failure
    assert Failure.model_validate_json(failure.model_dump_json()) == failure
