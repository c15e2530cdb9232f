"""Paired gains with their standard errors, and how much of one goes with something else."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from judge.metrics.estimate import rounded
from judge.metrics.intervals import LEVEL

SURE = 2.0
"""Standard errors from 0 at which a gain counts as one."""
_LEAST = 3
"""Observations of a line with a scatter about it."""


@dataclass(frozen=True)
class Gain:
    """A mean of paired differences."""

    value: float
    se: float | None
    """Its standard error; None for a single difference."""
    n: int

    @property
    def z(self) -> float | None:
        """The gain in standard errors; None where there is none, or no scatter."""
        return self.value / self.se if self.se else None

    def beyond(self, errors: float) -> bool:
        """Return whether it is above 0 by so many standard errors."""
        return self.se is not None and self.value > 0 and self.value >= errors * self.se

    @property
    def up(self) -> bool:
        """Whether it is above 0 by :data:`SURE` standard errors."""
        return self.beyond(SURE)

    @property
    def down(self) -> bool:
        """Whether it is below 0 by as many."""
        return Gain(-self.value, self.se, self.n).up


def gain(differences: Sequence[float]) -> Gain | None:
    """Return the mean of paired differences with its standard error; None of none."""
    from statistics import fmean, stdev

    n = len(differences)
    if not n:
        return None
    se = rounded(stdev(differences) / math.sqrt(n)) if n > 1 else None
    return Gain(rounded(fmean(differences)), se, n)


@dataclass(frozen=True)
class Explained:
    """How much of a gain goes with the change of something else: a line through the differences.

    It says what goes together, not what is the cause.
    """

    slope: float
    """Gain for each unit of the change."""
    p: float
    """Two-sided, of no slope."""
    part: float
    """The slope times the mean change: what of the gain goes with it."""
    rest: Gain
    """The gain where nothing changed: the line's intercept, with its standard error."""

    @property
    def share(self) -> float | None:
        """``part`` of the whole gain; None where that is 0."""
        whole = self.part + self.rest.value
        return self.part / whole if whole else None


def explained(gains: Sequence[float], changes: Sequence[float]) -> Explained | None:
    """Return how much of the mean of ``gains`` goes with ``changes``, by least squares.

    None for fewer than three of them, or where all changes are the same.
    """
    n = len(gains)
    if n < _LEAST or len(set(changes)) < 2:
        return None
    from statistics import fmean

    from scipy.stats import linregress

    line = linregress(changes, gains)
    rest = Gain(rounded(line.intercept), rounded(line.intercept_stderr), n)
    part = rounded(line.slope * fmean(changes))
    return Explained(float(line.slope), float(line.pvalue), part, rest)


@dataclass(frozen=True)
class Within:
    """How y goes with x among the members of a group."""

    r: float
    """Pearson's correlation."""
    low: float
    high: float
    """Its 95 % interval (Fisher's)."""
    slope: float
    """Of y, for each unit of x, by least squares."""
    slope_se: float
    free: int
    """Degrees of freedom: every group costs one, and so does the slope."""


def within_groups(
    xs: Sequence[float], ys: Sequence[float], groups: Sequence[Hashable]
) -> Within | None:
    """Return how x and y go together within groups, whatever sets the groups apart.

    Both are taken as differences from their group's mean. None where x or y does not vary within
    groups, or too little is left for an interval.
    """
    import numpy as np

    _, place, sizes = np.unique(_numbered(groups), return_inverse=True, return_counts=True)
    x, y = (
        values - (np.bincount(place, values) / sizes)[place]
        for values in (np.asarray(xs, dtype=float), np.asarray(ys, dtype=float))
    )
    free = len(place) - len(sizes) - 1
    xx, xy, yy = float(x @ x), float(x @ y), float(y @ y)
    if free < 2 or xx * yy < 1e-24:
        return None
    r = max(-1.0, min(1.0, xy / math.sqrt(xx * yy)))
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) / math.sqrt(free - 1)
    middle = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))
    low, high = (rounded(math.tanh(middle + side * reach)) for side in (-1, 1))
    scatter = max(0.0, yy - xy * xy / xx)
    return Within(rounded(r), low, high, xy / xx, math.sqrt(scatter / free / xx), free)


def explained_by(whole: Gain, change: Gain, within: Within) -> Explained:
    """Return how much of a gain the change of x is worth, by the slope of other observations."""
    from scipy.stats import t

    part = within.slope * change.value
    se = math.hypot(whole.se or 0.0, within.slope_se * change.value)
    rest = Gain(rounded(whole.value - part), rounded(se), whole.n)
    if within.slope_se == 0:
        p = 0.0 if within.slope else 1.0
    else:
        p = float(2 * t.sf(abs(within.slope) / within.slope_se, within.free))
    return Explained(within.slope, p, rounded(part), rest)


def _numbered(groups: Sequence[Hashable]) -> list[int]:
    """Return a number for each group: numpy compares tuples element by element."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(group, len(numbers)) for group in groups]
