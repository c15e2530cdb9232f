"""Which conversations go through a scorer's model together: of like length, prompts shared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from judge.infer.engines.transformers.decode import common_prefix

WASTE = 1.25
"""A batch is closed before its positions, padding included, exceed its tokens so many times."""
SHARED = 8
"""Two neighbours run what both begin with once where that is 1/8 of their tokens or more."""


class _Group(NamedTuple):
    """A row, or two neighbours that begin alike."""

    rows: list[int]
    prefix: int
    """Tokens that both begin with; 0 for a single row."""
    rest: int
    """Tokens of the longer one after it."""
    tokens: int
    """Tokens that have to go through the model."""


def batches(rows: Sequence[Sequence[int]], batch_tokens: int) -> Iterator[tuple[list[int], bool]]:
    """Yield ``(indices, twins)``: rows of like length within ``batch_tokens``, padding included.

    Where ``twins``, indices ``2k`` and ``2k + 1`` of the batch are neighbours in ``rows`` that
    begin alike. A row, or two, of more than ``batch_tokens`` go alone.
    """
    groups = list(_groups(rows))
    for twins in (True, False):
        batch: list[_Group] = []
        for group in sorted((g for g in groups if (g.prefix > 0) == twins), key=_shape):
            cost = _cost([*batch, group])
            tokens = sum(g.tokens for g in batch) + group.tokens
            if batch and (cost > batch_tokens or cost > WASTE * tokens):
                yield [i for g in batch for i in g.rows], twins
                batch = []
            batch.append(group)
        if batch:
            yield [i for g in batch for i in g.rows], twins


def _groups(rows: Sequence[Sequence[int]]) -> Iterator[_Group]:
    i = 0
    while i < len(rows):
        one, two = len(rows[i]), len(rows[i + 1]) if i + 1 < len(rows) else 0
        prefix = common_prefix(rows[i], rows[i + 1]) if two else 0
        if prefix * SHARED >= one + two:
            yield _Group([i, i + 1], prefix, max(one, two) - prefix, one + two - prefix)
            i += 2
        else:
            yield _Group([i], 0, one, one)
            i += 1


def _shape(group: _Group) -> tuple[int, int, int]:
    """Order by the rest in steps of a fifth, then by the prefix, longest first."""
    return -round(4 * math.log2(group.rest)), -group.prefix, group.rows[0]


def _cost(batch: Sequence[_Group]) -> int:
    """Return the positions of a batch, padding included."""
    size = sum(len(group.rows) for group in batch)
    prefixes = len(batch) * max(group.prefix for group in batch)
    return prefixes + size * max(group.rest for group in batch)
