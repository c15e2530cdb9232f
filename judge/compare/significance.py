"""Whether the difference between two systems is more than chance, on the same pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.columns import Column, Floats, credit
from judge.metrics.estimate import Estimate, rounded
from judge.metrics.intervals import LEVEL, bootstrap, weighted_share

RESAMPLES = 9999
"""Random exchanges of the permutation test, fewer above :data:`_FULL` pairs."""
_FULL = 10_000
_WORK = RESAMPLES * _FULL


class Paired(BaseModel):
    """Two systems on the labelled pairs that both were asked of: ties half, failures wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    first_better: int
    """Pairs that earned ``first`` more."""
    second_better: int
    difference: Estimate
    """Accuracy of ``first`` less that of ``second``; interval of Bonett and Price (2012)."""
    p: float | None
    """Exact McNemar test: two-sided binomial of the pairs that one earned more of. None exactly
    where the difference has no value."""
    p_holm: float | None
    """The same, adjusted for all pairs of systems (Holm 1979)."""
    weighted_difference: Estimate | None = None
    """By the weights that were asked for, with the bootstrap's interval."""
    weighted_p: float | None = None
    """Two-sided permutation test: the two systems exchanged at random, pair by pair."""


def paired_tests(
    systems: Sequence[Column], people: Column, weights: Floats | None, seed: int
) -> list[Paired]:
    """Return the test of every two systems; weights as in :func:`.accuracy.accuracies`."""
    found = [_paired(one, two, people, weights, seed) for one, two in combinations(systems, 2)]
    adjusted = holm([test.p for test in found])
    return [test.model_copy(update={"p_holm": p}) for test, p in zip(found, adjusted, strict=True)]


def _paired(one: Column, two: Column, people: Column, weights: Floats | None, seed: int) -> Paired:
    gain = credit(one, people) - credit(two, people)
    both = ~np.isnan(gain)
    values = gain[both]
    n, better, worse = len(values), int((values > 0).sum()), int((values < 0).sum())
    found = Paired(
        first=one.name,
        second=two.name,
        first_better=better,
        second_better=worse,
        difference=_difference(values),
        p=mcnemar(better, worse) if n else None,
        p_holm=None,
    )
    if weights is None:
        return found
    kept = both & ~np.isnan(weights)
    return found.model_copy(update=_weighted(gain[kept], weights[kept], seed))


def mcnemar(first_better: int, second_better: int) -> float:
    """Return the two-sided exact p of McNemar's test; 1 where the two never differ."""
    from scipy.stats import binomtest

    differing = first_better + second_better
    return rounded(binomtest(first_better, differing).pvalue) if differing else 1.0


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Return p values adjusted for their number (Holm 1979); None stays and does not count."""
    order = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    least = 0.0
    for rank, (p, i) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - rank)))
        adjusted[i] = rounded(least)
    return adjusted


def _difference(values: Floats) -> Estimate:
    """Return the mean gain with the interval of Bonett and Price for paired shares.

    Half gains (ties) are added up like whole ones; they vary less, so the interval is then rather
    too wide than too narrow.
    """
    n = len(values)
    if not n:
        return Estimate.missing("no labelled pair that both were given")
    more, less = float(values[values > 0].sum()), float(-values[values < 0].sum())
    up, down = (more + 1) / (n + 2), (less + 1) / (n + 2)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    reach = z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    ends = max(up - down - reach, -1.0), min(up - down + reach, 1.0)
    return Estimate.of((more - less) / n, n, ends)


def _weighted(gain: Floats, weights: Floats, seed: int) -> dict[str, Estimate | float | None]:
    n = len(gain)
    if not n or weights.sum() == 0:
        why = "every weight is 0" if n else "no labelled pair with a weight that both were given"
        return {"weighted_difference": Estimate.missing(why, n), "weighted_p": None}
    interval = bootstrap(weighted_share, gain, weights, seed=seed)
    value = float(weighted_share(gain, weights))
    return {
        "weighted_difference": Estimate.of(value, n, interval),
        "weighted_p": permutation(gain * weights, seed),
    }


def permutation(gains: Floats, seed: int) -> float:
    """Return the two-sided p of the gains' sum when each may as well have the other sign.

    Exact for few gains, else by random signs; the same seed, the same p.
    """
    from scipy.stats import permutation_test

    differing = gains[gains != 0]
    if len(differing) < 2:  # one gain is as far from 0 with either sign
        return 1.0
    found = permutation_test(
        (differing,),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=max(999, min(RESAMPLES, _WORK // len(differing))),
        batch=max(1, 4_000_000 // len(differing)),
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    return rounded(found.pvalue)
