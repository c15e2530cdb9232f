"""The Bradley-Terry model by maximum likelihood, and where it has no finite estimate.

P(model i beats model j) = sigmoid(s_i - s_j); a tie is half a win for both. With covariates x, as
the length difference, P = sigmoid(s_i - s_j + b x). Strengths are log-odds with mean 0.

A finite estimate exists exactly where the graph "i won at least once (or tied) against j" is
strongly connected (Ford, 1957, "Solution of a ranking problem from binary comparisons", American
Mathematical Monthly 64): from every model a chain of wins leads to every other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from judge.compare.columns import Floats
from judge.compare.rank.games import Ints

_STEPS = 60
_CLOSE = 1e-9
_STRIDE = 2.0
"""The longest step: far from the estimate Newton's own may overshoot."""
_FAR = 20.0
"""Log-odds beyond which a strength is no estimate: the winners are told (almost) perfectly."""

Matrix = NDArray[np.float64]


def wins(first: Ints, second: Ints, points: Floats, weights: Floats, models: int) -> Matrix:
    """Return the matrix of points: entry (i, j) are those of model i against model j."""
    size = models * models
    table: Matrix = np.bincount(first * models + second, weights * points, size).astype(float)
    table += np.bincount(second * models + first, weights * (1 - points), size)
    return table.reshape(models, models)


def groups(points: Matrix) -> list[list[int]]:
    """Return the strongly connected groups of models, each in ascending order.

    A group that beats another in all their games stands before it where the graph says so; groups
    that no chain of games connects stand by their first model.
    """
    from scipy.sparse.csgraph import connected_components

    count, of = connected_components(points > 0, connection="strong")
    members: list[list[int]] = [[int(m) for m in np.flatnonzero(of == g)] for g in range(count)]
    beats = {
        g: {int(of[j]) for i in members[g] for j in np.flatnonzero(points[i] > 0)} - {g}
        for g in range(count)
    }
    order: list[list[int]] = []
    left = set(range(count))
    while left:
        # Nobody left beats it: every win against it belongs to a group that stands before it.
        free = [g for g in left if not any(g in beats[other] for other in left)]
        first = min(free, key=lambda g: members[g])
        order.append(members[first])
        left.remove(first)
    return order


def strengths(points: Matrix, start: Floats | None = None) -> Floats | None:
    """Return the strengths of models whose graph is strongly connected; None where it is not.

    Args:
        points: entry (i, j) are the points of model i against model j.
        start: strengths that are nearly these, for a quicker estimate.
    """
    if len(groups(points)) != 1:
        return None
    one, two = np.nonzero(np.triu(points + points.T, 1))
    games = points[one, two] + points[two, one]
    begin = None if start is None else np.append(start, 0.0)
    found = fit(one, two, points[one, two] / games, games, len(points), start=begin)
    return None if found is None else found[:-1]


def fit(
    first: Ints,
    second: Ints,
    points: Floats,
    weights: Floats,
    models: int,
    covariate: Floats | None = None,
    start: Floats | None = None,
) -> Floats | None:
    """Return the maximum-likelihood estimate: the models' strengths, then the covariates' effects.

    Newton's method with bounded steps. The effect is 0 without a covariate, or of one that is 0
    everywhere. All arrays have one entry a game; ``weights`` say how often each counts.

    Args:
        covariate: of shape (n,) or (n, covariates); None is one that is 0.

    Returns:
        None where there is no finite estimate: the winners can be told (almost) without error, or
        one covariate follows from others.
    """
    x = np.zeros(len(first)) if covariate is None else covariate
    x = x.reshape(len(first), -1)
    at = np.zeros(models + x.shape[1]) if start is None else start.copy()
    for _ in range(_STEPS):
        gradient, curvature = _derivatives(at, models, first, second, points, weights, x)
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            return None  # models that no game connects
        longest = float(np.abs(step).max())
        at += step / max(1.0, longest / _STRIDE)
        if np.abs(at).max() > _FAR:
            return None
        if longest < _CLOSE:
            break
    at[:models] -= at[:models].mean()
    return at


def _derivatives(
    at: Floats, models: int, first: Ints, second: Ints, points: Floats, weights: Floats, x: Matrix
) -> tuple[Floats, Matrix]:
    """Return the gradient of the log-likelihood and its negative second derivatives.

    The strengths' part of the latter is singular (only differences count); one over the number of
    models in every entry fixes their mean at 0 and changes nothing else.
    """
    odds = at[first] - at[second] + x @ at[models:]
    expected = 1 / (1 + np.exp(-odds))
    surplus = weights * (points - expected)
    spread = weights * expected * (1 - expected)
    gradient = np.empty(len(at))
    gradient[:models] = np.bincount(first, surplus, models) - np.bincount(second, surplus, models)
    gradient[models:] = x.T @ surplus
    curvature = np.empty((len(at), len(at)))
    between = np.bincount(first * models + second, spread, models * models).reshape(models, models)
    between = between + between.T
    curvature[:models, :models] = np.diag(between.sum(axis=1)) - between + 1 / models
    for k, column in enumerate(x.T, start=models):
        across = np.bincount(first, spread * column, models)
        across -= np.bincount(second, spread * column, models)
        curvature[:models, k] = curvature[k, :models] = across
    own = x.T @ (spread[:, None] * x)
    own[np.diag_indices_from(own)] += np.diag(own) == 0
    curvature[models:, models:] = own
    return gradient, curvature
