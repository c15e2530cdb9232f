"""Whether a system's probabilities can be trusted, and what a temperature makes of them.

All of it looks at the response that the system prefers: its confidence is max(P, 1 - P), and it is
right where people prefer the same. So nothing depends on which response is called 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.columns import Column, Floats
from judge.metrics.estimate import Estimate, rounded
from judge.metrics.intervals import LEVEL, wilson

BINS = 10
"""Of equal width, from a confidence of 0.5 to 1."""
FOLDS = 5
_LEAST = 2 * FOLDS
_DRAWS, _LEAST_DRAWS, _DRAWN_PAIRS = 1000, 200, 10_000_000
_SHARPEST = 0.5e-6
"""Rewards and probabilities have six decimal places: nothing is surer than that."""
_TEMPERATURES = (0.01, 100.0)


class Bin(BaseModel):
    """The pairs whose confidence lies in one range, the upper end included only at 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    n: int
    confidence: float | None
    """Mean; None of no pairs."""
    right: float | None
    """Share that is right (0.5 counts half); None of no pairs."""
    interval: tuple[float, float] | None


class CalibrationFigures(BaseModel):
    """Probabilities beside what people prefer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ece: Estimate
    """Expected calibration error: mean distance of a bin's confidence and its share that is right,
    weighted by its pairs (Guo et al. 2017). It is never below 0, so chance alone makes some of it:
    no interval, but ``ece_by_chance`` beside it."""
    ece_by_chance: tuple[float, float]
    """Mean and 95th percentile of the ECE that the same confidences would show if they were exactly
    right (Broecker and Smith 2007: labels drawn from them)."""
    brier: Estimate
    """Mean of (P(Response 1 better) - [people prefer Response 1])^2; 0.25 is a coin."""
    log_loss: Estimate
    """Mean of -log P(what people prefer), in nats; 0.693 is a coin."""
    bins: list[Bin]


class Calibration(BaseModel):
    """One system's probabilities, as they are and with a temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    raw: CalibrationFigures | None
    """None where the system gives no probabilities, for ``why_not``."""
    temperature: Estimate
    """What log-odds are divided by for the least log loss, over all pairs; above 1 a system is too
    sure. Rewards without probabilities: of sigmoid((reward_1 - reward_2) / temperature)."""
    fitted: CalibrationFigures | None
    """Every pair with the temperature of the folds that it is not in."""
    why_not: str | None = None


def calibrations(systems: Sequence[Column], people: Column, seed: int) -> list[Calibration]:
    """Return the calibration of every judge and reward model."""
    models = [system for system in systems if system.kind in ("judge", "reward_model")]
    return [_calibration(system, people, seed) for system in models]


def _calibration(system: Column, people: Column, seed: int) -> Calibration:
    labelled = system.answered & people.preferred
    has_probability = labelled & ~np.isnan(system.probability)
    kept = has_probability if has_probability.any() else labelled & ~np.isnan(system.difference)
    truth = (people.choice[kept] < 0).astype(float)
    n = len(truth)
    if not n:
        gives = "no labelled pair that it answered" if not labelled.any() else "no probabilities"
        missing = Estimate.missing(gives)
        return Calibration(
            system=system.name, raw=None, temperature=missing, fitted=None, why_not=gives
        )
    raw, why = None, None
    if has_probability.any():
        sharp = np.clip(system.probability[kept], _SHARPEST, 1 - _SHARPEST)
        odds = np.log(sharp) - np.log1p(-sharp)
        raw = _reading(system.probability[kept], truth, seed)
    else:
        odds, why = system.difference[kept], "its rewards are not log-odds"
    temperature, fitted = _fitted(odds, truth, seed)
    return Calibration(
        system=system.name, raw=raw, temperature=temperature, fitted=fitted, why_not=why
    )


