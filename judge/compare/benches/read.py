"""A benchmark's rows, from the hub or from files in its published layout.

A row that is not of the layout stops the reading: without it the figures would be those of another
benchmark. Texts that no model could judge (an empty response) are read as they are; judging them
is a recorded failure, which the rules count.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from judge.compare.benches.benchmark import Benchmark
from judge.compare.benches.item import Item
from judge.errors import RowError, UsageError
from judge.formats.fields import given_id, row_fields
from judge.formats.inputs import Input, Wanted, files_of, is_hub_id, open_inputs, stem_of
from judge.formats.registry import AUTO
from judge.formats.rows import SPLITS, Row, Unusable


def read_items(
    benchmark: Benchmark,
    source: str | None,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> list[Item]:
    """Return the rows in the order of the input, each with an id of its own.

    Args:
        source: a file, a folder (docs/formats.md says which of its files), ``-`` or a hub id; None:
            the benchmark's own data set on the hub.
        split: of the hub, and of a folder with a file of this name, by default the one of the
            published scores.
        note: is told what was left out, and which rows are given twice.

    Raises:
        UsageError: when there is nothing to read, or a row that is not of the benchmark's layout.
    """
    name = source or benchmark.hub
    if name is None:
        raise UsageError(
            f"{benchmark.title} is read from its files, not from the hub: give INPUT, a file or"
            f" folder with rows of {benchmark.layout}"
        )
    inputs = _inputs(benchmark, name, Wanted(False, AUTO, split, subset, revision), note)
    items: list[Item] = []
    used: Counter[str] = Counter()
    repeats = _Repeats()
    for item in _rows(benchmark, inputs):
        used[item.item_id] += 1
        if used[item.item_id] > 1:
            item = replace(item, item_id=f"{item.item_id}~{used[item.item_id]}")
        repeats.add(item)
        items.append(item)
    if not items:
        raise UsageError(f"{name} has no rows")
    for text in repeats.notes():
        note(text)
    return items


def _inputs(
    benchmark: Benchmark, name: str, wanted: Wanted, note: Callable[[str], None]
) -> list[Input]:
    """Return what is read of ``name``: of its files those that the published scores are of."""
    if wanted.split is None and (is_hub_id(name) or _has_file(name, benchmark.split)):
        wanted = replace(wanted, split=benchmark.split)
    inputs = open_inputs(name, wanted)
    left = benchmark.leave(inputs)
    for label, why in left.items():
        note(f"{label} was not read: {why}")
    return [there for there in inputs if there.label not in left]


def _has_file(name: str, split: str | None) -> bool:
    """Return whether a folder has a file named after a split of the hub, one among others."""
    if split is None or split in SPLITS or not Path(name).is_dir():
        return False
    stems = {stem_of(file) for file in files_of(Path(name), False, AUTO)}
    return split in stems and len(stems) > 1


@dataclass
class _Repeats:
    """Which rows say the same as an earlier one."""

    first: dict[bytes, str] = field(default_factory=dict)
    again: list[tuple[str, str]] = field(default_factory=list)
    """The ids of a row and of the earlier one that it repeats."""

    def add(self, item: Item) -> None:
        texts = [item.subset, item.prompt, item.chosen, item.rejected]
        content = json.dumps(texts, sort_keys=True, default=str).encode()
        digest = hashlib.blake2b(content, digest_size=16).digest()
        earlier = self.first.setdefault(digest, item.item_id)
        if earlier != item.item_id:
            self.again.append((item.item_id, earlier))

    def notes(self) -> Iterator[str]:
        if self.again:
            row, earlier = self.again[0]
            yield (
                f"{len(self.again):,} rows are given twice, and count each time: the first,"
                f" {row}, says what {earlier} does"
            )


def _rows(benchmark: Benchmark, inputs: Sequence[Input]) -> Iterator[Item]:
    for there in inputs:
        for record in there.records():
            try:
                fields = row_fields(record.row)
                own = given_id(fields)
                row = Row(fields, there.split, there.subset, file=there.label)
                item = benchmark.parse(row)
            except (RowError, Unusable) as error:
                detail = error.detail if isinstance(error, RowError) else str(error)
                raise UsageError(
                    f"{there.label} line {record.line}: {detail}; a row of {benchmark.title} has"
                    f" {benchmark.layout}"
                ) from None
            own = item.own_id or own or str(record.line)
            yield replace(item, item_id=f"{item.subset}/{own}", own_id=own)
