"""The length-controlled win rate of AlpacaEval 2.

Dubois et al., 2024 (arXiv 2404.04475); tatsu-lab/alpaca_eval, ``metrics/glm_winrate.py``, version
``length_controlled_v1``. The judge's preference p for the model over the baseline is fitted by

    P = sigmoid(t + f tanh(d / s) + g difficulty)

with d the difference of the answers' lengths in characters and s its standard deviation: a logistic
regression with labels that are probabilities (every game stands twice, with each label, weighted by
p and 1 - p), an L1 penalty (liblinear) whose strength is chosen by five-fold cross-validation among
scikit-learn's ten values. The win rate is the mean of P with d = 0.

The difficulty is known of AlpacaEval's own 805 instructions alone; without it the term is left out.
The published fit also holds answers of the baseline that were asked to be long and short, with
weight 0.1 each, which draw f to the judge's own liking of length (``gamed``). A failure is not a
tie: games without a verdict are left out, where the published code takes some as 0.5.

Intervals: prompts drawn with their games, fitted anew with the penalty that was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.arena.matches import Ints, Match
from judge.compare.columns import Floats
from judge.metrics.estimate import Estimate, rounded
from judge.metrics.intervals import LEVEL, wilson

FOLDS = 5
GAMED_WEIGHT = 0.2 / 2
PENALTIES = np.logspace(-4, 4, 10)
"""scikit-learn's ``Cs=10``: each the inverse of a penalty's strength."""
_SEED = 123
"""Of liblinear, as published."""
_LEAST = 2 * FOLDS
_ONE_SIDE = 0.95
_FAR = 0.1
"""A change that AlpacaEval warns of."""


class Controlled(BaseModel):
    """A model's win rate as it would be if its answers were as long as the baseline's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    win_rate: Estimate
    standard_error: float | None = None
    """The spread of the resamples."""
    length_effect: float | None = None
    """f: log-odds at most, above 0 where the judge prefers the longer answer."""
    own: float | None = None
    """t."""
    difficulty_effect: float | None = None
    """g; None without difficulties."""
    penalty: float | None = None
    """C, as chosen."""
    length_unit: float | None = None
    """s, in characters."""
    notes: list[str] = []


@dataclass(frozen=True, eq=False)
class Gamed:
    """The published games of the baseline against itself, asked to be long or short."""

    preference: Floats
    term: Floats
    """tanh(d / s), as everywhere here d of the second answer less the first."""
    difficulty: Floats


@dataclass(frozen=True, eq=False)
class Design:
    """Games as rows: features, preferences and weights."""

    features: Floats
    """Of shape (n, 2 or 3): the model's own term, length, difficulty."""
    preference: Floats
    weights: Floats

    def fit(self, penalty: float, weights: Floats | None = None) -> Floats:
        """Return the coefficients; ``weights`` in place of its own."""
        model = self._fitted(penalty, np.arange(len(self.preference)), weights)
        return np.asarray(model.coef_[0])

    def choose(self) -> float:
        """Return the penalty with the least log-loss over the folds.

        Each fold draws from a stream of its own, as in scikit-learn's ``LogisticRegressionCV``.
        """
        from sklearn.model_selection import GroupKFold

        rows = np.arange(len(self.preference))
        doubled = np.concatenate([rows, rows])
        folds = [
            (np.unique(doubled[train]), np.unique(doubled[test]))
            for train, test in GroupKFold(FOLDS).split(doubled, groups=doubled)
        ]
        streams = [np.random.RandomState(_SEED) for _ in folds]
        losses = [
            np.mean([self._loss(c, *fold, s) for fold, s in zip(folds, streams, strict=True)])
            for c in PENALTIES
        ]
        return float(PENALTIES[int(np.argmin(losses))])

    def _fitted(
        self,
        penalty: float,
        rows: Ints,
        weights: Floats | None = None,
        stream: np.random.RandomState | int = _SEED,
    ) -> Any:
        from sklearn.linear_model import LogisticRegression

        own = self.weights if weights is None else weights
        p, weight = self.preference[rows], own[rows]
        model = LogisticRegression(
            C=penalty, l1_ratio=1, solver="liblinear", fit_intercept=False, random_state=stream
        )
        x = self.features[rows]
        labels = np.repeat([1, 0], len(rows))
        twice = np.concatenate([p * weight, (1 - p) * weight])
        return model.fit(np.vstack([x, x]), labels, sample_weight=twice)

    def _loss(
        self, penalty: float, train: Ints, test: Ints, stream: np.random.RandomState
    ) -> float:
        model = self._fitted(penalty, train, stream=stream)
        chance = np.clip(model.predict_proba(self.features[test])[:, 1], 1e-15, 1 - 1e-15)
        p = self.preference[test]
        loss = p * np.log(chance) + (1 - p) * np.log(1 - chance)
        return float(-np.mean(loss * self.weights[test]))


