"""Which prompts go through a model together: those of like length, within what memory holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much goes through a model at once.

    Args:
        batch_tokens: the most prompt tokens, padding included.
        cache_tokens: the most tokens whose keys and values are in memory, those still to be written
            included; None: as many as come together.
        room: how many tokens may be added to each row.
    """

    batch_tokens: int
    cache_tokens: int | None
    room: int

    def fit(self, rows: int, longest: int) -> bool:
        """Say whether so many rows, the longest of so many tokens, go through at once."""
        whole = self.cache_tokens is None or rows * (longest + self.room) <= self.cache_tokens
        return whole and rows * longest <= self.batch_tokens

    def batches(
        self, groups: Sequence[Sequence[int]], lengths: Sequence[int]
    ) -> Iterator[list[int]]:
        """Yield the rows of each batch, the longest first.

        Args:
            groups: rows that stay together.
            lengths: the tokens of each row.
        """
        batch: list[int] = []
        longest = 0
        for group in sorted(groups, key=lambda g: (-max(lengths[i] for i in g), g[0])):
            longest = longest or max(lengths[i] for i in group)
            if batch and not self.fit(len(batch) + len(group), longest):
                yield batch
                batch, longest = [], max(lengths[i] for i in group)
            batch.extend(group)
        if batch:
            yield batch
