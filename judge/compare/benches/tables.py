"""A benchmark's result as tables of texts: the published table, details, other conventions."""

from __future__ import annotations

from collections.abc import Iterator

from judge.compare.benches.figures import Line, Split
from judge.compare.benches.score import BenchResult
from judge.metrics.estimate import Estimate
from judge.report.tables import Table

_DASH = "-"
_COLUMNS = ("its rule", "95 %", "strict", "95 %", "rows", "failed")


def tables(result: BenchResult) -> Iterator[Table]:
    """Yield the tables of a result in the order in which they are read."""
    yield _published(result)
    yield _details(result)
    if result.split is not None:
        yield _split(result.split)
    yield _conventions(result)


def _published(result: BenchResult) -> Table:
    """Return the table in the published shape: the score, then a column a section."""
    lines = [result.overall, *result.columns]
    rows: list[tuple[str, ...]] = [
        ("its rule", *(percent(line.published) for line in lines)),
        ("strict", *(percent(line.strict) for line in lines)),
        ("half", *(percent(line.half) for line in lines)),
    ]
    agreement = result.extra.get("agreement")
    if agreement is not None:
        of_lines = [Estimate.model_validate(agreement[line.name]) for line in lines]
        rows.append(("agree", *map(percent, of_lines)))
    return Table(
        "bench",
        f"{result.title}: {result.model}",
        ("per cent", *(line.name for line in lines)),
        tuple(rows),
        _note(result),
    )


def _note(result: BenchResult) -> str:
    overall = result.overall
    missing = dict.fromkeys(e.why_not for e in (overall.published, overall.strict) if e.why_not)
    ours = "right in both orders" if result.orders else "strictly higher"
    notes = [
        f"its rule: the benchmark's own; strict: {ours}; half: undecided as half",
        *result.notes,
    ]
    notes += [f"no {overall.name}: {why}" for why in missing]
    notes += [f"failed: {count:,} {reason}" for reason, count in result.failures.items()]
    return "\n".join(notes)


def _details(result: BenchResult) -> Table:
    lines = (result.overall, *result.columns, *result.subsets)
    rows = tuple((line.name, *_figures(line)) for line in lines)
    return Table("details", "With intervals, per cent", ("", *_COLUMNS), rows)


def _split(split: Split) -> Table:
    rows = []
    for group in split.groups:
        rows.append((group.name, "all", *_figures(group.mean)))
        rows += [(group.name, part.name, *_figures(part)) for part in group.subsets]
    title = f"{split.title}, per cent"
    return Table("split", title, ("", "subset", *_COLUMNS), tuple(rows), split.note)


def _figures(line: Line) -> tuple[str, ...]:
    """Return the cells of :data:`_COLUMNS`."""
    return (
        percent(line.published),
        interval(line.published),
        percent(line.strict),
        interval(line.strict),
        f"{line.rows:,}",
        f"{line.outcomes['failed']:,}",
    )


def _conventions(result: BenchResult) -> Table:
    rows = tuple(
        (f"{one.name}: {one.says}", f"{one.comparisons:,}", percent(one.value))
        for one in result.conventions
    )
    return Table(
        "conventions",
        "The same verdicts by other conventions, all comparisons alike",
        ("what counts", "of", "per cent"),
        rows,
    )


def percent(estimate: Estimate) -> str:
    """Return a share in per cent with one decimal, as published tables have it; a dash for none."""
    return _DASH if estimate.value is None else f"{100 * estimate.value:.1f}"


def interval(estimate: Estimate) -> str:
    """Return a share's interval in per cent; a dash for none."""
    if estimate.interval is None:
        return _DASH
    low, high = estimate.interval
    return f"{100 * low:.1f}-{100 * high:.1f}"
