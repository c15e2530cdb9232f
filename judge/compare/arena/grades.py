"""Arena-Hard's rule on our judge's verdicts: five grades, strong wins three times, style control.

Sources: lmarena/arena-hard-auto, ``show_result.py`` and ``utils_math.py`` of v0.1 (the paper's) and
v2.0. Each order of a pair is a battle. Its grade follows from the verdict's strength: our scale has
three degrees and no tie, theirs two and one, so where A>>B begins (``strong``) and up to where A=B
goes (``even``) are options. A strong win counts as three battles. With one baseline for all models,
the win rate of Bradley and Terry's model that v0.1 reports is the mean of the battles.

Ours beside it: intervals draw prompts with all their battles, from a seed, where the published code
draws single battles, 100 times without one; a failure is in both bounds, where it drops them. Style
control adds the differences in style (:mod:`judge.compare.arena.style`) to the model and predicts
without them. The published code takes their mean away first, so that its rate is that at the mean
difference; ours divides by the root mean square alone, so that it is that at no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.arena.battles import (
    GRADES,
    WEIGHT,
    Battles,
    battles_of,
    grades_of,
    independent,
)
from judge.compare.arena.matches import Match
from judge.compare.arena.plan import answers_of
from judge.compare.arena.style import FEATURES, say_tokens
from judge.compare.columns import Floats
from judge.metrics.estimate import Estimate, rounded
from judge.metrics.intervals import LEVEL, wilson

ROUNDS = 100
"""Of the published bootstrap."""
_TAIL = (1 - LEVEL) / 2
_NO_BATTLE = "no battle was decided"
_NO_FIT = "it won or lost every battle, or style tells the winners (almost) without error"


class Graded(BaseModel):
    """A model by Arena-Hard's rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grades: dict[str, int]
    """How many orders got which grade."""
    score: Estimate
    """Mean of the battles; intervals by prompt."""
    controlled: Estimate
    """The win rate at the same style."""
    lowest: float | None
    """The score if both orders of every failure were lost; :attr:`highest`, if they were won."""
    highest: float | None
    published: Estimate
    """The same score with v0.1's interval: 95 % of 100 resamples of single battles."""
    published_90: tuple[float, float] | None
    """v2.0's interval of them: 90 %."""
    published_controlled: Estimate
    """The published style control: the win rate at the mean difference in style, v2.0's 90 %."""


class Grading(BaseModel):
    """Everything that Arena-Hard's rule finds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strong: int
    even: int
    weight: int
    length_unit: str
    """Of the style's lengths: tokens or characters."""
    models: dict[str, Graded]
    style: dict[str, Estimate]
    """Log-odds that one root mean square of a difference gains; above 0, the judge likes more."""


def graded(matches: Sequence[Match], strong: int, even: int, seed: int, resamples: int) -> Grading:
    """Return the figures of models that all met one baseline."""
    grades = [grades_of(match, strong, even) for match in matches]
    answers = [answer for m in matches for game in m.games for answer in answers_of(game)]
    tokens = say_tokens(answers)
    battles = battles_of(matches, grades, tokens)
    scores, controlled, effects = _ours(battles, matches, seed, resamples)
    of_published = _published(battles, seed)
    failed = [2 * sum(match.failures.values()) for match in matches]
    return Grading(
        strong=strong,
        even=even,
        weight=WEIGHT,
        length_unit="tokens" if tokens else "characters",
        models={
            match.model: Graded(
                grades={g: Counter(g for _, g in grades[i]).get(g, 0) for g in GRADES},
                score=scores[i],
                controlled=controlled[i],
                lowest=_bound(battles, i, failed[i], 0),
                highest=_bound(battles, i, failed[i], 1),
                published=of_published[i].score,
                published_90=of_published[i].ends,
                published_controlled=of_published[i].controlled,
            )
            for i, match in enumerate(matches)
        },
        style=effects,
    )


def _ours(
    battles: Battles, matches: Sequence[Match], seed: int, resamples: int
) -> tuple[list[Estimate], list[Estimate], dict[str, Estimate]]:
    """Return scores, style-controlled win rates, and effects of style, by prompt."""
    kept = independent(battles.style)
    unit = np.sqrt((battles.style[:, kept] ** 2).sum(axis=0) / max(len(battles.style), 1))
    style = battles.style[:, kept] / unit
    whole = battles.fitted(style, battles.weights)
    rows = _resampled(battles, style, whole, seed, resamples)
    n = len(battles.models)
    scores = battles.scores(battles.weights)
    sizes = [len(match.games) for match in matches]
    prompts = [len(np.unique(match.prompts)) for match in matches]
    found = [_rate(scores[i], rows[:, i], sizes[i], prompts[i], _NO_BATTLE) for i in range(n)]
    rates = np.full(n, np.nan) if whole is None else _win_rates(whole, n)
    controlled = [_rate(rates[i], rows[:, n + i], sizes[i], prompts[i], _NO_FIT) for i in range(n)]
    effects = {
        name: Estimate.missing("no answers differ in it, or not apart from the others", sum(sizes))
        for name in FEATURES
    }
    for j, k in enumerate(kept):
        effects[FEATURES[k]] = (
            Estimate.missing(_NO_FIT, sum(sizes))
            if whole is None
            else Estimate.of(whole[n + 1 + j], sum(sizes), _ends(rows[:, 2 * n + j], _TAIL))
        )
    return found, controlled, effects


