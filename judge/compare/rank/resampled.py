"""The figures of a ranking in bootstrap resamples: prompts drawn with all their games."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from judge.compare.columns import Floats
from judge.compare.rank.bradley_terry import Matrix, strengths, wins
from judge.compare.rank.games import Games
from judge.compare.rank.length_control import controlled, controlled_win_rates
from judge.metrics.estimate import Estimate
from judge.metrics.intervals import LEVEL, wilson

_TAIL = (1 - LEVEL) / 2
_SAME = 1e-7
"""Strengths are found to nine places; what differs by less does not differ."""


@dataclass(frozen=True, eq=False)
class RankFigures:
    """What is estimated of n models."""

    win_rate: Floats
    strength: Floats
    """NaN where there is no finite estimate."""
    controlled: Floats
    """Length-controlled win rates; NaN where there is no finite estimate."""
    effect: Floats
    """Of shape (1,): the effect of length, or NaN."""
    at: Floats | None
    """The estimate with the length term, strengths first."""

    @classmethod
    def of(
        cls,
        games: Games,
        weights: Floats,
        order: Sequence[Sequence[int]],
        term: Floats,
        near: RankFigures | None = None,
    ) -> RankFigures:
        """Estimate the figures of games that count as often as ``weights`` say.

        Args:
            order: the groups of models whose strengths can be compared.
            term: the length term of each game.
            near: the figures of nearly the same games, for a quicker estimate.
        """
        nothing = np.full(len(games.models), np.nan)
        table = wins(games.first, games.second, games.points, weights, len(games.models))
        at = None
        if len(order) == 1 and (near is None or near.at is not None):
            at = controlled(games, term, weights, None if near is None else near.at)
        return cls(
            win_rate=_win_rates(table),
            strength=_strengths(table, order, None if near is None else near.strength),
            controlled=nothing if at is None else controlled_win_rates(games, at, weights),
            effect=np.array([np.nan if at is None else at[-1]]),
            at=at,
        )


@dataclass(frozen=True, eq=False)
class Drawn:
    """The figures of every resample, a row each."""

    rows: list[RankFigures]

    @classmethod
    def of(
        cls,
        games: Games,
        order: Sequence[Sequence[int]],
        term: Floats,
        whole: RankFigures,
        seed: int,
        resamples: int,
    ) -> Drawn:
        """Draw prompts with replacement, as many as there are.

        Args:
            whole: the figures of the games as they are.
        """
        rng = np.random.default_rng(seed)
        rows = []
        for _ in range(resamples):
            drawn = rng.integers(0, games.clusters, games.clusters)
            times = np.bincount(drawn, minlength=games.clusters)
            weights = times[games.prompts].astype(float)
            rows.append(RankFigures.of(games, weights, order, term, whole))
        return cls(rows)

    def estimate(self, name: str, model: int, value: float, n: int, prompts: int) -> Estimate:
        """Return a figure of one model with its percentile interval.

        There is none where more resamples than an interval leaves out on one side have no finite
        estimate: its end would be infinite. Where all resamples are the same (every game won, a
        single prompt) they know nothing of how sure a figure is: a rate then has Wilson's interval,
        each prompt an observation, anything else none.

        Args:
            prompts: on how many of them the model played.
        """
        values = np.array([getattr(row, name)[model] for row in self.rows])
        there = values[~np.isnan(values)]
        if _endless(len(values) - len(there), len(values)):
            return Estimate.of(value, n)
        if _constant(there):
            rate = name in ("win_rate", "controlled")
            hits = min(max(value, 0.0), 1.0) * prompts
            return Estimate.of(value, n, wilson(hits, prompts) if rate else None)
        low, high = np.quantile(there, [_TAIL, 1 - _TAIL])
        return Estimate.of(value, n, (float(low), float(high)))

    def without(self, name: str) -> int:
        """Return how many resamples lack a figure that the games as they are have."""
        values = np.array([getattr(row, name) for row in self.rows])
        some = ~np.isnan(values).all(axis=0)
        return int(np.isnan(values[:, some]).any(axis=1).sum()) if some.any() else len(values)

    def endless(self, name: str) -> bool:
        """Return whether so many lack it that there is no interval."""
        return _endless(self.without(name), len(self.rows))

    def constant(self, name: str) -> bool:
        """Return whether every resample gives the same."""
        values = np.array([getattr(row, name) for row in self.rows])
        return all(_constant(of_model[~np.isnan(of_model)]) for of_model in values.T)


def _constant(values: Floats) -> bool:
    return not len(values) or bool(np.ptp(values) < _SAME)


def _endless(without: int, resamples: int) -> bool:
    return without > _TAIL * resamples


def _win_rates(table: Matrix) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(table.sum(axis=1) / (table + table.T).sum(axis=1))


def _strengths(table: Matrix, order: Sequence[Sequence[int]], near: Floats | None) -> Floats:
    """Return strengths, mean 0 in each group; NaN in a group of one or without an estimate."""
    found = np.full(len(table), np.nan)
    for members in order:
        there = list(members)
        if len(there) > 1:
            start = None if near is None else near[there]
            of_group = strengths(table[np.ix_(there, there)], start)
            found[there] = np.nan if of_group is None else of_group
    return found
