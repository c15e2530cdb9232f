"""A figure with how sure it is, or why there is none."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from judge.metrics.intervals import bootstrap, weighted_share, wilson

PLACES = 6
"""Decimal places of every figure."""


class Estimate(BaseModel):
    """A figure, its 95 % interval and what it is of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None
    """None exactly where ``why_not`` says why."""
    interval: tuple[float, float] | None = None
    """None where no interval is known."""
    n: int
    """The pairs that the figure is of."""
    why_not: str | None = None

    @classmethod
    def of(cls, value: float, n: int, interval: tuple[float, float] | None = None) -> Estimate:
        """Return an estimate, rounded to :data:`PLACES` places."""
        ends = interval and (rounded(interval[0]), rounded(interval[1]))
        return cls(value=rounded(value), interval=ends, n=n)

    @classmethod
    def missing(cls, why_not: str, n: int = 0) -> Estimate:
        """Return the estimate that cannot be made, and why."""
        return cls(value=None, n=n, why_not=why_not)


def rounded(value: float) -> float:
    """Return ``value`` to :data:`PLACES` places, without a negative zero."""
    return round(float(value), PLACES) + 0.0


def share(hits: float, n: int, nothing: str) -> Estimate:
    """Return a share with Wilson's interval; of no pairs the reason ``nothing``."""
    return Estimate.of(hits / n, n, wilson(hits, n)) if n else Estimate.missing(nothing)


def weighted(hits: object, weights: object, n: int, nothing: str, seed: int) -> Estimate:
    """Return a share of weight with the bootstrap's interval; as :func:`share`.

    Args:
        hits: an array of n numbers, 0 to 1; ``weights`` likewise, 0 or more.
    """
    import numpy as np

    got, weight = np.asarray(hits, dtype=float), np.asarray(weights, dtype=float)
    if not n:
        return Estimate.missing(nothing)
    if weight.sum() == 0:
        return Estimate.missing("every weight is 0", n)
    interval = bootstrap(weighted_share, got, weight, seed=seed)
    return Estimate.of(float(weighted_share(got, weight)), n, interval)
