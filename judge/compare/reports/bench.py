"""The report of ``judge bench``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from judge.compare.benches.figures import Line, Split
from judge.compare.benches.score import BenchResult
from judge.compare.benches.tables import tables
from judge.metrics.formatting import share
from judge.report.page import Page, write
from judge.report.plots import ONE, TWO, Plot, marks, shares

SECTIONS = {
    "bench": ("Score", "By the benchmark's own rule, and by our stricter reading beside it."),
    "details": ("With intervals", ""),
    "split": ("Another way to take it apart", ""),
    "conventions": (
        "Conventions",
        "The same verdicts score differently by what papers and tools count as right.",
    ),
}


def write_report(result: BenchResult, folder: Path) -> Path:
    """Write ``report.html`` of a benchmark; return its path. The same bytes each time.

    Raises:
        UsageError: when the folder cannot be written to.
    """
    page = Page(
        title=f"{result.title}: {result.model}",
        about=[
            f"{result.kind.replace('_', ' ')}, run {result.run_digest}",
            f"Pairwise Justifier {result.version}",
        ],
        sentence=sentence(result),
        tiles=list(_tiles(result)),
        sections=SECTIONS,
        tables=list(tables(result)),
        plots=list(plots(result)),
        notes=result.notes,
    )
    return write(page, folder)


def sentence(result: BenchResult) -> str:
    """Return what was found in plain words."""
    overall, rows = result.overall, f"{result.rows_judged:,} rows"
    if overall.published.value is None:
        return (
            f"{result.model} has no score on {result.title} from {rows}:"
            f" {overall.published.why_not}."
        )
    words = (
        f"{result.model} scores {share(overall.published)} on {result.title} by the benchmark's own"
        f" rule, from {rows}"
    )
    if overall.strict.value is None:
        return f"{words}. Our stricter reading: {overall.strict.why_not}."
    return f"{words}; by our stricter reading {share(overall.strict)}."


def plots(result: BenchResult) -> Iterator[Plot]:
    """Yield the plots of a result: its lines, and the same verdicts by other conventions."""
    lines: list[Line] = [result.overall, *result.columns]
    names = [line.name for line in lines]
    traces = [
        marks(names, [line.published for line in lines], ONE, "its rule"),
        marks(names, [line.strict for line in lines], TWO, "strict"),
    ]
    there = [trace for trace in traces if trace["x"]]
    if there:
        caption = "Score by section with 95 % intervals: by the benchmark's own rule, and strict."
        yield shares("details", "sections", there, caption, names, middle=None)
    if result.split is not None:
        yield from _split(result.split)
    of = [one for one in result.conventions if one.value.value is not None]
    if of:
        caption = "The same verdicts, all comparisons alike, by other conventions."
        names = [one.name for one in of]
        trace = marks(names, [one.value for one in of], ONE)
        yield shares("conventions", "conventions", [trace], caption, names, middle=None)


def _split(split: Split) -> Iterator[Plot]:
    """Yield each group beside its subsets."""
    lines = [part for group in split.groups for part in (group.mean, *group.subsets)]
    names = [line.name for line in lines]
    traces = [
        marks(names, [line.published for line in lines], ONE, "its rule"),
        marks(names, [line.strict for line in lines], TWO, "strict"),
    ]
    if there := [trace for trace in traces if trace["x"]]:
        caption = f"{split.title}: with 95 % intervals, by the benchmark's own rule, and strict."
        yield shares("split", "groups", there, caption, names, middle=None)


def _tiles(result: BenchResult) -> Iterator[tuple[str, str, str]]:
    yield share(result.overall.published), result.overall.name, "by the benchmark's own rule"
    yield share(result.overall.strict), "strict", "every order right, failures wrong"
    of = result.rows if result.rows_published is None else result.rows_published
    whose = "of the input" if result.rows_published is None else "published"
    yield f"{result.rows_judged:,}", "rows judged", f"of {of:,} {whose}"
    yield f"{sum(result.failures.values()):,}", "failures", "pairs without a verdict or rewards"
