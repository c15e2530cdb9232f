"""Differences of two models on the same pairs, by hand."""

from __future__ import annotations

import pytest

from judge.errors import UsageError
from judge.train.ablation.paired_table import compare, render

ONE = [1.0] * 60 + [0.0] * 40
TWO = [1.0] * 45 + [0.0] * 15 + [1.0] * 5 + [0.0] * 35
"""Of 100 pairs 15 that only ONE has, 5 that only TWO has."""


def test_a_difference_by_hand() -> None:
    (found,) = compare((("one", "two"),), {"one": [ONE], "two": [TWO]})
    assert (found.pairs, found.first_better, found.second_better) == (100, 15, 5)
    assert found.difference == pytest.approx(0.10)
    # sd of the gains: sqrt(0.20 - 0.10^2) = 0.43589; standard error 0.043589.
    assert found.low == pytest.approx(0.10 - 1.96 * 0.0436, abs=0.02)
    assert found.high == pytest.approx(0.10 + 1.96 * 0.0436, abs=0.02)
    assert found.seen == pytest.approx((1.95996 + 0.84162) * 0.043589, abs=1e-4)


def test_seeds_are_averaged_before_pairs_are_compared() -> None:
    (found,) = compare((("one", "two"),), {"one": [ONE, TWO], "two": [TWO, ONE]})
    assert found.difference == 0 and found.seen == 0
    assert (found.low, found.high) == (0, 0)  # the two never differ
    (half,) = compare((("one", "two"),), {"one": [ONE, ONE], "two": [TWO, ONE]})
    assert half.difference == pytest.approx(0.05)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="compare: no three; there are one, two"):
        compare((("one", "three"),), {"one": [ONE], "two": [TWO]})


def test_the_table_is_in_points() -> None:
    found = compare((("bt-from_base", "two"),), {"bt-from_base": [ONE], "two": [TWO]})
    lines = render(found).splitlines()
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|") == 7
    assert lines[2].startswith("| bt, from base | two | +10.0 [+")
    assert lines[2].endswith("| 15 | 5 | 12.2 |")
    assert render([]) == ""
