"""What a run's input says of the pairs, read again for its report: texts, lengths and labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from judge.formats.labels import row_label
from judge.formats.pairs import read_row, row_id
from judge.formats.records import Source
from judge.formats.sources import FileSource
from judge.idset import IdSet
from judge.pair import Pair
from judge.reward import Preference


@dataclass
class InputTexts:
    """What the input says of the pairs: lengths of those drawn from, texts of those shown."""

    lengths: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Characters of Response 1 and Response 2."""
    pairs: dict[str, Pair] = field(default_factory=dict)
    labels: dict[str, Preference] = field(default_factory=dict)
    """The response that the label prefers, where labels are wanted and this one prefers one."""


def read_texts(
    source: Source | None,
    drawn: Collection[str],
    shown: Collection[str],
    asked: Mapping[str, Any],
    labelled: bool,
) -> InputTexts:
    """Return what the input says.

    Args:
        source: the input; None where it is gone.
        drawn: ids of the pairs that plots are drawn from.
        shown: ids of the pairs whose texts are shown.
        asked: the run's configuration, which says how its rows were read.
        labelled: whether labels are wanted.
    """
    found = InputTexts()
    as_judged = [bool(asked.get(name)) for name in ("strip_thinking", "empty_responses")]
    wanted, seen = {*drawn, *shown}, IdSet()
    if labelled and isinstance(source, FileSource):
        source = replace(source, labels=True)
    for record in source.records() if source else ():
        if not wanted:
            break
        pair_id = row_id(record)
        if pair_id not in wanted:
            continue
        wanted.remove(pair_id)
        row = read_row(record, seen, *as_judged)
        if not isinstance(row, Pair):
            continue
        if pair_id in drawn:
            found.lengths[pair_id] = len(row.response_1), len(row.response_2)
            label = row_label(record, *as_judged).preference if labelled else None
            if label is not None:
                found.labels[pair_id] = label
        if pair_id in shown:
            found.pairs[pair_id] = row
    return found
