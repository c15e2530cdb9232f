"""Accuracies of several seeds as means, deviations and intervals, in the shape of Table 1."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from judge.metrics.accuracy import Accuracy

OVERALL = "overall"
"""The plain mean over the sources, as RewardBench's over its sections."""
EXPO = "expo"
_LOSSES = {
    "regression": "regression (helpfulness)",
    "bt": "Bradley-Terry, regular",
    "margin_bt": "Bradley-Terry, margin",
    "scaled_bt": "Bradley-Terry, scaled",
    EXPO: "Bradley-Terry, scaled, then ExPO",
    "length": "the longer response",
}


@dataclass(frozen=True)
class RewardRow:
    """A line of the table: what a model starts from and what it is trained for."""

    start: str
    objective: str
    data: str = ""
    """The name of the set, where there are several; empty: the ablation's own."""


LENGTH = RewardRow("no model", "length")


@dataclass(frozen=True)
class AccuracyCell:
    """One source's accuracy: mean and standard deviation over seeds, and how sure the mean is."""

    mean: float
    deviation: float | None
    """Of the sample (n - 1); None of a single seed."""
    low: float | None
    high: float | None
    """95 % Wilson interval of the mean for the number of test pairs; None for the overall."""

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ± {self.deviation:.3f}"
        interval = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.mean:.3f}{spread}{interval}"


def summarise(seeds: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, AccuracyCell]:
    """Return a cell a source, and the overall.

    Args:
        seeds: for each seed and source the correct pairs and all pairs; the pairs are the same for
            every seed, so more seeds make no interval smaller.
    """
    cells = {}
    shares = {source: [seed[source][0] / seed[source][1] for seed in seeds] for source in seeds[0]}
    for source, values in shares.items():
        total = int(seeds[0][source][1])
        cells[source] = _cell(
            values, *Accuracy(round(statistics.fmean(values) * total), total).interval
        )
    means = [statistics.fmean(values) for values in zip(*shares.values(), strict=True)]
    return {OVERALL: _cell(means, None, None), **cells}


def _cell(values: list[float], low: float | None, high: float | None) -> AccuracyCell:
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return AccuracyCell(statistics.fmean(values), deviation, low, high)


def render(rows: Mapping[RewardRow, Mapping[str, AccuracyCell]]) -> str:
    """Return the table as Markdown: a line a model, the overall and each source a column."""
    columns = list(next(iter(rows.values())))
    several = any(row.data for row in rows)
    heads = ["trained for", "from", *(["on"] if several else []), *columns]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    order = list(_LOSSES)
    for row in sorted(rows, key=lambda r: (r.start != LENGTH.start, order.index(r.objective))):
        cells = " | ".join(str(rows[row][column]) for column in columns)
        on = f" {_set_of(row)} |" if several else ""
        lines.append(f"| {_LOSSES[row.objective]} | {row.start} |{on} {cells} |")
    return "\n".join(lines) + "\n"


def _set_of(row: RewardRow) -> str:
    """Return what a model was trained on, in words."""
    if row.objective in ("regression", "length"):
        return "ratings" if row.objective == "regression" else ""
    return row.data or "the paper's rules"
