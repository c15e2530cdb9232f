"""The lines of a benchmark's table: figures by its rule and by our reading, with intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from judge.compare.benches.item import OUTCOMES, Cell, Judged, Outcome
from judge.metrics.estimate import Estimate
from judge.metrics.intervals import wilson

NO_ROWS = "no rows"
ONE_ORDER = "one order was judged; our reading needs both"


class Line(BaseModel):
    """One column of a benchmark's published table, or one of its subsets.

    Figures are shares of 0 to 1; their ``n`` is a number of rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    published: Estimate
    """By the benchmark's own rule."""
    strict: Estimate
    """Ours: a row (of RM-Bench, a comparison) counts where every order, or the rewards, say that
    the chosen response is better than each rejected one it is compared with."""
    half: Estimate
    """The same, what is undecided (orders that disagree, equal rewards) counting half."""
    outcomes: dict[Outcome, int]
    """Rows by our reading; of RM-Bench, comparisons."""


class Group(BaseModel):
    """Subsets of a column that have something in common, and their weighted mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    subsets: list[Line]
    mean: Line


class Split(BaseModel):
    """A column of a benchmark's table taken apart in another way than by its subsets alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    groups: list[Group]
    note: str
    """Where the grouping comes from, and what it says."""


def line(
    name: str,
    judged: Sequence[Judged],
    credits: Iterable[float],
    both: bool = True,
    cells: Sequence[Cell] | None = None,
) -> Line:
    """Return the line of some rows: means over the rows, with Wilson's intervals.

    Args:
        credits: each row's score by the benchmark's own rule.
        both: whether both orders were judged, or rewards compared.
        cells: the comparisons of a row that count, each by itself; None: the row as a whole
            (:attr:`Judged.outcome`). A row with several is one observation all the same, its share
            of them its hit: an interval over dependent comparisons would be too narrow.
    """
    outcomes: Counter[Outcome] = Counter()
    won = half = 0.0
    for row in judged:
        found = (
            [row.outcome] if cells is None else [row.comparisons[cell].outcome for cell in cells]
        )
        of_row = Counter(found)
        outcomes += of_row
        won += of_row["won"] / of_row.total()
        half += of_row["undecided"] / of_row.total() / 2
    rows = len(judged)
    return Line(
        name=name,
        rows=rows,
        published=share(math.fsum(credits), rows),
        strict=share(won, rows) if both else Estimate.missing(ONE_ORDER, rows),
        half=share(won + half, rows) if both else Estimate.missing(ONE_ORDER, rows),
        outcomes=_counts(outcomes),
    )


def share(hits: float, rows: int) -> Estimate:
    """Return ``hits`` of ``rows`` with Wilson's interval; hits may be parts of one."""
    if rows == 0:
        return Estimate.missing(NO_ROWS)
    return Estimate.of(hits / rows, rows, wilson(min(max(hits, 0.0), rows), rows))


def average(name: str, lines: Sequence[Line], weights: Sequence[float]) -> Line:
    """Return the weighted mean of lines over different rows.

    The interval of a linear function of independent shares is made of theirs: Zou, Huang and Zhang
    (2009), "A note on confidence interval estimation for a linear function of binomial
    proportions", Computational Statistics and Data Analysis 53.
    """
    outcomes: Counter[Outcome] = Counter()
    for part in lines:
        outcomes += Counter(part.outcomes)
    return Line(
        name=name,
        rows=sum(part.rows for part in lines),
        published=_mean([(part.name, part.published) for part in lines], weights),
        strict=_mean([(part.name, part.strict) for part in lines], weights),
        half=_mean([(part.name, part.half) for part in lines], weights),
        outcomes=_counts(outcomes),
    )


def mean_of(name: str, lines: Sequence[Line], expected: Sequence[str]) -> Line:
    """Return the plain mean of the lines called ``expected``, none where one has no rows."""
    there = [part for part in lines if part.name in expected and part.rows]
    found = average(name, there, [1.0] * len(there))
    absent = [wanted for wanted in expected if wanted not in {part.name for part in there}]
    if not absent:
        return found
    nothing = Estimate.missing(f"no rows of {', '.join(absent)}", found.rows)
    return found.model_copy(update={"published": nothing, "strict": nothing, "half": nothing})


def unscored(name: str, rows: int, why_not: str) -> Line:
    """Return the line of rows that were not judged, for a reason."""
    nothing = Estimate.missing(why_not, rows)
    return Line(
        name=name, rows=rows, published=nothing, strict=nothing, half=nothing, outcomes=_counts({})
    )


def _mean(parts: Sequence[tuple[str, Estimate]], weights: Sequence[float]) -> Estimate:
    if not parts:
        return Estimate.missing(NO_ROWS)
    rows = sum(part.n for _, part in parts)
    value = below = above = 0.0
    whole = math.fsum(weights)
    for (name, part), weight in zip(parts, weights, strict=True):
        if part.value is None or part.interval is None:
            return Estimate.missing(f"{name}: {part.why_not}", rows)
        w, (low, high) = weight / whole, part.interval
        value += w * part.value
        below += (w * (part.value - low)) ** 2
        above += (w * (high - part.value)) ** 2
    interval = max(0.0, value - math.sqrt(below)), min(1.0, value + math.sqrt(above))
    return Estimate.of(value, rows, interval)


def _counts(outcomes: Counter[Outcome] | dict[Outcome, int]) -> dict[Outcome, int]:
    return {outcome: outcomes.get(outcome, 0) for outcome in OUTCOMES}
