"""Win rates as they would be if the answers were of the same length.

AlpacaEval 2 (Dubois et al., 2024, arXiv 2404.04475; tatsu-lab/alpaca_eval,
``src/alpaca_eval/metrics/glm_winrate.py``) fits, for each model m against one baseline b,

    P(m beats b on x) = sigmoid(t + f tanh(d / s) + g difficulty(x)),

with d the difference of the answers' lengths in characters and s its standard deviation, and
predicts the win rate with d = 0. The difficulty of its 805 instructions is known from its
leaderboard; f is regularised with answers of the baseline that were asked to be long or short.

We have neither, but many models that play one another. Our model is

    P(i beats j) = sigmoid(s_i - s_j + f tanh(d / r)),

one strength a model, one effect f of length for all of them (it is the judge's), r the root mean
square of d, so that nothing depends on which response stands first; a tie is half a win; maximum
likelihood without a penalty. A model's length-controlled win rate is the mean of
sigmoid(s_i - s_j) over its own games: the same opponents as its win rate, without the length term.
"""

from __future__ import annotations

import numpy as np

from judge.compare.columns import Floats
from judge.compare.rank.bradley_terry import fit
from judge.compare.rank.games import Games


def length_term(games: Games) -> tuple[Floats, float]:
    """Return tanh(d / r) of every game, and r in characters (0 where all lengths are the same)."""
    unit = float(np.sqrt(np.mean(games.longer**2)))
    return np.tanh(games.longer / unit) if unit else np.zeros(len(games)), unit


def controlled(
    games: Games, term: Floats, weights: Floats, start: Floats | None = None
) -> Floats | None:
    """Return strengths and, last, the effect of length; None where there is no finite estimate.

    Args:
        weights: how often each game counts.
        start: where to begin, as returned for nearly the same games.
    """
    counted = weights > 0
    return fit(
        games.first[counted],
        games.second[counted],
        games.points[counted],
        weights[counted],
        len(games.models),
        term[counted],
        start,
    )


def controlled_win_rates(games: Games, estimate: Floats, weights: Floats) -> Floats:
    """Return each model's win rate without the length term; NaN for one without a game."""
    models = len(games.models)
    expected = 1 / (1 + np.exp(estimate[games.second] - estimate[games.first]))
    points = np.bincount(games.first, weights * expected, models)
    points += np.bincount(games.second, weights * (1 - expected), models)
    played = np.bincount(games.first, weights, models) + np.bincount(games.second, weights, models)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(points / played)
