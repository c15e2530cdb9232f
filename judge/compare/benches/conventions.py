"""The same verdicts counted in the ways that papers and tools count them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from judge.compare.benches.figures import share
from judge.compare.benches.item import ResponseComparison
from judge.metrics.estimate import Estimate

Points = Callable[[ResponseComparison], float | None]
"""What a comparison counts, 0 to 1; None leaves it out."""


@dataclass(frozen=True)
class Convention:
    """A way of counting."""

    name: str
    says: str
    """What counts, and who counts so, in one line for people."""
    points: Points


def _order(number: int) -> Points:
    return lambda c: float(len(c.orders) > number and c.orders[number])


def _mean_of_orders(failed: float) -> Points:
    return lambda c: sum(c.orders) / len(c.orders) if c.orders else failed


def _by_outcome(undecided: float, failed: float | None) -> Points:
    counts = {"won": 1.0, "lost": 0.0, "undecided": undecided, "failed": failed}
    return lambda c: counts[c.outcome]


def _on_the_whole(failed: float | None) -> Points:
    return lambda c: failed if c.failure is not None else float(c.preferred is True)


class ByConvention(BaseModel):
    """What the comparisons are by one convention."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    says: str
    comparisons: int
    """Those that count, all alike."""
    value: Estimate
    """Its ``n`` are the rows that they are of. The interval takes each row for one observation: the
    comparisons of a row depend on one another."""


BOTH_ORDERS = (
    Convention("given order", "the first order alone; failures wrong", _order(0)),
    Convention("flipped order", "the second order alone; failures wrong", _order(1)),
    Convention(
        "mean of orders",
        "each order counts half, so a disagreement is half; failures wrong (LLMBar)",
        _mean_of_orders(0.0),
    ),
    Convention(
        "mean of orders, failures half",
        "each order counts half, and so does a failure (RewardBench's random order on average)",
        _mean_of_orders(0.5),
    ),
    Convention(
        "both orders",
        "right in both orders, all else wrong (JudgeBench; our reading)",
        _by_outcome(0.0, 0.0),
    ),
    Convention(
        "both orders, failures left out",
        "right in both orders, of the pairs with verdicts",
        _by_outcome(0.0, None),
    ),
    Convention(
        "on the whole",
        "by both orders' mean log-odds, as judge batch prefers; ties, failures wrong",
        _on_the_whole(0.0),
    ),
    Convention(
        "on the whole, failures left out",
        "the same, of the pairs with verdicts",
        _on_the_whole(None),
    ),
)
ONE_COMPARISON = (
    Convention(
        "strictly better",
        "the chosen response has more; ties and failures wrong (RewardBench, RM-Bench)",
        _by_outcome(0.0, 0.0),
    ),
    Convention("ties half", "ties count half; failures wrong", _by_outcome(0.5, 0.0)),
    Convention(
        "failures left out", "of the pairs with an answer; ties wrong", _by_outcome(0.0, None)
    ),
)


def conventions(
    comparisons: Sequence[ResponseComparison], orders: int, rows: Sequence[int] | None = None
) -> list[ByConvention]:
    """Return the same comparisons by every convention, all alike, with Wilson's intervals.

    Args:
        orders: how many orders were judged; 0 for a reward model.
        rows: the row that each comparison is of; None where each is of its own.
    """
    of = range(len(comparisons)) if rows is None else rows
    found = []
    for convention in BOTH_ORDERS if orders == 2 else ONE_COMPARISON:
        points = [convention.points(comparison) for comparison in comparisons]
        counted = [(row, point) for row, point in zip(of, points, strict=True) if point is not None]
        n = len({row for row, _ in counted})
        won = sum(point for _, point in counted) / len(counted) if counted else 0.0
        found.append(
            ByConvention(
                name=convention.name,
                says=convention.says,
                comparisons=len(counted),
                value=share(won * n, n),
            )
        )
    return found
