"""Two models of an ablation on the same test pairs: what they differ by, and how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from judge.errors import UsageError
from judge.metrics.intervals import LEVEL, bootstrap

POWER = 0.8
"""The chance of being seen that a difference has which "could have been seen"."""

Comparisons = tuple[tuple[str, str], ...]
Hits = Sequence[Sequence[float]]
"""Of one model: for each seed what every test pair earned, 0 to 1, in one order of the pairs."""


@dataclass(frozen=True)
class Difference:
    """The accuracy of ``first`` less that of ``second``, on the same pairs."""

    first: str
    second: str
    pairs: int
    first_better: int
    """Pairs that earned ``first`` more, on the mean of the seeds."""
    second_better: int
    difference: float
    low: float
    high: float
    """95 % interval: paired bootstrap over the test pairs. It holds nothing of what another seed
    would have trained."""
    seen: float
    """The smallest true difference that such a test shows in 80 of 100 cases."""


def compare(asked: Comparisons, hits: Mapping[str, Hits]) -> list[Difference]:
    """Return the differences that are asked for.

    Raises:
        UsageError: when one of the names stands for no model.
    """
    check_names(asked, hits)
    return [_difference(one, two, hits[one], hits[two]) for one, two in asked]


def check_names(asked: Comparisons, known: Sequence[str] | Mapping[str, Any]) -> None:
    """Refuse a comparison of what the ablation does not train.

    Raises:
        UsageError: naming it, and what there is.
    """
    for name in (name for both in asked for name in both):
        if name not in known:
            raise UsageError(f"compare: no {name}; there are {', '.join(known)}")


def _difference(first: str, second: str, one: Hits, two: Hits) -> Difference:
    gains = [
        statistics.fmean(values) - statistics.fmean(others)
        for values, others in zip(zip(*one, strict=True), zip(*two, strict=True), strict=True)
    ]
    mean = statistics.fmean(gains)
    low, high = bootstrap(_mean, gains) or (mean, mean)
    normal = NormalDist()
    reach = normal.inv_cdf((1 + LEVEL) / 2) + normal.inv_cdf(POWER)
    return Difference(
        first=first,
        second=second,
        pairs=len(gains),
        first_better=sum(gain > 0 for gain in gains),
        second_better=sum(gain < 0 for gain in gains),
        difference=mean,
        low=low,
        high=high,
        seen=reach * statistics.pstdev(gains) / math.sqrt(len(gains)),
    )


def _mean(values: Any, axis: int) -> Any:
    return values.mean(axis=axis)


def render(differences: Sequence[Difference]) -> str:
    """Return the differences as a Markdown table, in points of accuracy; of none nothing."""
    if not differences:
        return ""
    lines = [
        "| first | second | difference, 95 % | first better | second better | could have seen |",
        f"|{'---|' * 6}",
    ]
    for one in differences:
        points = f"{100 * one.difference:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
        names = f"{_plain(one.first)} | {_plain(one.second)}"
        counts = f"{one.first_better} | {one.second_better}"
        lines.append(f"| {names} | {points} | {counts} | {100 * one.seen:.1f} |")
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    return name.replace("_", " ").replace("-", ", ")
