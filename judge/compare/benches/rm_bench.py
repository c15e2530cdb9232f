"""RM-Bench (Liu et al., 2024, arXiv 2410.16184): three styles chosen against three rejected.

The rule, from THU-KEG/RM-Bench (README, "how to compute the accuracy", and ``compute_accuracy`` of
``scripts/utils.py``): a cell of the 3 x 3 matrix (rows: style of the chosen response, columns: of
the rejected one; concise, detailed, markdown) is the share of rows where the chosen response scores
strictly higher. ``hard`` is the mean of the upper right triangle (the rejected response is the
fancier), ``normal`` of the diagonal, ``easy`` of the lower left. A domain is the mean of the three,
which is the mean of its nine cells; ``safety`` holds safety-refuse and safety-response together.
The overall score, and hard, normal and easy over all domains, are plain means of the four domains.

The benchmark is made for scores. Our reduction for a pairwise judge: a cell counts where the judge
prefers the chosen response on the whole, by the mean log-odds of the orders judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judge.compare.benches.benchmark import BenchFigures, Benchmark, text_of
from judge.compare.benches.figures import line, mean_of
from judge.compare.benches.item import Cell, Item, Judged
from judge.formats import fields as checks
from judge.formats.benchmarks import RM_BENCH
from judge.formats.inputs import Input
from judge.formats.rows import Row, Unusable

DOMAINS = ("Chat", "Math", "Code", "Safety")
NO_SCORES = "the rule is made for scores; here a preference by both orders' mean log-odds stands in"
CELLS: dict[str, list[Cell]] = {
    "easy": [(i, j) for i in range(3) for j in range(3) if i > j],
    "normal": [(i, i) for i in range(3)],
    "hard": [(i, j) for i in range(3) for j in range(3) if i < j],
}


def credit(row: Judged, cells: Sequence[Cell]) -> float:
    """Return the share of these cells of a row that count."""
    return sum(row.comparisons[cell].preferred is True for cell in cells) / len(cells)


def parse(row: Row) -> Item:
    """Return a row of nine comparisons.

    The published files of one domain (``safety-refuse_filtered.json``) name it in their own name
    alone.
    """
    if row.fields.get("domain") is None:
        subset, found = domain_of(row.file), f"no domain, and the file is {row.file!r}"
    else:
        domain = text_of(row, "domain")
        subset, found = domain_of(domain), f"domain is {checks.shown(domain)}"
    if subset is None:
        expected = f"expected one that starts with {', '.join(DOMAINS).lower()}"
        raise Unusable("bad_label", f"{found}; {expected}")
    return Item.of(subset, RM_BENCH.written(row))


def domain_of(name: str) -> str | None:
    """Return the domain that a name starts with, None for any other."""
    lower = Path(name).name.lower()
    return next((domain for domain in DOMAINS if lower.startswith(domain.lower())), None)


def leave(inputs: Sequence[Input]) -> dict[str, str]:
    """Leave the file of all rows (``total_dataset.json``) beside the files of each domain."""
    whole = {there.label for there in inputs if domain_of(there.label) is None}
    domains = {domain_of(there.label) for there in inputs} - {None}
    if len(domains) < len(DOMAINS):
        return {}
    return dict.fromkeys(whole, "the files of the domains hold the same rows")


def score(judged: Sequence[Judged], both: bool) -> BenchFigures:
    """Return the four domains, easy, normal and hard, the average, and the matrices."""
    rows = {name: [row for row in judged if row.item.subset == name] for name in DOMAINS}
    every = [cell for cells in CELLS.values() for cell in cells]
    domains = [
        line(name, of, [credit(row, every) for row in of], both, every) for name, of in rows.items()
    ]
    levels, parts = [], []
    for level, cells in CELLS.items():
        of_level = [
            line(name, of, [credit(row, cells) for row in of], both, cells)
            for name, of in rows.items()
        ]
        parts += [
            part.model_copy(update={"name": f"{part.name}, {level}"})
            for part in of_level
            if part.rows
        ]
        levels.append(mean_of(level.title(), of_level, DOMAINS))
    scored = all(row.rewards is not None for row in judged)
    return BenchFigures(
        columns=(*domains, *levels),
        overall=mean_of("Average", domains, DOMAINS),
        subsets=tuple(parts),
        extra={"matrix": {name: _matrix(of) for name, of in rows.items() if of}},
        notes=() if scored else (NO_SCORES,),
    )


def _matrix(rows: Sequence[Judged]) -> list[list[Any]]:
    """Return the share of rows that count, chosen styles down, rejected ones across."""
    return [
        [round(sum(credit(row, [(i, j)]) for row in rows) / len(rows), 6) for j in range(3)]
        for i in range(3)
    ]


BENCHMARK = Benchmark(
    name="rm-bench",
    title="RM-Bench",
    layout="prompt, chosen and rejected (three texts each), domain or a file named after it (id)",
    rows=1327,
    parse=parse,
    score=score,
    hub="THU-KEG/RM-Bench",
    split="train",
    leave=leave,
)