def _reading(probability: Floats, truth: Floats, seed: int) -> CalibrationFigures:
    n = len(truth)
    confidence = np.maximum(probability, 1 - probability)
    right = np.where(probability == 0.5, 0.5, ((probability > 0.5) == (truth == 1)).astype(float))
    of_truth = np.clip(np.where(truth == 1, probability, 1 - probability), _SHARPEST, 1)
    return CalibrationFigures(
        ece=Estimate.of(ece(confidence, right), n),
        ece_by_chance=_ece_by_chance(confidence, seed),
        brier=_mean((probability - truth) ** 2),
        log_loss=_mean(-np.log(of_truth)),
        bins=_bins(confidence, right),
    )


def _mean(values: Floats) -> Estimate:
    """Return the mean with Student's interval; without one where nothing varies."""
    from scipy.stats import ttest_1samp

    n = len(values)
    if n < 2 or np.ptp(values) == 0:
        return Estimate.of(float(values.mean()), n)
    ends = ttest_1samp(values, 0).confidence_interval(LEVEL)
    return Estimate.of(float(values.mean()), n, (float(ends.low), float(ends.high)))


def ece(confidence: Floats, right: Floats) -> float:
    """Return the expected calibration error, over bins of :data:`BINS` equal widths."""
    return _gap(_places(confidence), right - confidence)


def _gap(place: Any, error: Floats) -> float:
    return float(np.abs(np.bincount(place, error, BINS)).sum() / len(error))


def _ece_by_chance(confidence: Floats, seed: int) -> tuple[float, float]:
    n, rng, place = len(confidence), np.random.default_rng(seed), _places(confidence)
    draws = max(_LEAST_DRAWS, min(_DRAWS, _DRAWN_PAIRS // n))
    drawn = [_gap(place, (rng.random(n) < confidence) - confidence) for _ in range(draws)]
    return rounded(float(np.mean(drawn))), rounded(float(np.quantile(drawn, LEVEL)))


def _places(confidence: Floats) -> Any:
    """Return each confidence's bin; rounded, since 1 - (1 - P) is not always P."""
    return np.minimum(np.round((confidence - 0.5) * 2 * BINS, 6).astype(int), BINS - 1)


def _bins(confidence: Floats, right: Floats) -> list[Bin]:
    place = _places(confidence)
    found = []
    for b in range(BINS):
        inside = place == b
        n, hits = int(inside.sum()), float(right[inside].sum())
        low, high = wilson(hits, n) if n else (0.0, 0.0)
        found.append(
            Bin(
                low=rounded(0.5 + b / BINS / 2),
                high=rounded(0.5 + (b + 1) / BINS / 2),
                n=n,
                confidence=rounded(confidence[inside].mean()) if n else None,
                right=rounded(hits / n) if n else None,
                interval=(rounded(low), rounded(high)) if n else None,
            )
        )
    return found


def _fitted(odds: Floats, truth: Floats, seed: int) -> tuple[Estimate, CalibrationFigures | None]:
    """Return the temperature of all pairs, and the reading of cross-validated probabilities."""
    n = len(truth)
    if n < _LEAST:
        return Estimate.missing(f"{n} pairs, too few for {FOLDS} folds of two", n), None
    signed = np.where(truth == 1, odds, -odds)  # log-odds of what people prefer
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    probability = np.empty(n)
    for held in range(FOLDS):
        own = _temperature(signed[fold != held])
        probability[fold == held] = _sigmoid(odds[fold == held] / own)
    found = _temperature(signed)
    reading = _reading(probability, truth, seed)
    low, high = _TEMPERATURES
    if not 1.01 * low < found < high / 1.01:
        why = "right on every pair" if found < 1 else "right no more often than a coin"
        return Estimate.missing(f"no best temperature: it is {why}", n), reading
    return Estimate.of(found, n), reading


def _temperature(signed: Floats) -> float:
    """Return the temperature of the least log loss, within :data:`_TEMPERATURES`."""
    from scipy.optimize import minimize_scalar

    ends = np.log(_TEMPERATURES)
    found = minimize_scalar(
        lambda t: np.logaddexp(0, -signed / np.exp(t)).mean(), bounds=ends, method="bounded"
    )
    return float(np.exp(found.x))


def _sigmoid(log_odds: Floats) -> Any:
    from scipy.special import expit

    return expit(log_odds)
