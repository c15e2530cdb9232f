"""Accuracy by kind of pair: strength, lengths, turns, language, source, category, any column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.accuracy import mean, why_nothing
from judge.compare.columns import Column, Flags, credit
from judge.compare.metadata import LANGUAGE, USUAL_COLUMNS, PairMetadata
from judge.metrics.estimate import Estimate

STRENGTH, RATIO, TURNS = "strength", "length ratio", "turns"
MOST_LEVELS = 20
"""Of a column with more values, the rarest are put together; of numbers, quarters are made."""
OTHER = "other"
_RATIOS = ((1.1, "up to 1.1"), (1.25, "1.1 to 1.25"), (1.5, "1.25 to 1.5"), (2.0, "1.5 to 2"))
_OVER = "over 2"


class Level(BaseModel):
    """The pairs of one kind, and each system's accuracy on them: ties half, failures wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labelled: int
    """Pairs of this kind on which people have a preference."""
    accuracy: dict[str, Estimate]


class Slice(BaseModel):
    """One way to tell pairs apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    levels: list[Level]
    without: int
    """Labelled pairs of which it is not known."""
    why_not: str | None = None
    """Why there are no levels."""


def slices(
    ids: Sequence[str],
    metadata: Mapping[str, PairMetadata],
    systems: Sequence[Column],
    people: Column,
    asked: Iterable[str] = (),
) -> list[Slice]:
    """Return accuracy by every usual kind that tells pairs apart, and by the columns ``asked``."""
    asked = list(asked)
    kinds = dict.fromkeys((STRENGTH, RATIO, TURNS, LANGUAGE, *USUAL_COLUMNS, *asked))
    found = []
    for kind in kinds:
        values = _values(kind, ids, metadata, people)
        labels = [v if p else None for v, p in zip(values, people.preferred, strict=True)]
        if kind in asked or len({label for label in labels if label is not None}) > 1:
            found.append(_slice(kind, labels, systems, people))
    return found


def _values(
    kind: str, ids: Sequence[str], metadata: Mapping[str, PairMetadata], people: Column
) -> list[str | None]:
    """Return each pair's value of a kind, None where it is not known."""
    if kind == STRENGTH:
        return [None if np.isnan(s) else f"{abs(s):.0f}" for s in people.strength]
    known = [metadata.get(pair_id) for pair_id in ids]
    if kind == RATIO:
        return [None if f is None or f.lengths is None else _ratio(f.lengths) for f in known]
    if kind == TURNS:
        return [None if f is None or f.turns is None else str(f.turns) for f in known]
    return [None if f is None else f.columns.get(kind) for f in known]


def _ratio(lengths: tuple[int, int]) -> str:
    longest, shortest = max(lengths), max(min(lengths), 1)
    return next((name for most, name in _RATIOS if longest <= most * shortest), _OVER)


def _slice(
    kind: str, labels: Sequence[str | None], systems: Sequence[Column], people: Column
) -> Slice:
    names = _few(labels)
    order = [name for _, name in _RATIOS] + [_OVER] if kind == RATIO else _sorted(names)
    known = np.array([name or "" for name in names])
    levels = [
        _level(name, known == name, systems, people) for name in order if (known == name).any()
    ]
    without = int(people.preferred.sum()) - sum(level.labelled for level in levels)
    why = None if levels else f"no labelled pair has a {kind}"
    return Slice(name=kind, levels=levels, without=without, why_not=why)


def _level(name: str, member: Flags, systems: Sequence[Column], people: Column) -> Level:
    return Level(
        name=name,
        labelled=int((member & people.preferred).sum()),
        accuracy={
            system.name: mean(
                np.where(member, credit(system, people), np.nan), why_nothing(system, people)
            )
            for system in systems
        },
    )


def _few(labels: Sequence[str | None]) -> list[str | None]:
    """Return labels of no more than :data:`MOST_LEVELS` values."""
    counts = Counter(label for label in labels if label is not None)
    if len(counts) <= MOST_LEVELS:
        return list(labels)
    numbers = _quarters(labels)
    if numbers is not None:
        return numbers
    most = sorted(counts, key=lambda name: (-counts[name], name))[: MOST_LEVELS - 1]
    return [label if label is None or label in most else OTHER for label in labels]


def _quarters(labels: Sequence[str | None]) -> list[str | None] | None:
    """Return numbers by the quarter that they lie in; None where they are not numbers."""
    try:
        values = np.array([np.nan if label is None else float(label) for label in labels])
    except ValueError:
        return None
    ends = np.unique(np.nanquantile(values, [0, 0.25, 0.5, 0.75, 1]))
    names = [f"{low:.12g} to {high:.12g}" for low, high in pairwise(ends)]
    place = np.clip(np.searchsorted(ends, values, side="left") - 1, 0, len(names) - 1)
    return [None if np.isnan(v) else names[p] for v, p in zip(values, place, strict=True)]


def _sorted(names: Iterable[str | None]) -> list[str]:
    """Return the levels as they first occur in order: numbers by value, else words by alphabet."""
    levels = {name for name in names if name is not None}

    def key(name: str) -> tuple[bool, float, str]:
        try:
            return name == OTHER, float(name.split()[0]), name
        except ValueError:
            return name == OTHER, 0.0, name

    return sorted(levels, key=key)
