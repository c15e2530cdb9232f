"""Shares, means and intervals that every statistic uses; None where there is nothing to divide."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from judge.metrics.intervals import wilson

PLACES = 6
"""Decimal places in ``stats.json``."""


def share(part: int, whole: int) -> float | None:
    """Return ``part / whole``, None of nothing."""
    return part / whole if whole else None


def interval(part: int, whole: int) -> list[float] | None:
    """Return the 95 % Wilson interval of ``part / whole``, None of nothing."""
    return list(wilson(part, whole)) if whole else None


class Moments:
    """Mean, standard deviation and largest of whole numbers, from exact sums."""

    def __init__(self) -> None:
        self._count = self._sum = self._squares = self._most = 0

    def add(self, value: int) -> None:
        """Count one number, 0 or more."""
        self._count += 1
        self._sum += value
        self._squares += value * value
        self._most = max(self._most, value)

    def report(self) -> dict[str, Any]:
        """Return ``mean``, ``sd`` (of the whole population) and ``most``."""
        return {**mean_and_sd(self._count, self._sum, self._squares), "most": self._most}


def mean_and_sd(count: int, total: int, squares: int) -> dict[str, float | None]:
    """Return mean and population standard deviation of ``count`` numbers from their sums."""
    if not count:
        return {"mean": None, "sd": None}
    # Whole numbers until the end: nothing is lost, and the sign alone changes in flipped data.
    variance = (count * squares - total * total) / (count * count)
    return {"mean": total / count, "sd": math.sqrt(variance)}


def shares(counts: Mapping[str, int] | Counter[str], whole: int) -> dict[str, Any]:
    """Return ``{name: {"count", "share"}}`` of each count, its share of ``whole``."""
    return {name: {"count": n, "share": share(n, whole)} for name, n in counts.items()}


def rounded(value: Any) -> Any:
    """Return ``value`` with every float in it at :data:`PLACES` places, and no negative zero."""
    if isinstance(value, float):
        return round(value, PLACES) + 0.0
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value
