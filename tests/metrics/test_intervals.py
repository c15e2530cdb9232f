"""Intervals against scipy, textbooks and each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from judge.metrics.intervals import MOST_FOR_BCA, bootstrap, weighted_share, wilson

shares = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(shares, st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_is_scipys(share: tuple[int, int], level: float) -> None:
    theirs = binomtest(*share).proportion_ci(level, method="wilson")
    assert wilson(*share, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_of_the_textbook() -> None:
    """Newcombe 1998, table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(shares)
def test_misses_mirror_hits(share: tuple[int, int]) -> None:
    hits, total = share
    low, high = wilson(hits, total)
    assert wilson(total - hits, total) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    assert 0 <= low <= hits / total <= high <= 1


def test_half_hits_lie_between_whole_ones() -> None:
    assert wilson(2, 9)[0] < wilson(2.5, 9)[0] < wilson(3, 9)[0]


@pytest.mark.parametrize(("hits", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_no_share_has_no_interval(hits: int, total: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, total)


@pytest.mark.parametrize("n", [400, MOST_FOR_BCA + 1000])
def test_the_bootstrap_of_a_mean_is_the_normal_theorys(n: int) -> None:
    values = np.random.default_rng(7).normal(size=n)
    error = values.std() / np.sqrt(n)
    expected = values.mean() + norm.ppf([0.025, 0.975]) * error
    assert bootstrap(np.mean, values) == pytest.approx(expected, abs=0.2 * error)


def test_the_bootstrap_of_a_weighted_share_with_equal_weights_is_wilsons() -> None:
    hits = np.repeat([1.0, 0.0], [300, 100])
    found = bootstrap(weighted_share, hits, np.full(400, 2.5))
    assert found == pytest.approx(wilson(300, 400), abs=0.01)


def test_rows_are_kept_together() -> None:
    """Every value goes with its own weight: where they are the same, so is the share."""
    weights = np.random.default_rng(1).random(50)
    assert bootstrap(lambda a, b, axis: (a - b).sum(axis=axis), weights, weights) is None


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(3).random(200)
    assert bootstrap(np.mean, values, seed=5) == bootstrap(np.mean, values, seed=5)
    assert bootstrap(np.mean, values, seed=5) != bootstrap(np.mean, values, seed=6)


@pytest.mark.parametrize("values", [[], [1.0], [2.0] * 30])
def test_nothing_is_known_of_what_does_not_vary(values: list[float]) -> None:
    assert bootstrap(np.mean, values) is None


def test_a_sample_without_a_value_costs_no_interval() -> None:
    """Four of five weights are 0: some samples have no share at all."""
    found = bootstrap(weighted_share, [1, 0, 1, 0, 1], [1, 1, 0, 0, 0])
    assert found == (0.0, 1.0)
