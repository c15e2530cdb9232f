"""Grades as tables of texts."""

from __future__ import annotations

from collections.abc import Iterator

from judge.compare.arena.mt_bench.scores import MtBenchResult
from judge.compare.arena.tables import lengths_table
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import DASH, decimal, number
from judge.report.tables import Table


def tables(result: MtBenchResult) -> Iterator[Table]:
    """Yield the tables of a result in the order in which they are read."""
    yield _means(result)
    categories = list(dict.fromkeys(c for one in result.models for c in one.categories))
    if categories:
        yield _categories(result, categories)
    yield lengths_table(result.lengths)


def mean_and_interval(estimate: Estimate) -> str:
    """Return a mean grade with its interval."""
    if estimate.value is None:
        return DASH
    ends = estimate.interval
    return f"{estimate.value:.2f}" + (f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else "")


def _means(result: MtBenchResult) -> Table:
    turns = max((len(one.turns) for one in result.models), default=0)
    rows = tuple(
        (
            one.model,
            mean_and_interval(one.mean),
            *(decimal(e, 2) for e in (*one.turns, *[Estimate.missing("")] * turns)[:turns]),
            f"{sum(one.failures.values()):,}",
            number(result.lengths[one.model].characters, 0),
        )
        for one in result.models
    )
    heads = tuple(f"turn {turn}" for turn in range(1, turns + 1))
    columns = ("model", "mean, 95 %", *heads, "failed", "length")
    judge = "nobody" if result.judge is None else result.judge.model
    title = f"MT-bench's rule, graded by {judge}"
    return Table("grades", title, columns, rows, "\n".join(_notes(result)))


def _categories(result: MtBenchResult, categories: list[str]) -> Table:
    nothing = Estimate.missing("")
    rows = tuple(
        (one.model, *(decimal(one.categories.get(c, nothing), 2) for c in categories))
        for one in result.models
    )
    return Table("categories", "Mean grade by category", ("model", *categories), rows)


def _notes(result: MtBenchResult) -> list[str]:
    notes = [
        f"{result.questions:,} questions, {result.referred:,} beside a right answer; wording"
        f" {result.wording}; intervals by question, seed {result.seed};"
        " length: mean characters"
    ]
    for one in result.models:
        if one.failures:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in one.failures.items())
            notes.append(
                f"{one.model}: {sum(one.failures.values()):,} failures, in no mean;"
                f" {number(one.lowest, 2)} if all were 1, {number(one.highest, 2)} if all were 10"
                f" ({reasons})"
            )
    return [*notes, *result.notes]
