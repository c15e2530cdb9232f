"""How strengths are distributed, and whether people lean to one position."""

from __future__ import annotations

from collections import Counter

from judge.data.statistics.numbers import interval, mean_and_sd, share, shares
from judge.data.statistics.report import Positions, SlightlyBetter, StrengthsReport

SCALE = (-3, -2, -1, 0, 1, 2, 3)


class Strengths:
    """Counts strengths of annotations or of pairs."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, strength: int) -> None:
        """Count one strength, -3 to 3."""
        self._counts[strength] += 1

    def report(self) -> StrengthsReport:
        """Return count, mean, sd, and the shares of each strength and of each position."""
        counts = self._counts
        total = counts.total()
        first = sum(n for strength, n in counts.items() if strength < 0)
        second = sum(n for strength, n in counts.items() if strength > 0)
        weighted = sum(strength * n for strength, n in counts.items())
        squares = sum(strength * strength * n for strength, n in counts.items())
        mean, sd = mean_and_sd(total, weighted, squares)
        return StrengthsReport(
            count=total,
            mean=mean,
            sd=sd,
            shares=Positions(
                response_1=share(first, total),
                zero=share(counts[0], total),
                response_2=share(second, total),
            ),
            slightly_better=SlightlyBetter(
                response_1=share(counts[-1], total), response_2=share(counts[1], total)
            ),
            response_2_of_decided=share(second, first + second),
            response_2_of_decided_interval=interval(second, first + second),
            by_strength=shares({f"{strength}": counts[strength] for strength in SCALE}, total),
        )
