"""How often something is right: hits of all, with the interval of their share, by source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from judge.metrics.estimate import Estimate, share
from judge.metrics.intervals import wilson


@dataclass(frozen=True)
class Accuracy:
    """Right pairs of all; half a hit for a tie or a guess."""

    right: float
    pairs: int

    @property
    def share(self) -> float:
        """The share of right pairs, 0 to 1.

        Raises:
            ZeroDivisionError: of no pairs.
        """
        return self.right / self.pairs

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson's).

        Raises:
            ValueError: of no pairs.
        """
        return wilson(min(self.right, self.pairs), self.pairs)  # sums of shares miss by a rounding

    def estimate(self, nothing: str) -> Estimate:
        """Return share and interval as a figure of a report; of no pairs the reason ``nothing``."""
        return share(self.right, self.pairs, nothing)

    def to_json(self) -> list[float]:
        """Return ``[right, pairs]``."""
        return [self.right, self.pairs]


def by_source(hits: Iterable[tuple[str, float]]) -> dict[str, Accuracy]:
    """Return the accuracy of each source, in the order of their names.

    Args:
        hits: of each pair its source, and 1 where it is right, 0 where it is wrong.
    """
    counts: dict[str, list[float]] = {}
    for source, hit in hits:
        count = counts.setdefault(source, [0, 0])
        count[0] += hit
        count[1] += 1
    return {s: Accuracy(right, int(pairs)) for s, (right, pairs) in sorted(counts.items())}


def together(parts: Iterable[Accuracy]) -> Accuracy:
    """Return all pairs as one."""
    found = list(parts)
    return Accuracy(sum(part.right for part in found), sum(part.pairs for part in found))


@dataclass(frozen=True)
class Score:
    """What a benchmark says of a checkpoint."""

    accuracy: float
    """By which checkpoints are compared: the benchmark's own overall figure."""
    right: float
    """Of ``pairs``; a benchmark that weighs its parts has another share than ``accuracy``."""
    pairs: int
    low: float
    high: float
    """95 % Wilson interval of right / pairs."""
    by_source: dict[str, list[float]]
    """``[right, of]`` of each source."""
    failures: int
    """Pairs without a judgment: they count as wrong."""

    @classmethod
    def of(cls, accuracy: float, by_source: dict[str, list[float]], failures: int) -> Score:
        """Return the score of an overall figure and the sources' right and all pairs."""
        all_of = together(Accuracy(right, int(of)) for right, of in by_source.values())
        low, high = all_of.interval
        return cls(accuracy, all_of.right, all_of.pairs, low, high, by_source, failures)