def controlled(
    match: Match,
    seed: int,
    resamples: int,
    difficulty: Floats | None = None,
    gamed: Gamed | None = None,
) -> Controlled:
    """Return the length-controlled win rate of a match.

    Args:
        difficulty: of each game's instruction.
    """
    n = len(match.games)
    if len(np.unique(match.prompts)) < _LEAST:
        why = f"fewer than {_LEAST} decided prompts: nothing to choose the penalty by"
        return Controlled(win_rate=Estimate.missing(why, n))
    unit = float(match.longer.std(ddof=1))
    term = np.tanh(match.longer / unit) if unit else np.zeros(n)
    design = _design(match.preference, term, difficulty, gamed)
    penalty = design.choose()
    at = design.fit(penalty)
    value = _predict(at, difficulty, np.ones(n))
    drawn = _resampled(match, design, penalty, difficulty, seed, resamples)
    return Controlled(
        win_rate=_estimate(value, n, drawn, len(np.unique(match.prompts))),
        standard_error=rounded(drawn.std(ddof=1)) if len(drawn) > 1 else None,
        own=rounded(at[0]),
        length_effect=rounded(at[1]),
        difficulty_effect=None if difficulty is None else rounded(at[2]),
        penalty=rounded(penalty),
        length_unit=round(unit, 1),
        notes=_notes(match, value),
    )


def _design(
    preference: Floats, term: Floats, difficulty: Floats | None, gamed: Gamed | None
) -> Design:
    n = len(preference)
    columns = [np.ones(n), term, *([] if difficulty is None else [difficulty])]
    features, weights = np.column_stack(columns), np.ones(n)
    if gamed is not None:
        m = len(gamed.preference)
        more = np.column_stack([np.zeros(m), gamed.term, gamed.difficulty])
        features = np.vstack([features, more])
        preference = np.concatenate([preference, gamed.preference])
        weights = np.concatenate([weights, np.full(m, GAMED_WEIGHT)])
    return Design(features, preference, weights)


def _predict(at: Floats, difficulty: Floats | None, weights: Floats) -> float:
    """Return the win rate without a difference of lengths."""
    odds = at[0] + (0 if difficulty is None else at[2] * difficulty)
    return float(np.average(1 / (1 + np.exp(-odds)) * np.ones(len(weights)), weights=weights))


def _resampled(
    match: Match,
    design: Design,
    penalty: float,
    difficulty: Floats | None,
    seed: int,
    resamples: int,
) -> Floats:
    rng = np.random.default_rng(seed)
    _, place = np.unique(match.prompts, return_inverse=True)
    clusters, n = int(place.max()) + 1, len(place)
    found = []
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters)[place]
        weights = design.weights.copy()
        weights[:n] *= times
        found.append(_predict(design.fit(penalty, weights), difficulty, times.astype(float)))
    return np.array(found)


def _estimate(value: float, n: int, drawn: Floats, prompts: int) -> Estimate:
    if not len(drawn) or np.ptp(drawn) < 1e-9:
        return Estimate.of(value, n, wilson(value * prompts, prompts))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate.of(value, n, (float(low), float(high)))


def _notes(match: Match, value: float) -> list[str]:
    """Return what makes a rate doubtful: lengths that differ one way alone, an extreme change."""
    notes = []
    sides = (match.longer > 0).mean(), (match.longer < 0).mean()
    if max(sides) >= _ONE_SIDE:
        which = "longer" if sides[0] > sides[1] else "shorter"
        notes.append(
            f"{match.model}: {100 * max(sides):.0f} % of its answers are {which} than those of"
            f" {match.other}: what length explains and what the model does can hardly be told"
            " apart, and the length-controlled rate is an extrapolation"
        )
    raw = float(match.preference.mean())
    low, high = min(raw - raw / 4, raw - _FAR), max(raw + (1 - raw) / 4, raw + _FAR)
    if not low <= value <= high:
        notes.append(
            f"{match.model}: the length-controlled rate is far from the raw one"
            f" ({100 * value:.1f} % and {100 * raw:.1f} %), which may be a failure of the model"
        )
    return notes
