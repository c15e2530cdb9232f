"""Calibration by hand, against scikit-learn, and on systems whose temperature is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from judge.compare.calibration import BINS, Calibration, calibrations, ece
from judge.compare.rewards import reward_distributions
from tests.compare.made import made_column, people


def calibrated(labels: list[Any], probability: list[float | None], **fields: Any) -> Calibration:
    said = [None if p is None else int(np.sign(0.5 - p)) for p in probability]
    judge = made_column("judge", said, probability=probability, **fields)
    (found,) = calibrations([judge], people(labels), seed=0)
    return found


def drawn(n: int, temperature: float, seed: int = 0) -> tuple[list[int], list[float]]:
    """People's choices, and the probabilities of a system that is too sure by ``temperature``."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.5, n)
    labels = np.where(rng.random(n) < expit(odds), -1, 1)
    return labels.tolist(), expit(odds * temperature).tolist()


def test_the_error_by_hand() -> None:
    """Two in the bin 0.70 to 0.75 at 0.72, one right; one at 0.95, right; one at 0.5, a half."""
    confidence, right = np.array([0.72, 0.72, 0.95, 0.5]), np.array([1, 0, 1, 0.5])
    assert ece(confidence, right) == pytest.approx((2 * 0.22 + 0.05 + 0) / 4)
    found = calibrated([-1, 1, -1, 1], [0.72, 0.72, 0.95, 0.5]).raw
    assert found is not None and found.ece.value == pytest.approx(0.1225)
    assert [b.n for b in found.bins] == [1, 0, 0, 0, 2, 0, 0, 0, 0, 1]
    middle = found.bins[4]
    assert (middle.low, middle.high, middle.confidence, middle.right) == (0.7, 0.75, 0.72, 0.5)
    assert found.bins[1].confidence is found.bins[1].interval is None


pairs = st.lists(
    st.tuples(st.sampled_from([-1, 1]), st.integers(1, 999).map(lambda n: n / 1000)),
    min_size=2,
    max_size=60,
)


@settings(max_examples=25)
@given(pairs)
def test_brier_and_log_loss_are_scikit_learns(given_pairs: list[tuple[int, float]]) -> None:
    labels, probability = (list(column) for column in zip(*given_pairs, strict=True))
    found = calibrated(labels, probability).raw
    assert found is not None
    truth = [label < 0 for label in labels]
    assert found.brier.value == pytest.approx(brier_score_loss(truth, probability), abs=2e-6)
    theirs = log_loss(truth, probability, labels=[False, True])
    assert found.log_loss.value == pytest.approx(theirs, abs=2e-6)
    assert sum(b.n for b in found.bins) == len(labels) == found.ece.n


def test_the_interval_of_the_brier_score_is_students() -> None:
    """0.04, 0.09, 0.16, 0.25: mean 0.135, error 0.045552, t of 3 degrees of freedom 3.1824."""
    found = calibrated([-1] * 4, [0.8, 0.7, 0.6, 0.5]).raw
    assert found is not None
    ends = 0.135 - 3.18245 * 0.045552, 0.135 + 3.18245 * 0.045552
    assert found.brier.interval == pytest.approx(ends, abs=1e-5)


@settings(max_examples=25)
@given(pairs)
def test_relabelling_the_responses_changes_nothing(given_pairs: list[tuple[int, float]]) -> None:
    labels, probability = (list(column) for column in zip(*given_pairs, strict=True))
    one, two = (
        calibrated(labels, probability),
        calibrated([-label for label in labels], [1 - p for p in probability]),
    )
    assert one.raw is not None and two.raw is not None
    assert one.raw.ece.value == pytest.approx(two.raw.ece.value, abs=2e-6)
    assert one.raw.brier.value == pytest.approx(two.raw.brier.value, abs=2e-6)
    assert [b.n for b in one.raw.bins] == [b.n for b in two.raw.bins]
    if one.temperature.value is not None:
        assert one.temperature.value == pytest.approx(two.temperature.value, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    found = calibrated(*drawn(4000, temperature))
    assert found.temperature.value == pytest.approx(temperature, rel=0.1)
    assert found.raw is not None and found.fitted is not None
    mean, most = found.fitted.ece_by_chance
    assert found.fitted.ece.value is not None and found.fitted.ece.value < most < 0.05
    assert mean < most
    wrong = found.raw.ece.value
    assert wrong is not None and (wrong > most) == (temperature != 1.0)


def test_the_temperature_is_scikit_learns_logistic_regression() -> None:
    labels, probability = drawn(500, 2.0, seed=4)
    odds = np.log(probability) - np.log1p(-np.array(probability))
    model = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-10)
    model.fit(odds[:, None], [label < 0 for label in labels])
    found = calibrated(labels, probability).temperature.value
    assert found == pytest.approx(1 / model.coef_[0, 0], rel=1e-4)


