"""A benchmark's rows, from the hub or from files in its published layout.

A row that is not of the layout stops the reading: without it the figures would be those of another
benchmark. Texts that no model could judge (an empty response) are read as they are; judging them
is a recorded failure, which the rules count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from judge.compare.benches.benchmark import Benchmark
from judge.compare.benches.item import Item
from judge.errors import RowError, UsageError
from judge.formats.fields import given_id, row_fields
from judge.formats.inputs import Wanted, is_hub_id, open_inputs
from judge.formats.registry import AUTO
from judge.formats.rows import Row, Unusable


def read_items(
    benchmark: Benchmark,
    source: str | None,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
) -> list[Item]:
    """Return the rows in the order of the input, each with an id of its own.

    Args:
        source: a file, a folder (docs/formats.md says which of its files), ``-`` or a hub id; None:
            the benchmark's own data set on the hub.
        split: of the hub, by default the one of the published scores.

    Raises:
        UsageError: when there is nothing to read, or a row that is not of the benchmark's layout.
    """
    name = source or benchmark.hub
    if name is None:
        raise UsageError(
            f"{benchmark.title} is read from its files, not from the hub: give INPUT, a file or"
            f" folder with rows of {benchmark.layout}"
        )
    if is_hub_id(name):
        split = split or benchmark.split
    items: list[Item] = []
    used: Counter[str] = Counter()
    for item in _rows(benchmark, name, Wanted(False, AUTO, split, subset, revision)):
        used[item.item_id] += 1
        if used[item.item_id] > 1:
            item = replace(item, item_id=f"{item.item_id}~{used[item.item_id]}")
        items.append(item)
    if not items:
        raise UsageError(f"{name} has no rows")
    return items


def _rows(benchmark: Benchmark, name: str, wanted: Wanted) -> Iterator[Item]:
    for there in open_inputs(name, wanted):
        for record in there.records():
            try:
                fields = row_fields(record.row)
                own = given_id(fields)
                item = benchmark.parse(Row(fields, there.split, there.subset))
            except (RowError, Unusable) as error:
                detail = error.detail if isinstance(error, RowError) else str(error)
                raise UsageError(
                    f"{there.label} line {record.line}: {detail}; a row of {benchmark.title} has"
                    f" {benchmark.layout}"
                ) from None
            own = own or str(record.line)
            yield replace(item, item_id=f"{item.subset}/{own}", own_id=own)
