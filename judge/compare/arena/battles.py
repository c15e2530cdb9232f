"""Verdicts as battles in Arena-Hard's sense: five grades, a strong win counts three times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from judge.compare.arena.matches import Ints, Match
from judge.compare.arena.plan import answers_of
from judge.compare.arena.style import FEATURES, differences
from judge.compare.columns import Floats
from judge.compare.rank.bradley_terry import fit

WEIGHT = 3
"""Battles that a strong win counts as."""
GRADES = ("A>>B", "A>B", "A=B", "B>A", "B>>A")
"""A is the model, B the baseline."""
_POINTS = {"A>>B": 1.0, "A>B": 1.0, "A=B": 0.5, "B>A": 0.0, "B>>A": 0.0}
Graded = tuple[int, str]
"""A game's place in its match, and the grade of one of its orders."""


@dataclass(frozen=True, eq=False)
class Battles:
    """Every order of every game; arrays have an entry a battle."""

    models: tuple[str, ...]
    model: Ints
    """Place of the model in ``models``."""
    points: Floats
    weights: Floats
    prompts: Ints
    style: Floats
    """Of shape (n, 4)."""

    def scores(self, weights: Floats) -> Floats:
        """Return each model's mean; NaN without a battle."""
        n = len(self.models)
        with np.errstate(invalid="ignore", divide="ignore"):
            won = np.bincount(self.model, weights * self.points, n)
            return np.asarray(won / np.bincount(self.model, weights, n))

    def fitted(self, style: Floats, weights: Floats, start: Floats | None = None) -> Floats | None:
        """Return strengths (the baseline's last) and effects of style; None where there are none.

        A model that won or lost every battle has no finite strength (NaN) and takes no part.

        Args:
            style: differences, scaled, of shape (n, k); none follows from the others.
            start: the estimate of nearly the same battles.
        """
        scores = self.scores(self.weights)
        able = np.flatnonzero((scores > 0) & (scores < 1))
        n, m, k = len(self.models), len(able), style.shape[1]
        place = np.full(n, -1)
        place[able] = np.arange(m)
        there = (weights > 0) & (place[self.model] >= 0)
        if not there.any():
            return None
        model = place[self.model[there]]
        kept = [*able, *range(n, n + 1 + k)]
        found = fit(
            model, np.full(len(model), m), self.points[there], weights[there], m + 1,
            style[there] if k else None, None if start is None or not k else start[kept],
        )  # fmt: skip
        if found is None:
            return None
        whole = np.full(n + 1 + k, np.nan)
        whole[kept] = found[: m + 1 + k]
        return whole


def independent(style: Floats) -> list[int]:
    """Return the columns that do not follow from those before them, nor are 0 everywhere.

    Where every header stands over one item of a list, nobody can tell which of the two is liked.
    """
    kept: list[int] = []
    for k in range(style.shape[1]):
        if len(style) and np.linalg.matrix_rank(style[:, [*kept, k]]) > len(kept):
            kept.append(k)
    return kept


def grade(strength: int, strong: int, even: int) -> str:
    """Return the grade of a strength, above 0 where the model is better."""
    degree = abs(strength)
    if degree <= even:
        return GRADES[2]
    if degree >= strong:
        return GRADES[0] if strength > 0 else GRADES[4]
    return GRADES[1] if strength > 0 else GRADES[3]


def grades_of(match: Match, strong: int, even: int) -> list[Graded]:
    """Return the game and the grade of each order; equal texts are A=B in both."""
    return [
        (place, grade(strength, strong, even))
        for place, strengths in enumerate(match.strengths)
        for strength in strengths or (0, 0)
    ]


def battles_of(
    matches: Sequence[Match], grades: Sequence[Sequence[Graded]], tokens: bool
) -> Battles:
    """Return the battles of models that all met one baseline; ``tokens`` as in the style."""
    of = [(i, place, g) for i, found in enumerate(grades) for place, g in found]
    styles = [differences([answers_of(g) for g in m.games], tokens) for m in matches]
    return Battles(
        models=tuple(match.model for match in matches),
        model=np.array([i for i, _, _ in of], dtype=np.int64),
        points=np.array([_POINTS[g] for _, _, g in of]),
        weights=np.array([WEIGHT if g in (GRADES[0], GRADES[4]) else 1 for _, _, g in of], float),
        prompts=np.array([matches[i].games[p].prompt for i, p, _ in of], dtype=np.int64),
        style=np.array([styles[i][p] for i, p, _ in of]).reshape(-1, len(FEATURES)),
    )
