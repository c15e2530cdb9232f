"""The justifiers' ablation as a table: means over seeds, deviations and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from judge.train.ablation.result import JudgeRunResult
from judge.train.ablation.rewards_table import OVERALL, AccuracyCell, summarise
from judge.train.evaluation.verdict_accuracy import FIGURES

Summary = dict[str, dict[str, AccuracyCell]]
"""For each figure of :mod:`judge.train.evaluation.verdict_accuracy` a cell a source, and all."""
_HOW = {"justify": "as written", "verdict": "read at once"}
_NAMES = {"both_orders": "both orders", "one_order": "one order", "consistent": "consistent"}


@dataclass(frozen=True)
class JustifierRow:
    """A line of the table: a variant, and how its verdict was taken."""

    variant: str
    mode: str


def summary_of(runs: Sequence[JudgeRunResult]) -> Summary:
    """Return the cells of a row's runs, one a seed."""
    return {figure: summarise([getattr(run, figure) for run in runs]) for figure in FIGURES}


def render(rows: Mapping[JustifierRow, Summary]) -> str:
    """Return the table as Markdown: accuracy of both orders by source, then the overall of one
    order's verdicts and of consistency."""
    first = next(iter(rows.values()))
    sources = list(first["both_orders"])
    columns = [("both_orders", source) for source in sources]
    columns += [("one_order", OVERALL), ("consistent", OVERALL)]
    heads = [f"{_NAMES[f]}, {s}" if f == "both_orders" else _NAMES[f] for f, s in columns]
    lines = [f"| variant | verdict | {' | '.join(heads)} |", f"|{'---|' * (len(columns) + 2)}"]
    for row, summary in rows.items():
        cells = " | ".join(str(summary[figure][source]) for figure, source in columns)
        lines.append(f"| {row.variant.replace('_', ' ')} | {_HOW[row.mode]} | {cells} |")
    return "\n".join(lines) + "\n"
