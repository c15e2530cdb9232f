"""A finished run on a benchmark's pairs to the benchmark's table: ``bench.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from judge import __version__
from judge.compare.benches.benchmark import Benchmark
from judge.compare.benches.conventions import ByConvention, conventions
from judge.compare.benches.figures import Line, Split
from judge.compare.benches.item import Item
from judge.compare.benches.plan import Kind, PlannedPair, judged_rows
from judge.compare.systems import read_config, read_run
from judge.errors import UsageError
from judge.runs.whole import replace_json

BENCH = "bench.json"


class BenchResult(BaseModel):
    """A model on a benchmark: what ``bench.json`` holds. Shares are 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    """Of this package."""
    benchmark: str
    title: str
    model: str
    """As the run was asked for it."""
    kind: Kind
    orders: int
    """Orders judged; 0 for a reward model, which sees none."""
    run_digest: str
    """Of all that determines the verdicts: model, template, pairs, options."""
    rows: int
    """Rows of the input."""
    rows_judged: int
    """Rows all of whose pairs were judged, failures included; the figures are of these."""
    rows_published: int | None
    """Rows of the published set; None where no source says how many."""
    failures: dict[str, int]
    """Pairs without a verdict or rewards, by reason."""
    overall: Line
    columns: list[Line]
    """In the order of the published table."""
    subsets: list[Line]
    """What the columns are made of, where that is more than the columns themselves."""
    split: Split | None = None
    """A column taken apart in another way than by its subsets."""
    extra: dict[str, Any]
    """What else the benchmark reports."""
    conventions: list[ByConvention]
    """The same comparisons, all alike, counted in the ways that papers and tools count them."""
    notes: list[str]
    """What a reader must know to compare the figures with published ones."""


def score_run(
    benchmark: Benchmark,
    items: Sequence[Item],
    planned: Sequence[PlannedPair],
    folder: Path,
    notes: Sequence[str] = (),
) -> BenchResult:
    """Return the result of the run in ``folder`` on the planned pairs.

    Args:
        notes: what reading the rows found (:func:`judge.compare.benches.read.read_items`).

    Raises:
        UsageError: when it is no finished run, or none of these pairs was judged.
    """
    config = read_config(folder)
    kind: Kind = "judge" if "mode" in config["config"] else "reward_model"
    system = read_run(folder)[0]
    orders = {"both": 2, "given": 1}[config["config"]["orders"]] if kind == "judge" else 0
    judged = judged_rows(items, planned, system.decisions, kind)
    compared_in = [(i, c) for i, row in enumerate(judged) for c in row.comparisons.values()]
    comparisons = [comparison for _, comparison in compared_in]
    if not comparisons:
        raise UsageError(f"{folder} holds no judged row of {benchmark.title}")
    compared = sum(bool(row.comparisons) for row in judged)
    figures = benchmark.score(judged, orders != 1)
    return BenchResult(
        version=__version__,
        benchmark=benchmark.name,
        title=benchmark.title,
        model=str(config["config"]["model"]),
        kind=kind,
        orders=orders,
        run_digest=str(config["digest"]),
        rows=len(items),
        rows_judged=compared,
        rows_published=benchmark.rows,
        failures=system.failures,
        overall=figures.overall,
        columns=list(figures.columns),
        subsets=list(figures.subsets),
        split=figures.split,
        extra=figures.extra,
        conventions=conventions(comparisons, orders, [row for row, _ in compared_in]),
        notes=[*figures.notes, *notes, *_notes(benchmark, len(items), compared)],
    )


def _notes(benchmark: Benchmark, rows: int, judged: int) -> list[str]:
    notes = []
    if judged < rows:
        notes.append(f"{judged:,} of the input's {rows:,} rows were judged")
    if benchmark.rows is None:
        notes.append(
            f"the input has {rows:,} rows; whether that is the whole published set is not known"
        )
    elif rows != benchmark.rows:
        notes.append(
            f"the input has {rows:,} rows, the published set {benchmark.rows:,}: not comparable"
            " with published scores"
        )
    return notes


def write_result(result: BenchResult, folder: Path) -> Path:
    """Write ``bench.json``; return its path. The same result gives the same bytes.

    Raises:
        UsageError: when the disk refuses.
    """
    path = folder / BENCH
    replace_json(path, result.model_dump(mode="json"))
    return path
