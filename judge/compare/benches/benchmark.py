"""What a benchmark is: how its rows read, what is compared, and how that is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from judge.compare.benches.figures import Line, Split
from judge.compare.benches.item import Cell, Item, Judged
from judge.formats import fields as checks
from judge.formats.inputs import Input
from judge.formats.rows import Row, Unusable


@dataclass(frozen=True)
class BenchFigures:
    """A benchmark's table."""

    columns: tuple[Line, ...]
    """In the order of the published table."""
    overall: Line
    subsets: tuple[Line, ...] = ()
    """What the columns are made of, where that is more than the columns themselves."""
    split: Split | None = None
    """A column taken apart in another way."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What else the benchmark reports; plain JSON values."""
    notes: tuple[str, ...] = ()
    """What a reader must know to compare the figures with published ones."""


@dataclass(frozen=True)
class Benchmark:
    """One of the benchmarks."""

    name: str
    title: str
    layout: str
    """The fields of its rows, for people."""
    rows: int | None
    """How many rows the published set has (of the default split); None where no source says."""
    parse: Callable[[Row], Item]
    score: Callable[[Sequence[Judged], bool], BenchFigures]
    """Of the rows that were judged; the second argument says whether both orders were (always True
    for a reward model, which sees no order)."""
    hub: str | None = None
    """Its data set on the hub; None where it is not to be read from there."""
    split: str | None = None
    """The split of the published scores."""
    cells: Callable[[Item], list[Cell]] = lambda item: cross(item)
    """The comparisons that a pairwise judge makes of a row."""
    leave: Callable[[Sequence[Input]], Mapping[str, str]] = lambda inputs: {}
    """Of the files of a folder those that are not read: label and why."""


def cross(item: Item) -> list[Cell]:
    """Return every chosen response against every rejected one, the latter counting fastest."""
    return list(product(range(len(item.chosen)), range(len(item.rejected))))


def text_of(row: Row, name: str) -> str:
    """Return the text in the field ``name``.

    Raises:
        Unusable: when it is none.
    """
    value = row.required(name)
    if not isinstance(value, str):
        raise Unusable("wrong_type", f"{name} is {checks.kind(value)}, expected text")
    return value


def named_of(row: Row, name: str, known: Sequence[str]) -> str:
    """Return the name in the field ``name``.

    Raises:
        Unusable: when it is none of ``known``.
    """
    value = row.required(name)
    if value not in known:
        raise Unusable(
            "bad_label", f"{name} is {checks.shown(value)}; expected one of {', '.join(known)}"
        )
    return str(value)
