"""Paired gains, and how much of one goes with something else: figures by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from judge.metrics.gains import Gain, explained, explained_by, gain, within_groups


def test_a_gain_and_its_standard_error() -> None:
    found = gain([1.0, 2.0, 3.0, 4.0])
    assert found is not None and found.value == 2.5 and found.n == 4
    assert found.se == pytest.approx(math.sqrt(5 / 3) / 2, abs=1e-6)
    assert found.up and not found.down and found.beyond(3) and not found.beyond(4)
    assert gain([]) is None
    assert gain([3.0]) == Gain(3.0, None, 1) and not Gain(3.0, None, 1).up


def test_without_scatter_any_gain_is_one() -> None:
    same = gain([-0.5, -0.5])
    assert same is not None and same.z is None and same.down and not same.up
    none = gain([0.0, 0.0])
    assert none is not None and not none.up and not none.down


def test_what_is_all_explained_leaves_nothing() -> None:
    changes = [1.0, 4.0, 7.0, 2.0]
    found = explained([0.5 * change for change in changes], changes)
    assert found is not None and found.share == pytest.approx(1)
    assert found.part == 1.75 and found.rest.value == 0 and not found.rest.up and found.p < 1e-6


def test_a_line_by_hand() -> None:
    """y = 1 + 2 x with scatter: slope 1.9, intercept 1.15, residuals' variance .135 / 2."""
    found = explained([1.0, 3.3, 4.9, 6.8], [0.0, 1.0, 2.0, 3.0])
    assert found is not None
    assert found.slope == pytest.approx(1.9) and found.part == pytest.approx(2.85)
    assert found.rest.value == pytest.approx(1.15)
    assert found.rest.se == pytest.approx(
        math.sqrt(sum(e * e for e in (-0.15, 0.25, -0.05, -0.05)) / 2 * (1 / 4 + 1.5**2 / 5)),
        abs=1e-6,
    )


def test_nothing_is_explained_by_what_does_not_vary() -> None:
    assert explained([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]) is None
    assert explained([1.0, 2.0], [1.0, 2.0]) is None


def test_within_groups_is_not_between_them() -> None:
    """Over all y falls with x; within each group it rises."""
    xs, ys = [0.0, 1, 2, 10, 11, 12], [10.0, 11, 12, 0, 1, 2]
    found = within_groups(xs, ys, ["a"] * 3 + ["b"] * 3)
    assert found is not None and found.r == pytest.approx(1) and np.corrcoef(xs, ys)[0, 1] < 0
    assert within_groups([1.0, 1, 1], [1.0, 2, 3], ["a"] * 3) is None
    assert within_groups([1.0, 2, 3], [1.0, 2, 3], ["a", "b", "c"]) is None


def test_the_interval_covers() -> None:
    """Of 400 samples of no correlation, 95 % of the intervals hold 0."""
    rng, groups, hits = np.random.default_rng(3), [n // 4 for n in range(80)], 0
    for _ in range(400):
        found = within_groups(rng.normal(size=80).tolist(), rng.normal(size=80).tolist(), groups)
        assert found is not None
        hits += found.low <= 0 <= found.high
    assert 0.92 < hits / 400 < 0.98


def test_the_slope_within_groups_is_that_of_a_line_with_a_level_for_each() -> None:
    """Against least squares with a column for each group."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(10), 4)
    x = rng.normal(size=40)
    y = 0.7 * x + groups + rng.normal(size=40)
    columns = np.column_stack([x, groups[:, None] == np.arange(10)])
    solved, rss, *_ = np.linalg.lstsq(columns, y, rcond=None)
    se = math.sqrt(rss[0] / (40 - 11) * np.linalg.inv(columns.T @ columns)[0, 0])
    found = within_groups(x.tolist(), y.tolist(), groups.tolist())
    assert found is not None and found.free == 29
    assert (found.slope, found.slope_se) == pytest.approx((solved[0], se))


def test_a_gain_by_the_slope_of_other_observations() -> None:
    within = within_groups([0.0, 1, 2, 0, 1, 2], [0.0, 1.1, 1.9, 5, 6.1, 6.9], list("aaabbb"))
    assert within is not None and within.slope == pytest.approx(0.95)
    found = explained_by(Gain(4.0, 0.3, 10), Gain(2.0, 0.1, 10), within)
    assert found.part == pytest.approx(1.9) and found.rest.value == pytest.approx(2.1)
    assert found.rest.se == pytest.approx(math.hypot(0.3, 2 * within.slope_se), abs=1e-6)
    assert found.share == pytest.approx(0.475) and found.p < 0.01
