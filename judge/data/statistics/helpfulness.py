"""Preferences beside ratings: the joint distribution of the paper's Fig. 1 and Pearson's R."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from typing import Any

import numpy as np

from judge.data.statistics.report import Correlation, HelpfulnessReport
from judge.data.statistics.strengths import SCALE

DIFFERENCES = tuple(range(-4, 5))


class RatingIndex:
    """Helpfulness by prompt and response, in 16 bytes a rating.

    A response that was rated more than once has the mean. Texts are compared without regard to
    white space; their 64-bit digests stand for them (with a million ratings, the chance that any
    two share one is under one in ten million).
    """

    def __init__(self) -> None:
        self._added: tuple[array[int], array[float]] = (array("Q"), array("d"))
        self._keys: np.ndarray[Any, np.dtype[np.uint64]] = np.empty(0, np.uint64)
        self._values: np.ndarray[Any, np.dtype[np.float64]] = np.empty(0, np.float64)

    def __len__(self) -> int:
        """Return how many different responses are rated, as far as :meth:`close` has seen them."""
        return len(self._keys)

    def add(self, prompt: str, response: str, helpfulness: float) -> None:
        """Add one rating, 0 to 4, of a response to the prompt of this ``prompt_key``."""
        self._added[0].append(_digest(prompt, response))
        self._added[1].append(helpfulness)

    def close(self) -> None:
        """Sort what was added; after this, and only then, :meth:`find` knows it."""
        keys = np.frombuffer(self._added[0], np.uint64) if self._added[0] else self._keys
        values = np.frombuffer(self._added[1], np.float64) if self._added[1] else self._values
        self._keys, place, times = np.unique(keys, return_inverse=True, return_counts=True)
        self._values = np.bincount(place, values, len(self._keys)) / times
        self._added = (array("Q"), array("d"))

    def find(self, prompt: str, response: str) -> float | None:
        """Return the helpfulness of a response to the prompt of this key, None if not rated."""
        if not len(self._keys):
            return None
        key = _digest(prompt, response)
        place = int(np.searchsorted(self._keys, np.uint64(key)))
        if place == len(self._keys) or int(self._keys[place]) != key:
            return None
        return float(self._values[place])


def _digest(prompt: str, response: str) -> int:
    text = f"{prompt}\n{' '.join(response.split())}".encode("utf-8", "backslashreplace")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


class Joint:
    """Counts pairs by overall strength and by helpfulness of Response 2 minus Response 1."""

    def __init__(self) -> None:
        self._cells: Counter[tuple[int, int]] = Counter()
        self._with_consensus, self._kept = _Sums(), _Sums()

    def add(self, strength: int, difference: float, kept: bool) -> None:
        """Count one pair with a consensus; ``difference`` is -4 to 4."""
        self._cells[strength, round(difference)] += 1
        self._with_consensus.add(strength, difference)
        if kept:
            self._kept.add(strength, difference)

    def report(self) -> HelpfulnessReport:
        """Return Pearson's R and the joint distribution (rows: strength, columns: difference)."""
        return HelpfulnessReport(
            with_consensus=self._with_consensus.report(),
            kept=self._kept.report(),
            strengths=SCALE,
            differences=DIFFERENCES,
            matrix=tuple(tuple(self._cells[s, d] for d in DIFFERENCES) for s in SCALE),
        )


class _Sums:
    def __init__(self) -> None:
        self._count = 0
        self._sums = [0.0] * 5

    def add(self, x: float, y: float) -> None:
        self._count += 1
        for place, value in enumerate((x, y, x * x, y * y, x * y)):
            self._sums[place] += value

    def report(self) -> Correlation:
        n = self._count
        x, y, xx, yy, xy = self._sums
        spread = (n * xx - x * x) * (n * yy - y * y)
        # A column of equal numbers, up to the last bits, correlates with nothing.
        r = (n * xy - x * y) / math.sqrt(spread) if spread > 1e-9 * n**4 else None
        return Correlation(pairs=n, pearson_r=r)
