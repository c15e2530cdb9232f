"""Accuracy, ties, failures and paired tests, by hand and against scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from judge.compare.accuracy import SystemAccuracy, accuracies
from judge.compare.columns import Column, credit
from judge.compare.significance import holm, mcnemar, paired_tests, permutation
from judge.metrics.estimate import Estimate
from judge.metrics.intervals import wilson
from tests.compare.made import Said, made_column, people

LABELS: list[Said] = [-1, -1, 1, 1, 1, 0, "unlabelled", None, -1, 1]
JUDGE: list[Said] = [-1, 1, 1, 0, "refused", 1, 1, 1, None, 1]
"""Of the labelled pairs 0-4, 8, 9: right, wrong, right, tie, failed, not asked of, right."""


def only(systems: list[Column], labels: Column, weights: Any = None) -> SystemAccuracy:
    return accuracies(systems, labels, weights, seed=0)[0]


def test_accuracy_by_hand() -> None:
    found = only([made_column("judge", JUDGE)], people(LABELS))
    assert (found.right, found.wrong, found.ties, found.failed) == (3, 1, 1, 1)
    assert found.accuracy.n == 6
    assert found.accuracy.value == pytest.approx(3.5 / 6, abs=1e-6)
    assert found.accuracy.interval == pytest.approx(wilson(3.5, 6), abs=1e-6)
    assert found.ties_wrong.value == pytest.approx(3 / 6)
    assert found.failures_half.value == pytest.approx(4 / 6, abs=1e-6)
    assert found.failures_left_out.value == pytest.approx(3.5 / 5)
    assert found.failures_left_out.n == 5
    assert found.weighted is None


def test_weighted_accuracy_by_hand() -> None:
    weights = np.array([2.0, 1, 1, 4, 0, 9, 9, 9, 9, np.nan])
    found = only([made_column("judge", JUDGE)], people(LABELS), weights).weighted
    assert found is not None and found.n == 5
    assert found.value == pytest.approx((2 + 0 + 1 + 2 + 0) / 8)
    assert found.interval is not None and found.interval[0] < found.value < found.interval[1]


def test_equal_weights_change_nothing() -> None:
    rng = np.random.default_rng(0)
    labels, judge = (rng.choice([-1, 1], 300).tolist() for _ in range(2))
    found = only([made_column("judge", judge)], people(labels), np.full(300, 2.0))
    assert found.weighted is not None and found.accuracy.value == found.weighted.value
    assert found.weighted.interval == pytest.approx(found.accuracy.interval, abs=0.01)


def test_the_common_pairs_are_those_that_every_model_was_asked_of() -> None:
    labels = people([-1, -1, -1, -1])
    one = made_column("one", [-1, 1, -1, None])
    two = made_column("two", [-1, None, "refused", -1], kind="reward_model")
    length = made_column("length", [None, None, 1, 1], kind="baseline")
    found = {a.system: a.common for a in accuracies([one, two, length], labels, None, 0)}
    assert found["one"].n == found["two"].n == 2, "pairs 0 and 2; the baseline does not narrow them"
    assert (found["one"].value, found["two"].value) == (1.0, 0.5)
    assert found["length"].n == 1


@pytest.mark.parametrize(
    ("judge", "labels", "why"),
    [
        ([-1], [None], "no pair has a label"),
        ([-1], ["spread"], "people prefer no response in any pair"),
        ([-1], [0], "people prefer no response in any pair"),
        ([None, 1], [1, None], "no labelled pair is among those of judge"),
        ([None, 1], [1, 0], "people prefer no response in any pair of judge"),
    ],
)
def test_what_cannot_be_computed_says_why(judge: Any, labels: Any, why: str) -> None:
    found = only([made_column("judge", judge)], people(labels), np.ones(len(judge)))
    assert found.accuracy == Estimate(value=None, n=0, why_not=why)
    assert found.weighted == Estimate(value=None, n=0, why_not=why)


def test_all_failures() -> None:
    found = only([made_column("judge", ["refused"] * 3)], people([-1, 1, 1]))
    assert found.accuracy.value == 0.0 and found.accuracy.n == 3
    assert found.failures_half.value == 0.5
    assert found.failures_left_out.why_not == "all 3 labelled pairs failed"


def test_weights_of_nothing() -> None:
    judge, labels = made_column("judge", [-1, 1]), people([-1, -1])
    assert only([judge], labels, np.zeros(2)).weighted == Estimate(
        value=None, n=2, why_not="every weight is 0"
    )
    found = only([judge], labels, np.full(2, np.nan)).weighted
    assert found is not None and found.why_not == "no labelled pair has a weight"


sides = st.sampled_from([-1, 1])
answers = st.sampled_from([-1, 1, 0, "refused", None])
rows = st.lists(st.tuples(st.sampled_from([-1, 1, 0, None]), answers, answers), min_size=1)


def flipped(said: list[Said]) -> list[Said]:
    return [-what if isinstance(what, int) else what for what in said]


@given(rows)
def test_relabelling_the_responses_changes_no_accuracy(given_rows: list[Any]) -> None:
    labels, one, two = (list(column) for column in zip(*given_rows, strict=True))
    found, turned = (
        accuracies([made_column("1", a), made_column("2", b)], people(c), None, 0)
        for a, b, c in ((one, two, labels), (flipped(one), flipped(two), flipped(labels)))
    )
    assert found == turned


@given(rows)
def test_credit_is_bounded_and_a_tie_lies_between(given_rows: list[Any]) -> None:
    labels, one, _ = (list(column) for column in zip(*given_rows, strict=True))
    judge, truth = made_column("judge", one), people(labels)
    least, most = credit(judge, truth, tie=0, failure=0), credit(judge, truth, tie=1, failure=1)
    half = credit(judge, truth, failure=0.5)
    counted = ~np.isnan(half)
    assert ((least <= half) & (half <= most))[counted].all()
    assert (np.isnan(least) == np.isnan(half)).all()


def test_a_paired_test_by_hand() -> None:
    labels = people([1] * 10)
    one = made_column("one", [1, 1, 1, 1, 1, 1, -1, 0, None, "refused"])
    two = made_column("two", [1, -1, -1, -1, -1, 0, 1, -1, 1, "refused"])
    (found,) = paired_tests([one, two], labels, None, 0)
    assert (found.first_better, found.second_better) == (6, 1)
    assert found.p == pytest.approx(binomtest(6, 7).pvalue, abs=1e-6)
    # Earned: 4 whole pairs and two halves more, one pair less, of the nine that both were asked of.
    assert found.difference.n == 9
    assert found.difference.value == pytest.approx((5 - 1) / 9, abs=1e-6)
    assert found.p_holm == found.p and found.weighted_p is None


def test_the_interval_of_bonett_and_price() -> None:
    """10 of 30 pairs for one, 3 for the other: (b + 1) / (n + 2) = 11/32, (c + 1) / (n + 2) = 4/32;
    the difference 7/32 with the error sqrt((15/32 - (7/32)^2) / 32) = 0.114691."""
    labels = people([1] * 30)
    one = made_column("one", [1] * 10 + [-1] * 3 + [1] * 17)
    two = made_column("two", [-1] * 10 + [1] * 3 + [1] * 17)
    (found,) = paired_tests([one, two], labels, None, 0)
    assert found.difference.value == pytest.approx(7 / 30, abs=1e-6)
    ends = 7 / 32 - 1.959964 * 0.114691, 7 / 32 + 1.959964 * 0.114691
    assert found.difference.interval == pytest.approx(ends, abs=1e-5)


@given(rows)
def test_exchanging_the_systems_mirrors_the_test(given_rows: list[Any]) -> None:
    labels, one, two = (list(column) for column in zip(*given_rows, strict=True))
    first, second, truth = made_column("1", one), made_column("2", two), people(labels)
    (found,) = paired_tests([first, second], truth, None, 0)
    (other,) = paired_tests([second, first], truth, None, 0)
    assert found.p == other.p
    assert (found.first_better, found.second_better) == (other.second_better, other.first_better)
    if found.difference.value is not None and found.difference.interval is not None:
        low, high = found.difference.interval
        assert other.difference.value == pytest.approx(-found.difference.value)
        assert other.difference.interval == pytest.approx((-high, -low), abs=2e-6)
        assert low <= found.difference.value <= high


def test_no_pair_in_common() -> None:
    one, two = made_column("one", [1, None]), made_column("two", [None, 1])
    (found,) = paired_tests([one, two], people([1, 1]), np.ones(2), 0)
    why = "no labelled pair that both were given"
    assert found.difference.why_not == why and found.p is found.p_holm is None
    assert found.weighted_difference is not None and found.weighted_difference.value is None


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_binomial_test(b: int, c: int) -> None:
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, abs=1e-6)


def test_mcnemar_of_the_textbook() -> None:
    """Fagerland, Lydersen and Laake 2013, table 1: 1 and 7 discordant pairs, exact p 0.070."""
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)


def test_holm_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, None, 0.6]) == [1.0, None, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_only_raises_and_keeps_the_order(ps: list[float]) -> None:
    adjusted = [p for p in holm(ps) if p is not None]
    assert all(a >= p - 1e-6 for a, p in zip(adjusted, ps, strict=True))
    assert [a for _, a in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)


def test_the_permutation_test_of_few_gains_is_exact() -> None:
    """Of the 16 signs of four gains, as far from 0 as 1 + 2 + 3 + 4: all plus and all minus."""
    assert permutation(np.array([1.0, 2, 3, 4]), 0) == pytest.approx(2 / 16)
    assert permutation(np.array([1.0, 2]), 0) == pytest.approx(2 / 4)
    assert permutation(np.array([0.0, 5, 0]), 0) == permutation(np.array([0.0, 0]), 0) == 1.0


def test_the_permutation_test_of_equal_weights_is_mcnemars() -> None:
    gains = np.repeat([1.0, -1.0, 0.0], [40, 20, 100])
    assert permutation(gains, 3) == pytest.approx(mcnemar(40, 20), abs=0.005)
    assert permutation(gains, 3) == permutation(gains, 3)
