"""Shares, means and intervals that every statistic uses; None where there is nothing to divide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from judge.data.statistics.report import Counted, Sizes
from judge.metrics.intervals import wilson

Name = TypeVar("Name", bound=str)


def share(part: int, whole: int) -> float | None:
    """Return ``part / whole``, None of nothing."""
    return part / whole if whole else None


def interval(part: int, whole: int) -> tuple[float, float] | None:
    """Return the 95 % Wilson interval of ``part / whole``, None of nothing."""
    return wilson(part, whole) if whole else None


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

    def report(self) -> Sizes:
        """Return mean, standard deviation and largest."""
        mean, sd = mean_and_sd(self._count, self._sum, self._squares)
        return Sizes(mean=mean, sd=sd, most=self._most)


def mean_and_sd(count: int, total: int, squares: int) -> tuple[float, float] | tuple[None, None]:
    """Return mean and population standard deviation of ``count`` numbers from their sums."""
    if not count:
        return None, None
    # Whole numbers until the end: nothing is lost, and the sign alone changes in flipped data.
    variance = (count * squares - total * total) / (count * count)
    return total / count, math.sqrt(variance)


def counted(part: int, whole: int) -> Counted:
    """Return a count and its share of ``whole``."""
    return Counted(count=part, share=share(part, whole))


def shares(counts: Mapping[Name, int], whole: int) -> dict[Name, Counted]:
    """Return each count and its share of ``whole``, by name."""
    return {name: counted(n, whole) for name, n in counts.items()}