def _resampled(
    battles: Battles, style: Floats, whole: Floats | None, seed: int, resamples: int
) -> Floats:
    """Return scores, controlled rates and effects of each resample of the prompts, a row each."""
    rng = np.random.default_rng(seed)
    n = len(battles.models)
    _, place = np.unique(battles.prompts, return_inverse=True)
    clusters = int(place.max()) + 1 if len(place) else 0
    rows = np.full((resamples, 2 * n + style.shape[1]), np.nan)
    for row in rows if clusters else ():
        times = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters)[place]
        weights = battles.weights * times
        row[:n] = battles.scores(weights)
        at = None if whole is None else battles.fitted(style, weights, whole)
        if at is not None:
            row[n : 2 * n], row[2 * n :] = _win_rates(at, n), at[n + 1 :]
    return rows


def _win_rates(at: Floats, models: int) -> Floats:
    return np.asarray(1 / (1 + np.exp(at[models] - at[:models])))


def _rate(value: float, drawn: Floats, n: int, prompts: int, why_not: str) -> Estimate:
    """Return a rate with the interval of its resamples, Wilson's where all are the same.

    There is none where more resamples than it leaves out on one side have no rate.
    """
    if np.isnan(value):
        return Estimate.missing(why_not, n)
    there = drawn[~np.isnan(drawn)]
    if len(there) and np.ptp(there) < 1e-9:
        return Estimate.of(value, n, wilson(min(max(value, 0.0), 1.0) * prompts, prompts))
    return Estimate.of(value, n, _ends(drawn, _TAIL))


def _ends(drawn: Floats, tail: float) -> tuple[float, float] | None:
    there = drawn[~np.isnan(drawn)]
    if not len(there) or len(drawn) - len(there) > tail * len(drawn):
        return None
    low, high = np.quantile(there, [tail, 1 - tail])
    return float(low), float(high)


class _Published(NamedTuple):
    score: Estimate
    ends: tuple[float, float] | None
    controlled: Estimate


def _published(battles: Battles, seed: int) -> list[_Published]:
    """Return what the published code would say of each model, with a seed."""
    rng = np.random.default_rng(seed)
    n = len(battles.models)
    # A strong win is three rows of the published table, and rows are what it draws.
    rows = np.repeat(np.arange(len(battles.points)), battles.weights.astype(np.int64))
    style = battles.style - (battles.style[rows].mean(axis=0) if len(rows) else 0)
    kept = independent(style)
    spread = style[rows][:, kept].std(axis=0, ddof=1) if len(rows) > 1 else 1
    scaled = style[:, kept] / spread
    whole = battles.fitted(scaled, battles.weights)
    drawn = np.full((ROUNDS, 2 * n), np.nan)
    for row in drawn if len(rows) else ():
        chosen = rows[rng.integers(0, len(rows), len(rows))]
        weights = np.bincount(chosen, minlength=len(battles.points)).astype(float)
        row[:n] = battles.scores(weights)
        at = None if whole is None else battles.fitted(scaled, weights, whole)
        if at is not None:
            row[n:] = _win_rates(at, n)
    scores = battles.scores(battles.weights)
    rates = np.full(n, np.nan) if whole is None else _win_rates(whole, n)
    return [
        _Published(
            _of(scores[i], drawn[:, i], _TAIL, _NO_BATTLE),
            _rounded(_ends(drawn[:, i], 0.05)),
            _of(rates[i], drawn[:, n + i], 0.05, _NO_FIT),
        )
        for i in range(n)
    ]


def _of(value: float, drawn: Floats, tail: float, why_not: str) -> Estimate:
    n = len(drawn)
    return (
        Estimate.missing(why_not) if np.isnan(value) else Estimate.of(value, n, _ends(drawn, tail))
    )


def _rounded(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    return ends and (rounded(ends[0]), rounded(ends[1]))


def _bound(battles: Battles, model: int, failed: int, points: int) -> float | None:
    mine = battles.model == model
    total = battles.weights[mine].sum() + failed
    won = (battles.weights * battles.points)[mine].sum() + failed * points
    return rounded(won / total) if total else None