def test_cross_validation_knows_nothing_of_the_pair_itself() -> None:
    """The fitted reading of noise is no better than a coin, however few pairs there are."""
    rng = np.random.default_rng(0)
    labels = rng.choice([-1, 1], 30).tolist()
    found = calibrated(labels, rng.uniform(0.01, 0.99, 30).tolist()).fitted
    assert found is not None and found.log_loss.value is not None
    assert found.log_loss.value > 0.69


def test_rewards_that_are_no_log_odds_get_a_temperature_alone() -> None:
    """That of four times the log-odds is four times the temperature."""
    labels, probability = drawn(1000, 2.0)
    odds = np.log(probability) - np.log1p(-np.array(probability))
    scorer = made_column(
        "reg",
        [int(np.sign(0.5 - p)) for p in probability],
        kind="reward_model",
        rewards=[(4 * float(o), 0.0) for o in odds],
    )
    (found,) = calibrations([scorer], people(labels), seed=0)
    known = calibrated(labels, probability)
    assert found.raw is None and found.why_not == "its rewards are not log-odds"
    assert known.temperature.value is not None
    assert found.temperature.value == pytest.approx(4 * known.temperature.value, rel=1e-3)
    assert found.fitted is not None and known.fitted is not None
    assert found.fitted.brier.value == pytest.approx(known.fitted.brier.value, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "probability", "why"),
    [
        ([1], [None], "no labelled pair that it answered"),
        ([0], [0.3], "no labelled pair that it answered"),
        ([1], [0.3], "1 pairs, too few for 5 folds of two"),
        ([1] * 12, [0.3] * 12, "no best temperature: it is right on every pair"),
        ([1] * 12, [0.7] * 12, "no best temperature: it is right no more often than a coin"),
        ([1] * 12, [0.5] * 12, "no best temperature"),
    ],
)
def test_what_cannot_be_computed_says_why(
    labels: list[Any], probability: list[Any], why: str
) -> None:
    found = calibrated(labels, probability)
    assert found.temperature.value is None
    assert (found.temperature.why_not or "").startswith(why)
    assert (found.raw is None) == (found.why_not is not None)


def test_certain_probabilities_have_a_finite_loss() -> None:
    found = calibrated([-1, 1] * 10, [1.0, 1.0] * 10)
    assert found.raw is not None and found.raw.brier.value == 0.5
    assert found.raw.log_loss.value is not None and found.raw.log_loss.value < 20
    assert found.raw.bins[BINS - 1].n == 20


def test_no_probabilities_and_no_rewards() -> None:
    judge = made_column("judge", [1, -1])
    (found,) = calibrations([judge], people([1, 1]), seed=0)
    assert found.why_not == "no probabilities" and found.raw is found.fitted is None


def test_rewards_by_hand() -> None:
    scorer = made_column(
        "bt",
        [-1, 1, 1, "refused"],
        kind="reward_model",
        rewards=[(2.0, 0.0), (1.0, 4.0), (3.0, 3.5), None],
    )
    (found,) = reward_distributions([scorer], people([-1, -1, 0, 1]))
    assert (found.preferred.n, found.preferred.mean, found.preferred.deviation) == (2, 1.5, 0.5)
    assert (found.other.n, found.other.mean) == (2, 2.0)
    assert found.every.n == 6 and found.every.mean == 2.25
    assert (found.edges[0], found.edges[-1]) == (0.0, 4.0)
    assert sum(found.every.counts) == 6 and found.every.counts[0] == found.every.counts[-1] == 1


def test_no_rewards() -> None:
    scorer = made_column("bt", ["refused"], kind="reward_model")
    (found,) = reward_distributions([scorer], people([1]))
    assert found.edges == [] and found.every.mean is None and found.preferred.n == 0
