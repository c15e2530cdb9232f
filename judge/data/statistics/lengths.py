"""Whether people prefer the longer response, in characters and in words."""

from __future__ import annotations

from collections import Counter

from judge.data.statistics.numbers import Moments, interval, share
from judge.data.statistics.report import LengthsReport, LongerPreferred
from judge.pair import Pair

UNITS = ("characters", "words")
RATIOS = ((11, 10), (5, 4), (3, 2), (2, 1))
"""Longer / shorter as fractions: where one class of pairs ends and the next begins."""
CLASSES = ("up to 1.1", "1.1 to 1.25", "1.25 to 1.5", "1.5 to 2", "over 2")


class ResponseLengths:
    """Lengths of the preferred response and the other, over decided pairs."""

    def __init__(self) -> None:
        self._units = {unit: _Unit() for unit in UNITS}

    def add(self, pair: Pair, strength: int) -> None:
        """Count a pair; one of strength 0 has no preferred response and is left out."""
        if strength == 0:
            return
        texts = (pair.response_1, pair.response_2)
        preferred, other = texts if strength < 0 else texts[::-1]
        self._units["characters"].add(len(preferred), len(other))
        self._units["words"].add(len(preferred.split()), len(other.split()))

    def report(self) -> dict[str, LengthsReport]:
        """Return, for characters and words, mean lengths and the share where longer is preferred.

        Shares are of the pairs whose lengths differ; ``by_ratio`` tells small from large
        differences (longer / shorter).
        """
        return {name: unit.report() for name, unit in self._units.items()}


class _Unit:
    def __init__(self) -> None:
        self._preferred, self._other = Moments(), Moments()
        self._longer: Counter[str] = Counter()
        self._unequal: Counter[str] = Counter()
        self._equal = 0

    def add(self, preferred: int, other: int) -> None:
        self._preferred.add(preferred)
        self._other.add(other)
        if preferred == other:
            self._equal += 1
            return
        name = _ratio_class(max(preferred, other), min(preferred, other))
        self._unequal[name] += 1
        self._longer[name] += preferred > other

    def report(self) -> LengthsReport:
        longer, unequal = self._longer.total(), self._unequal.total()
        return LengthsReport(
            preferred=self._preferred.report(),
            other=self._other.report(),
            equal=self._equal,
            unequal=unequal,
            longer_preferred=longer,
            share=share(longer, unequal),
            interval=interval(longer, unequal),
            by_ratio={
                name: _preference(self._longer[name], self._unequal[name]) for name in CLASSES
            },
        )


def _ratio_class(longer: int, shorter: int) -> str:
    return CLASSES[sum(longer * below > above * shorter for above, below in RATIOS)]


def _preference(longer: int, unequal: int) -> LongerPreferred:
    return LongerPreferred(
        unequal=unequal,
        longer_preferred=longer,
        share=share(longer, unequal),
        interval=interval(longer, unequal),
    )
