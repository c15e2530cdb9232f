"""LLMBar (Zeng et al., 2023, arXiv 2310.07641): does the judge see who follows the instruction?

The rule, from princeton-nlp/LLMBar, ``LLMEvaluator/evaluate.py``: accuracy is the mean of both
orders (``correct_average``; an answer that cannot be read is wrong), positional agreement the share
of rows where both orders name the same response (``equal``). A reward model stands in for the
benchmark's rating approach: the response with the higher score wins, equal scores and missing ones
name the response shown second, which is right in one order and an agreement in none. The
adversarial score is the plain mean of its four subsets, the average that of all five (table 2).

A row whose one order failed has no verdict at all in our runs: both its orders are wrong, and no
agreement (the benchmark counts two unreadable answers as one).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from judge.compare.benches.benchmark import BenchFigures, Benchmark
from judge.compare.benches.figures import line, mean_of
from judge.compare.benches.item import Item, Judged
from judge.formats.benchmarks import LLMBAR
from judge.formats.inputs import Input
from judge.formats.rows import Row, Unusable

ADVERSARIAL = ("Neighbor", "GPTInst", "GPTOut", "Manual")
SUBSETS = ("Natural", *ADVERSARIAL)
"""The names of the folders; the copy on the hub calls the last four ``Adversarial_Neighbor`` ..."""


def credit(row: Judged) -> float:
    """Return the share of the two orders that are right: 0, 0.5 or 1."""
    comparison = row.comparison
    if row.rewards is not None:
        return 0.5 if comparison.preferred is None else float(comparison.preferred)
    return sum(comparison.orders) / len(comparison.orders) if comparison.orders else 0.0


def agrees(row: Judged) -> bool:
    """Return whether both orders name the same response."""
    comparison = row.comparison
    if row.rewards is not None:
        return comparison.preferred is not None
    return comparison.failure is None and len(set(comparison.orders)) == 1


def parse(row: Row) -> Item:
    """Return a row; its subset is the folder's name, or the row's own field ``subset``."""
    subset = _subset(row.fields.get("subset") or row.subset)
    if subset not in SUBSETS:
        raise Unusable(
            "bad_label",
            f"its subset is {subset!r}; expected a dataset.json in one of the folders"
            f" {', '.join(SUBSETS)}",
        )
    return Item.of(subset, LLMBAR.written(row))


def leave(inputs: Sequence[Input]) -> dict[str, str]:
    """Leave the folders that are none of the five subsets, as ``CaseStudy`` beside them.

    Not where none is one of them: their rows then say what is wrong.
    """
    named = {there.label: _subset(there.subset) in SUBSETS for there in inputs}
    if not any(named.values()):
        return {}
    return {label: "its folder is not a subset" for label, known in named.items() if not known}


def _subset(name: object) -> str:
    return str(name or "").removeprefix("Adversarial_")


def score(judged: Sequence[Judged], both: bool) -> BenchFigures:
    """Return the five subsets, the adversarial mean and the average, with agreement."""
    rows = {name: [row for row in judged if row.item.subset == name] for name in SUBSETS}
    subsets = [line(name, of, map(credit, of), both) for name, of in rows.items()]
    adversarial = mean_of("Adversarial", subsets[1:], ADVERSARIAL)
    return BenchFigures(
        columns=(*subsets, adversarial),
        overall=mean_of("Average", subsets, SUBSETS),
        extra={"agreement": _agreement(rows)} if both else {},
    )


def _agreement(rows: dict[str, list[Judged]]) -> dict[str, Any]:
    """Return the positional agreement of each column and on average."""
    lines = [line(name, of, map(float, map(agrees, of))) for name, of in rows.items()]
    lines += [
        mean_of("Adversarial", lines, ADVERSARIAL),
        mean_of("Average", lines, SUBSETS),
    ]
    return {part.name: part.published.model_dump(mode="json") for part in lines}


BENCHMARK = Benchmark(
    name="llmbar",
    title="LLMBar",
    layout="input, output_1, output_2, label, in a file dataset.json of its subset's folder",
    rows=419,
    parse=parse,
    score=score,
    leave=leave,
)
