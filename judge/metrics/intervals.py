"""How sure a figure is: Wilson's interval of a share, the bootstrap's of anything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

LEVEL = 0.95
RESAMPLES = 2000
_LEAST_RESAMPLES, _WORK = 200, 20_000_000
_BATCH = 1_000_000
"""Draws at once: some 40 MB."""
MOST_FOR_BCA = 1000
"""BCa leaves out every observation once, which takes time with the square of their number; with
more of them the percentiles are as good."""


def wilson(hits: float, total: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of the share ``hits / total`` (Wilson 1927; Newcombe 1998, method 3).

    Args:
        hits: 0 to ``total``. Half hits (ties) are allowed: they vary less than whole ones, so the
            interval is then rather too wide than too narrow.

    Raises:
        ValueError: of nothing, or for more hits than observations.
    """
    if total <= 0 or not 0 <= hits <= total:
        raise ValueError(f"no share: {hits} of {total}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = hits / total, z * z / total
    middle = share + spread / 2
    reach = z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    # At the ends one bound is the share itself; the arithmetic misses it by a rounding.
    low = 0.0 if hits == 0 else (middle - reach) / (1 + spread)
    high = 1.0 if hits == total else (middle + reach) / (1 + spread)
    return max(low, 0.0), min(high, 1.0)


def bootstrap(
    statistic: Callable[..., Any],
    *columns: Sequence[float] | Any,
    seed: int = 0,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """Return the bootstrap interval of ``statistic(*columns)``: rows are drawn with replacement.

    BCa (Efron 1987) for up to :data:`MOST_FOR_BCA` rows, percentiles above. The same seed, the same
    interval.

    Args:
        statistic: takes arrays of shape (..., n), one a column, and ``axis=-1``; returns (...).
        columns: sequences of the same length n, kept together row by row.
        resamples: fewer above 10,000 rows, never under 200.

    Returns:
        None where there are fewer than two rows or the figure does not vary between samples: the
        bootstrap knows nothing of it then.
    """
    import warnings

    import numpy as np
    from scipy.stats import DegenerateDataWarning
    from scipy.stats import bootstrap as resample

    data = [np.asarray(column, dtype=float) for column in columns]
    rows = len(data[0])
    if rows < 2:
        return None
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # answered below
        found = resample(
            data,
            statistic,
            n_resamples=min(resamples, max(_LEAST_RESAMPLES, _WORK // rows)),
            batch=max(1, _BATCH // rows),
            vectorized=True,
            paired=True,
            confidence_level=level,
            method="BCa" if rows <= MOST_FOR_BCA else "percentile",
            rng=np.random.default_rng(seed),
        )
    drawn = found.bootstrap_distribution
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or np.ptp(drawn) < 1e-12:  # of a constant, roundings are left
        return None
    low, high = found.confidence_interval
    if not (np.isfinite(low) and np.isfinite(high)):  # a sample without a value, or BCa has none
        tail = (1 - level) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def weighted_share(hits: Any, weights: Any, axis: int = -1) -> Any:
    """Return the share of the weight that lies on hits: a statistic for :func:`bootstrap`."""
    return (hits * weights).sum(axis=axis) / weights.sum(axis=axis)
